#include "statemachine/sqlite/page_store.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/fold_journal.hpp"

namespace quorate::sqlite {

// --- Pins ---

Pin::~Pin() {
  if (store_ != nullptr) store_->unpin(*this);
}

void Pin::swap(Pin& other) noexcept {
  std::swap(store_, other.store_);
  std::swap(kind_, other.kind_);
  std::swap(version_, other.version_);
  std::swap(last_, other.last_);
  std::swap(generation_, other.generation_);
}

Pin PageStore::pin(PinKind kind) {
  const std::lock_guard lock(mutex_);
  const VersionId version = kind == PinKind::kHead ? head_ : applied_;
  positions_.add(version);
  return Pin(*this, kind, version, applied_entry_, kind == PinKind::kHead ? drops_ : restores_);
}

std::pair<Pin, Superblock> PageStore::pin_state() {
  const std::lock_guard lock(mutex_);
  positions_.add(applied_);
  return {Pin(*this, PinKind::kApplied, applied_, applied_entry_, restores_), applied_state_locked()};
}

Superblock PageStore::applied_state_locked() const {
  Superblock state;
  state.last = applied_entry_;
  state.digest = applied_digest_;
  for (const auto& [id, database] : databases_) {
    if (auto record = record_locked(database, applied_)) state.databases.push_back(std::move(*record));
  }
  const bool is_there = !state.databases.empty() && state.databases.back().id == newest_database_;
  if (!is_there) state.newest_gone = newest_database_;
  return state;
}

void PageStore::unpin(const Pin& pin) noexcept {
  const std::lock_guard lock(mutex_);
  if (pin.version_ >= oldest_readable_) positions_.remove(pin.version_);
}

std::uint64_t PageStore::generation(PinKind kind) const {
  const std::lock_guard lock(mutex_);
  return kind == PinKind::kHead ? drops_ : restores_;
}

std::uint64_t PageStore::adoptions() const {
  const std::lock_guard lock(mutex_);
  return adoptions_;
}

Result<void> PageStore::check(const Pin& pin) const {
  const std::lock_guard lock(mutex_);
  return check_locked(pin);
}

Result<void> PageStore::check_locked(const Pin& pin) const {
  QUORATE_ASSERT(pin.store_ == this);
  if (is_replacing_) {
    return fail(ErrorKind::kUnavailable, "this node is just taking over the state of another one; try again shortly");
  }
  if (pin.kind_ == PinKind::kHead && pin.generation_ != drops_) {
    return fail(ErrorKind::kUnavailable, "leadership was lost and the transaction with it; open a new one");
  }
  if (pin.kind_ == PinKind::kApplied && pin.generation_ != restores_) {
    return fail(ErrorKind::kOverloaded,
                "snapshot too old: this node has taken over the state of another one; start the read again");
  }
  if (pin.version_ < oldest_readable_) {
    return fail(ErrorKind::kOverloaded,
                "snapshot too old: the versions it needs were given up for room; start the read again");
  }
  return {};
}

// --- Opening ---

PageStore::PageStore(storage::AnyFileSystem files, PageStoreOptions options)
    : files_(std::move(files)), options_(std::move(options)) {}

PageStore::~PageStore() = default;

Result<std::unique_ptr<PageStore>> PageStore::open(storage::AnyFileSystem files, PageStoreOptions options) {
  std::unique_ptr<PageStore> store(new PageStore(std::move(files), std::move(options)));
  const std::string& directory = store->options_.directory;
  if (Result<void> created = store->files_.create_directories(directory); !created) {
    return tl::unexpected(created.error());
  }
  // The directory's own name must outlive a crash, or nothing in it does.
  if (Result<void> synced = store->files_.sync_directory(""); !synced) return tl::unexpected(synced.error());
  Result<Superblock> superblock = recover(store->files_, directory);
  if (!superblock) return tl::unexpected(superblock.error());
  Result<Databases> loaded = store->load(*superblock, store->applied_);
  if (!loaded) return tl::unexpected(loaded.error());
  store->start_from_locked(*superblock, store->applied_, *loaded);  // nobody else knows it yet
  Result<std::shared_ptr<SpillFile>> spill =
      SpillFile::create(store->files_, directory + "/spill", store->options_.spill_bytes_max);
  if (!spill) return tl::unexpected(spill.error());
  store->spill_ = std::move(*spill);
  return store;
}

Result<PageStore::Databases> PageStore::load(const Superblock& superblock, VersionId version) {
  Databases databases;
  StateDigest digest;
  for (const DatabaseRecord& record : superblock.databases) {
    Result<BaseFile> base = BaseFile::open(files_, base_stem(options_.directory, record.id), record.page_size,
                                           storage::OpenMode::kReadWrite);
    if (!base) return tl::unexpected(base.error());
    if (Result<void> cut = base->cut(record.page_count); !cut) return tl::unexpected(cut.error());
    Result<BaseTable> table = base->load_table(record.page_count);
    if (!table) return tl::unexpected(table.error());
    StateDigest pages;
    PageNumber page{1};
    for (const BasePage& entry : *table) pages.add(record.id, page, entry.hash), ++page.value;
    digest.add(record.shape());
    digest.add(pages);
    Database database{.id = record.id,
                      .page_size = record.page_size,
                      .shapes = {{version, record.name, record.page_count, pages}},
                      .overlay = {},
                      .base = std::make_shared<BaseFile>(std::move(*base)),
                      .table = std::move(*table),
                      .first_page = {}};
    databases.emplace(record.id, std::move(database));
  }
  if (digest != superblock.digest) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("the page tables in {} do not match their superblock (digest {:016x} instead of {:016x}); "
                            "replace this node's data by a snapshot from another node",
                            options_.directory, digest.value(), superblock.digest.value()));
  }
  return databases;
}

