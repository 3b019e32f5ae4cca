// The fold (this store's checkpoint) moves everything up to the version that is applied when it begins from memory to
// the base files, so that the log before it can be compacted. Neither readers nor writers wait for it: a reader that
// still needs what a page of the base file held finds it in the overlay before the page is overwritten.
//
// Order of work, which is also the order of durability:
//   1. pages behind the end that a base file had at the last fold are written in place: nobody reads there, and a crash
//      leaves nothing but a file that is too long. Every other page's newest version <= C goes to the fold journal,
//      with the new superblock; files, journal and directory synced
//   2. what older readers need of the old pages is copied to the overlay; the other pages and their table entries are
//      written in place; files cut to their new size; synced
//   3. the new superblock is written and synced
//   4. the overlay lets go of what the base files have now
// Before the end of 1 a failure leaves everything as it was and the fold may be tried again. After it a failure is
// final for this process (the next open completes the fold): no further fold begins, and the node should stop.
//
// Threads: all steps on one thread, which may be another than those of the store's other users. A Fold must not outlive
// its store.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "consensus/result.hpp"
#include "statemachine/sqlite/fold_journal.hpp"
#include "statemachine/sqlite/page_store.hpp"

namespace quorate::sqlite {

class Fold {
 public:
  /// Begins at what is applied now; `application` is the application's state as of the same entry. kOverloaded if
  /// another fold or a repair is at work.
  static Result<Fold> begin(PageStore& store, std::vector<std::byte> application);
  Fold(Fold&& other) noexcept;
  Fold& operator=(Fold&&) = delete;
  ~Fold();

  enum class Progress : std::uint8_t { kMore, kDone };
  /// One bounded piece of the work.
  Result<Progress> step();
  /// All of it.
  Result<void> run();

  /// The entry up to which the durable state reaches once the fold is done.
  [[nodiscard]] LogId last() const { return after_.last; }
  [[nodiscard]] std::size_t page_count() const { return pages_.size() + new_pages_.size(); }

 private:
  enum class Phase : std::uint8_t {
    kCollect,
    kGrow,
    kJournal,
    kSealJournal,
    kPreserve,
    kWriteBack,
    kSync,
    kPublish,
    kDone
  };

  struct FoldPage {
    DatabaseId database;
    PageNumber page;
    VersionId version;
    TableEntry entry;
  };

  Fold(PageStore& store, VersionId version, Superblock before, Superblock after);

  Result<void> collect();
  [[nodiscard]] bool is_behind_end(DatabaseId database, PageNumber page) const;
  Result<void> grow();
  Result<void> journal();
  Result<void> seal_journal();
  Result<void> preserve();
  Result<void> write_back();
  Result<void> sync();
  Result<void> remove_dropped();
  void publish();
  void publish_page_locked(const FoldPage& page);

  Result<void> open_new_bases();
  Result<void> preserve_page(const FoldPage& page);
  /// Writes the next of these pages, up to `end`, and their entries of the table.
  Result<void> write_pages(const std::vector<FoldPage>& pages, std::size_t end);
  Result<void> write_page(BaseFile& base, const DatabaseRecord& record, const FoldPage& page);
  [[nodiscard]] Result<PageImage> load(const FoldPage& page) const;
  [[nodiscard]] std::shared_ptr<BaseFile> base_of(DatabaseId database) const;
  /// Of all pages, the new ones last.
  [[nodiscard]] const FoldPage& page_at(std::size_t position) const;
  [[nodiscard]] std::size_t batch_end(const std::vector<FoldPage>& pages) const;
  /// Moves on once all of these pages have been through the phase.
  void advance_to(Phase phase, const std::vector<FoldPage>& pages);

  PageStore* store_;
  VersionId version_;  ///< C
  Superblock before_;  ///< of the last fold
  Superblock after_;
  Phase phase_ = Phase::kCollect;
  PageStore::PageName cursor_{DatabaseId{}, PageNumber{1}};
  std::vector<FoldPage> pages_;
  std::vector<FoldPage> new_pages_;  ///< those behind the end, which need no journal; zeros until now
  std::size_t position_ = 0;         ///< in one of them, of the current phase
  std::optional<JournalWriter> journal_;
};

}  // namespace quorate::sqlite
