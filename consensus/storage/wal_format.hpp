// The bytes of the write-ahead log, shared by its writer (wal.hpp) and its reader (log_scanner.hpp), and specified with
// an example in docs/formats/wal.md. Everything is little endian; stored checksums are masked CRC-32C.
//
// A log directory holds `identity`, `lock`, segments `log-<16 hex digits>`, and two preallocated files, `spare` and
// `reserve`. A segment is a sequence of blocks: one with the segment header, then groups, each of which begins on a
// block boundary and is padded to the next with zeros. A group is what one write and one sync made durable:
//
//   header | directory: one item per record | bodies | copy of the directory of the group before | padding
//
// A mark has the form of a group without items, and is written when there is nothing else to do: it says that the last
// group was durable, and repeats its directory. It is not synced and does not count; the next group takes its place.
//
// Invariants:
//   W1  A group is written only when the one before it is durable, and says so (`synced`). So a group that cannot be
//   read
//       is damage if any later group can be, and the torn tail of a crash if none can.
//   W2  Ids and checksums of entries are in the directory, and again in the next group, apart from the bodies: neither
//   a
//       lost block of bodies nor one of a directory loses the id of an entry.
//   W3  Every group header restates what the log was before it (LogState), so that older segments can be deleted and
//   what
//       lies behind a hole can be understood.
//   W4  A group names its place (segment, offset), its predecessor (checksum) and the process that wrote it (boot), so
//       that stale, misdirected and resurrected groups are not mistaken for the present one. The store's secret salt
//       keeps a client's bytes from posing as a group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "consensus/effect.hpp"
#include "consensus/entry.hpp"
#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "consensus/wire/crc32c.hpp"

namespace quorate::storage {

inline constexpr std::uint32_t kWalVersion = 1;

using SegmentNumber = StrongNumber<struct SegmentNumberTag>;
/// Counts groups from 1, over all segments.
using GroupSequence = StrongNumber<struct GroupSequenceTag>;

inline constexpr std::size_t kIdentitySlotBytes = 64;
/// The identity file has two slots, in different blocks of any disk; the boot number decides which is the newer.
inline constexpr std::uint64_t kIdentitySlotStride = 4096;
inline constexpr std::size_t kSegmentHeaderBytes = 104;
inline constexpr std::size_t kGroupHeaderBytes = 152;
inline constexpr std::size_t kItemBytes = 40;
inline constexpr std::uint32_t kBlockBytesMin = 512;
inline constexpr std::uint32_t kBlockBytesMax = 65536;
inline constexpr std::uint64_t kGroupBytesMax = std::uint64_t{1} << 30;

static_assert(kSegmentHeaderBytes <= kBlockBytesMin && kGroupHeaderBytes <= kBlockBytesMin);

/// Whose log this is.
struct StoreIdentity {
  ClusterId cluster;
  NodeId node;
  Incarnation incarnation;
  Boot boot;  ///< of the last process that opened the store
  std::uint64_t salt = 0;
  std::uint32_t block_bytes = 4096;

  friend bool operator==(const StoreIdentity&, const StoreIdentity&) = default;
};

/// What a log amounts to at one point of its history.
struct LogState {
  LogId base;  ///< everything up to it is covered by a snapshot
  LogId last;  ///< the last entry, or `base`
  HardState hard_state;
  /// Index 0, or: ids up to this one were lost to damage, so that promises made for them are not known any more, until
  /// the log has grown as far again.
  LogId lost;

  friend bool operator==(const LogState&, const LogState&) = default;
};

enum class ItemType : std::uint8_t { kEntry = 1, kRepair = 2, kHardState = 3, kTruncate = 4, kReset = 5, kCompact = 6 };

/// A record without its body.
struct Item {
  ItemType type = ItemType::kHardState;
  EntryKind kind = EntryKind::kNoop;
  bool is_absent = false;  ///< the entry was stored without its body, on purpose
  std::uint32_t body_bytes = 0;
  std::uint32_t body_checksum = 0;
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  std::uint64_t third = 0;

  [[nodiscard]] static Item of_entry(ItemType type, const Entry& entry);
  [[nodiscard]] static Item of(const HardState& state);
  [[nodiscard]] static Item of(ItemType type, LogId id);