void PageStore::start_from_locked(const Superblock& superblock, VersionId version, Databases& loaded) {
  databases_.swap(loaded);
  positions_ = {};
  positions_.add(version);
  oldest_readable_ = applied_ = head_ = version;
  applied_entry_ = superblock.last;
  applied_digest_ = head_digest_ = superblock.digest;
  newest_database_ = superblock.newest_gone;
  if (!databases_.empty()) newest_database_ = std::max(newest_database_, databases_.rbegin()->first);
  durable_ = superblock;
  damaged_.clear();
}

// --- Where the store stands ---

LogId PageStore::applied() const {
  const std::lock_guard lock(mutex_);
  return applied_entry_;
}

StateDigest PageStore::digest() const {
  const std::lock_guard lock(mutex_);
  return applied_digest_;
}

Superblock PageStore::durable() const {
  const std::lock_guard lock(mutex_);
  return durable_;
}

std::uint64_t PageStore::overlay_bytes_locked() const {
  std::uint64_t bytes = 0;
  for (const auto& [id, database] : databases_) bytes += database.overlay.image_bytes();
  return bytes;
}

std::uint64_t PageStore::overlay_bytes() const {
  const std::lock_guard lock(mutex_);
  return overlay_bytes_locked();
}

bool PageStore::fold_wanted() const { return overlay_bytes() > options_.overlay_bytes_fold; }

// --- Reading ---

const PageStore::Shape* PageStore::Database::shape_at(VersionId version) const {
  for (auto shape = shapes.rbegin(); shape != shapes.rend(); ++shape) {
    if (shape->version <= version) return shape->is_gone() ? nullptr : &*shape;
  }
  return nullptr;
}

std::string_view PageStore::Database::name() const {
  const auto named = std::find_if(shapes.rbegin(), shapes.rend(), [](const Shape& shape) { return !shape.is_gone(); });
  return named == shapes.rend() ? std::string_view("(dropped)") : named->name;
}

BasePage PageStore::Database::base_page(PageNumber page) const {
  return page.value <= table.size() ? table[page.value - 1] : BasePage{};
}

std::optional<DatabaseRecord> PageStore::record_locked(const Database& database, VersionId version) const {
  const Shape* shape = database.shape_at(version);
  if (shape == nullptr) return std::nullopt;
  return DatabaseRecord{database.id, shape->name, database.page_size, shape->count};
}

std::vector<DatabaseRecord> PageStore::databases(const Pin& pin) const {
  const std::lock_guard lock(mutex_);
  std::vector<DatabaseRecord> records;
  for (const auto& [id, database] : databases_) {
    if (auto record = record_locked(database, pin.version_)) records.push_back(std::move(*record));
  }
  return records;
}

std::optional<DatabaseRecord> PageStore::find_database(const Pin& pin, std::string_view name) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, database] : databases_) {
    const Shape* shape = database.shape_at(pin.version_);
    if (shape != nullptr && shape->name == name) return record_locked(database, pin.version_);
  }
  return std::nullopt;
}

bool PageStore::has_hidden() const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(databases_, [this](const auto& entry) {
    const Shape* shape = entry.second.shape_at(head_);
    return shape != nullptr && is_hidden_name(shape->name);
  });
}

PageStore::Located PageStore::locate_locked(const Database& database, PageNumber page, VersionId version) const {
  Located located{.size = database.page_size, .hash = {}, .modified = {}, .image = {}, .spilled = {}, .base = {}};
  const BasePage base = database.base_page(page);
  const PageVersion* newer = database.overlay.find(page, version);
  // The newest of all versions that are not newer than the one asked for; the base file has one of them.
  if (newer != nullptr && (newer->version >= base.version || base.version > version)) {
    located.hash = newer->hash;
    located.modified = newer->modified;
    located.image = newer->image;
    located.spilled = newer->spilled;
    return located;
  }
  located.is_lost = base.version > version;
  located.hash = base.hash;
  located.modified = base.modified;
  if (base.hash == PageHash{0}) return located;
  if (page == PageNumber{1} && !database.first_page.empty()) {
    located.image = database.first_page;
  } else {
    located.base = database.base;
  }
  return located;
}

