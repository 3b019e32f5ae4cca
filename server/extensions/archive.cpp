#include "server/extensions/archive.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>
#include <utility>

#include <archive.h>
#include <archive_entry.h>

namespace quorate::extensions {

namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;
constexpr std::size_t kNameBytesMax = 200;
constexpr std::string_view kSuffix = ".so";

tl::unexpected<Error> refuse(std::string message) { return fail(ErrorKind::kInvalidArgument, std::move(message)); }

struct Free {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, Free>;

std::string problem_of(archive* reader) {
  const char* const text = archive_error_string(reader);
  return text != nullptr ? text : "it is damaged";
}

Result<Reader> open_archive(const std::string& file) {
  Reader reader(archive_read_new());
  const bool is_ready = reader != nullptr && archive_read_support_filter_gzip(reader.get()) == ARCHIVE_OK &&
                        archive_read_support_format_tar(reader.get()) == ARCHIVE_OK &&
                        archive_read_support_format_zip(reader.get()) == ARCHIVE_OK;
  if (!is_ready) return fail(ErrorKind::kUnsupported, "this build of libarchive reads no zip or no tar.gz files");
  if (archive_read_open_filename(reader.get(), file.c_str(), kReadBytes) != ARCHIVE_OK)
    return refuse(file + ": " + problem_of(reader.get()));
  return reader;
}

/// Archives of a directory have it as "./" in front of every name.
std::string name_in(archive_entry* entry) {
  const char* const path = archive_entry_pathname(entry);
  std::string name = path != nullptr ? path : "";
  while (name.starts_with("./")) name.erase(0, 2);
  return name;
}

Result<void> write_entry(archive* reader, const std::string& where, const std::string& to, Allowance& allowance) {
  std::ofstream out(to, std::ios::binary | std::ios::trunc);
  if (!out) return fail(ErrorKind::kIo, "cannot create " + to + ": " + std::generic_category().message(errno));
  std::array<char, kReadBytes> piece;
  while (true) {
    const la_ssize_t count = archive_read_data(reader, piece.data(), piece.size());
    if (count < 0) return refuse(where + ": " + problem_of(reader));
    if (count == 0) break;
    if (static_cast<std::uint64_t>(count) > allowance.bytes)
      return refuse(where + ": the extensions are larger than " + std::to_string(kBytesMax >> 20) + " MiB together");
    allowance.bytes -= static_cast<std::uint64_t>(count);
    out.write(piece.data(), count);
  }
  out.close();
  if (!out) return fail(ErrorKind::kIo, "cannot write " + to + ": " + std::generic_category().message(errno));
  return {};
}

}  // namespace

bool is_extension_name(const std::string& name) {
  const auto is_plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.' || c == '+';
  };
  return name.size() > kSuffix.size() && name.size() <= kNameBytesMax && name.ends_with(kSuffix) &&
         !name.starts_with('.') && std::ranges::all_of(name, is_plain);
}

Result<bool> is_archive(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return refuse("cannot open " + file + ": " + std::generic_category().message(errno));
  std::string begin(4, '\0');
  stream.read(begin.data(), 4);
  if (stream.bad()) return refuse("cannot read " + file + ": " + std::generic_category().message(errno));
  return begin.starts_with("PK\x03\x04") || begin.starts_with("\x1f\x8b");
}

Result<std::vector<std::string>> unpack(const std::string& file, const std::string& directory, Allowance& allowance) {
  const auto reader = open_archive(file);
  if (!reader) return tl::unexpected(reader.error());
  std::vector<std::string> names;
  for (std::size_t entries = 0;; ++entries) {
    archive_entry* entry = nullptr;
    const int code = archive_read_next_header(reader->get(), &entry);
    if (code == ARCHIVE_EOF) return names;
    if (code != ARCHIVE_OK) return refuse(file + ": " + problem_of(reader->get()));
    if (entries == kEntriesMax) return refuse(file + ": more than " + std::to_string(kEntriesMax) + " entries");
    const std::string name = name_in(entry);
    const std::string where = std::string(file).append(": \"").append(name).append("\"");
    const bool is_link = archive_entry_symlink(entry) != nullptr || archive_entry_hardlink(entry) != nullptr;
    if (is_link) return refuse(where + " is a link; pack the files themselves");
    if (archive_entry_filetype(entry) == AE_IFDIR && (name.empty() || name == ".")) continue;
    if (name.find('/') != std::string::npos || name.find("..") != std::string::npos)
      return refuse(where + " is in a directory; pack the files without any");
    if (archive_entry_filetype(entry) != AE_IFREG || !is_extension_name(name)) continue;
    if (allowance.files == 0) return refuse(where + ": more than " + std::to_string(kFilesMax) + " extensions");
    --allowance.files;
    const std::string to = std::string(directory).append("/").append(name);
    if (std::filesystem::exists(to)) return refuse(where + ": another extension has the same name");
    if (auto written = write_entry(reader->get(), where, to, allowance); !written)
      return tl::unexpected(written.error());
    names.push_back(name);
  }
}

}  // namespace quorate::extensions
