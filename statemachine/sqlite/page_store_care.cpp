// Looking after the base files: finding damage, supplying pages to other replicas and taking theirs.
#include <algorithm>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/page_store.hpp"

namespace quorate::sqlite {

std::vector<PageStore::PageName> PageStore::damaged_pages() const {
  const std::lock_guard lock(mutex_);
  return {damaged_.begin(), damaged_.end()};
}

std::vector<DatabaseRecord> PageStore::base_databases() const {
  const std::lock_guard lock(mutex_);
  return durable_.databases;
}

std::optional<TableEntry> PageStore::base_entry(PageName name) const {
  const std::lock_guard lock(mutex_);
  const auto database = databases_.find(name.database);
  if (database == databases_.end() || name.page.value > database->second.table.size()) return std::nullopt;
  const BasePage entry = database->second.base_page(name.page);
  return TableEntry{entry.hash, entry.modified};
}

Result<void> PageStore::scrub(DatabaseId id, PageNumber page) {
  std::shared_ptr<const BaseFile> base;
  BasePage expected;
  std::vector<std::byte> bytes;
  {
    const std::lock_guard lock(mutex_);
    const auto database = databases_.find(id);
    if (database == databases_.end()) return {};
    expected = database->second.base_page(page);
    base = database->second.base;
    bytes.resize(database->second.page_size.bytes());
  }
  if (expected.hash == PageHash{0}) return {};
  if (Result<void> read = base->read(page, bytes); !read) return read;
  if (hash_page(bytes) == expected.hash) return {};
  const std::lock_guard lock(mutex_);
  const auto found = databases_.find(id);
  if (is_replacing_ || found == databases_.end() || found->second.base != base) return {};
  const Database& database = found->second;
  const bool is_being_replaced = is_base_busy_ && !database.overlay.versions(page).empty();
  if (is_being_replaced || database.base_page(page).hash != expected.hash) return {};
  damaged_.insert({id, page});
  return fail(ErrorKind::kCorrupt,
              fmt::format("page {} of database '{}' is damaged on disk", page.value, database.name()));
}

Result<void> PageStore::check_pages_under(std::span<const Payload> parts) {
  for (const Payload& bytes : parts) {
    const Result<DeltaPart> part = parse_delta_part(bytes.bytes());
    if (!part) return tl::unexpected(part.error());
    for (const DeltaPart::Section& section : part->sections) {
      for (const DeltaPage& change : section.pages) {
        bool is_in_overlay = false;
        {
          const std::lock_guard lock(mutex_);
          const auto database = databases_.find(section.header.database);
          if (database == databases_.end() || change.page.value > database->second.table.size()) continue;
          is_in_overlay = !database->second.overlay.versions(change.page).empty();
        }
        if (is_in_overlay) continue;
        if (Result<void> sound = scrub(section.header.database, change.page); !sound) return sound;
      }
    }
  }
  return {};
}

Result<void> PageStore::repair(DatabaseId id, PageNumber page, std::span<const std::byte> bytes) {
  std::shared_ptr<BaseFile> base;
  {
    const std::lock_guard lock(mutex_);
    if (is_base_busy_) return fail(ErrorKind::kOverloaded, "a fold is running; repair the page after it");
    const auto database = databases_.find(id);
    if (database == databases_.end() || database->second.page_size.bytes() != bytes.size() ||
        database->second.base_page(page).hash != hash_page(bytes)) {
      return fail(ErrorKind::kInvalidArgument, fmt::format("these are not the bytes of page {}", page.value));
    }
    base = database->second.base;
    is_base_busy_ = true;
  }
  Result<void> written = base->write(page, bytes);
  if (written) written = base->sync();
  const std::lock_guard lock(mutex_);
  is_base_busy_ = false;
  if (written) damaged_.erase({id, page});
  return written;
}

Result<void> PageStore::trim_bases() {
  std::vector<std::pair<std::shared_ptr<BaseFile>, PageCount>> bases;
  {
    const std::lock_guard lock(mutex_);
    QUORATE_ASSERT(is_base_busy_);
    for (const auto& [id, database] : databases_) {
      if (database.base == nullptr) continue;
      const auto durable = std::ranges::find(durable_.databases, id, &DatabaseRecord::id);
      const bool is_durable = durable != durable_.databases.end();
      // The files of one that is gone are still read, by those who pinned it.
      if (!is_durable && !database.table.empty()) continue;
      bases.emplace_back(database.base, is_durable ? durable->page_count : PageCount{});
    }
  }
  for (const auto& [base, count] : bases) {
    if (Result<void> cut = base->cut(count); !cut) return cut;
  }
  return {};
}

Result<PageImage> PageStore::find_page(PageName name, PageHash hash) const {
  PageImage image;
  SpilledPage spilled;
  std::shared_ptr<const BaseFile> base;
  PageSize size;
  {
    const std::lock_guard lock(mutex_);
    const auto database = databases_.find(name.database);
    if (database != databases_.end()) {
      size = database->second.page_size;
      for (const PageVersion& version : database->second.overlay.versions(name.page)) {
        if (version.hash == hash) image = version.image, spilled = version.spilled;
      }
      if (database->second.base_page(name.page).hash == hash) base = database->second.base;
    }
  }
  if (!image.empty()) return image;
  if (spilled != nullptr) {
    Result<PageImage> loaded = spilled->load();
    if (!loaded || hash_page(loaded->bytes()) == hash) return loaded;
  }
  if (base != nullptr) {
    Result<void> read;
    image = PageImage::build(size.bytes(), [&](std::span<std::byte> into) { read = base->read(name.page, into); });
    if (!read) return tl::unexpected(read.error());
    if (hash_page(image.bytes()) == hash) return image;
  }
  return fail(ErrorKind::kNotFound,
              fmt::format("page {} of database {} is not here in that version", name.page.value, name.database.value));
}

}  // namespace quorate::sqlite
