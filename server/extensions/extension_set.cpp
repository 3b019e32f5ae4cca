#include "server/extensions/extension_set.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include <sqlite3.h>

#include "server/extensions/archive.hpp"

namespace quorate::extensions {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kSourcesMax = 64;

tl::unexpected<Error> refuse(std::string message) { return fail(ErrorKind::kInvalidArgument, std::move(message)); }

class Collector {
 public:
  explicit Collector(std::string directory) : directory_(std::move(directory)) {}

  Result<void> add(const std::string& source) {
    std::error_code error;
    const fs::file_status status = fs::status(source, error);
    if (!fs::exists(status)) return refuse(source + ": there is no such file or directory");
    if (fs::is_directory(status)) return add_directory(source);
    if (!fs::is_regular_file(status)) return refuse(source + " is neither a file nor a directory");
    return add_file(source);
  }

  std::vector<std::string> names() && {
    std::ranges::sort(names_);
    return std::move(names_);
  }

 private:
  Result<void> add_directory(const std::string& source) {
    std::error_code error;
    std::vector<std::string> found;
    for (fs::directory_iterator entry(source, error), end; !error && entry != end; entry.increment(error)) {
      if (found.size() == kEntriesMax) return refuse(source + ": more than " + std::to_string(kEntriesMax) + " files");
      if (!entry->is_regular_file(error)) continue;
      const std::string name = entry->path().filename().string();
      const bool may_be =
          is_extension_name(name) || name.ends_with(".zip") || name.ends_with(".tar.gz") || name.ends_with(".tgz");
      if (may_be) found.push_back(entry->path().string());
    }
    if (error) return refuse("cannot read the directory " + source + ": " + error.message());
    if (found.empty()) return refuse(source + " holds no extension: no file named *.so, *.zip or *.tar.gz");
    std::ranges::sort(found);
    for (const std::string& file : found)
      if (auto added = add_file(file); !added) return added;
    return {};
  }

  Result<void> add_file(const std::string& source) {
    const auto archived = is_archive(source);
    if (!archived) return tl::unexpected(archived.error());
    if (!*archived) return add_library(source);
    auto unpacked = unpack(source, directory_, allowance_);
    if (!unpacked) return tl::unexpected(unpacked.error());
    if (unpacked->empty()) return refuse(source + " holds no extension: no file named *.so");
    std::ranges::move(*unpacked, std::back_inserter(names_));
    return {};
  }

  Result<void> add_library(const std::string& source) {
    const std::string name = fs::path(source).filename().string();
    if (!is_extension_name(name))
      return refuse(source + " is no extension: neither a file named *.so nor a zip or tar.gz file");
    const std::string to = directory_ + "/" + name;
    if (fs::exists(to)) return refuse(source + ": another extension has the same name");
    std::error_code error;
    const std::uintmax_t bytes = fs::file_size(source, error);
    if (!error && (bytes > allowance_.bytes || allowance_.files == 0))
      return refuse(source + ": more than " + std::to_string(kFilesMax) + " extensions, or larger than " +
                    std::to_string(kBytesMax >> 20) + " MiB together");
    if (!error) fs::copy_file(source, to, error);
    if (error) return refuse("cannot copy " + source + " to " + to + ": " + error.message());
    allowance_.bytes -= bytes;
    --allowance_.files;
    names_.push_back(name);
    return {};
  }

  std::string directory_;
  Allowance allowance_;
  std::vector<std::string> names_;
};

std::vector<std::string> parts_of(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    if (end > 0) parts.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return parts;
}

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};

}  // namespace

std::vector<std::string> ExtensionSet::files() const {
  std::vector<std::string> files;
  files.reserve(names.size());
  for (const std::string& name : names) files.push_back(directory + "/" + name);
  return files;
}

Result<ExtensionSet> install(const std::string& sources, const std::string& directory) {
  std::error_code error;
  fs::remove_all(directory, error);
  if (error) return fail(ErrorKind::kIo, "cannot empty " + directory + ": " + error.message());
  const std::vector<std::string> parts = parts_of(sources);
  if (parts.empty()) return ExtensionSet{};
  if (parts.size() > kSourcesMax) return refuse("more than " + std::to_string(kSourcesMax) + " files and directories");
  const std::string absolute = fs::absolute(directory, error).string();
  if (!error) fs::create_directories(absolute, error);
  if (error) return fail(ErrorKind::kIo, "cannot create " + directory + ": " + error.message());
  Collector collector(absolute);
  for (const std::string& part : parts)
    if (auto added = collector.add(part); !added) return tl::unexpected(added.error());
  return ExtensionSet{.directory = absolute, .names = std::move(collector).names()};
}

Result<void> try_out(const ExtensionSet& set) {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open(":memory:", &opened);
  const std::unique_ptr<sqlite3, Close> database(opened);
  if (code != SQLITE_OK) return fail(ErrorKind::kIo, "cannot open a database in memory");
  sqlite3_db_config(database.get(), SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  for (const std::string& file : set.files()) {
    char* message = nullptr;
    const int loaded = sqlite3_load_extension(database.get(), file.c_str(), nullptr, &message);
    const std::string reason = message != nullptr ? message : sqlite3_errstr(loaded);
    sqlite3_free(message);
    if (loaded != SQLITE_OK)
      return refuse(std::string("the extension ")
                        .append(file)
                        .append(" cannot be loaded: ")
                        .append(reason)
                        .append("; is it a SQLite extension, built for this machine?"));
  }
  return {};
}

}  // namespace quorate::extensions
