#include "statemachine/sqlite/fold.hpp"

#include <algorithm>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"

namespace quorate::sqlite {
namespace {

/// Pages read or written in one step: small enough for a simulated step, large enough to be worth a call.
constexpr std::size_t kPagesPerStep = 64;
/// Pages handled while readers and writers wait: a fold has many to go through, and they notice every pause.
constexpr std::size_t kPagesPerShortHold = 16;
static_assert(kPagesPerShortHold <= kPagesPerHold);

}  // namespace

Result<Fold> Fold::begin(PageStore& store, std::vector<std::byte> application) {
  const std::lock_guard lock(store.mutex_);
  if (store.is_base_busy_) {
    return fail(ErrorKind::kOverloaded, "the base files are being written already; fold again when that is done");
  }
  store.is_base_busy_ = true;
  store.folding_ = store.applied_;
  store.positions_.add(store.applied_);
  Superblock after = store.applied_state_locked();
  after.sequence = store.durable_.sequence + 1;
  after.application = std::move(application);
  return Fold(store, store.applied_, store.durable_, std::move(after));
}

Fold::Fold(PageStore& store, VersionId version, Superblock before, Superblock after)
    : store_(&store), version_(version), before_(std::move(before)), after_(std::move(after)) {}

Fold::Fold(Fold&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)),
      version_(other.version_),
      before_(std::move(other.before_)),
      after_(std::move(other.after_)),
      phase_(other.phase_),
      cursor_(other.cursor_),
      pages_(std::move(other.pages_)),
      new_pages_(std::move(other.new_pages_)),
      position_(other.position_),
      journal_(std::move(other.journal_)) {}

Fold::~Fold() {
  if (store_ == nullptr || phase_ == Phase::kDone) return;
  const std::lock_guard lock(store_->mutex_);
  store_->positions_.remove(version_);
  store_->folding_.reset();
  // Once pages may have been overwritten, only opening the store anew makes sense of the base files.
  if (phase_ <= Phase::kSealJournal) store_->is_base_busy_ = false;
}

Result<void> Fold::run() {
  for (;;) {
    const Result<Progress> progress = step();
    if (!progress) return tl::unexpected(progress.error());
    if (*progress == Progress::kDone) return {};
  }
}

Result<Fold::Progress> Fold::step() {
  Result<void> done;
  switch (phase_) {
    case Phase::kCollect: done = collect(); break;
    case Phase::kGrow: done = grow(); break;
    case Phase::kJournal: done = journal(); break;
    case Phase::kSealJournal: done = seal_journal(); break;
    case Phase::kPreserve: done = preserve(); break;
    case Phase::kWriteBack: done = write_back(); break;
    case Phase::kSync: done = sync(); break;
    case Phase::kPublish: publish(); break;
    case Phase::kDone: break;
  }
  if (!done) return tl::unexpected(done.error());
  return phase_ == Phase::kDone ? Progress::kDone : Progress::kMore;
}

const Fold::FoldPage& Fold::page_at(std::size_t position) const {
  return position < pages_.size() ? pages_[position] : new_pages_[position - pages_.size()];
}

std::size_t Fold::batch_end(const std::vector<FoldPage>& pages) const {
  return std::min(pages.size(), position_ + kPagesPerStep);
}

void Fold::advance_to(Phase phase, const std::vector<FoldPage>& pages) {
  if (position_ < pages.size()) return;
  position_ = 0;
  phase_ = phase;
}

// --- 1. The journal ---

Result<void> Fold::collect() {
  const std::lock_guard lock(store_->mutex_);
  auto database = store_->databases_.lower_bound(cursor_.database);
  for (std::size_t held = 0; held < kPagesPerShortHold; ++held) {
    if (database == store_->databases_.end()) {
      phase_ = Phase::kGrow;
      return {};
    }
    const bool is_gone = database->second.shape_at(version_) == nullptr;
    if (cursor_.database != database->first) cursor_ = {database->first, PageNumber{1}};
    const PageNumber page = is_gone ? PageNumber{} : database->second.overlay.next_page(cursor_.page);
    if (page == PageNumber{}) {
      ++database;
      cursor_ = {DatabaseId{cursor_.database.value + 1}, PageNumber{1}};
      continue;
    }
    cursor_.page = PageNumber{page.value + 1};
    const PageVersion* newest = database->second.overlay.find(page, version_);
    if (newest != nullptr && newest->version > database->second.base_page(page).version) {
      std::vector<FoldPage>& pages = is_behind_end(database->first, page) ? new_pages_ : pages_;
      pages.push_back({database->first, page, newest->version, {newest->hash, newest->modified}});
    }
  }
  return {};
}