  /// Of entries, repairs, resets and compactions; the index also of truncations.
  [[nodiscard]] LogId id() const { return {Term{first}, Index{second}}; }
  [[nodiscard]] HardState hard_state() const { return {Term{first}, NodeId{second}, Index{third}}; }
  [[nodiscard]] Entry entry(Payload body) const {
    return {Term{first}, Index{second}, kind, LogTime{third}, std::move(body)};
  }

  friend bool operator==(const Item&, const Item&) = default;
};
using Directory = std::vector<Item>;

struct SegmentHeader {
  SegmentNumber segment;
  GroupSequence first_group;
  LogState state;  ///< before the first group

  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

struct GroupHeader {
  bool is_mark = false;
  SegmentNumber segment;
  std::uint64_t offset = 0;
  GroupSequence sequence;  ///< of a mark: that of the group to come
  GroupSequence synced;    ///< all groups up to it were durable when this one was written
  Boot boot;
  std::uint32_t previous = 0;      ///< the header checksum of the group before; 0 before the first
  std::uint32_t items = 0;         ///< in the directory
  std::uint32_t copied_items = 0;  ///< in the copy of the directory before
  std::uint32_t directory_checksum = 0;
  std::uint32_t copy_checksum = 0;
  std::uint32_t body_bytes = 0;
  LogState state;  ///< before this group

  // Relative to the group.
  [[nodiscard]] std::uint64_t bodies_offset() const { return kGroupHeaderBytes + std::uint64_t{items} * kItemBytes; }
  [[nodiscard]] std::uint64_t copy_offset() const { return bodies_offset() + body_bytes; }
  /// Without padding.
  [[nodiscard]] std::uint64_t bytes() const { return copy_offset() + std::uint64_t{copied_items} * kItemBytes; }

  friend bool operator==(const GroupHeader&, const GroupHeader&) = default;
};

/// A group header as found on disk, and the checksum by which its successor refers to it.
struct StoredGroupHeader {
  GroupHeader header;
  std::uint32_t checksum = 0;
};

[[nodiscard]] constexpr std::uint64_t round_up(std::uint64_t bytes, std::uint32_t block_bytes) {
  return (bytes + block_bytes - 1) / block_bytes * block_bytes;
}

[[nodiscard]] inline std::uint32_t checksum_of(std::span<const std::byte> bytes) {
  return wire::masked(wire::crc32c(bytes));
}

/// "node 3 of cluster 00c0ffee00c0ffee"
[[nodiscard]] std::string describe_owner(ClusterId cluster, NodeId node);

void encode(const StoreIdentity& identity, std::span<std::byte, kIdentitySlotBytes> out);
/// kCorrupt if the slot is damaged, kUnsupported if another version of this program wrote it.
[[nodiscard]] Result<StoreIdentity> decode_identity(std::span<const std::byte, kIdentitySlotBytes> slot);

void encode(const SegmentHeader& header, std::uint64_t salt, std::span<std::byte, kSegmentHeaderBytes> out);
/// Nothing if the bytes are not the header of this segment.
[[nodiscard]] std::optional<SegmentHeader> decode_segment_header(std::span<const std::byte> segment,
                                                                 SegmentNumber number, std::uint64_t salt);

/// Returns the checksum by which the next group refers to this one.
std::uint32_t encode(const GroupHeader& header, std::uint64_t salt, std::span<std::byte, kGroupHeaderBytes> out);
/// Nothing if there is no group of this store at `offset` of the segment, or not room for all of it.
[[nodiscard]] std::optional<StoredGroupHeader> decode_group_header(std::span<const std::byte> segment,
                                                                   SegmentNumber number, std::uint64_t offset,
                                                                   std::uint64_t salt);

void encode(const Item& item, std::span<std::byte, kItemBytes> out);
/// Nothing if the checksum does not match. `bytes` is a whole number of items.
[[nodiscard]] std::optional<Directory> decode_directory(std::span<const std::byte> bytes, std::uint32_t checksum);

[[nodiscard]] std::string segment_name(SegmentNumber number);
[[nodiscard]] std::optional<SegmentNumber> parse_segment_name(const std::string& name);

}  // namespace quorate::storage
