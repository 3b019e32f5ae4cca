// The write-ahead log: everything that a node must remember across a crash, in one ordered stream of records. Term,
// vote and entries go through the same stream, so that a crash never leaves an entry whose term was forgotten (pitfall
// C6). The bytes are specified in wal_format.hpp; what was found on disk is judged by log_scanner.hpp.
//
// Group commit: append() stages batches in memory, commit() writes all that is staged as one group, with one write and
// one sync. Nothing is durable before commit() returns success.
//
// Fail-stop: after an error of a write or a sync nothing is known about the disk any more, and the log refuses
// everything (kIo) until the process starts anew. The exception is a full disk, which is noticed before anything is
// written: append() answers kDiskFull, the batch is not staged, and everything else goes on. Batches without commands
// may then use a reserve, so that the node can still vote and change the membership.
//
// Not thread-safe; it may move between threads. All calls block.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "consensus/assert.hpp"
#include "consensus/concepts.hpp"
#include "consensus/random.hpp"
#include "consensus/storage/file_system.hpp"
#include "consensus/storage/identity_file.hpp"
#include "consensus/storage/log_scanner.hpp"
#include "consensus/storage/segment.hpp"
#include "consensus/storage/term_runs.hpp"
#include "consensus/storage/wal_format.hpp"

namespace quorate::storage {

struct WalOptions {
  std::string directory = "log";
  ClusterId cluster;
  NodeId node;
  /// Random bits, from which a store that does not exist yet gets its incarnation and its salt.
  std::uint64_t entropy = 0;
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;
  std::uint64_t reserve_bytes = std::uint64_t{1} << 20;
  /// Of a store that does not exist yet: what the disk writes as a whole, or a multiple of it.
  std::uint32_t block_bytes = 4096;
};

template <FileSystem Files>
class Wal {
 public:
  struct Opened;

  /// Opens the log, or creates it where there is nothing. Takes the directory's lock. `files` outlives the log.
  /// kLocked: another process has it; kInvalidArgument: the directory is another node's, or no log; kUnsupported: of
  /// another version; kCorrupt: beyond repair. In none of these cases is anything changed.
  static Result<Opened> open(Files& files, const WalOptions& options);

  /// Stages a batch behind those staged before, and returns the id of the last entry that the log has with it.
  Result<LogId> append(const PersistBatch& batch);
  /// Makes everything staged durable.
  Result<void> commit();
  /// Forgets entries up to `through`, which a durable snapshot covers, and deletes segments that hold nothing else.
  /// Commits what is staged. Does nothing if `through` is not in the log. kDiskFull: nothing is forgotten.
  Result<void> compact(LogId through);

  /// For idle moments: leaves a trace that the last group was synced. Without it, damage to that group would look like
  /// the torn tail of a crash (pitfall C11). Not synced itself; the next group takes its place.
  Result<void> mark();
  /// For idle moments: works on the next segment, so that beginning it will not take long. True: there is more to do.
  Result<bool> prepare();

  /// What the log amounts to with what is staged.
  [[nodiscard]] const LogState& state() const { return state_; }
  [[nodiscard]] std::size_t segments() const { return extents_.count(); }

 private:
  using File = typename Files::File;

  static constexpr std::uint64_t kPrepareStepBytes = std::uint64_t{1} << 20;
  static constexpr std::size_t kBufferBytesKept = std::size_t{4} << 20;

  Wal(Files& files, const WalOptions& options, const StoreIdentity& identity)
      : segments_(files, options.directory, options.segment_bytes, options.reserve_bytes),
        segment_bytes_(options.segment_bytes),
        identity_(identity) {}

  static Result<IdentityFile<Files>> open_identity(Files& files, const WalOptions& options);
  static Result<void> check_owner(const StoreIdentity& found, const WalOptions& options);
  Result<ScannedLog> scan();
  Result<void> go_on_from(ScannedLog log);

  [[nodiscard]] Result<void> check() const;
  tl::unexpected<Error> stop(const Error& error);

  [[nodiscard]] std::uint64_t bytes_needed_for(const PersistBatch& batch) const;
  [[nodiscard]] std::uint64_t mark_bytes(std::size_t items_before) const;
  Result<void> make_room_for(const PersistBatch& batch);
  Result<void> begin_segment(std::uint64_t bytes, SegmentPurpose purpose);

