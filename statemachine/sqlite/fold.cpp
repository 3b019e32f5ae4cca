#include "statemachine/sqlite/fold.hpp"

#include <algorithm>
#include <mutex>
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
  return Fold(store, store.applied_, std::move(after));
}

Fold::Fold(PageStore& store, VersionId version, Superblock after)
    : store_(&store), version_(version), after_(std::move(after)) {}

Fold::Fold(Fold&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)),
      version_(other.version_),
      after_(std::move(other.after_)),
      phase_(other.phase_),
      cursor_(other.cursor_),
      pages_(std::move(other.pages_)),
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

std::size_t Fold::batch_end() const { return std::min(pages_.size(), position_ + kPagesPerStep); }

void Fold::advance_to(Phase phase) {
  if (position_ < pages_.size()) return;
  position_ = 0;
  phase_ = phase;
}

// --- 1. The journal ---

Result<void> Fold::collect() {
  const std::lock_guard lock(store_->mutex_);
  auto database = store_->databases_.lower_bound(cursor_.database);
  for (std::size_t held = 0; held < kPagesPerShortHold; ++held) {
    if (database == store_->databases_.end()) {
      phase_ = Phase::kJournal;
      return {};
    }
    if (cursor_.database != database->first) cursor_ = {database->first, PageNumber{1}};
    const PageNumber page = database->second.overlay.next_page(cursor_.page);
    if (page == PageNumber{}) {
      ++database;
      cursor_ = {DatabaseId{cursor_.database.value + 1}, PageNumber{1}};
      continue;
    }
    cursor_.page = PageNumber{page.value + 1};
    const PageVersion* newest = database->second.overlay.find(page, version_);
    if (newest != nullptr && newest->version > database->second.base_page(page).version) {
      pages_.push_back({database->first, page, newest->version, {newest->hash, newest->modified}});
    }
  }
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
  for (const std::size_t end = batch_end(); position_ < end; ++position_) {
    const FoldPage& page = pages_[position_];
    const Result<PageImage> image = load(page);
    if (!image) return tl::unexpected(image.error());
    if (Result<void> added = journal_->add(page.database, page.page, page.entry, image->bytes()); !added) return added;
  }
  advance_to(Phase::kSealJournal);
  return {};
}

Result<void> Fold::seal_journal() {
  if (Result<void> opened = open_new_bases(); !opened) return opened;
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
  for (const std::size_t end = batch_end(); position_ < end; ++position_) {
    if (Result<void> preserved = preserve_page(pages_[position_]); !preserved) return preserved;
  }
  advance_to(Phase::kWriteBack);
  return {};
}

Result<void> Fold::write_page(BaseFile& base, const DatabaseRecord& record, const FoldPage& page) {
  if (page.page.value > record.page_count.value) return {};  // cut off, with everything behind it
  const Result<PageImage> image = load(page);
  if (!image) return tl::unexpected(image.error());
  return base.write(page.page, bytes_of(*image, record.page_size));
}

Result<void> Fold::write_back() {
  std::vector<TableEntry> entries;
  for (const std::size_t end = batch_end(); position_ < end;) {
    // Runs of consecutive pages share one write of the table.
    const FoldPage& first = pages_[position_];
    const DatabaseRecord& record = *std::ranges::find(after_.databases, first.database, &DatabaseRecord::id);
    const std::shared_ptr<BaseFile> base = base_of(first.database);
    entries.clear();
    for (; position_ < end; ++position_) {
      const FoldPage& page = pages_[position_];
      if (page.database != first.database || page.page.value != first.page.value + entries.size()) break;
      entries.push_back(page.entry);
      if (Result<void> written = write_page(*base, record, page); !written) return written;
    }
    if (Result<void> written = base->write_table(first.page, entries); !written) return written;
  }
  advance_to(Phase::kSync);
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
  phase_ = Phase::kPublish;
  return {};
}

// --- 4. Letting go ---

void Fold::publish() {
  const std::lock_guard lock(store_->mutex_);
  for (const std::size_t end = std::min(pages_.size(), position_ + kPagesPerShortHold); position_ < end; ++position_) {
    const FoldPage& page = pages_[position_];
    PageStore::Database& database = store_->databases_.at(page.database);
    if (database.table.size() < page.page.value) database.table.resize(page.page.value);
    database.table[page.page.value - 1] = {page.entry.hash, page.entry.modified, page.version};
    if (page.page == PageNumber{1}) database.first_page = PageImage{};
    database.overlay.remove(page.page, page.version);
    store_->prune_locked(database, page.page);
    store_->damaged_.erase({page.database, page.page});
  }
  advance_to(Phase::kDone);
  if (phase_ != Phase::kDone) return;
  store_->durable_ = after_;
  store_->positions_.remove(version_);
  store_->folding_.reset();
  store_->is_base_busy_ = false;
}

}  // namespace quorate::sqlite
