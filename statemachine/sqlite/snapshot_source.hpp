// A snapshot of the page store that is being sent: the applied version, pinned, as the stream of snapshot_stream.hpp.
// Nothing is copied or written for it; the stream is made while it is read, a group of pages at a time, and where every
// group begins follows from the page tables alone, so that a transfer can go on in the middle.
//
// Threads: open() and the destructor on any; read() on one thread at a time, which may be another one. The store
// outlives the source. A source keeps the versions of pages that it needs from being dropped: it should not live
// longer than the transfer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "statemachine/sqlite/page_store.hpp"
#include "statemachine/sqlite/snapshot_stream.hpp"

namespace quorate::sqlite {

class SnapshotSource {
 public:
  /// Pins what is applied now. `application` is the application's state as of the same entry. With base 0 the stream
  /// holds everything, otherwise what is not in a state that has all entries up to `base`, and none after last().
  /// kInvalidArgument if nothing is applied behind `base`.
  static Result<std::unique_ptr<SnapshotSource>> open(PageStore& store, std::vector<std::byte> application, Index base);

  [[nodiscard]] LogId last() const { return pin_.last(); }
  [[nodiscard]] Index base() const { return base_; }

  /// Up to `bytes_max` (more than 0) of the stream; fewer only at its end. The same bytes for the same offset, every
  /// time, also after the process was restarted. Reading on is cheap, jumping ahead costs a walk through the page
  /// tables. kOverloaded: the pinned version was given up for room; kCorrupt: a page is damaged here.
  Result<SnapshotPiece> read(std::uint64_t offset, std::size_t bytes_max);

 private:
  /// A stretch of the stream.
  struct Section {
    enum class Kind : std::uint8_t { kHead, kGroup, kEnd } kind = Kind::kHead;
    std::uint64_t offset = 0;
    std::size_t database = 0;  ///< of a group: in databases_
    PageNumber from;           ///< of a group: where looking for its pages begins
  };

  SnapshotSource(PageStore& store, Pin pin, Index base) : store_(&store), pin_(std::move(pin)), base_(base) {}

  [[nodiscard]] bool is_walked() const;
  /// The section that `offset` is in; their number if it is behind the end.
  Result<std::size_t> find(std::uint64_t offset);
  /// Finds the section behind the known ones.
  Result<void> walk_on();
  Result<SnapshotGroup> collect(const DatabaseRecord& record, PageNumber& cursor) const;
  [[nodiscard]] bool take(PageNumber page, TableEntry entry, SnapshotGroup& group) const;
  /// Makes the bytes of a section.
  Result<void> load(std::size_t section);
  Result<void> load_group(const SnapshotGroup& group);

  PageStore* store_;
  Pin pin_;
  const Index base_;
  std::vector<DatabaseRecord> databases_;
  std::vector<std::byte> head_;

  std::vector<Section> sections_;  ///< as far as they are known; ascending
  std::uint64_t known_end_ = 0;    ///< of the last known section
  std::size_t next_database_ = 0;  ///< where the section behind it is looked for
  PageNumber next_page_{1};

  SnapshotGroup walked_;  ///< of the last known section, if that is a group

  std::optional<std::size_t> loaded_;
  std::vector<std::byte> loaded_bytes_;
};

}  // namespace quorate::sqlite
