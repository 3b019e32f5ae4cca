#include "statemachine/sqlite/machine.hpp"

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
  if (!applied) return tl::unexpected(applied.error());
  context_.last = entry.id();
  context_.time = entry.time;
  return Payload();
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

/// All of it or nothing: what it changes is looked at before the first of its versions is applied.
Result<void> SqliteMachine::apply_bundle(const Entry& entry, const std::vector<Payload>& bundle, Origin origin) {
  if (origin == Origin::kForeign) {
    if (Result<void> sound = check_pages_under(bundle); !sound) return sound;
  }
  bool has_versions = false;
  std::vector<Payload> deltas;  // of the present version
  for (const Payload& bytes : bundle) {
    const Result<BundlePart> part = parse_bundle_part(bytes.bytes());
    QUORATE_ASSERT(part.has_value());
    for (const std::span<const std::byte> delta : part->deltas) {
      deltas.push_back(Payload::copy_of(delta));
      if (!is_last_delta_part(delta)) continue;
      if (Result<void> applied = apply_version(entry.id(), std::exchange(deltas, {}), origin); !applied) {
        const bool is_damage = applied.error().kind == ErrorKind::kCorrupt && !store_->damaged_pages().empty();
        return is_damage && !has_versions ? fail(ErrorKind::kUnavailable, applied.error().message) : applied;
      }
      has_versions = true;
    }
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
  if (!deltas.empty()) return fail(ErrorKind::kCorrupt, "a transaction in the log has no end");
  if (!has_versions) store_->advance(entry.id());
  return {};
}

/// A bundle of one version fails as a whole if a page is damaged; one of several could fail half way.
Result<void> SqliteMachine::check_pages_under(const std::vector<Payload>& bundle) {
  std::size_t versions = 0;
  std::vector<Payload> deltas;
  for (const Payload& bytes : bundle) {
    const Result<BundlePart> part = parse_bundle_part(bytes.bytes());
    QUORATE_ASSERT(part.has_value());
    for (const std::span<const std::byte> delta : part->deltas) {
      versions += is_last_delta_part(delta) ? 1 : 0;
      deltas.push_back(Payload::copy_of(delta));
    }
  }
  if (versions < 2) return {};
  if (const Result<void> sound = store_->check_pages_under(deltas); !sound) {
    if (sound.error().kind != ErrorKind::kCorrupt) return sound;
    return fail(ErrorKind::kUnavailable, sound.error().message);
  }
  return {};
}

Result<void> SqliteMachine::apply_version(LogId last, std::vector<Payload> deltas, Origin origin) {
  if (origin == Origin::kForeign) return store_->apply(last, deltas);
  store_->commit({epoch_, versions_committed_++}, last);
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
}

void SqliteMachine::appended(Epoch epoch, std::uint64_t sequence, LogId id) {
  static_cast<void>(sequence);
  if (epoch == epoch_) own_.push_back(id);
}

// --- Checkpoints ---

void SqliteMachine::checkpoint(CheckpointContext context, Completion<CheckpointContext> done) {
  QUORATE_ASSERT(context.last == context_.last);
  std::vector<std::byte> application = save(context);
  when_base_is_free(
      [this, context = std::move(context), application = std::move(application), done = std::move(done)]() mutable {
        fold(std::move(context), std::move(application), std::move(done));
      });
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

void SqliteMachine::fold(CheckpointContext context, std::vector<std::byte> application,
                         Completion<CheckpointContext> done) {
  Result<CheckpointContext> outcome = context;
  // If a snapshot was installed while this waited, what was to become durable is, and more.
  if (context.last == store_->applied()) {
    Result<Fold> begun = Fold::begin(*store_, std::move(application));
    if (begun) fold_ = std::make_shared<Fold>(std::move(*begun));
    if (!begun) outcome = tl::unexpected(begun.error());
  }
  if (fold_ != nullptr) return go_on_folding(std::move(context), std::move(done));
  run<CheckpointContext>([outcome] { return outcome; },
                         [this, done = std::move(done)](Result<CheckpointContext> result) {
                           base_is_free();
                           done(std::move(result));
                         });
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