tl::unexpected<Error> PageStore::lost_page(const Database& database, PageNumber page) {
  return fail(ErrorKind::kCorrupt,
              fmt::format("page {} of database '{}' was damaged in the version that is being read; "
                          "start the read again",
                          page.value, database.name()));
}

Result<PageStore::Located> PageStore::locate(const Pin& pin, DatabaseId id, PageNumber page) const {
  QUORATE_ASSERT(page.value > 0);
  const std::lock_guard lock(mutex_);
  if (Result<void> valid = check_locked(pin); !valid) return tl::unexpected(valid.error());
  const auto database = databases_.find(id);
  QUORATE_ASSERT(database != databases_.end());
  Located located = locate_locked(database->second, page, pin.version_);
  if (located.is_lost) return lost_page(database->second, page);
  return located;
}

Result<PageImage> PageStore::load_image(const Located& located, const Pin& pin, DatabaseId database,
                                        PageNumber page) const {
  if (located.spilled != nullptr) {
    Result<PageImage> image = located.spilled->load();
    if (image && hash_page(image->bytes()) != located.hash) {
      return fail(ErrorKind::kIo, fmt::format("page {} came back damaged from the spill file", page.value));
    }
    return image;
  }
  if (located.base != nullptr) return load_from_base(located, pin, database, page);
  return located.image;
}

Result<PageImage> PageStore::load_from_base(Located located, const Pin& pin, DatabaseId database,
                                            PageNumber page) const {
  for (;;) {
    Result<void> read;
    PageImage image = PageImage::build(located.size.bytes(),
                                       [&](std::span<std::byte> into) { read = located.base->read(page, into); });
    if (!read) return tl::unexpected(read.error());
    if (hash_page(image.bytes()) == located.hash) {
      if (page != PageNumber{1}) return image;
      const std::lock_guard lock(mutex_);
      const auto known = databases_.find(database);
      if (known != databases_.end() && known->second.base_page(page).hash == located.hash) {
        known->second.first_page = image;
      }
      return image;
    }
    // Either a fold has just overwritten the page, and then it is found elsewhere now, or it is damaged.
    const PageHash expected = located.hash;
    Result<Located> again = locate(pin, database, page);
    if (!again) return tl::unexpected(again.error());
    located = std::move(*again);
    if (located.base == nullptr) return load_image(located, pin, database, page);
    if (located.hash != expected) continue;
    const std::lock_guard lock(mutex_);
    if (Result<void> valid = check_locked(pin); !valid) return tl::unexpected(valid.error());
    damaged_.insert({database, page});
    return fail(ErrorKind::kCorrupt, fmt::format("page {} of database '{}' fails its checksum; it is fetched from "
                                                 "another node if there is one",
                                                 page.value, databases_.at(database).name()));
  }
}

Result<void> PageStore::read(const Pin& pin, DatabaseId database, PageNumber page, std::size_t offset,
                             std::span<std::byte> into) const {
  const Result<Located> located = locate(pin, database, page);
  if (!located) return tl::unexpected(located.error());
  QUORATE_ASSERT(offset + into.size() <= located->size.bytes());
  const Result<PageImage> image = load_image(*located, pin, database, page);
  if (!image) return tl::unexpected(image.error());
  if (image->empty()) {
    std::ranges::fill(into, std::byte{0});
  } else {
    std::memcpy(into.data(), image->bytes().data() + offset, into.size());
  }
  return {};
}

Result<StoredPage> PageStore::page(const Pin& pin, DatabaseId database, PageNumber page) const {
  const Result<Located> located = locate(pin, database, page);
  if (!located) return tl::unexpected(located.error());
  Result<PageImage> image = load_image(*located, pin, database, page);
  if (!image) return tl::unexpected(image.error());
  return StoredPage{std::move(*image), located->hash, located->modified};
}

Result<void> PageStore::list(const Pin& pin, DatabaseId id, PageNumber first, std::span<TableEntry> into) const {
  QUORATE_ASSERT(into.size() <= kPagesPerHold);
  const std::lock_guard lock(mutex_);
  if (Result<void> valid = check_locked(pin); !valid) return valid;
  const auto database = databases_.find(id);
  QUORATE_ASSERT(database != databases_.end());
  for (PageNumber page = first; TableEntry & entry : into) {
    const Located located = locate_locked(database->second, page, pin.version_);
    if (located.is_lost) return lost_page(database->second, page);
    entry = {located.hash, located.modified};
    ++page.value;
  }
  return {};
}

}  // namespace quorate::sqlite
