#include "tests/scenarios/model_disk.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "tests/scenarios/notation.hpp"
#include "tests/scenarios/script.hpp"

namespace quorate::scenario {

static_assert(Storage<ModelDisk>);

namespace {

std::string text_of(const ModelDisk::Content& content) {
  const HardState& state = content.hard_state;
  return scenario::text_of(content.log) + " in term " + std::to_string(state.term.value) + " with a vote for " +
         std::to_string(state.voted_for.value) + ", committed " + std::to_string(state.commit.value) +
         (content.promises_lost ? ", promises lost" : "");
}

}  // namespace

void ModelDisk::submit(PersistBatch batch, Completion<LogId> done) {
  pending_.push_back({std::move(batch), std::move(done), std::nullopt});
}

void ModelDisk::compact(LogId through) { pending_.push_back({{}, nullptr, through}); }

bool ModelDisk::complete_one() {
  if (pending_.empty() || has_failed_) return false;
  Write write = std::move(pending_.front());
  pending_.pop_front();
  Result<void> written;
  if (write.done && failure_) {
    written = fail(*std::exchange(failure_, std::nullopt), "the scenario made this write fail");
  } else if (files_ != nullptr) {
    written = write_files(write);
  }
  if (!written) {
    has_failed_ = true;
    const Completion<LogId> done = std::exchange(write.done, nullptr);
    pending_.push_front(std::move(write));  // nobody knows how much of it is on the disk
    if (done) done(tl::unexpected(written.error()));
    return true;
  }
  put(write, content_, SIZE_MAX);
  if (write.done) write.done(content_.log.last());
  return true;
}

Result<void> ModelDisk::write_files(const Write& write) {
  if (write.compaction) return files_->compact(*write.compaction);
  const Result<LogId> last = files_->write(write.batch);
  if (!last) return tl::unexpected(last.error());
  if (pending_.empty()) files_->idle();
  return {};
}

void ModelDisk::fail_next(ErrorKind kind) {
  if (files_ != nullptr && kind == ErrorKind::kIo) {
    files_->fail_sync();
  } else {
    failure_ = kind;  // a full disk is noticed before anything is written
  }
}

/// Puts up to `atoms` atoms of the write on the disk; returns how many are left over.
std::size_t ModelDisk::put(const Write& write, Content& content, std::size_t atoms) {
  const auto take_atom = [&atoms] { return atoms > 0 && atoms-- > 0; };
  const PersistBatch& batch = write.batch;
  if (write.compaction && take_atom() && write.compaction->index > content.log.base().index) {
    std::erase_if(content.damaged, [&](Index index) { return index <= write.compaction->index; });
    content.log.compact(*write.compaction);
  }
  if (batch.reset_to && take_atom()) {
    content.damaged.clear();
    content.log.reset(*batch.reset_to);
  }
  if (batch.truncate_after && take_atom()) {
    std::erase_if(content.damaged, [&](Index index) { return index > *batch.truncate_after; });
    content.log.truncate_after(*batch.truncate_after);
  }
  if (batch.hard_state && take_atom()) {
    content.hard_state = *batch.hard_state;
    content.promises_lost = false;
  }
  for (const Entry& entry : batch.entries) {
    if (take_atom()) content.log.append(entry);
  }
  for (const Entry& entry : batch.repairs) {
    if (take_atom()) content.damaged.erase(entry.index);
  }
  return atoms;
}

void ModelDisk::crash(std::size_t atoms, UnsyncedWrites fate) {
  if (files_ == nullptr) {
    for (const Write& write : pending_) atoms = put(write, content_, atoms);
  } else {
    std::vector<PersistBatch> under_way;
    possible_ = {content_};
    for (const Write& write : pending_) {
      if (!write.compaction) under_way.push_back(write.batch);
      Content after = possible_.back();
      put(write, after, SIZE_MAX);
      possible_.push_back(std::move(after));
    }
    files_->crash(under_way, fate);
  }
  pending_.clear();
  has_failed_ = false;
}

Result<Recovered> ModelDisk::recover() {
  ++boot_.value;
  if (files_ != nullptr) {
    const Result<Recovered> found = files_->open();
    if (!found) return tl::unexpected(found.error());
    adopt(*found);
  }
  const Log& log = content_.log;
  Recovered recovered{content_.hard_state, log.base(), {}, {}, content_.promises_lost, incarnation_, boot_};
  for (Index index = log.first_index(); index <= log.last().index; ++index) {
    Entry entry = log.at(index);
    if (content_.damaged.contains(index)) {
      entry.payload = Payload::absent();
      recovered.damaged.push_back(entry.id());
    }
    recovered.entries.push_back(std::move(entry));
  }
  return recovered;
}

/// Whether the files hold what this possibility says: all ids, and all bodies that nobody damaged.
bool ModelDisk::allows(const Content& possible, const Recovered& found) const {
  const auto is_damaged = [&](Index index) { return possible.damaged.contains(index); };
  const LogId last = found.entries.empty() ? found.base : found.entries.back().id();
  const auto clamped = [&](HardState state) {  // the commit index is a hint, and kept to what the log can mean by it
    state.commit = std::clamp(state.commit, found.base.index, last.index);
    return state;
  };
  if (found.base.index > possible.log.base().index || last != possible.log.last() || found.promises_lost) return false;
  if (clamped(found.hard_state) != clamped(possible.hard_state)) return false;
  for (const Entry& entry : found.entries) {
    if (!possible.log.contains(entry.index)) continue;
    const bool is_there =
        is_damaged(entry.index) ? possible.log.matches(entry.id()) : entry == possible.log.at(entry.index);
    if (!is_there) return false;
  }
  return std::ranges::all_of(found.damaged, [&](const LogId& id) { return is_damaged(id.index); });
}

void ModelDisk::adopt(const Recovered& found) {
  if (possible_.empty()) possible_ = {content_};
  const auto match = std::ranges::find_if(possible_, [&](const Content& one) { return allows(one, found); });
  if (match == possible_.end() && !tainted_) {
    throw Failure("the log of server " + std::to_string(node_.value) + " held " + text_of(content_) +
                  " and recovered " +
                  text_of(Content{found.hard_state, Log(found.base, found.entries), {}, found.promises_lost}));
  }
  const bool is_known_to_lack = found.promises_lost || !found.damaged.empty();
  const LogId last = found.entries.empty() ? found.base : found.entries.back().id();
  if (match == possible_.end() && !is_known_to_lack && last < content_.log.last()) {
    throw Failure("the log of server " + std::to_string(node_.value) + " lost entries and did not notice");
  }
  content_ = {found.hard_state, Log(found.base, found.entries), {}, found.promises_lost};
  for (const LogId& id : found.damaged) content_.damaged.insert(id.index);
  possible_.clear();
}

void ModelDisk::wipe(Incarnation incarnation) {
  const NodeId node = node_;
  const bool is_on_files = files_ != nullptr;
  *this = ModelDisk{};
  incarnation_ = incarnation;
  if (is_on_files) use_files(node);
}

void ModelDisk::damage(Index index) {
  if (files_ != nullptr && !files_->flip(content_.log.at(index))) throw Failure("the entry has no body to damage");
  content_.damaged.insert(index);
  for (Content& possible : possible_) possible.damaged.insert(index);
}

void ModelDisk::lose_promises() {
  if (files_ != nullptr) throw Failure("promises can only be lost in the model");
  content_.hard_state = {};
  content_.promises_lost = true;
}

FileLog& ModelDisk::tainted_files() {
  if (files_ == nullptr) throw Failure("there are no files: say disk=files");
  tainted_ = true;
  return *files_;
}

bool ModelDisk::holds(LogId id) const { return id.index <= content_.log.base().index || content_.log.matches(id); }

void ModelDisk::fill(Incarnation incarnation, Content content) {
  incarnation_ = incarnation;
  content_ = std::move(content);
}

void ModelDisk::use_files(NodeId node) {
  node_ = node;
  files_ = std::make_unique<FileLog>(node);
  PersistBatch batch;
  if (content_.log.base().index > Index{}) batch.reset_to = content_.log.base();
  batch.hard_state = content_.hard_state;
  batch.entries = content_.log.slice(content_.log.first_index(), SIZE_MAX, SIZE_MAX);
  if (!files_->open() || !files_->write(batch)) throw Failure("the log cannot be created");
  files_->idle();
  files_->crash({}, UnsyncedWrites::kDropped);
}

}  // namespace quorate::scenario
