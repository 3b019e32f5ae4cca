// The queue of the change feed: groups of changes that are committed and have not been delivered yet. It is a database
// of its own in the page store (kChangesDatabase), which no SQL can name: what is put into it is sealed together with
// the pages that it tells of, so that it is in the same entry, in snapshots, and on every replica.
//
// Its pages (docs/formats/changes.md), numbers little-endian:
//
//   page 1   magic (16) | u32 format | u32 first free page | u32 head page | u32 head offset | u64 head index
//            | u32 tail page
//   others   u32 next page | u32 bytes in use | u64 index of the next group | bytes
//
// From the head on, the pages that follow each other hold one stream of records: u32 length, and a group (change.hpp).
// The index of the next group counts in the tail alone. Pages behind which the head has moved are free, and used again;
// when nothing is left they are all cut off. A page number of 0 is no page.
//
//   head index <= every index in the queue < index of the next group
//
// Appending changes the tail's page, and page 1 only when the tail moves on.
//
// Threads: reading on any, as the page store. Appending and dropping belong to whoever holds the write slot.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "consensus/result.hpp"
#include "statemachine/sqlite/change.hpp"
#include "statemachine/sqlite/page.hpp"
#include "statemachine/sqlite/page_store.hpp"

namespace quorate::sqlite {

/// Where a group begins.
struct ChangePosition {
  PageNumber page;  ///< none: the queue was empty
  std::uint32_t offset = 0;
  ChangeIndex index{1};

  friend bool operator==(const ChangePosition&, const ChangePosition&) = default;
};

struct ChangeQueueState {
  ChangePosition head;
  ChangeIndex next{1};  ///< of the group that is put into it next
  PageCount pages;      ///< of the database, free ones included

  [[nodiscard]] std::uint64_t length() const { return next.value - head.index.value; }
};

/// A queue that was never used is empty. Errors as of PageStore::read, and kCorrupt if it is no queue.
[[nodiscard]] Result<ChangeQueueState> change_queue_state(const PageStore& store, const Pin& pin);

struct ChangeBatch {
  std::vector<ChangeGroup> groups;
  ChangePosition after;  ///< where the next one begins
};
struct ChangeBatchLimits {
  std::size_t groups = 0;  ///< at most
  std::size_t bytes = 0;   ///< beyond which no further group is read
};
/// What comes after `from`, which an earlier batch ended with; from the head on if that is already beyond it.
[[nodiscard]] Result<ChangeBatch> read_changes(const PageStore& store, const Pin& pin, ChangePosition from,
                                               ChangeBatchLimits limits);

/// Puts groups behind the last one; the result is a share of a transaction on top of `base`.
class ChangeAppender {
 public:
  [[nodiscard]] static Result<ChangeAppender> open(const PageStore& store, const Pin& base);

  /// What the next group has to be numbered with.
  [[nodiscard]] ChangeIndex next() const { return next_; }
  /// Errors as of PageStore::read; kDiskFull if the queue has no page numbers left. Nothing more is to be done then.
  Result<void> append(std::span<const std::byte> group);
  [[nodiscard]] DatabaseWrite finish();

 private:
  ChangeAppender(const PageStore& store, const Pin& base) : store_(&store), base_(&base) {}
  Result<void> put(std::span<const std::byte> bytes);
  Result<void> open_tail(PageNumber page);
  void close_tail(PageNumber next);
  Result<PageNumber> free_page();

  const PageStore* store_;
  const Pin* base_;
  std::optional<DatabaseRecord> record_;
  ChangePosition head_;
  PageNumber first_free_;
  PageNumber tail_;
  ChangeIndex next_{1};
  PageCount pages_{1};
  bool is_first_page_changed_ = false;
  std::vector<std::byte> tail_bytes_;
  std::uint32_t tail_used_ = 0;
  std::map<PageNumber, PageImage> changed_;
};

/// Gives up what is before `until`, as a share of a transaction on top of `base`; nothing if there is nothing to give
/// up. kInvalidArgument if the queue has not come so far, otherwise errors as of PageStore::read.
[[nodiscard]] Result<std::optional<DatabaseWrite>> drop_changes(const PageStore& store, const Pin& base,
                                                                const ChangePosition& until);

}  // namespace quorate::sqlite
