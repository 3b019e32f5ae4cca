#include "statemachine/sqlite/overlay.hpp"

#include <algorithm>
#include <utility>

#include "consensus/assert.hpp"

namespace quorate::sqlite {

void Positions::remove(VersionId version) {
  const auto at = counts_.find(version);
  // Positions that were too old have been taken away already.
  if (at == counts_.end()) return;
  if (--at->second == 0) counts_.erase(at);
}

bool Positions::any_within(VersionId from, VersionId until) const {
  const auto at = counts_.lower_bound(from);
  return at != counts_.end() && at->first < until;
}

VersionId Positions::oldest() const {
  QUORATE_ASSERT(!counts_.empty());
  return counts_.begin()->first;
}

std::size_t Positions::remove_before(VersionId version) {
  const auto end = counts_.lower_bound(version);
  std::size_t removed = 0;
  for (auto at = counts_.begin(); at != end; at = counts_.erase(at)) removed += at->second;
  return removed;
}

const Overlay::Chain* Overlay::chain(PageNumber page) const {
  const std::size_t leaf = (page.value - 1) / kLeafPages;
  if (leaf >= leaves_.size() || leaves_[leaf] == nullptr) return nullptr;
  return &leaves_[leaf]->chains[(page.value - 1) % kLeafPages];
}

Overlay::Chain* Overlay::chain(PageNumber page) { return const_cast<Chain*>(std::as_const(*this).chain(page)); }

Overlay::Chain& Overlay::chain_or_new(PageNumber page) {
  QUORATE_ASSERT(page.value > 0);
  const std::size_t leaf = (page.value - 1) / kLeafPages;
  if (leaf >= leaves_.size()) leaves_.resize(leaf + 1);
  if (leaves_[leaf] == nullptr) leaves_[leaf] = std::make_unique<Leaf>();
  Chain& found = leaves_[leaf]->chains[(page.value - 1) % kLeafPages];
  if (found.empty()) ++leaves_[leaf]->used;
  return found;
}

void Overlay::erase(PageNumber page, std::size_t from, std::size_t to) {
  if (from == to) return;
  const std::size_t leaf = (page.value - 1) / kLeafPages;
  Chain& versions = leaves_[leaf]->chains[(page.value - 1) % kLeafPages];
  for (std::size_t i = from; i < to; ++i) image_bytes_ -= versions[i].image.size();
  versions.erase(versions.begin() + static_cast<std::ptrdiff_t>(from),
                 versions.begin() + static_cast<std::ptrdiff_t>(to));
  if (!versions.empty()) return;
  Chain{}.swap(versions);
  if (--leaves_[leaf]->used == 0) leaves_[leaf].reset();
}

const PageVersion* Overlay::find(PageNumber page, VersionId at) const {
  const Chain* versions = chain(page);
  if (versions == nullptr) return nullptr;
  // Nearly always the newest or the one before it.
  for (auto version = versions->rbegin(); version != versions->rend(); ++version) {
    if (version->version <= at) return &*version;
  }
  return nullptr;
}

const std::vector<PageVersion>& Overlay::versions(PageNumber page) const {
  static const Chain kNone;
  const Chain* found = chain(page);
  return found == nullptr ? kNone : *found;
}

void Overlay::install(PageNumber page, PageVersion version) {
  Chain& versions = chain_or_new(page);
  const auto next = std::ranges::upper_bound(versions, version.version, {}, &PageVersion::version);
  QUORATE_ASSERT(next == versions.begin() || std::prev(next)->version != version.version);
  image_bytes_ += version.image.size();
  versions.insert(next, std::move(version));
}

void Overlay::set_modified(PageNumber page, VersionId version, Index modified) {
  Chain* versions = chain(page);
  QUORATE_ASSERT(versions != nullptr);
  const auto at = std::ranges::find(*versions, version, &PageVersion::version);
  QUORATE_ASSERT(at != versions->end());
  at->modified = modified;
}

void Overlay::remove_newer(PageNumber page, VersionId version) {
  const Chain* versions = chain(page);
  if (versions == nullptr) return;
  const auto first = std::ranges::find_if(*versions, [&](const PageVersion& v) { return v.version > version; });
  erase(page, static_cast<std::size_t>(first - versions->begin()), versions->size());
}

void Overlay::remove(PageNumber page, VersionId version) {
  const Chain* versions = chain(page);
  if (versions == nullptr) return;
  const auto at = std::ranges::find(*versions, version, &PageVersion::version);
  if (at == versions->end()) return;
  const auto position = static_cast<std::size_t>(at - versions->begin());
  erase(page, position, position + 1);
}

void Overlay::prune(PageNumber page, VersionId base, VersionId applied, const Positions& positions) {
  const Chain* versions = chain(page);
  if (versions == nullptr) return;
  for (std::size_t i = versions->size(); i-- > 0;) {
    const VersionId from = (*versions)[i].version;
    if (from > applied) continue;
    // It stands for the page until the next version, which may be the base file's.
    const bool is_newest = i + 1 == versions->size();
    if (is_newest && base <= from) continue;
    VersionId until = is_newest ? base : (*versions)[i + 1].version;
    if (base > from && base < until) until = base;
    if (positions.any_within(from, until)) continue;
    const bool is_last = versions->size() == 1;
    erase(page, i, i + 1);
    if (is_last) return;
  }
}

void Overlay::set_spilled(PageNumber page, VersionId version, const PageImage& image, SpilledPage spilled) {
  Chain* versions = chain(page);
  if (versions == nullptr) return;
  const auto at = std::ranges::find(*versions, version, &PageVersion::version);
  if (at == versions->end() || at->image.bytes().data() != image.bytes().data()) return;
  image_bytes_ -= at->image.size();
  at->image = PageImage{};
  at->spilled = std::move(spilled);
}

PageNumber Overlay::next_page(PageNumber from) const {
  QUORATE_ASSERT(from.value > 0);
  std::size_t slot = (from.value - 1) % kLeafPages;
  for (std::size_t leaf = (from.value - 1) / kLeafPages; leaf < leaves_.size(); ++leaf, slot = 0) {
    if (leaves_[leaf] == nullptr) continue;
    for (; slot < kLeafPages; ++slot) {
      if (!leaves_[leaf]->chains[slot].empty()) return PageNumber{leaf * kLeafPages + slot + 1};
    }
  }
  return PageNumber{};
}

}  // namespace quorate::sqlite