  void stage(const PersistBatch& batch);
  void stage(const Item& item, Payload body = {});
  /// Builds the group of what is staged in `buffer_`; returns what to write at tail_.offset, and its checksum.
  struct Assembled {
    std::span<const std::byte> bytes;
    std::uint32_t checksum = 0;
  };
  enum class GroupKind { kGroup, kMark };
  [[nodiscard]] Assembled assemble(GroupKind kind);
  Result<void> write_group();
  Result<void> delete_obsolete();

  SegmentFiles<Files> segments_;
  std::uint64_t segment_bytes_;
  StoreIdentity identity_;  ///< `boot` is this process's

  std::optional<File> file_;  ///< the last segment
  std::uint64_t file_bytes_ = 0;
  SegmentExtents extents_;
  LogTail tail_;  ///< of what is durable

  LogState state_;  ///< with what is staged
  TermRuns terms_;  ///< likewise
  Directory staged_;
  std::vector<Payload> staged_bodies_;
  std::uint64_t staged_body_bytes_ = 0;
  bool has_reset_ = false;

  std::vector<std::byte> buffer_;
  bool is_marked_ = false;
  std::optional<Error> failure_;
};

template <FileSystem Files>
struct Wal<Files>::Opened {
  Wal wal;
  Recovered recovered;
};

// --- Opening ---

template <FileSystem Files>
auto Wal<Files>::open(Files& files, const WalOptions& options) -> Result<Opened> {
  QUORATE_ASSERT(options.block_bytes >= kBlockBytesMin && options.block_bytes <= kBlockBytesMax);
  QUORATE_ASSERT(options.segment_bytes >= std::uint64_t{4} * options.block_bytes);
  auto identity = open_identity(files, options);
  if (!identity) return tl::unexpected(identity.error());
  // A process that was killed may have left names that only the cache knows: what is found from here on, and built
  // upon, must not vanish with the power.
  if (auto synced = files.sync_directory(options.directory); !synced) return tl::unexpected(synced.error());
  Wal wal(files, options, identity->get());
  auto log = wal.scan();
  if (!log) return tl::unexpected(log.error());
  if (log->is_empty && identity->get().boot != Boot{}) {
    return fail(ErrorKind::kCorrupt,
                "the log in " + options.directory +
                    " was in use, but nothing of it can be read; remove the directory and let the node join the "
                    "cluster anew");
  }
  wal.identity_.boot = Boot{std::max(identity->get().boot, log->tail.boot).value + 1};
  Recovered recovered = std::move(log->recovered);
  recovered.incarnation = wal.identity_.incarnation;
  recovered.boot = wal.identity_.boot;
  wal.terms_.reset(recovered.base);
  for (const Entry& entry : recovered.entries) wal.terms_.append(entry.id());
  if (auto ready = wal.go_on_from(std::move(*log)); !ready) return tl::unexpected(ready.error());
  // Only now: the identity counts a boot when there is a group of it to be found.
  if (auto counted = identity->set_boot(wal.identity_.boot); !counted) return tl::unexpected(counted.error());
  return Opened{std::move(wal), std::move(recovered)};
}

template <FileSystem Files>
Result<IdentityFile<Files>> Wal<Files>::open_identity(Files& files, const WalOptions& options) {
  const std::string& directory = options.directory;
  const std::string path = directory + "/identity";
  auto exists = files.exists(directory);
  if (!exists) return tl::unexpected(exists.error());
  if (!*exists) {
    if (auto created = files.create_directories(directory); !created) return tl::unexpected(created.error());
    if (auto synced = files.sync_directory(""); !synced) return tl::unexpected(synced.error());
  }
  auto names = files.list(directory);
  if (!names) return tl::unexpected(names.error());
  const bool is_store = std::ranges::find(*names, "identity") != names->end();
  const auto is_unfinished = [](const std::string& name) { return name == "lock" || name == "identity.new"; };
  if (!is_store && !std::ranges::all_of(*names, is_unfinished)) {
    return fail(ErrorKind::kInvalidArgument,
                directory + " is neither empty nor a log directory; name another one, or restore its file 'identity'");
  }
  if (is_store) {
    auto identity = IdentityFile<Files>::open(files, path);
    if (!identity) return identity;
    if (auto owner = check_owner(identity->get(), options); !owner) return tl::unexpected(owner.error());
  }
  if (auto locked = files.lock(directory + "/lock"); !locked) return tl::unexpected(locked.error());
  if (is_store) return IdentityFile<Files>::open(files, path);  // as it is now that nobody else may change it
  Random random(options.entropy);
  return IdentityFile<Files>::create(files, directory,
                                     {.cluster = options.cluster,
                                      .node = options.node,
                                      .incarnation = Incarnation{random.between(1, UINT64_MAX)},
                                      .salt = random.next(),
                                      .block_bytes = options.block_bytes});
}

template <FileSystem Files>
Result<void> Wal<Files>::check_owner(const StoreIdentity& found, const WalOptions& options) {
  if (found.cluster == options.cluster && found.node == options.node) return {};
  return fail(ErrorKind::kInvalidArgument,
              options.directory + " belongs to " + describe_owner(found.cluster, found.node) + ", not to " +
                  describe_owner(options.cluster, options.node) + "; name the right directory or the right node");
}

template <FileSystem Files>
Result<ScannedLog> Wal<Files>::scan() {
  auto numbers = segments_.list();
  if (!numbers) return tl::unexpected(numbers.error());
  LogScanner scanner(identity_);
  std::vector<std::byte> buffer;
  for (const SegmentNumber number : *numbers) {
    auto content = segments_.read(number, std::move(buffer));
    if (!content) return tl::unexpected(content.error());
    buffer = scanner.add(number, std::move(*content));
  }
  return std::move(scanner).finish();
}

/// Makes durable what was found, and writes a first group, which says so and carries the new boot number.
template <FileSystem Files>
Result<void> Wal<Files>::go_on_from(ScannedLog log) {
  tail_ = std::move(log.tail);
  state_ = tail_.state;
  extents_ = std::move(log.extents);
  if (tail_.segment != SegmentNumber{}) {
    auto file = segments_.open(tail_.segment);
    if (!file) return tl::unexpected(file.error());
    auto size = file->size();
    if (!size) return tl::unexpected(size.error());
    file_.emplace(std::move(*file));
    file_bytes_ = *size;
    // What was read of the last group may be in the cache alone, even if a sync claims the contrary after an earlier
    // one has failed. Written again, it will be synced.
    if (auto again = file_->write(log.unproven_offset, log.unproven); !again) return again;
    if (auto synced = file_->sync(); !synced) return synced;
  }
  if (auto room = make_room_for({}); !room) return room;
  if (auto written = write_group(); !written) return written;
  return segments_.ensure_reserve();
}

// --- Writing ---

template <FileSystem Files>
Result<void> Wal<Files>::check() const {
  if (!failure_) return {};
  return fail(ErrorKind::kIo, "the log has stopped: " + failure_->message);
}

template <FileSystem Files>
tl::unexpected<Error> Wal<Files>::stop(const Error& error) {
  failure_ = error;
  return fail(ErrorKind::kIo, error.message);
}

template <FileSystem Files>
Result<LogId> Wal<Files>::append(const PersistBatch& batch) {
  if (auto usable = check(); !usable) return tl::unexpected(usable.error());
  if (auto room = make_room_for(batch); !room) return tl::unexpected(room.error());
  stage(batch);
  return state_.last;
}

template <FileSystem Files>
Result<void> Wal<Files>::commit() {
  if (auto usable = check(); !usable) return usable;
  if (staged_.empty()) return {};
  if (auto written = write_group(); !written) return stop(written.error());
  return std::exchange(has_reset_, false) ? delete_obsolete() : Result<void>{};
}

template <FileSystem Files>
Result<void> Wal<Files>::compact(LogId through) {
  if (auto usable = check(); !usable) return usable;
  const bool is_in_log = through.index > state_.base.index && through.index <= state_.last.index &&
                         terms_.at(through.index) == through.term;
  if (!is_in_log) return {};
  if (auto room = make_room_for({}); !room) return room;
  stage(Item::of(ItemType::kCompact, through));
  state_.base = through;
  terms_.compact(through);
  if (auto committed = commit(); !committed) return committed;
  return delete_obsolete();
}

template <FileSystem Files>
Result<void> Wal<Files>::mark() {
  if (auto usable = check(); !usable) return usable;
  if (is_marked_ || !staged_.empty() || tail_.offset + mark_bytes(tail_.directory.size()) > file_bytes_) return {};
  if (auto written = file_->write(tail_.offset, assemble(GroupKind::kMark).bytes); !written)
    return stop(written.error());
  is_marked_ = true;
  return {};
}

template <FileSystem Files>
Result<bool> Wal<Files>::prepare() {
  if (auto usable = check(); !usable) return tl::unexpected(usable.error());
  if (tail_.offset < file_bytes_ / 2) return false;
  auto more = segments_.prepare_spare(kPrepareStepBytes);
  if (!more) return stop(more.error());
  return more;
}

/// What the staged group takes with `batch` in it, and the mark behind it, which must always find room (W1).
template <FileSystem Files>
std::uint64_t Wal<Files>::bytes_needed_for(const PersistBatch& batch) const {
  constexpr std::size_t kOtherItemsMax = 3;  // a reset, a truncation, hard state
  const std::size_t items = staged_.size() + kOtherItemsMax + batch.entries.size() + batch.repairs.size();
  std::uint64_t bytes = kGroupHeaderBytes + (items + tail_.directory.size()) * kItemBytes + staged_body_bytes_;
  for (const auto* entries : {&batch.entries, &batch.repairs}) {
    for (const Entry& entry : *entries) bytes += entry.payload.size();
  }
  QUORATE_ASSERT(bytes <= kGroupBytesMax);
  return round_up(bytes, identity_.block_bytes) + mark_bytes(items);
}

/// With the header of the segment, if that is not written yet.
template <FileSystem Files>
std::uint64_t Wal<Files>::mark_bytes(std::size_t items_before) const {
  return round_up(kGroupHeaderBytes + items_before * kItemBytes, identity_.block_bytes) +
         (tail_.offset == 0 ? identity_.block_bytes : 0);
}

template <FileSystem Files>
Result<void> Wal<Files>::make_room_for(const PersistBatch& batch) {
  // What a node needs to take part in elections and in changes of the membership.
  const bool is_essential = batch.repairs.empty() && std::ranges::none_of(batch.entries, [](const Entry& entry) {
                              return entry.kind == EntryKind::kCommand;
                            });
  const auto has_room = [&] {
    const bool is_reserve = file_bytes_ < segment_bytes_;
    return file_ && tail_.offset + bytes_needed_for(batch) <= file_bytes_ && (is_essential || !is_reserve);
  };
  if (has_room()) return {};
  if (!staged_.empty()) {
    if (auto committed = commit(); !committed) return committed;
    if (has_room()) return {};
  }
  return begin_segment(identity_.block_bytes + bytes_needed_for(batch),
                       is_essential ? SegmentPurpose::kEssential : SegmentPurpose::kAnything);
}

/// Nothing is staged and all is durable.
template <FileSystem Files>
Result<void> Wal<Files>::begin_segment(std::uint64_t bytes, SegmentPurpose purpose) {
  const SegmentNumber number{tail_.segment.value + 1};
  auto file = segments_.create(number, bytes, purpose);
  if (!file && file.error().kind == ErrorKind::kDiskFull) return tl::unexpected(file.error());
  if (!file) return stop(file.error());
  auto size = file->size();
  if (!size) return stop(size.error());
  file_.emplace(std::move(*file));
  file_bytes_ = *size;
  tail_.segment = number;
  tail_.offset = 0;
  extents_.begin(number);
  is_marked_ = false;
  if (file_bytes_ < segment_bytes_) return {};  // the reserve itself
  if (auto reserved = segments_.ensure_reserve(); !reserved) return stop(reserved.error());
  return {};
}

/// In the order that PersistBatch promises: a crash leaves all of it or nothing, as a group is whole or torn.
template <FileSystem Files>
void Wal<Files>::stage(const PersistBatch& batch) {
  if (batch.reset_to) {
    stage(Item::of(ItemType::kReset, *batch.reset_to));
    state_.base = state_.last = *batch.reset_to;
    terms_.reset(*batch.reset_to);
    has_reset_ = true;
  }
  if (batch.truncate_after && *batch.truncate_after < state_.last.index) {
    QUORATE_ASSERT(*batch.truncate_after >= state_.base.index);
    stage(Item::of(ItemType::kTruncate, {Term{}, *batch.truncate_after}));
    state_.last = {terms_.at(*batch.truncate_after), *batch.truncate_after};
    terms_.truncate_after(*batch.truncate_after);
  }
  if (batch.hard_state) {
    stage(Item::of(*batch.hard_state));
    state_.hard_state = *batch.hard_state;
  }
  for (const Entry& entry : batch.entries) {
    QUORATE_ASSERT(entry.index == state_.last.index + 1);
    QUORATE_ASSERT(entry.term >= state_.last.term);
    stage(Item::of_entry(ItemType::kEntry, entry), entry.payload);
    state_.last = entry.id();
    terms_.append(entry.id());
  }
  for (const Entry& entry : batch.repairs) {
    QUORATE_ASSERT(!entry.payload.is_absent());
    stage(Item::of_entry(ItemType::kRepair, entry), entry.payload);
  }
  if (state_.last.index >= state_.lost.index && state_.last.term >= state_.lost.term) state_.lost = {};
}

template <FileSystem Files>
void Wal<Files>::stage(const Item& item, Payload body) {
  extents_.note(tail_.segment, item);
  staged_.push_back(item);
  if (body.empty()) return;
  staged_body_bytes_ += body.size();
  staged_bodies_.push_back(std::move(body));
}

template <FileSystem Files>
auto Wal<Files>::assemble(GroupKind kind) -> Assembled {
  const bool is_first = tail_.offset == 0;
  const std::uint64_t start = is_first ? identity_.block_bytes : 0;
  GroupHeader header{.is_mark = kind == GroupKind::kMark,
                     .segment = tail_.segment,
                     .offset = tail_.offset + start,
                     .sequence = GroupSequence{tail_.sequence.value + 1},
                     .synced = tail_.sequence,
                     .boot = identity_.boot,
                     .previous = tail_.checksum,
                     .items = static_cast<std::uint32_t>(staged_.size()),
                     .copied_items = static_cast<std::uint32_t>(tail_.directory.size()),
                     .body_bytes = static_cast<std::uint32_t>(staged_body_bytes_),
                     .state = tail_.state};
  const std::uint64_t size = start + round_up(header.bytes(), identity_.block_bytes);
  if (buffer_.size() < size) buffer_.resize(size);
  const std::span<std::byte> buffer = std::span(buffer_).first(size);
  const std::span<std::byte> group = buffer.subspan(start);
  const auto put_directory = [&](const Directory& directory, std::uint64_t at) {
    const auto bytes = group.subspan(at, directory.size() * kItemBytes);
    for (std::size_t i = 0; i < directory.size(); ++i) {
      encode(directory[i], std::span<std::byte, kItemBytes>(bytes.subspan(i * kItemBytes, kItemBytes)));
    }
    return checksum_of(bytes);
  };
  header.directory_checksum = put_directory(staged_, kGroupHeaderBytes);
  header.copy_checksum = put_directory(tail_.directory, header.copy_offset());
  std::uint64_t at = header.bodies_offset();
  for (const Payload& body : staged_bodies_) {
    // Not std::ranges::copy, which g++ 12 turns into a loop over single bytes.
    const std::span<const std::byte> bytes = body.bytes();
    std::copy(bytes.begin(), bytes.end(), group.subspan(at).begin());
    at += body.size();
  }
  std::ranges::fill(group.subspan(header.bytes()), std::byte{0});
  if (is_first) {
    std::ranges::fill(buffer.first(start), std::byte{0});
    encode({tail_.segment, header.sequence, tail_.state}, identity_.salt, buffer.template first<kSegmentHeaderBytes>());
  }
  return {buffer, encode(header, identity_.salt, group.template first<kGroupHeaderBytes>())};
}

template <FileSystem Files>
Result<void> Wal<Files>::write_group() {
  const Assembled group = assemble(GroupKind::kGroup);
  if (auto written = file_->write(tail_.offset, group.bytes); !written) return written;
  if (auto synced = file_->sync(); !synced) return synced;
  tail_.offset += group.bytes.size();
  tail_.sequence.value += 1;
  tail_.checksum = group.checksum;
  tail_.state = state_;
  std::swap(tail_.directory, staged_);
  staged_.clear();
  staged_bodies_.clear();
  staged_body_bytes_ = 0;
  is_marked_ = false;
  if (buffer_.size() > kBufferBytesKept) buffer_ = {};
  return {};
}

template <FileSystem Files>
Result<void> Wal<Files>::delete_obsolete() {
  // One after the other: segments that a crash leaves must not have a gap between them.
  while (const auto segment = extents_.obsolete(state_.base.index)) {
    if (auto retired = segments_.retire(*segment); !retired) return stop(retired.error());
    extents_.remove(*segment);
  }
  return {};
}

}  // namespace quorate::storage
