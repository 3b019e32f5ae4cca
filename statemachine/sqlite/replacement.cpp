#include "statemachine/sqlite/replacement.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"

namespace quorate::sqlite {
namespace {

/// Pages looked up and written together.
constexpr std::size_t kPagesPerStep = 64;

tl::unexpected<Error> corrupt(std::string_view what) {
  return fail(ErrorKind::kCorrupt, fmt::format("the new state makes no sense here: {}", what));
}

const DatabaseRecord* find_record(const Superblock& state, DatabaseId id) {
  const auto record = std::ranges::find(state.databases, id, &DatabaseRecord::id);
  return record == state.databases.end() ? nullptr : &*record;
}

/// Whether a difference can lead from one state to the other.
bool is_successor(const Superblock& before, const Superblock& after) {
  return std::ranges::all_of(before.databases, [&](const DatabaseRecord& old) {
    const DatabaseRecord* record = find_record(after, old.id);
    return record == nullptr || record->page_size == old.page_size;
  });
}

}  // namespace

Result<Replacement> Replacement::begin(PageStore& store, Superblock after, Index base) {
  Superblock before;
  {
    const std::lock_guard lock(store.mutex_);
    if (store.is_base_busy_) {
      return fail(ErrorKind::kOverloaded, "the base files are being written; take over a new state when that is done");
    }
    if (store.epoch_ != Epoch{}) return fail(ErrorKind::kUnavailable, "a leader does not take over another state");
    before = store.applied_state_locked();
    before.sequence = store.durable_.sequence;
    after.sequence = before.sequence + 1;
    if (after.last.index <= before.last.index) return corrupt("this node has more entries than it");
    if (before.last.index < base) return corrupt("it is a difference to entries that this node does not have");
    if (base != Index{0} && !is_successor(before, after)) return corrupt("its databases are not those of this node");
    store.is_base_busy_ = true;
    store.positions_.add(store.applied_);
  }
  Replacement replacement(store, std::move(before), std::move(after), base);
  if (Result<void> trimmed = store.trim_bases(); !trimmed) return tl::unexpected(trimmed.error());
  if (replacement.is_difference_) replacement.forget_dropped();
  Result<JournalWriter> journal =
      JournalWriter::create(store.files_, fold_journal_path(store.options_.directory), replacement.after_);
  if (!journal) return tl::unexpected(journal.error());
  replacement.journal_ = std::move(*journal);
  replacement.begin_database();
  return replacement;
}

Replacement::Replacement(PageStore& store, Superblock before, Superblock after, Index base)
    : store_(&store),
      version_(store.applied_),
      before_(std::move(before)),
      after_(std::move(after)),
      is_difference_(base != Index{0}) {
  if (is_difference_) digest_ = before_.digest;
}

Replacement::Replacement(Replacement&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)),
      version_(other.version_),
      before_(std::move(other.before_)),
      after_(std::move(other.after_)),
      is_difference_(other.is_difference_),
      phase_(other.phase_),
      digest_(other.digest_),
      journal_(std::move(other.journal_)),
      database_(other.database_),
      predecessor_(other.predecessor_),
      next_page_(other.next_page_) {}

Replacement::~Replacement() {
  if (store_ == nullptr || phase_ != Phase::kTelling) return;
  // It is not whole, and of no use but for the room that it takes.
  static_cast<void>(store_->files_.remove(fold_journal_path(store_->options_.directory)));
  const std::lock_guard lock(store_->mutex_);
  store_->positions_.remove(version_);
  store_->is_base_busy_ = false;
}

// --- 1. The journal ---

void Replacement::begin_database() {
  next_page_ = PageNumber{1};
  predecessor_ = nullptr;
  if (database_ == after_.databases.size()) return;
  const DatabaseRecord& record = after_.databases[database_];
  if (is_difference_) predecessor_ = find_record(before_, record.id);
  if (predecessor_ != nullptr) digest_.remove(predecessor_->shape());
  digest_.add(record.shape());
}

Result<void> Replacement::end_database() {
  const DatabaseRecord& record = after_.databases[database_];
  const PageNumber end{record.page_count.value + 1};
  if (Result<void> kept = keep_until(end); !kept) return kept;
  if (predecessor_ != nullptr) forget(end, PageNumber{predecessor_->page_count.value + 1});
  ++database_;
  begin_database();
  return {};
}

Result<void> Replacement::go_to(DatabaseId database, PageNumber page, PageCount count) {
  while (database_ < after_.databases.size() && after_.databases[database_].id < database) {
    if (Result<void> ended = end_database(); !ended) return ended;
  }
  if (database_ == after_.databases.size() || after_.databases[database_].id != database) {
    return corrupt("its pages are not in order");
  }
  const std::uint64_t last = after_.databases[database_].page_count.value;
  if (page < next_page_ || page.value > last || count.value == 0 || count.value > last - page.value + 1) {
    return corrupt("its pages are not in order");
  }
  return keep_until(page);
}

Result<void> Replacement::keep_until(PageNumber until) {
  if (next_page_ >= until) return {};
  if (predecessor_ == nullptr) return corrupt("it leaves out pages that this node does not have");
  for (PageNumber cursor = next_page_; cursor != PageNumber{};) {
    for (const auto& [page, located] : newer_than_base(cursor, until)) {
      const Result<PageImage> image = store_->load_image(located, Pin{}, predecessor_->id, page);
      if (!image) return tl::unexpected(image.error());
      const TableEntry entry{located.hash, located.modified};
      if (Result<void> added = journal_->add(predecessor_->id, page, entry, image->bytes()); !added) return added;
    }
  }
  next_page_ = until;
  return {};
}

