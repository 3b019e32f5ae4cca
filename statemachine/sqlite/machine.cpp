#include "statemachine/sqlite/machine.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "consensus/configuration_codec.hpp"
#include "consensus/fingerprint.hpp"
#include "statemachine/sqlite/bytes.hpp"
#include "statemachine/sqlite/fold.hpp"
#include "statemachine/sqlite/snapshot_sink.hpp"
#include "statemachine/sqlite/snapshot_source.hpp"

namespace quorate::sqlite {
namespace {

/// Of what the application adds to a superblock and to a snapshot:
///   u8 format | term | index | time | configuration, length first | outcomes (outcomes.cpp) | parts (part_buffer.cpp)
constexpr std::uint8_t kStateFormat = 1;
constexpr std::size_t kConfigurationBytesMax = std::size_t{1} << 16;
/// Of a fold, within one job: other work of the disk's thread gets its turn in between.
constexpr int kFoldStepsPerJob = 4;

static_assert(StateMachine<SqliteMachine>);

}  // namespace

Result<std::unique_ptr<SqliteMachine>> SqliteMachine::open(storage::AnyFileSystem files, SqliteMachineOptions options,
                                                           JobRunner disk_jobs) {
  Result<std::unique_ptr<PageStore>> store = PageStore::open(files, options.pages);
  if (!store) return tl::unexpected(store.error());
  Result<SnapshotSink> sink = SnapshotSink::open(std::move(files), options.incoming_directory);
  if (!sink) return tl::unexpected(sink.error());
  const Superblock durable = (*store)->durable();
  std::unique_ptr<SqliteMachine> machine(
      new SqliteMachine(std::move(*store), std::move(*sink), std::move(options), std::move(disk_jobs)));
  if (durable.last == LogId{}) return machine;
  if (const Result<void> loaded = machine->load(durable.application); !loaded) return tl::unexpected(loaded.error());
  if (machine->context_.last != durable.last) {
    return fail(ErrorKind::kCorrupt, "the checkpoint's pages and its other state are not of the same entry");
  }
  machine->recovered_ = machine->context_;
  return machine;
}

SqliteMachine::SqliteMachine(std::unique_ptr<PageStore> store, SnapshotSink sink, SqliteMachineOptions options,
                             JobRunner disk_jobs)
    : options_(std::move(options)),
      disk_jobs_(std::move(disk_jobs)),
      store_(std::move(store)),
      outcomes_(options_.outcomes),
      sink_(std::make_shared<SnapshotSink>(std::move(sink))),
      staged_(sink_->staged()) {}

SqliteMachine::SqliteMachine(SqliteMachine&&) noexcept = default;
SqliteMachine::~SqliteMachine() = default;

Result<void> SqliteMachine::verify() {
  for (const DatabaseRecord& database : store_->durable().databases) {
    for (PageNumber page{1}; page.value <= database.page_count.value; ++page.value) {
      if (Result<void> sound = store_->scrub(database.id, page); !sound) return sound;
    }
  }
  return {};
}

// --- Entries ---

Result<Payload> SqliteMachine::apply(const Entry& entry) {
  if (is_installing_) return fail(ErrorKind::kUnavailable, "a snapshot is being installed");
  const Origin origin = origin_of(entry.id());
  outcomes_.expire(entry.time);
  Result<void> applied;
  switch (entry.kind) {
    case EntryKind::kNoop:
      parts_.clear();
      store_->advance(entry.id());
      break;
    case EntryKind::kConfiguration: {
      Result<Configuration> configuration = decode_configuration(entry.payload.bytes());
      if (!configuration) return tl::unexpected(configuration.error());
      context_.configuration = std::move(*configuration);
      store_->advance(entry.id());
      break;
    }
    case EntryKind::kCommand: applied = apply_part(entry, origin); break;
  }
  if (!applied) {
    settle_waiting();
    return tl::unexpected(applied.error());
  }
  context_.last = entry.id();
  context_.time = entry.time;
  settle_waiting();
  return Payload();
}

/// Whatever waited for an entry to be applied as a whole, or for a bundle to be complete.
void SqliteMachine::settle_waiting() {
  if (!background_ && !after_background_.empty()) {
    for (const auto& work : std::exchange(after_background_, {})) work();
  }
  if (parts_.bytes() <= options_.checkpoint_parts_bytes_max && !after_parts_.empty()) {
    for (const auto& work : std::exchange(after_parts_, {})) work();
  }
}

SqliteMachine::Origin SqliteMachine::origin_of(LogId id) {
  if (own_.empty() || own_.front() != id) return Origin::kForeign;
  own_.pop_front();
  return Origin::kOwn;
}

Result<void> SqliteMachine::apply_part(const Entry& entry, Origin origin) {
  const Result<BundlePart> part = parse_bundle_part(entry.payload.bytes());
  if (!part) return tl::unexpected(part.error());
  PartBuffer before = parts_;  // a few references, and none at all for most entries
  if (Result<void> added = parts_.add(entry.term, *part, entry.payload); !added) return added;
  if (!part->is_last) {
    store_->advance(entry.id());
    return {};
  }
  Result<void> applied = apply_bundle(entry, parts_.take(), origin);
  if (!applied && applied.error().kind == ErrorKind::kUnavailable) parts_ = std::move(before);
  return applied;
}

Result<void> SqliteMachine::apply_bundle(const Entry& entry, const std::vector<Payload>& bundle, Origin origin) {
  const std::size_t versions = count_versions(bundle);
  if (origin == Origin::kOwn) {
    for (std::size_t i = 0; i < versions; ++i) store_->commit({epoch_, versions_committed_++}, entry.id());
  } else if (Result<void> applied = apply_foreign(entry.id(), bundle); !applied) {
    return applied;
  }
  for (const Payload& bytes : bundle) {
    const Result<BundlePart> part = parse_bundle_part(bytes.bytes());
    for (const BundleWriter::OutcomeRecord& record : part->outcomes) {
      std::optional<Payload> response;
      if (record.response) response = Payload::copy_of(*record.response);
      outcomes_.record(std::string(record.key),
                       {record.fingerprint, entry.index, record.position, entry.time, std::move(response)});
    }
  }
  if (versions == 0) store_->advance(entry.id());
  return {};
}

std::size_t SqliteMachine::count_versions(const std::vector<Payload>& bundle) {
  std::size_t versions = 0;
  for (const Payload& bytes : bundle) {
    const Result<BundlePart> part = parse_bundle_part(bytes.bytes());
    QUORATE_ASSERT(part.has_value());
    versions += static_cast<std::size_t>(std::ranges::count_if(part->deltas, is_last_delta_part));
  }
  return versions;
}

Result<SqliteMachine::Versions> SqliteMachine::versions_in(const std::vector<Payload>& bundle) {
  Versions versions;
  bool is_open = false;
  for (const Payload& bytes : bundle) {
    const Result<BundlePart> part = parse_bundle_part(bytes.bytes());
    QUORATE_ASSERT(part.has_value());
    for (const std::span<const std::byte> delta : part->deltas) {
      if (!is_open) versions.emplace_back();
      versions.back().push_back(Payload::copy_of(delta));
      is_open = !is_last_delta_part(delta);
    }
  }
  if (is_open) return fail(ErrorKind::kCorrupt, "a transaction in the log has no end");
  return versions;
}

/// What takes long is done by a job, while the strand goes on with everything but applying.
Result<void> SqliteMachine::apply_foreign(LogId last, const std::vector<Payload>& bundle) {
  std::size_t bytes = 0;
  for (const Payload& part : bundle) bytes += part.size();
  if (bytes <= options_.apply_inline_bytes_max) return apply_all(*store_, last, bundle);
  if (!background_) {
    background_ = Background{last, std::nullopt};
    run<void>([store = store_.get(), last, bundle] { return apply_all(*store, last, bundle); },
              [this](Result<void> result) {
                background_->result = std::move(result);
                if (applicable_) applicable_();
              });
  }
  QUORATE_ASSERT(background_->entry == last);
  if (!background_->result) return fail(ErrorKind::kUnavailable, "a large transaction is being applied");
  return *std::exchange(background_, std::nullopt)->result;
}

/// All of it or nothing: what several versions change is looked at before the first of them is applied.
Result<void> SqliteMachine::apply_all(PageStore& store, LogId last, const std::vector<Payload>& bundle) {
  const Result<Versions> in_bundle = versions_in(bundle);
  if (!in_bundle) return tl::unexpected(in_bundle.error());
  const Versions& versions = *in_bundle;
  const auto damage = [&store](const Error& error) {
    const bool is_damage = error.kind == ErrorKind::kCorrupt && !store.damaged_pages().empty();
    return fail(is_damage ? ErrorKind::kUnavailable : error.kind, error.message);
  };
  for (std::size_t i = 0; i < versions.size() && versions.size() > 1; ++i) {
    if (const Result<void> sound = store.check_pages_under(versions[i]); !sound) return damage(sound.error());
  }
  for (std::size_t i = 0; i < versions.size(); ++i) {
    const Result<void> applied = store.apply(last, versions[i]);
    if (!applied) return i == 0 ? damage(applied.error()) : applied;
  }
  return {};
}

std::optional<std::uint64_t> SqliteMachine::digest() const {
  return fingerprint(store_->digest().value(), fingerprint(outcomes_.digest(), parts_.digest()));
}

// --- Leading ---

void SqliteMachine::epoch_changed(Epoch epoch) {
  epoch_ = epoch;
  versions_committed_ = 0;
  own_.clear();
  if (epoch == Epoch{}) store_->drop_speculation();
  if (listener_) listener_(epoch);
  if (epoch == Epoch{}) checkpoint_ended();
}

void SqliteMachine::appended(Epoch epoch, std::uint64_t sequence, LogId id) {
  static_cast<void>(sequence);
  if (epoch == epoch_) own_.push_back(id);
}

// --- Checkpoints ---

void SqliteMachine::checkpoint(CheckpointContext context, Completion<CheckpointContext> done) {
  auto begin = [this, context = std::move(context), done = std::move(done)] {
    when_base_is_free([this, context, done] { fold(context, done); });
  };
  if (parts_.bytes() <= options_.checkpoint_parts_bytes_max) return begin();
  after_parts_.push_back(std::move(begin));
}

void SqliteMachine::when_base_is_free(std::function<void()> work) {
  if (is_base_busy_) return waiting_for_base_.push_back(std::move(work));
  is_base_busy_ = true;
  work();
}

void SqliteMachine::base_is_free() {
  is_base_busy_ = false;
  if (waiting_for_base_.empty()) return;
  const std::function<void()> work = std::move(waiting_for_base_.front());
  waiting_for_base_.pop_front();
  when_base_is_free(work);
}

/// What becomes durable is the state as it is now: entries may have been applied while this waited, or a snapshot
/// installed, which made durable all that was wanted, and more.
void SqliteMachine::fold(CheckpointContext context, Completion<CheckpointContext> done) {
  if (background_) {
    after_background_.push_back([this, context = std::move(context), done = std::move(done)] { fold(context, done); });
    return;
  }
  Result<CheckpointContext> outcome = context;
  if (store_->durable().last.index < context.last.index) {
    QUORATE_ASSERT(context_.last == store_->applied());
    outcome = context = context_;
    Result<Fold> begun = Fold::begin(*store_, save(context));
    if (begun) fold_ = std::make_shared<Fold>(std::move(*begun));
    if (!begun) outcome = tl::unexpected(begun.error());
  }
  if (fold_ != nullptr) return go_on_folding(std::move(context), std::move(done));
  run<CheckpointContext>([outcome] { return outcome; },
                         [this, done = std::move(done)](Result<CheckpointContext> result) {
                           base_is_free();
                           done(std::move(result));
                           checkpoint_ended();
                         });
}

void SqliteMachine::checkpoint_ended() {
  for (const auto& waiting : std::exchange(awaiting_checkpoint_, {})) waiting();
}

void SqliteMachine::go_on_folding(CheckpointContext context, Completion<CheckpointContext> done) {
  auto work = [fold = fold_]() -> Result<Fold::Progress> {
    Result<Fold::Progress> progress = Fold::Progress::kMore;
    for (int i = 0; i < kFoldStepsPerJob && progress && *progress == Fold::Progress::kMore; ++i)
      progress = fold->step();
    return progress;
  };
  run<Fold::Progress>(std::move(work), [this, context = std::move(context),
                                        done = std::move(done)](Result<Fold::Progress> progress) mutable {
    if (progress && *progress == Fold::Progress::kMore) return go_on_folding(std::move(context), std::move(done));
    fold_.reset();
    std::erase_if(sending_, [](const auto& sending) { return sending.second.state == Sending::State::kClosed; });
    base_is_free();
    if (!progress) return done(tl::unexpected(progress.error()));
    done(std::move(context));
    checkpoint_ended();
  });
}

void SqliteMachine::repair(const PageRequest& request, Payload answer, Completion<void> done) {
  when_base_is_free([this, request, answer = std::move(answer), done = std::move(done)]() mutable {
    run<void>([store = store_.get(), request,
               answer = std::move(answer)] { return take_page(*store, request, answer.bytes()); },
              [this, done = std::move(done)](Result<void> taken) {
                base_is_free();
                done(std::move(taken));
              });
  });
}

std::vector<std::byte> SqliteMachine::save(const CheckpointContext& context) const {
  ByteWriter out;
  out.fixed(kStateFormat);
  out.varint(context.last.term.value);
  out.varint(context.last.index.value);
  out.varint(context.time.value);
  out.string(encode(context.configuration).bytes());
  outcomes_.save(out);
  parts_.save(out);
  return std::move(out.buffer());
}

Result<void> SqliteMachine::load(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  if (const auto format = in.fixed<std::uint8_t>(); format != kStateFormat) {
    return fail(format > kStateFormat ? ErrorKind::kUnsupported : ErrorKind::kCorrupt,
                fmt::format("the application's state has format {}, this build knows {}", format, kStateFormat));
  }
  context_.last = {Term{in.varint()}, Index{in.varint()}};
  context_.time = LogTime{in.varint()};
  Result<Configuration> configuration = decode_configuration(in.string(kConfigurationBytesMax));
  if (!configuration) return tl::unexpected(configuration.error());
  context_.configuration = std::move(*configuration);
  if (!outcomes_.load(in) || !parts_.load(in) || !in.finished()) {
    return fail(ErrorKind::kCorrupt, "the application's state in a checkpoint or snapshot makes no sense");
  }
  return {};
}

}  // namespace quorate::sqlite
