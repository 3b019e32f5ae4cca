#include "statemachine/sqlite/snapshot_source.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"

namespace quorate::sqlite {

Result<std::unique_ptr<SnapshotSource>> SnapshotSource::open(PageStore& store, std::vector<std::byte> application,
                                                             Index base) {
  auto [pin, state] = store.pin_state();
  if (state.last.index <= base) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("there is no entry behind {} here", base.value));
  }
  std::unique_ptr<SnapshotSource> source(new SnapshotSource(store, std::move(pin), base));
  source->databases_ = state.databases;
  SnapshotHead head{.base = base, .state = std::move(state)};
  head.state.application = std::move(application);
  source->head_ = encode(head);
  source->sections_.push_back({.kind = Section::Kind::kHead, .offset = 0, .database = 0, .from = {}});
  source->known_end_ = source->head_.size();
  return source;
}

Result<SnapshotPiece> SnapshotSource::read(std::uint64_t offset, std::size_t bytes_max) {
  QUORATE_ASSERT(bytes_max > 0);
  std::vector<std::byte> bytes;
  while (bytes.size() < bytes_max) {
    const std::uint64_t at = offset + bytes.size();
    const Result<std::size_t> section = find(at);
    if (!section) return tl::unexpected(section.error());
    if (*section == sections_.size()) break;
    if (Result<void> loaded = load(*section); !loaded) return tl::unexpected(loaded.error());
    const auto from = static_cast<std::size_t>(at - sections_[*section].offset);
    const std::size_t count = std::min(bytes_max - bytes.size(), loaded_bytes_.size() - from);
    const auto begin = loaded_bytes_.begin() + static_cast<std::ptrdiff_t>(from);
    bytes.insert(bytes.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
  }
  return SnapshotPiece{Payload::copy_of(bytes), is_walked() && offset + bytes.size() >= known_end_};
}

// --- Where everything is ---

bool SnapshotSource::is_walked() const { return sections_.back().kind == Section::Kind::kEnd; }

Result<std::size_t> SnapshotSource::find(std::uint64_t offset) {
  while (offset >= known_end_) {
    if (is_walked()) return sections_.size();
    if (Result<void> walked = walk_on(); !walked) return tl::unexpected(walked.error());
  }
  const auto behind = std::ranges::upper_bound(sections_, offset, {}, &Section::offset);
  return static_cast<std::size_t>(behind - sections_.begin()) - 1;
}

Result<void> SnapshotSource::walk_on() {
  while (next_database_ < databases_.size()) {
    const DatabaseRecord& record = databases_[next_database_];
    const Section section{Section::Kind::kGroup, known_end_, next_database_, next_page_};
    Result<SnapshotGroup> group = collect(record, next_page_);
    if (!group) return tl::unexpected(group.error());
    if (next_page_.value > record.page_count.value) {
      ++next_database_;
      next_page_ = PageNumber{1};
    }
    if (group->entries.empty()) continue;
    sections_.push_back(section);
    known_end_ += group->size(record.page_size);
    walked_ = std::move(*group);
    return {};
  }
  sections_.push_back({.kind = Section::Kind::kEnd, .offset = known_end_, .database = 0, .from = {}});
  known_end_ += kSnapshotEndBytes;
  return {};
}

Result<SnapshotGroup> SnapshotSource::collect(const DatabaseRecord& record, PageNumber& cursor) const {
  SnapshotGroup group{record.id, {}};
  std::array<TableEntry, kPagesPerHold> entries;
  while (cursor.value <= record.page_count.value) {
    const std::uint64_t left = record.page_count.value - cursor.value + 1;
    const std::span<TableEntry> some = std::span(entries).first(std::min<std::uint64_t>(left, entries.size()));
    if (Result<void> listed = store_->list(pin_, record.id, cursor, some); !listed) {
      return tl::unexpected(listed.error());
    }
    for (const TableEntry& entry : some) {
      if (!take(cursor, entry, group)) return group;
      ++cursor.value;
    }
  }
  return group;
}

/// False if the page would be one too many for the group.
bool SnapshotSource::take(PageNumber page, TableEntry entry, SnapshotGroup& group) const {
  const bool is_zero = entry.hash == PageHash{0};
  if (!is_zero && base_ != Index{0} && entry.modified <= base_) return true;
  if (is_zero && !group.entries.empty()) {
    SnapshotEntry& before = group.entries.back();
    if (before.is_run() && before.page.value + before.zeros.value == page.value) return ++before.zeros.value, true;
  }
  if (group.entries.size() == kSnapshotGroupEntriesMax) return false;
  if (is_zero) {
    group.entries.push_back({.page = page, .entry = {}, .zeros = PageCount{1}});
  } else {
    group.entries.push_back({.page = page, .entry = entry, .zeros = {}});
  }
  return true;
}

// --- What is there ---

Result<void> SnapshotSource::load(std::size_t index) {
  if (loaded_ == index) return {};
  loaded_.reset();
  const Section& section = sections_[index];
  switch (section.kind) {
    case Section::Kind::kHead: loaded_bytes_ = head_; break;
    case Section::Kind::kEnd: loaded_bytes_ = encode_end(sections_.size() - 2, known_end_); break;
    case Section::Kind::kGroup: {
      // Whoever reads on wants the group that was found last.
      const bool is_last = index + 1 == sections_.size();
      PageNumber cursor = section.from;
      Result<SnapshotGroup> group = is_last ? walked_ : collect(databases_[section.database], cursor);
      if (!group) return tl::unexpected(group.error());
      if (Result<void> loaded = load_group(*group); !loaded) return loaded;
      break;
    }
  }
  loaded_ = index;
  return {};
}

Result<void> SnapshotSource::load_group(const SnapshotGroup& group) {
  loaded_bytes_ = encode_head(group);
  for (const SnapshotEntry& entry : group.entries) {
    if (entry.is_run()) continue;
    const Result<StoredPage> page = store_->page(pin_, group.database, entry.page);
    if (!page) return tl::unexpected(page.error());
    QUORATE_ASSERT(page->hash == entry.entry.hash);
    loaded_bytes_.insert(loaded_bytes_.end(), page->image.bytes().begin(), page->image.bytes().end());
  }
  return {};
}

}  // namespace quorate::sqlite
