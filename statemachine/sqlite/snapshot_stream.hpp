// The bytes of a snapshot of the page store, as they travel and as they are staged. Layout and an example in
// docs/formats/pages.md:
//
//   head:   u64 magic | u32 format (1) | u32 length of the state | u64 base | state: a superblock (superblock.hpp)
//           | u64 XXH3-64 of everything before
//   groups: u64 database > 0 | u32 entries | entries: { u64 page | u64 modified | u64 hash }... | u64 XXH3-64 of these
//           | the bytes of every page whose hash is not 0
//   end:    u64 0 | u64 groups | u64 length of the whole stream | u64 XXH3-64 of these
//
// Entries are in ascending order of (database, page). Hash 0 stands for a run of pages of zeros; `modified` is then how
// many. Every page of zeros is told, whatever changed it; every other page if it was changed behind `base`, by the
// entry `modified`. What is not told is as it was at `base`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "statemachine/sqlite/base_file.hpp"
#include "statemachine/sqlite/page.hpp"
#include "statemachine/sqlite/sequential_reader.hpp"
#include "statemachine/sqlite/superblock.hpp"

namespace quorate::sqlite {

inline constexpr std::uint32_t kSnapshotStreamFormat = 1;
/// Bounds what either side holds in memory: 4 MiB of the largest pages.
inline constexpr std::size_t kSnapshotGroupEntriesMax = 64;
inline constexpr std::size_t kSnapshotEndBytes = 4 * 8;

struct SnapshotHead {
  Index base;        ///< 0: the whole state
  Superblock state;  ///< its sequence means nothing
};
[[nodiscard]] std::vector<std::byte> encode(const SnapshotHead& head);

struct SnapshotEntry {
  PageNumber page;
  TableEntry entry;  ///< of a run of zeros: all 0
  PageCount zeros;   ///< 0 if it is a page with content

  [[nodiscard]] bool is_run() const { return entry.hash == PageHash{0}; }
};
struct SnapshotGroup {
  DatabaseId database;
  std::vector<SnapshotEntry> entries;

  /// How many bytes of the stream it takes.
  [[nodiscard]] std::size_t size(PageSize page_size) const;
};
/// All but the bytes of the pages.
[[nodiscard]] std::vector<std::byte> encode_head(const SnapshotGroup& group);
[[nodiscard]] std::vector<std::byte> encode_end(std::uint64_t groups, std::uint64_t stream_bytes);

/// Reads a stream from a file that may hold anything. Every error but kIo is the stream's fault: kCorrupt, or
/// kUnsupported if a later release made it. What has been read is as it was sent, page by page; whether it is the whole
/// state, the digest tells.
class SnapshotReader {
 public:
  /// `file` outlives the reader.
  static Result<SnapshotReader> open(const storage::AnyFile& file);

  [[nodiscard]] const SnapshotHead& head() const { return head_; }
  /// The next group; null at the end of the stream, which must be the end of the file. The group, and the bytes of
  /// its pages, are there until the next call.
  Result<const SnapshotGroup*> next();
  /// Of an entry of the present group that has content.
  [[nodiscard]] std::span<const std::byte> bytes(std::size_t entry) const;

 private:
  SnapshotReader(const storage::AnyFile& file, std::uint64_t size) : reader_(file), size_(size) {}

  Result<void> fill(std::span<std::byte> into);
  Result<void> read_head();
  Result<void> read_group_head(DatabaseId database);
  Result<void> read_pages();
  Result<void> read_end();

  SequentialReader reader_;
  std::uint64_t size_;
  SnapshotHead head_;
  std::uint64_t groups_ = 0;
  SnapshotGroup group_;
  PageSize page_size_;
  std::vector<std::byte> pages_;
  std::vector<std::size_t> places_;  ///< of an entry's page in pages_
};

}  // namespace quorate::sqlite