/// Of a database that has files: what is created only now would be created again by the journal.
bool Fold::is_behind_end(DatabaseId database, PageNumber page) const {
  const auto known = std::ranges::find(before_.databases, database, &DatabaseRecord::id);
  return known != before_.databases.end() && page.value > known->page_count.value;
}

Result<void> Fold::grow() {
  if (position_ == 0) {
    if (Result<void> opened = open_new_bases(); !opened) return opened;
    if (Result<void> trimmed = store_->trim_bases(); !trimmed) return trimmed;
  }
  if (Result<void> written = write_pages(new_pages_, batch_end(new_pages_)); !written) return written;
  advance_to(Phase::kJournal, new_pages_);
  return {};
}

Result<PageImage> Fold::load(const FoldPage& page) const {
  PageStore::Located located;
  {
    const std::lock_guard lock(store_->mutex_);
    located = store_->locate_locked(store_->databases_.at(page.database), page.page, version_);
  }
  QUORATE_ASSERT(located.hash == page.entry.hash);
  QUORATE_ASSERT(located.base == nullptr);
  return store_->load_image(located, Pin{}, page.database, page.page);
}

Result<void> Fold::journal() {
  if (!journal_) {
    Result<JournalWriter> created =
        JournalWriter::create(store_->files_, fold_journal_path(store_->options_.directory), after_);
    if (!created) return tl::unexpected(created.error());
    journal_ = std::move(*created);
  }
  for (const std::size_t end = batch_end(pages_); position_ < end; ++position_) {
    const FoldPage& page = pages_[position_];
    const Result<PageImage> image = load(page);
    if (!image) return tl::unexpected(image.error());
    if (Result<void> added = journal_->add(page.database, page.page, page.entry, image->bytes()); !added) return added;
  }
  advance_to(Phase::kSealJournal, pages_);
  return {};
}

Result<void> Fold::seal_journal() {
  // Once the journal is whole, what it leaves out must be there.
  std::set<DatabaseId> grown;
  for (const FoldPage& page : new_pages_) grown.insert(page.database);
  for (const DatabaseId database : grown) {
    if (Result<void> synced = base_of(database)->sync(); !synced) return synced;
  }
  if (Result<void> finished = journal_->finish(); !finished) return finished;
  if (Result<void> synced = store_->files_.sync_directory(store_->options_.directory); !synced) return synced;
  journal_.reset();
  phase_ = Phase::kPreserve;
  return {};
}

/// A database that was never folded has no files yet.
Result<void> Fold::open_new_bases() {
  for (const DatabaseRecord& record : after_.databases) {
    if (base_of(record.id) != nullptr) continue;
    Result<BaseFile> base = BaseFile::open(store_->files_, base_stem(store_->options_.directory, record.id),
                                           record.page_size, storage::OpenMode::kCreate);
    if (!base) return tl::unexpected(base.error());
    const std::lock_guard lock(store_->mutex_);
    store_->databases_.at(record.id).base = std::make_shared<BaseFile>(std::move(*base));
  }
  return {};
}

// --- 2. In place ---

Result<void> Fold::preserve_page(const FoldPage& page) {
  PageStore::Located old;
  BasePage base;
  {
    const std::lock_guard lock(store_->mutex_);
    const PageStore::Database& database = store_->databases_.at(page.database);
    base = database.base_page(page.page);
    const std::vector<PageVersion>& versions = database.overlay.versions(page.page);
    const auto next = std::ranges::upper_bound(versions, base.version, {}, &PageVersion::version);
    QUORATE_ASSERT(next != versions.end());
    const bool is_there = next != versions.begin() && std::prev(next)->version == base.version;
    // Readers that pin from now on pin C or later, and find what they need in the overlay.
    if (is_there || !store_->positions_.any_within(base.version, next->version)) return {};
    old.size = database.page_size;
    old.hash = base.hash;
    if (base.hash != PageHash{0}) old.base = database.base;
  }
  PageImage image;
  if (old.base != nullptr) {
    Result<void> read;
    image =
        PageImage::build(old.size.bytes(), [&](std::span<std::byte> into) { read = old.base->read(page.page, into); });
    if (!read) return read;
    // The damage ends here: from now on the page is what the journal says. Readers of the old version are told.
    if (hash_page(image.bytes()) != old.hash) return {};
  }
  const std::lock_guard lock(store_->mutex_);
  store_->databases_.at(page.database)
      .overlay.install(page.page, PageVersion{.version = base.version,
                                              .modified = base.modified,
                                              .hash = base.hash,
                                              .image = std::move(image),
                                              .spilled = {}});
  return {};
}

