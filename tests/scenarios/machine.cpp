#include "tests/scenarios/machine.hpp"

#include <algorithm>
#include <utility>

#include "consensus/configuration_codec.hpp"
#include "consensus/wire/archive.hpp"
#include "tests/scenarios/script.hpp"

namespace quorate::scenario {
namespace {

constexpr std::size_t kCommandsMax = 100'000;

tl::unexpected<Error> injected(const std::string& job) {
  return fail(ErrorKind::kIo, "the scenario made '" + job + "' fail");
}

}  // namespace

static_assert(Application<CommandList>);
static_assert(StateMachine<Machine>);

Payload CommandList::apply(std::span<const std::byte> bytes, LogTime) {
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with('!')) return Payload::copy_of("refused");
  commands_.push_back(std::move(text));
  return Payload::copy_of("#" + std::to_string(commands_.size()));
}

void CommandList::save(std::vector<std::byte>& out) const { wire::WireWriter{out}(commands_); }

Result<void> CommandList::load(std::span<const std::byte> bytes) {
  wire::WireReader reader(bytes, {.elements_max = kCommandsMax});
  reader(commands_);
  return reader.finish();
}

std::uint64_t CommandList::digest() const {
  std::uint64_t digest = 0;
  for (const std::string& command : commands_) digest = fingerprint(command, digest);
  return digest;
}

Result<Payload> Machine::apply(const Entry& entry) {
  if (takes_failure("apply")) return injected("apply");
  if (entry.index != applied_ + 1) return fail(ErrorKind::kCorrupt, "entries are applied out of order");
  applied_ = entry.index;
  has_bodies_ = has_bodies_ && !entry.payload.is_absent();
  if (!has_bodies_) return Payload{};
  if (entry.kind != EntryKind::kCommand) return Payload{};
  return state_.apply(entry.payload.bytes(), entry.time);
}

void Machine::checkpoint(CheckpointContext context, Completion<CheckpointContext> done) {
  jobs_.push_back([this, saved = Saved{std::move(context), state_}, done = std::move(done)] {
    if (takes_failure("checkpoint")) return done(injected("checkpoint"));
    durable_ = saved;
    done(durable_.context);
  });
}

/// The whole state; but what is announced as a difference may be installed only on what it is a difference to.
Result<SnapshotId> Machine::open_snapshot(NodeId to, Index base) {
  if (takes_failure("open")) return injected("open");
  if (durable_.context.last.index == Index{}) return fail(ErrorKind::kNotFound, "there is no checkpoint yet");
  Snapshot snapshot{{durable_.context.last, base, self_}, {}};
  wire::WireWriter writer(snapshot.bytes);
  writer(durable_.context.last.term, durable_.context.last.index, durable_.context.time);
  writer(encode(durable_.context.configuration));
  std::vector<std::byte> state;
  durable_.state.save(state);
  writer(Payload::copy_of(state));
  return (open_[to] = std::move(snapshot)).id;
}

void Machine::read_snapshot(NodeId to, std::uint64_t offset, Completion<SnapshotPiece> done) {
  jobs_.push_back([this, to, offset, done = std::move(done)] {
    const auto found = open_.find(to);
    if (takes_failure("read") || found == open_.end()) return done(injected("read"));
    const std::span<const std::byte> bytes(found->second.bytes);
    const std::size_t from = std::min<std::size_t>(offset, bytes.size());
    const std::size_t size = std::min(chunk_bytes_, bytes.size() - from);
    done(SnapshotPiece{Payload::copy_of(bytes.subspan(from, size)), from + size == bytes.size()});
  });
}

std::optional<StagedSnapshot> Machine::staged_snapshot() const {
  if (!staged_) return std::nullopt;
  return StagedSnapshot{staged_->id, staged_->bytes.size()};
}

void Machine::stage_snapshot(const SnapshotId& id, std::uint64_t offset, Payload bytes,
                             Completion<std::uint64_t> done) {
  jobs_.push_back([this, id, offset, bytes = std::move(bytes), done = std::move(done)] {
    if (takes_failure("stage")) return done(injected("stage"));
    if (offset == 0) staged_ = Snapshot{id, {}};
    if (!staged_ || staged_->id != id || staged_->bytes.size() != offset) {
      return done(fail(ErrorKind::kCorrupt, "a chunk that does not follow what is staged"));
    }
    staged_->bytes.insert(staged_->bytes.end(), bytes.bytes().begin(), bytes.bytes().end());
    done(staged_->bytes.size());
  });
}

void Machine::install_snapshot(const SnapshotId& id, Completion<CheckpointContext> done) {
  jobs_.push_back([this, id, done = std::move(done)] {
    if (takes_failure("install")) return done(injected("install"));
    const std::optional<Snapshot> staged = std::exchange(staged_, std::nullopt);
    if (!staged || staged->id != id || takes_failure("verify")) {
      return done(fail(ErrorKind::kCorrupt, "the staged snapshot is damaged"));
    }
    if (applied_ < id.base) return done(fail(ErrorKind::kCorrupt, "a difference to a state that is not here"));
    Saved saved;
    Payload configuration;
    Payload state;
    wire::WireReader reader(staged->bytes);
    reader(saved.context.last.term, saved.context.last.index, saved.context.time, configuration, state);
    const auto decoded = decode_configuration(configuration.bytes());
    if (!reader.finish() || !decoded || !saved.state.load(state.bytes())) {
      return done(fail(ErrorKind::kCorrupt, "the staged snapshot is damaged"));
    }
    saved.context.configuration = *decoded;
    durable_ = std::move(saved);
    state_ = durable_.state;
    applied_ = durable_.context.last.index;
    done(durable_.context);
  });
}

bool Machine::complete_one() {
  if (jobs_.empty()) return false;
  const std::function<void()> job = std::move(jobs_.front());
  jobs_.pop_front();
  job();
  return true;
}

void Machine::fail_next(const std::string& job) {
  static const std::set<std::string> kJobs{"apply", "checkpoint", "open", "read", "stage", "install", "verify"};
  if (!kJobs.contains(job))
    throw Failure("expected apply, checkpoint, open, read, stage, install or verify, not '" + job + "'");
  failures_.insert(job);
}

void Machine::crash() {
  jobs_.clear();
  open_.clear();
  failures_.clear();
  epoch_ = Epoch{};
  state_ = durable_.state;
  applied_ = durable_.context.last.index;
}

std::optional<std::uint64_t> Machine::digest() const {
  return has_bodies_ ? std::optional(state_.digest()) : std::nullopt;
}

void Machine::fill(NodeId self, CheckpointContext context, State state, std::size_t chunk_bytes) {
  self_ = self;
  chunk_bytes_ = chunk_bytes;
  durable_ = {std::move(context), std::move(state)};
  staged_.reset();
  crash();
}

}  // namespace quorate::scenario
