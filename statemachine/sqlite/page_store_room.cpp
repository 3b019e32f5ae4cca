// Keeps the page store's memory within its limits: images beyond them move to the spill file, and when its quota is
// used up, readers of old versions lose them.
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/page_store.hpp"

namespace quorate::sqlite {

Result<void> PageStore::make_room() {
  while (overlay_bytes() > options_.overlay_bytes_max) {
    const Result<void> spilled = spill_some();
    if (spilled) continue;
    if (spilled.error().kind != ErrorKind::kOverloaded) return spilled;
    if (give_up_old_versions()) continue;
    return fail(ErrorKind::kOverloaded,
                fmt::format("more than {} bytes of changes wait to be written to the base files; try again shortly",
                            options_.overlay_bytes_max + options_.spill_bytes_max));
  }
  return {};
}

Result<void> PageStore::spill_some() {
  struct Candidate {
    PageName name;
    VersionId version;
    PageImage image;
  };
  std::vector<Candidate> candidates;
  {
    const std::lock_guard lock(mutex_);
    auto database = databases_.lower_bound(spill_cursor_.database);
    for (std::size_t looked_at = 0; looked_at < kPagesPerHold; ++looked_at) {
      if (database == databases_.end()) {
        spill_cursor_ = {databases_.begin()->first, PageNumber{1}};
        break;
      }
      if (spill_cursor_.database != database->first) spill_cursor_ = {database->first, PageNumber{1}};
      const PageNumber page = database->second.overlay.next_page(spill_cursor_.page);
      if (page == PageNumber{}) {
        ++database;
        continue;
      }
      for (const PageVersion& version : database->second.overlay.versions(page)) {
        if (!version.image.empty()) candidates.push_back({{database->first, page}, version.version, version.image});
      }
      spill_cursor_.page = PageNumber{page.value + 1};
    }
  }
  for (Candidate& candidate : candidates) {
    Result<SpilledPage> spilled = spill_->store(candidate.image.bytes());
    if (!spilled) return tl::unexpected(spilled.error());
    const std::lock_guard lock(mutex_);
    const auto database = databases_.find(candidate.name.database);
    if (database == databases_.end()) continue;
    database->second.overlay.set_spilled(candidate.name.page, candidate.version, candidate.image, std::move(*spilled));
  }
  return {};
}

bool PageStore::give_up_old_versions() {
  std::vector<DatabaseId> ids;
  {
    const std::lock_guard lock(mutex_);
    oldest_readable_ = applied_;
    const std::size_t given_up = positions_.remove_before(applied_);
    const bool is_folding = folding_ && *folding_ < applied_;
    if (is_folding) positions_.add(*folding_);
    if (given_up == (is_folding ? 1 : 0)) return false;
    for (const auto& [id, database] : databases_) ids.push_back(id);
  }
  for (DatabaseId id : ids) {
    for (PageNumber page{1}; page != PageNumber{};) {
      const std::lock_guard lock(mutex_);
      const auto database = databases_.find(id);
      if (database == databases_.end()) break;
      for (std::size_t held = 0; held < kPagesPerHold; ++held) {
        page = database->second.overlay.next_page(page);
        if (page == PageNumber{}) break;
        prune_locked(database->second, page);
        ++page.value;
      }
    }
  }
  Databases gone;
  const std::lock_guard lock(mutex_);
  gone = take_gone_locked();
  return true;
}

}  // namespace quorate::sqlite
