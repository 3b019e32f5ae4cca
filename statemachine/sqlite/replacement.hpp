// Replaces the state of a page store by another one that is told page by page, as a whole or as a difference. It is a
// fold of pages that came from elsewhere: they go to the fold journal with the new superblock, and once that is durable
// they are written in place, and the store starts over from the base files.
//
//   1. every page told, and every page kept that is newer than the base file, goes to the fold journal; when all have
//      been told the digest must be the new state's, then the journal and its directory are synced
//   2. readers and writers lose their pins, and nothing can be read until the end
//   3. pages and tables are written in place, the superblock is written, all synced (fold_journal.hpp)
//   4. the store has the new state: no versions before it, no speculation
//
// Before the end of 1 a failure leaves everything as it was. After it, a failure is final for this process (the next
// open completes the replacement), and every read fails until then.
//
// Threads: all steps on one thread, which may be another than those of the store's other users. Nothing may be applied
// or committed meanwhile. A Replacement must not outlive its store.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "statemachine/sqlite/fold_journal.hpp"
#include "statemachine/sqlite/page_store.hpp"

namespace quorate::sqlite {

class Replacement {
 public:
  /// `after` is the new state (its sequence is of no importance). With base 0 all its pages will be told; otherwise
  /// those that are not as they were when `base` was applied. kOverloaded if a fold or a repair is at work,
  /// kCorrupt if this store cannot get there from where it is.
  static Result<Replacement> begin(PageStore& store, Superblock after, Index base);
  Replacement(Replacement&& other) noexcept;
  Replacement& operator=(Replacement&&) = delete;
  ~Replacement();

  // In ascending order of (database, page); kCorrupt if it is not, or does not belong to the new state.
  Result<void> add(DatabaseId database, PageNumber page, TableEntry entry, std::span<const std::byte> bytes);
  Result<void> add_zeros(DatabaseId database, PageNumber first, PageCount count);
  /// Makes it the state. kCorrupt: what was told is not the state that was announced; nothing has changed.
  Result<void> finish();

 private:
  enum class Phase : std::uint8_t { kTelling, kWriting, kDone };

  Replacement(PageStore& store, Superblock before, Superblock after, Index base);

  /// Brings everything up to the next pages to be told, which must be there to be told.
  Result<void> go_to(DatabaseId database, PageNumber page, PageCount count);
  void begin_database();
  Result<void> end_database();
  /// The pages from the next on stay as they are; those newer than the base file reach it now.
  Result<void> keep_until(PageNumber until);
  std::vector<std::pair<PageNumber, PageStore::Located>> newer_than_base(PageNumber& cursor, PageNumber until) const;
  void forget_dropped();
  /// Takes the pages' present content out of the digest.
  void forget(PageNumber from, PageNumber until);
  [[nodiscard]] std::optional<PageNumber> next_in_base(PageNumber page) const;
  Result<void> switch_over();

  PageStore* store_;
  VersionId version_;  ///< what is applied
  Superblock before_;  ///< the state as of `version_`, with the sequence of the durable one
  Superblock after_;
  bool is_difference_;
  Phase phase_ = Phase::kTelling;
  StateDigest digest_;
  std::optional<JournalWriter> journal_;
  std::size_t database_ = 0;                     ///< in after_.databases
  const DatabaseRecord* predecessor_ = nullptr;  ///< of that database, if what is not told stays
  PageNumber next_page_{1};
};

}  // namespace quorate::sqlite