std::vector<std::pair<PageNumber, PageStore::Located>> Replacement::newer_than_base(PageNumber& cursor,
                                                                                    PageNumber until) const {
  std::vector<std::pair<PageNumber, PageStore::Located>> pages;
  const std::lock_guard lock(store_->mutex_);
  const PageStore::Database& database = store_->databases_.at(predecessor_->id);
  for (std::size_t held = 0; held < kPagesPerStep; ++held) {
    cursor = database.overlay.next_page(cursor);
    if (cursor >= until) cursor = PageNumber{};
    if (cursor == PageNumber{}) break;
    const PageVersion* newest = database.overlay.find(cursor, version_);
    if (newest != nullptr && newest->version > database.base_page(cursor).version) {
      pages.emplace_back(cursor, store_->locate_locked(database, cursor, version_));
    }
    ++cursor.value;
  }
  return pages;
}

/// Databases that are there no more: nothing is told of them.
void Replacement::forget_dropped() {
  const std::lock_guard lock(store_->mutex_);
  for (const DatabaseRecord& record : before_.databases) {
    if (find_record(after_, record.id) != nullptr) continue;
    digest_.remove(record.shape());
    digest_.remove(store_->databases_.at(record.id).shape_at(version_)->pages);
  }
}

void Replacement::forget(PageNumber from, PageNumber until) {
  while (from < until) {
    const std::lock_guard lock(store_->mutex_);
    const PageStore::Database& database = store_->databases_.at(predecessor_->id);
    for (std::size_t held = 0; held < kPagesPerHold && from < until; ++held, ++from.value) {
      digest_.remove(predecessor_->id, from, store_->locate_locked(database, from, version_).hash);
    }
  }
}

Result<void> Replacement::add(DatabaseId database, PageNumber page, TableEntry entry,
                              std::span<const std::byte> bytes) {
  QUORATE_ASSERT(entry.hash != PageHash{0});
  if (Result<void> there = go_to(database, page, PageCount{1}); !there) return there;
  QUORATE_ASSERT(bytes.size() == after_.databases[database_].page_size.bytes());
  const PageNumber next{page.value + 1};
  if (predecessor_ != nullptr && page.value <= predecessor_->page_count.value) forget(page, next);
  digest_.add(database, page, entry.hash);
  next_page_ = next;
  return journal_->add(database, page, entry, bytes);
}

Result<void> Replacement::add_zeros(DatabaseId database, PageNumber first, PageCount count) {
  if (Result<void> there = go_to(database, first, count); !there) return there;
  next_page_ = PageNumber{first.value + count.value};
  if (predecessor_ != nullptr) {
    forget(first, PageNumber{std::min(next_page_.value, predecessor_->page_count.value + 1)});
  }
  // What the base file does not have is zeros already.
  for (PageNumber page = first; page < next_page_; ++page.value) {
    const std::optional<PageNumber> written = next_in_base(page);
    if (!written || *written >= next_page_) break;
    page = *written;
    if (Result<void> added = journal_->add(database, page, TableEntry{}, {}); !added) return added;
  }
  return {};
}

/// The first page from `page` on that the base file has something of.
std::optional<PageNumber> Replacement::next_in_base(PageNumber page) const {
  const DatabaseRecord& record = after_.databases[database_];
  for (;;) {
    const std::lock_guard lock(store_->mutex_);
    const auto known = store_->databases_.find(record.id);
    if (known == store_->databases_.end() || known->second.page_size != record.page_size) return std::nullopt;
    const BaseTable& table = known->second.table;
    for (std::size_t held = 0; held < kPagesPerHold; ++held, ++page.value) {
      if (page.value > table.size()) return std::nullopt;
      const BasePage& entry = table[page.value - 1];
      if (entry.hash != PageHash{0} || entry.modified != Index{0}) return page;
    }
  }
}

// --- 2 to 4. The switch ---

Result<void> Replacement::finish() {
  QUORATE_ASSERT(phase_ == Phase::kTelling);
  while (database_ < after_.databases.size()) {
    if (Result<void> ended = end_database(); !ended) return ended;
  }
  if (digest_ != after_.digest) {
    return corrupt(
        fmt::format("its pages lead to digest {:016x}, {:016x} was announced; if this repeats itself, wipe "
                    "this node's directory and let it join anew",
                    digest_.value(), after_.digest.value()));
  }
  if (Result<void> finished = journal_->finish(); !finished) return finished;
  if (Result<void> synced = store_->files_.sync_directory(store_->options_.directory); !synced) return synced;
  journal_.reset();
  return switch_over();
}

Result<void> Replacement::switch_over() {
  phase_ = Phase::kWriting;
  VersionId version;
  Superblock durable;
  {
    const std::lock_guard lock(store_->mutex_);
    QUORATE_ASSERT(store_->applied_ == version_);
    QUORATE_ASSERT(store_->applied_entry_ == before_.last);
    QUORATE_ASSERT(store_->speculative_.empty());
    store_->is_replacing_ = true;
    ++store_->drops_;
    ++store_->restores_;
    version = VersionId{store_->next_version_.value++};
    durable = store_->durable_;
  }
  const std::string& directory = store_->options_.directory;
  if (Result<void> done = carry_out(store_->files_, directory, durable, after_); !done) return done;
  Result<PageStore::Databases> loaded = store_->load(after_, version);
  if (!loaded) return tl::unexpected(loaded.error());
  {
    const std::lock_guard lock(store_->mutex_);
    store_->start_from_locked(after_, version, *loaded);
    store_->is_replacing_ = false;
    store_->is_base_busy_ = false;
  }
  phase_ = Phase::kDone;
  // It may be as large as the databases, and has done its duty.
  return store_->files_.remove(fold_journal_path(directory));
}

}  // namespace quorate::sqlite
