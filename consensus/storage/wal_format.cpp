#include "consensus/storage/wal_format.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "consensus/wire/little_endian.hpp"

namespace quorate::storage {
namespace {

constexpr std::uint64_t kIdentityMagic = 0x474f4c45524f5551;  // "QUORELOG"
constexpr std::uint32_t kSegmentMagic = 0x47455351;           // "QSEG"
constexpr std::uint32_t kGroupMagic = 0x50524751;             // "QGRP"
constexpr std::uint32_t kMarkMagic = 0x4b524d51;              // "QMRK"
/// Segment and group headers begin with a magic number and the checksum of what follows it.
constexpr std::size_t kCheckedFrom = 8;
constexpr std::size_t kIdentityChecksumAt = 12;
constexpr std::string_view kSegmentPrefix = "log-";
constexpr std::size_t kSegmentDigits = 16;

/// Puts fields one after the other.
class Writer {
 public:
  explicit Writer(std::span<std::byte> out) : out_(out) {}
  template <std::unsigned_integral T>
  Writer& operator<<(T number) {
    wire::store_little_endian(out_.subspan(at_, sizeof(T)).data(), number);
    at_ += sizeof(T);
    return *this;
  }
  template <class Tag>
  Writer& operator<<(StrongNumber<Tag> number) {
    return *this << number.value;
  }
  Writer& operator<<(LogId id) { return *this << id.term << id.index; }
  Writer& operator<<(const LogState& state) {
    return *this << state.base << state.last << state.hard_state.term << state.hard_state.voted_for
                 << state.hard_state.commit << state.lost;
  }
  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  std::span<std::byte> out_;
  std::size_t at_ = 0;
};

/// Takes them out again.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> in) : in_(in) {}
  template <std::unsigned_integral T>
  Reader& operator>>(T& number) {
    number = wire::load_little_endian<T>(in_.subspan(at_, sizeof(T)).data());
    at_ += sizeof(T);
    return *this;
  }
  template <class Tag>
  Reader& operator>>(StrongNumber<Tag>& number) {
    return *this >> number.value;
  }
  Reader& operator>>(LogId& id) { return *this >> id.term >> id.index; }
  Reader& operator>>(LogState& state) {
    return *this >> state.base >> state.last >> state.hard_state.term >> state.hard_state.voted_for >>
           state.hard_state.commit >> state.lost;
  }

 private:
  std::span<const std::byte> in_;
  std::size_t at_ = 0;
};

std::uint32_t identity_checksum(std::span<const std::byte, kIdentitySlotBytes> slot) {
  return wire::masked(
      wire::crc32c(slot.subspan(kIdentityChecksumAt + 4), wire::crc32c(slot.first(kIdentityChecksumAt))));
}

template <std::size_t N>
std::uint32_t seal(std::uint32_t magic, std::span<std::byte, N> header) {
  const std::uint32_t checksum = checksum_of(header.subspan(kCheckedFrom));
  Writer(header) << magic << checksum;
  return checksum;
}

/// The checksum of a header that has the right magic number, checksum and salt.
std::optional<std::uint32_t> check(std::uint32_t magic, std::span<const std::byte> header, std::uint64_t salt) {
  std::uint32_t found_magic = 0;
  std::uint32_t checksum = 0;
  std::uint64_t found_salt = 0;
  Reader(header) >> found_magic >> checksum >> found_salt;
  if (found_magic != magic || found_salt != salt) return std::nullopt;
  if (checksum_of(header.subspan(kCheckedFrom)) != checksum) return std::nullopt;
  return checksum;
}

}  // namespace

Item Item::of_entry(ItemType type, const Entry& entry) {
  Item item{.type = type, .kind = entry.kind, .is_absent = entry.payload.is_absent()};
  item.body_bytes = static_cast<std::uint32_t>(entry.payload.size());
  item.body_checksum = checksum_of(entry.payload.bytes());
  item.first = entry.term.value;
  item.second = entry.index.value;
  item.third = entry.time.value;
  return item;
}

Item Item::of(const HardState& state) {
  return {.type = ItemType::kHardState,
          .first = state.term.value,
          .second = state.voted_for.value,
          .third = state.commit.value};
}

Item Item::of(ItemType type, LogId id) { return {.type = type, .first = id.term.value, .second = id.index.value}; }

std::string describe_owner(ClusterId cluster, NodeId node) {
  return fmt::format("node {} of cluster {:016x}", node.value, cluster.value);
}

void encode(const StoreIdentity& identity, std::span<std::byte, kIdentitySlotBytes> out) {
  Writer(out) << kIdentityMagic << kWalVersion << std::uint32_t{0} << identity.cluster << identity.node
              << identity.incarnation << identity.boot << identity.salt << identity.block_bytes << std::uint32_t{0};
  wire::store_little_endian(&out[kIdentityChecksumAt], identity_checksum(out));
}

