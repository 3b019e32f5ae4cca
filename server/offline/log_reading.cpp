#include "server/offline/log_reading.hpp"

#include <span>
#include <utility>

#include "consensus/storage/segment.hpp"

namespace quorate::server {

using storage::LogScanner;
using storage::SegmentFiles;
using storage::SegmentNumber;
using storage::StoreIdentity;

namespace {

constexpr const char* kBeyondRepair = "; remove the node's directory and let it join the cluster anew";

Result<void> read_identity(ShadowFiles& files, LogReading& reading) {
  const std::string path = std::string(kLogDirectory) + "/identity";
  auto file = files.open(path, storage::OpenMode::kReadOnly);
  if (!file && file.error().kind == ErrorKind::kNotFound) {
    return fail(ErrorKind::kNotFound, path + " does not exist: this node never got as far as having a log");
  }
  if (!file) return tl::unexpected(file.error());
  bool is_known = false;
  for (const std::uint64_t slot : {0U, 1U}) {
    std::array<std::byte, storage::kIdentitySlotBytes> bytes{};
    if (auto count = file->read(slot * storage::kIdentitySlotStride, bytes); !count) {
      return tl::unexpected(count.error());
    }
    const auto identity = storage::decode_identity(bytes);
    if (!identity && identity.error().kind == ErrorKind::kUnsupported) return tl::unexpected(identity.error());
    reading.identity_slot_is_whole[slot] = identity.has_value();
    if (identity && (!is_known || identity->boot > reading.identity.boot)) reading.identity = *identity;
    is_known = is_known || identity.has_value();
  }
  if (!is_known) return fail(ErrorKind::kCorrupt, path + ": both copies are damaged" + kBeyondRepair);
  return {};
}

}  // namespace

Result<LogReading> read_log(ShadowFiles& files, ClusterId cluster, NodeId node, storage::ScanDepth depth) {
  LogReading reading;
  if (auto read = read_identity(files, reading); !read) return tl::unexpected(read.error());
  const StoreIdentity& identity = reading.identity;
  if (identity.cluster != cluster || identity.node != node) {
    return fail(ErrorKind::kInvalidArgument,
                "the log belongs to " + storage::describe_owner(identity.cluster, identity.node) + ", not to " +
                    storage::describe_owner(cluster, node) + ": the directory was put together from several nodes");
  }
  SegmentFiles<ShadowFiles> segments(files, kLogDirectory, 0, 0);
  auto numbers = segments.list();
  if (!numbers) return tl::unexpected(numbers.error());
  LogScanner scanner(identity, depth);
  std::vector<std::byte> buffer;
  for (const SegmentNumber number : *numbers) {
    auto content = segments.read(number, std::move(buffer));
    if (!content) return tl::unexpected(content.error());
    reading.segments.push_back({number, content->size()});
    reading.bytes += content->size();
    buffer = scanner.add(number, std::move(*content));
  }
  reading.scanned = std::move(scanner).finish();
  reading.scanned.recovered.incarnation = identity.incarnation;
  reading.scanned.recovered.boot = identity.boot;
  for (const char* name : {"spare", "reserve"}) {
    auto file = files.open(std::string(kLogDirectory) + "/" + name, storage::OpenMode::kReadOnly);
    if (const auto size = file.and_then([](const ShadowFile& found) { return found.size(); })) reading.bytes += *size;
  }
  if (reading.scanned.is_empty && identity.boot != Boot{}) {
    return fail(ErrorKind::kCorrupt, "the log was in use, but nothing of it can be read" + std::string(kBeyondRepair));
  }
  return reading;
}

}  // namespace quorate::server