Result<void> Fold::preserve() {
  const std::size_t end = std::min(page_count(), position_ + kPagesPerStep);
  for (; position_ < end; ++position_) {
    if (Result<void> preserved = preserve_page(page_at(position_)); !preserved) return preserved;
  }
  if (position_ < page_count()) return {};
  position_ = 0;
  phase_ = Phase::kWriteBack;
  return {};
}

Result<void> Fold::write_page(BaseFile& base, const DatabaseRecord& record, const FoldPage& page) {
  if (page.page.value > record.page_count.value) return {};  // cut off, with everything behind it
  const Result<PageImage> image = load(page);
  if (!image) return tl::unexpected(image.error());
  return base.write(page.page, bytes_of(*image, record.page_size));
}

Result<void> Fold::write_pages(const std::vector<FoldPage>& pages, std::size_t end) {
  std::vector<TableEntry> entries;
  while (position_ < end) {
    // Runs of consecutive pages share one write of the table.
    const FoldPage& first = pages[position_];
    const DatabaseRecord& record = *std::ranges::find(after_.databases, first.database, &DatabaseRecord::id);
    const std::shared_ptr<BaseFile> base = base_of(first.database);
    entries.clear();
    for (; position_ < end; ++position_) {
      const FoldPage& page = pages[position_];
      if (page.database != first.database || page.page.value != first.page.value + entries.size()) break;
      entries.push_back(page.entry);
      if (Result<void> written = write_page(*base, record, page); !written) return written;
    }
    if (Result<void> written = base->write_table(first.page, entries); !written) return written;
  }
  return {};
}

Result<void> Fold::write_back() {
  if (Result<void> written = write_pages(pages_, batch_end(pages_)); !written) return written;
  advance_to(Phase::kSync, pages_);
  return {};
}

std::shared_ptr<BaseFile> Fold::base_of(DatabaseId database) const {
  const std::lock_guard lock(store_->mutex_);
  return store_->databases_.at(database).base;
}

// --- 3. The switch ---

Result<void> Fold::sync() {
  for (const DatabaseRecord& record : after_.databases) {
    const std::shared_ptr<BaseFile> base = base_of(record.id);
    if (Result<void> resized = base->resize(record.page_count); !resized) return resized;
    if (Result<void> synced = base->sync(); !synced) return synced;
  }
  if (Result<void> written = write_superblock(store_->files_, store_->options_.directory, after_); !written) {
    return written;
  }
  // The other superblock's file may be new.
  if (Result<void> synced = store_->files_.sync_directory(store_->options_.directory); !synced) return synced;
  if (Result<void> removed = remove_dropped(); !removed) return removed;
  phase_ = Phase::kPublish;
  return {};
}

/// Whoever still reads them has them open.
Result<void> Fold::remove_dropped() {
  for (const DatabaseRecord& record : before_.databases) {
    if (std::ranges::find(after_.databases, record.id, &DatabaseRecord::id) != after_.databases.end()) continue;
    const std::string stem = base_stem(store_->options_.directory, record.id);
    if (Result<void> removed = remove_base(store_->files_, stem); !removed) return removed;
  }
  return {};
}

// --- 4. Letting go ---

void Fold::publish() {
  PageStore::Databases gone;
  const std::lock_guard lock(store_->mutex_);
  const std::size_t end = std::min(page_count(), position_ + kPagesPerShortHold);
  for (; position_ < end; ++position_) publish_page_locked(page_at(position_));
  if (position_ < page_count()) return;
  phase_ = Phase::kDone;
  store_->durable_ = after_;
  store_->positions_.remove(version_);
  store_->folding_.reset();
  store_->is_base_busy_ = false;
  gone = store_->take_gone_locked();
}

void Fold::publish_page_locked(const FoldPage& page) {
  PageStore::Database& database = store_->databases_.at(page.database);
  if (database.table.size() < page.page.value) database.table.resize(page.page.value);
  database.table[page.page.value - 1] = {page.entry.hash, page.entry.modified, page.version};
  if (page.page == PageNumber{1}) database.first_page = PageImage{};
  database.overlay.remove(page.page, page.version);
  store_->prune_locked(database, page.page);
  store_->damaged_.erase({page.database, page.page});
}

}  // namespace quorate::sqlite