Result<StoreIdentity> decode_identity(std::span<const std::byte, kIdentitySlotBytes> slot) {
  std::uint64_t magic = 0;
  std::uint32_t version = 0;
  std::uint32_t checksum = 0;
  std::uint32_t unused = 0;
  StoreIdentity identity;
  Reader(slot) >> magic >> version >> checksum >> identity.cluster >> identity.node >> identity.incarnation >>
      identity.boot >> identity.salt >> identity.block_bytes >> unused;
  if (magic != kIdentityMagic || checksum != identity_checksum(slot)) {
    return fail(ErrorKind::kCorrupt, "the identity of the log directory is damaged");
  }
  if (version != kWalVersion) {
    return fail(
        ErrorKind::kUnsupported,
        fmt::format("the log directory has format version {}, this build reads version {}; use a build that knows it",
                    version, kWalVersion));
  }
  if (identity.block_bytes < kBlockBytesMin || identity.block_bytes > kBlockBytesMax) {
    return fail(ErrorKind::kCorrupt, fmt::format("the log directory claims blocks of {} bytes", identity.block_bytes));
  }
  return identity;
}

void encode(const SegmentHeader& header, std::uint64_t salt, std::span<std::byte, kSegmentHeaderBytes> out) {
  Writer(out.subspan(kCheckedFrom)) << salt << header.segment << header.first_group << header.state;
  seal(kSegmentMagic, out);
}

std::optional<SegmentHeader> decode_segment_header(std::span<const std::byte> segment, SegmentNumber number,
                                                   std::uint64_t salt) {
  if (segment.size() < kSegmentHeaderBytes) return std::nullopt;
  const auto bytes = segment.first(kSegmentHeaderBytes);
  if (!check(kSegmentMagic, bytes, salt)) return std::nullopt;
  SegmentHeader header;
  Reader(bytes.subspan(kCheckedFrom + 8)) >> header.segment >> header.first_group >> header.state;
  if (header.segment != number) return std::nullopt;
  return header;
}

std::uint32_t encode(const GroupHeader& header, std::uint64_t salt, std::span<std::byte, kGroupHeaderBytes> out) {
  Writer(out.subspan(kCheckedFrom)) << salt << header.segment << header.offset << header.sequence << header.synced
                                    << header.boot << header.previous << header.items << header.copied_items
                                    << header.directory_checksum << header.copy_checksum << header.body_bytes
                                    << header.state;
  return seal(header.is_mark ? kMarkMagic : kGroupMagic, out);
}

std::optional<StoredGroupHeader> decode_group_header(std::span<const std::byte> segment, SegmentNumber number,
                                                     std::uint64_t offset, std::uint64_t salt) {
  if (offset > segment.size() || segment.size() - offset < kGroupHeaderBytes) return std::nullopt;
  const auto bytes = segment.subspan(offset, kGroupHeaderBytes);
  GroupHeader header;
  header.is_mark = wire::load_little_endian<std::uint32_t>(bytes.data()) == kMarkMagic;
  const auto checksum = check(header.is_mark ? kMarkMagic : kGroupMagic, bytes, salt);
  if (!checksum) return std::nullopt;
  Reader(bytes.subspan(kCheckedFrom + 8)) >> header.segment >> header.offset >> header.sequence >> header.synced >>
      header.boot >> header.previous >> header.items >> header.copied_items >> header.directory_checksum >>
      header.copy_checksum >> header.body_bytes >> header.state;
  if (header.segment != number || header.offset != offset) return std::nullopt;
  if (header.bytes() > segment.size() - offset) return std::nullopt;
  return StoredGroupHeader{header, *checksum};
}

void encode(const Item& item, std::span<std::byte, kItemBytes> out) {
  Writer(out) << static_cast<std::uint8_t>(item.type) << static_cast<std::uint8_t>(item.kind)
              << static_cast<std::uint8_t>(item.is_absent) << std::uint8_t{0} << item.body_bytes << item.body_checksum
              << std::uint32_t{0} << item.first << item.second << item.third;
}

std::optional<Directory> decode_directory(std::span<const std::byte> bytes, std::uint32_t checksum) {
  QUORATE_ASSERT(bytes.size() % kItemBytes == 0);
  if (checksum_of(bytes) != checksum) return std::nullopt;
  Directory directory(bytes.size() / kItemBytes);
  Reader reader(bytes);
  for (Item& item : directory) {
    std::uint8_t type = 0;
    std::uint8_t kind = 0;
    std::uint8_t is_absent = 0;
    std::uint8_t unused = 0;
    std::uint32_t unused_too = 0;
    reader >> type >> kind >> is_absent >> unused >> item.body_bytes >> item.body_checksum >> unused_too >>
        item.first >> item.second >> item.third;
    // The checksum vouches for the bytes; a value that no version 1 writes can only be a defect of a writer.
    if (type < static_cast<std::uint8_t>(ItemType::kEntry) || type > static_cast<std::uint8_t>(ItemType::kCompact))
      return std::nullopt;
    if (kind > static_cast<std::uint8_t>(EntryKind::kConfiguration)) return std::nullopt;
    item.type = static_cast<ItemType>(type);
    item.kind = static_cast<EntryKind>(kind);
    item.is_absent = is_absent != 0;
  }
  return directory;
}

std::string segment_name(SegmentNumber number) {
  return fmt::format("{}{:0{}x}", kSegmentPrefix, number.value, kSegmentDigits);
}

std::optional<SegmentNumber> parse_segment_name(const std::string& name) {
  if (!name.starts_with(kSegmentPrefix) || name.size() != kSegmentPrefix.size() + kSegmentDigits) return std::nullopt;
  SegmentNumber number;
  const char* const end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + kSegmentPrefix.size(), end, number.value, 16);
  if (parsed.ec != std::errc{} || parsed.ptr != end || segment_name(number) != name) return std::nullopt;
  return number;
}

}  // namespace quorate::storage
