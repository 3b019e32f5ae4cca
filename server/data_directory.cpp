#include "server/data_directory.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "consensus/random.hpp"
#include "consensus/storage/file_system.hpp"

namespace quorate::server {

namespace {

constexpr const char* kFile = "node";
constexpr const char* kDraft = "node.new";
constexpr const char* kLock = "lock";
constexpr const char* kScratch = "bulk";
constexpr const char* kHeadline = "quorate node directory, format 1";
constexpr std::size_t kRecordBytesMax = 4096;

constexpr std::array<std::pair<NodeRecord::Stage, const char*>, 2> kStages{
    {{NodeRecord::Stage::kFounding, "founding"}, {NodeRecord::Stage::kMember, "member"}}};

std::string print(const NodeRecord& record) {
  const auto stage = std::ranges::find(kStages, record.stage, &decltype(kStages)::value_type::first);
  return fmt::format("{}\nid {}\ncluster {:016x}\nstage {}\nend\n", kHeadline, record.name, record.cluster.value,
                     stage->second);
}

std::optional<NodeRecord> parse(const std::string& text) {
  std::istringstream lines(text);
  std::string headline;
  std::string name;
  std::string cluster;
  std::string stage;
  std::string end;
  std::getline(lines, headline);
  std::getline(lines, name);
  std::getline(lines, cluster);
  std::getline(lines, stage);
  std::getline(lines, end);
  const bool has_all = headline == kHeadline && name.starts_with("id ") && cluster.starts_with("cluster ") &&
                       stage.starts_with("stage ") && end == "end";
  if (!has_all) return std::nullopt;
  NodeRecord record{.name = name.substr(3)};
  const std::string digits = cluster.substr(8);
  const auto number = std::from_chars(digits.data(), digits.data() + digits.size(), record.cluster.value, 16);
  const auto known = std::ranges::find(kStages, stage.substr(6), &decltype(kStages)::value_type::second);
  if (number.ec != std::errc() || known == kStages.end()) return std::nullopt;
  record.stage = known->first;
  return record;
}

}  // namespace

NodeId id_of(const std::string& name) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a, whose bits are then spread
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return NodeId{std::max<std::uint64_t>(mix_bits(hash), 1)};
}

Result<DataDirectory> DataDirectory::open(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail(ErrorKind::kIo, "cannot create the data directory " + path + ": " + error.message());
  auto files = storage::PosixFiles::below(path);
  if (!files) return tl::unexpected(files.error());
  if (auto locked = files->lock(kLock); !locked) {
    if (locked.error().kind != ErrorKind::kLocked) return tl::unexpected(locked.error());
    return fail(ErrorKind::kLocked, "another process uses the data directory " + path + "; stop it, or name another");
  }
  return DataDirectory(path, std::move(*files));
}

Result<std::optional<NodeRecord>> DataDirectory::record() {
  auto file = files_.open(kFile, storage::OpenMode::kReadOnly);
  if (!file && file.error().kind != ErrorKind::kNotFound) return tl::unexpected(file.error());
  if (!file) {
    auto names = files_.list("");
    if (!names) return tl::unexpected(names.error());
    std::erase_if(*names, [](const std::string& name) {
      return name == kLock || name == kDraft || name == kScratch || name == kExtensionsDirectory;
    });
    if (names->empty()) return std::optional<NodeRecord>();
    return fail(ErrorKind::kInvalidArgument, path_ + " holds \"" + names->front() + "\" and no node: name an empty " +
                                                 "directory, or that of a node");
  }
  std::vector<std::byte> bytes(kRecordBytesMax);
  const auto count = file->read(0, bytes);
  if (!count) return tl::unexpected(count.error());
  auto record = parse(std::string(reinterpret_cast<const char*>(bytes.data()), *count));
  if (record) return record;
  return fail(ErrorKind::kCorrupt, path_ + "/" + kFile + " is damaged or of a version that this build does not know; " +
                                       "if the node is to be given up, let it join again with an empty directory");
}

Result<void> DataDirectory::set_record(const NodeRecord& record) {
  const std::string text = print(record);
  {
    auto file = files_.open(kDraft, storage::OpenMode::kCreate);
    if (!file) return tl::unexpected(file.error());
    if (auto written = file->write(0, std::as_bytes(std::span(text))); !written) return written;
    if (auto synced = file->sync(); !synced) return synced;
  }
  if (auto renamed = files_.rename(kDraft, kFile); !renamed) return renamed;
  return files_.sync_directory("");
}

}  // namespace quorate::server
