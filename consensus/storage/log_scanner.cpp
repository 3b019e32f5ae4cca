#include "consensus/storage/log_scanner.hpp"

#include <algorithm>
#include <numeric>

namespace quorate::storage {
namespace {

bool has_body(const Item& item) { return item.type == ItemType::kEntry || item.type == ItemType::kRepair; }

std::uint64_t body_bytes(const Directory& directory) {
  return std::transform_reduce(directory.begin(), directory.end(), std::uint64_t{0}, std::plus<>{},
                               [](const Item& item) { return std::uint64_t{item.body_bytes}; });
}

}  // namespace

void SegmentExtents::note(SegmentNumber segment, const Item& item) {
  if (has_body(item)) {
    Index& last = last_index_[segment];
    last = std::max(last, item.id().index);
  } else if (item.type == ItemType::kTruncate) {
    for (auto& [number, last] : last_index_) last = std::min(last, item.id().index);
  } else if (item.type == ItemType::kReset) {
    for (auto& [number, last] : last_index_) last = Index{};
  }
}

std::optional<SegmentNumber> SegmentExtents::obsolete(Index base) const {
  if (last_index_.size() < 2 || last_index_.begin()->second > base) return std::nullopt;
  return last_index_.begin()->first;
}

std::vector<std::byte> LogScanner::add(SegmentNumber number, std::vector<std::byte> content) {
  previous_segment_ = std::exchange(segment_, number);
  std::vector<std::byte> unused = std::exchange(previous_content_, std::exchange(content_, std::move(content)));
  begin_segment();
  for (std::uint64_t offset = identity_.block_bytes; offset < content_.size();) {
    const Place place{segment_, offset};
    if (auto group = read_group(place); group && continues_the_log(group->header)) {
      offset += round_up(group->header.bytes(), identity_.block_bytes);
      accept(std::move(*group));
    } else {
      // The next group, if there is one, should begin behind the last one, or else begin this segment.
      if (hole_.empty() || offset == identity_.block_bytes) hole_.push_back(place);
      offset += identity_.block_bytes;
    }
  }
  return unused;
}

void LogScanner::begin_segment() {
  // A segment is begun when everything in the one before it is durable.
  replay_suspect();
  extents_.begin(segment_);
  const auto header = decode_segment_header(content_, segment_, identity_.salt);
  has_segment_header_ = header.has_value();
  if (!header || replay_) return;
  replay_.emplace(header->state);
  expected_ = header->first_group;
}

std::optional<LogScanner::Group> LogScanner::read_group(Place place) const {
  const auto stored = decode_group_header(content_, place.segment, place.offset, identity_.salt);
  if (!stored) return std::nullopt;
  const GroupHeader& header = stored->header;
  auto directory = decode_directory(
      std::span(content_).subspan(place.offset + kGroupHeaderBytes, std::size_t{header.items} * kItemBytes),
      header.directory_checksum);
  if (!directory || body_bytes(*directory) != header.body_bytes) return std::nullopt;
  return Group{place, header, stored->checksum, std::move(*directory)};
}

std::optional<Directory> LogScanner::read_copy(const Group& group) const {
  return decode_directory(content_of(group.place.segment)
                              .subspan(group.place.offset + group.header.copy_offset(),
                                       std::size_t{group.header.copied_items} * kItemBytes),
                          group.header.copy_checksum);
}

std::span<const std::byte> LogScanner::content_of(SegmentNumber segment) const {
  if (segment == segment_) return content_;
  if (segment == previous_segment_) return previous_content_;
  return {};
}

LogScanner::Bodies LogScanner::read_bodies(const Directory& directory, Place place, std::uint64_t bodies_offset) const {
  const std::span<const std::byte> content = content_of(place.segment);
  Bodies bodies;
  bodies.found.reserve(directory.size());
  std::uint64_t at = place.offset + bodies_offset;
  for (const Item& item : directory) {
    FoundBody body;
    if (item.is_absent) {
      body.payload = Payload::absent();
    } else if (has_body(item)) {
      const bool is_inside = at <= content.size() && item.body_bytes <= content.size() - at;
      const auto bytes = is_inside ? content.subspan(at, item.body_bytes) : std::span<const std::byte>{};
      body.is_damaged = !is_inside || checksum_of(bytes) != item.body_checksum;
      body.payload = body.is_damaged ? Payload::absent() : Payload::copy_of(bytes);
      if (body.is_damaged) {
        bodies.damage.push_back(
            {.what = LogDamage::What::kBody, .segment = place.segment, .offset = at, .id = item.id()});
      }
      at += item.body_bytes;
    }
    bodies.found.push_back(std::move(body));
  }
  return bodies;
}

/// Whether a readable group is the next one of this log, or one behind a hole; not one of an earlier life, whose place
/// the present log has not reached yet (pitfall C15), nor one that was not yet durable when its predecessor was lost.
bool LogScanner::continues_the_log(const GroupHeader& header) const {
  if (header.boot < tail_.boot) return false;
  if (expected_ == GroupSequence{}) return true;
  if (header.sequence == expected_) return !chain_ || header.previous == *chain_;
  return header.sequence > expected_ && header.synced >= expected_;
}

void LogScanner::accept(Group group) {
  replay_suspect();
  if (!replay_) replay_.emplace(group.header.state);
  if (expected_ != GroupSequence{} && group.header.sequence > expected_) fill_hole(group);
  check_spares(group);
  hole_.clear();
  if (group.header.is_mark) return accept_mark(group);
  expected_ = GroupSequence{group.header.sequence.value + 1};
  chain_ = group.checksum;
  Bodies bodies = read_bodies(group.directory, group.place, group.header.bodies_offset());
  if (bodies.are_whole()) {
    replay(std::move(group), std::move(bodies));
  } else {
    suspect_ = std::move(group);
  }
}

/// What is written twice, or derived, so that nothing is lost with it.
void LogScanner::check_spares(const Group& group) {
  if (!std::exchange(has_segment_header_, true)) {
    damage_.push_back({.what = LogDamage::What::kSegmentHeader, .segment = group.place.segment});
  }
  if (depth_ == ScanDepth::kEverything && !read_copy(group)) {
    damage_.push_back({.what = LogDamage::What::kCopy,
                       .segment = group.place.segment,
                       .offset = group.place.offset + group.header.copy_offset()});
  }
}

/// The log goes on in the mark's place.
void LogScanner::accept_mark(const Group& mark) {
  expected_ = mark.header.sequence;
  chain_ = mark.header.previous;
  replay_->begin_group(mark.header.state);
  is_empty_ = false;
  is_tail_proven_ = true;
  tail_.segment = mark.place.segment;
  tail_.offset = mark.place.offset == identity_.block_bytes ? 0 : mark.place.offset;
  tail_.sequence = mark.header.synced;
  tail_.checksum = mark.header.previous;
  tail_.directory = read_copy(mark).value_or(Directory{});
  tail_.boot = mark.header.boot;
}

/// The newest group has damaged bodies, and now it is known that it was durable.
void LogScanner::replay_suspect() {
  if (!suspect_) return;
  Bodies bodies = read_bodies(suspect_->directory, suspect_->place, suspect_->header.bodies_offset());
  replay(*std::exchange(suspect_, std::nullopt), std::move(bodies));
}

/// What is between was durable and cannot be read. If it is a single group, the next one has its directory, and its
/// bodies may still be where they were.
void LogScanner::fill_hole(const Group& next) {
  const std::uint64_t missing = next.header.sequence.value - expected_.value;
  damaged_groups_ += missing;
  // A single one is what stands right before the next, behind whatever the segment before had left over.
  const Place first = hole_.empty() ? Place{} : missing == 1 ? hole_.back() : hole_.front();
  damage_.push_back(
      {.what = LogDamage::What::kGroups, .segment = first.segment, .offset = first.offset, .groups = missing});
  const auto directory = read_copy(next);
  if (missing != 1 || !directory) return;
  const std::uint64_t bodies_offset = kGroupHeaderBytes + directory->size() * kItemBytes;
  Bodies bodies = read_bodies(*directory, Place{}, bodies_offset);
  for (const Place place : hole_) {
    if (!bodies.are_whole()) bodies = read_bodies(*directory, place, bodies_offset);
    note(place.segment, *directory);
  }
  apply(*directory, std::move(bodies));
}

void LogScanner::replay(Group group, Bodies bodies) {
  is_empty_ = false;
  is_tail_proven_ = false;
  replay_->begin_group(group.header.state);
  note(group.place.segment, group.directory);
  apply(group.directory, std::move(bodies));
  last_ = group.place;
  tail_.segment = group.place.segment;
  tail_.offset = group.place.offset + round_up(group.header.bytes(), identity_.block_bytes);
  tail_.sequence = group.header.sequence;
  tail_.checksum = group.checksum;
  tail_.directory = std::move(group.directory);
  tail_.boot = group.header.boot;
}

void LogScanner::note(SegmentNumber segment, const Directory& directory) {
  for (const Item& item : directory) extents_.note(segment, item);
}

void LogScanner::apply(const Directory& directory, Bodies bodies) {
  damage_.insert(damage_.end(), bodies.damage.begin(), bodies.damage.end());
  for (std::size_t i = 0; i < directory.size(); ++i) replay_->apply(directory[i], std::move(bodies.found[i]));
}

ScannedLog LogScanner::finish() && {
  ScannedLog log;
  log.is_empty = is_empty_;
  log.damaged_groups = damaged_groups_;
  log.damage = std::move(damage_);
  log.has_torn_tail = suspect_.has_value();
  if (!replay_) replay_.emplace(LogState{});
  log.recovered = replay_->finish();
  tail_.state = replay_->state();
  if (tail_.segment != segment_ || is_empty_) {
    tail_.segment = segment_;
    tail_.offset = 0;
  } else if (!is_tail_proven_) {
    log.unproven_offset = last_.offset == identity_.block_bytes ? 0 : last_.offset;
    const std::uint64_t end = std::min<std::uint64_t>(tail_.offset, content_.size());
    log.unproven.assign(content_.begin() + static_cast<std::ptrdiff_t>(log.unproven_offset),
                        content_.begin() + static_cast<std::ptrdiff_t>(end));
  }
  log.tail = std::move(tail_);
  log.extents = std::move(extents_);
  return log;
}

}  // namespace quorate::storage
