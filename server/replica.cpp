#include "server/replica.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "consensus/bootstrap.hpp"
#include "consensus/random.hpp"
#include "consensus/storage/any_file_system.hpp"
#include "consensus/storage/async_storage.hpp"
#include "consensus/storage/posix_files.hpp"
#include "consensus/storage/wal.hpp"
#include "server/log.hpp"
#include "server/member_address.hpp"
#include "server/peer_protocol.hpp"
#include "server/sql_reader.hpp"
#include "server/thread_executor.hpp"
#include "statemachine/sqlite/machine.hpp"
#include "transport/timer.hpp"

namespace quorate::server {

namespace {

using Log = storage::Wal<storage::PosixFiles>;
using LogStorage = storage::AsyncStorage<Log, ThreadExecutor>;
using Driver = Node<LogStorage, transport::AsioTransport, sqlite::SqliteMachine, transport::AsioClock>;

/// Of bundles that are proposed and not yet applied.
constexpr std::size_t kInFlightBytesMax = std::size_t{8} << 20;
/// Of the log in memory: a transaction of the largest size, which no checkpoint can divide, and what comes beside it.
constexpr std::size_t kLogBytesMax = std::size_t{2} << 30;

/// The scrubber's share of the disk: so many pages at every upkeep, some megabytes a second. Where there is a damaged
/// page the next one is looked for and fetched at every upkeep, too.
constexpr std::size_t kPagesPerScrub = 256;
constexpr Duration kPageTimeout = std::chrono::seconds(2);

/// How often it is looked whether memory fills up, a disk that was full has room, or the driver has stopped.
constexpr Duration kUpkeepInterval = std::chrono::milliseconds(250);

/// Several times what it takes to commit something between machines that stand side by side.
constexpr Duration kBundleInterval = std::chrono::milliseconds(5);

/// Between two looks whether a new leader can begin to write: as long as it takes to commit something.
constexpr Duration kExecutorPause = std::chrono::milliseconds(1);

/// Between two looks whether a checkpoint that was asked for is there: it takes a few syncs.
constexpr Duration kCheckpointPause = std::chrono::milliseconds(5);

/// Waits that were given up and that the driver still knows: it forgets them when their index is applied, which for one
/// far ahead of the log takes for ever.
constexpr std::size_t kAbandonedWaitsMax = 100'000;

std::uint64_t entropy() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) ^ device();
}

/// Tokens of sessions must not be guessed: every bit comes from the operating system.
std::function<std::uint64_t()> secrets() {
  return [] { return entropy(); };
}

std::int64_t unix_time_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

sqlite::ConnectionOptions connection_options(const NodeConfig& config) {
  sqlite::ConnectionOptions options;
  options.vfs.unix_time_ms = unix_time_ms;
  options.now = transport::AsioRuntime::now;
  options.foreign_keys = config.enforce_foreign_keys ? sqlite::ForeignKeys::kEnforced : sqlite::ForeignKeys::kIgnored;
  options.extensions = config.extensions;
  return options;
}

NodeOptions node_options(const NodeConfig& config, NodeId self) {
  NodeOptions options;
  options.core.id = self;
  options.core.seed = entropy();
  options.core.heartbeat_interval = config.heartbeat_interval;
  options.core.election_timeout = config.election_timeout;
  options.checkpoint_entries = config.checkpoint_entries;
  options.core.log_bytes_max = kLogBytesMax;
  options.checkpoint_log_bytes = config.checkpoint_log_bytes;
  return options;
}

sqlite::ExecutorOptions executor_options(const NodeConfig& config) {
  sqlite::ExecutorOptions options;
  options.connection = connection_options(config);
  options.random = secrets();
  options.session_idle_max = config.transaction_idle_max;
  options.session_transaction_max = config.transaction_max;
  // What comes while a batch is on its way goes into the next one, as it would wait for the next fsync anyway: more
  // under way would cost processor time for smaller batches, 63 us a write on three nodes with 64 of them, 43 us with
  // one (bench/cluster_bench.py). Only where a round trip takes longer than this, it would be waited for twice.
  options.bundle_interval = kBundleInterval;
  // One write to the log takes all that is in flight; a leader whose write hangs for an election timeout steps down.
  options.in_flight_bytes_max = kInFlightBytesMax;
  return options;
}

/// What must be there before the parts can be put together.
struct Opened {
  storage::PosixFiles log_files;
  storage::PosixFiles page_files;
};

}  // namespace

struct Replica::Parts {
  Parts(const Surroundings& around, Events callbacks, const NodeConfig& settings, Opened opened)
      : surroundings(around),
        events(std::move(callbacks)),
        config(settings),
        files(std::move(opened)),
        clock(around.runtime, [this] { tick(); }) {
    const auto post = [&runtime = around.runtime](std::function<void()> task) { runtime.post(std::move(task)); };
    log_thread = std::make_unique<ThreadExecutor>("quorate-log", post);
    sql_thread = std::make_unique<ThreadExecutor>("quorate-sql", post);
    disk_thread = std::make_unique<ThreadExecutor>("quorate-disk", post);
  }
  /// Threads first: what they work on is still there then.
  ~Parts() {
    alive.reset();
    if (reader) reader->stop();
    sql_thread.reset();
    disk_thread.reset();
    log_thread.reset();
  }

  Result<void> open(const NodeRecord& record);
  void begin_to_serve();
  sqlite::JobRunner watched(sqlite::JobRunner run);
  void tick();
  void flush_soon();
  void watch_executor();
  void upkeep();
  void look_after_pages();
  void notice_changes();
  void checkpoint_up_to(Index wanted, Instant deadline, std::function<void(SnapshotEnd)> done);
  template <class Start>
  void with_deadline(Instant deadline, ReadCallback done, Start&& start_waiting);

  Surroundings surroundings;
  Events events;
  NodeConfig config;
  Opened files;
  transport::PeerIdentity identity;
  Index committed_before;

  std::unique_ptr<ThreadExecutor> log_thread;
  std::unique_ptr<ThreadExecutor> sql_thread;
  std::unique_ptr<ThreadExecutor> disk_thread;
  transport::AsioClock clock;
  std::unique_ptr<LogStorage> storage;
  std::unique_ptr<sqlite::SqliteMachine> machine;
  std::unique_ptr<Driver> node;
  std::unique_ptr<sqlite::Executor> executor;
  std::unique_ptr<sqlite::Loader> loader;
  std::unique_ptr<SqlReader> reader;
  std::unique_ptr<sqlite::PageKeeper> keeper;

  bool is_flush_due = false;
  bool is_stop_told = false;
  std::optional<Instant> leader_heard;
  std::size_t abandoned_waits = 0;
  Index last_checkpoint;
  std::uint64_t checkpoints = 0;
  std::optional<Instant> executor_alarm_at;
  Alarms::Id executor_alarm;
  struct Standing {
    Role role = Role::kFollower;
    Term term;
    NodeId leader;
    Index configuration;
    bool is_configuration_committed = false;
    friend bool operator==(const Standing&, const Standing&) = default;
  } standing;
  std::shared_ptr<const char> alive = std::make_shared<const char>();
};

Result<void> Replica::Parts::open(const NodeRecord& record) {
  const NodeId self = id_of(record.name);
  auto log = Log::open(files.log_files, {.cluster = record.cluster, .node = self, .entropy = entropy()});
  if (!log) return tl::unexpected(log.error());
  Recovered& recovered = log->recovered;
  auto opened = sqlite::SqliteMachine::open(storage::AnyFileSystem(files.page_files), {.self = self},
                                            sqlite::job_runner(*disk_thread));
  if (!opened) return tl::unexpected(opened.error());
  machine = std::move(*opened);

  const bool is_new = recovered.entries.empty() && recovered.base == LogId{} && recovered.hard_state == HardState{};
  if (record.stage == NodeRecord::Stage::kFounding && is_new) {
    const Member founder{.id = self,
                         .incarnation = recovered.incarnation,
                         .address = member_address(record.name, config.raft_advertised, config.feature_level)};
    const PersistBatch batch = bootstrap_batch({.members = {founder}});
    if (auto last = log->wal.append(batch); !last) return tl::unexpected(last.error());
    if (auto committed = log->wal.commit(); !committed) return committed;
    recovered.hard_state = *batch.hard_state;
    recovered.entries = batch.entries;
  }
  if (auto fits = Core::validate_recovered(recovered, machine->recovered()); !fits) return fits;
  identity = {.cluster = record.cluster,
              .node = self,
              .incarnation = recovered.incarnation,
              .boot = recovered.boot,
              .feature_level = static_cast<std::uint32_t>(config.feature_level.value),
              .address = config.raft_advertised};
  committed_before = std::max(recovered.hard_state.commit, machine->recovered().last.index);
  storage = std::make_unique<LogStorage>(std::move(log->wal), *log_thread);
  node = std::make_unique<Driver>(node_options(config, self), std::move(recovered), *storage, surroundings.transport,
                                  *machine, clock);
  begin_to_serve();
  return {};
}

void Replica::Parts::begin_to_serve() {
  sqlite::ExecutorOptions options = executor_options(config);
  options.connection.capture = surroundings.capture;
  options.committed = events.committed;
  executor = std::make_unique<sqlite::Executor>(
      *machine, std::move(options), watched(sqlite::job_runner(*sql_thread)),
      [this](Payload bundle, Epoch epoch, std::uint64_t sequence, ProposalCallback done) {
        node->propose(std::move(bundle), epoch, sequence, std::move(done));
        flush_soon();
      });
  loader = std::make_unique<sqlite::Loader>(*machine, *executor, sqlite::LoaderOptions{},
                                            watched(sqlite::job_runner(*disk_thread)));
  machine->on_applicable([this] { node->resume_apply(); });
  keeper = std::make_unique<sqlite::PageKeeper>(
      *machine, sqlite::PageKeeperOptions{.self = node->core().id(), .pages_per_step = kPagesPerScrub},
      sqlite::job_runner(*disk_thread),
      [this](NodeId member, const Payload& request, sqlite::PageKeeper::Answered done) {
        surroundings.transport.call(member, page_request(request), kPageTimeout,
                                    [done = std::move(done)](const transport::CallResult& result) {
                                      const bool is_answered = result.end == transport::CallEnd::kAnswered;
                                      done(is_answered ? std::optional(Payload::copy_of(result.answer)) : std::nullopt);
                                    });
      },
      [](const std::string& what) { log_warn(what); });
  reader = std::make_unique<SqlReader>(
      machine->store(), connection_options(config),
      SqlReaderOptions{.threads = config.reader_threads, .connections_idle_max = config.readers_max},
      [&runtime = surroundings.runtime](std::function<void()> task) { runtime.post(std::move(task)); });
}

/// What a job has led to may have to go on at a certain time.
sqlite::JobRunner Replica::Parts::watched(sqlite::JobRunner run) {
  return [this, run = std::move(run)](std::function<void()> work, std::function<void()> done) {
    run(std::move(work), [this, done = std::move(done), life = std::weak_ptr<const char>(alive)] {
      done();
      if (!life.expired()) watch_executor();
    });
  };
}

void Replica::Parts::look_after_pages() {
  keeper->step(transport::AsioRuntime::now());
  node->resume_apply();
  if (node->postponement() && keeper->is_beyond_help()) {
    node->stop(*node->postponement() +
               "; no other node has this version of the page any more: stop this node for good, wipe its data "
               "directory and let it join anew");
  }
}

void Replica::Parts::tick() {
  if (node == nullptr) return;
  node->tick();
  notice_changes();
}

/// Whatever is proposed in one turn of the loop is appended as one batch.
void Replica::Parts::flush_soon() {
  if (std::exchange(is_flush_due, true)) return;
  surroundings.runtime.post([this, life = std::weak_ptr<const char>(alive)] {
    if (life.expired()) return;
    is_flush_due = false;
    node->flush();
  });
}

/// The alarm follows the executor's next deadline. A deadline that has moved back costs one alarm too many.
void Replica::Parts::watch_executor() {
  const std::optional<Instant> next = executor->next_deadline();
  if (!next || (executor_alarm_at && *executor_alarm_at <= *next)) return;
  surroundings.alarms.cancel(executor_alarm);
  executor_alarm_at = next;
  executor_alarm = surroundings.alarms.at(*next, [this, life = std::weak_ptr<const char>(alive)] {
    if (life.expired()) return;
    executor_alarm_at.reset();
    executor->expire(transport::AsioRuntime::now());
    watch_executor();
  });
}

void Replica::Parts::upkeep() {
  surroundings.alarms.after(kUpkeepInterval, [this, life = std::weak_ptr<const char>(alive)] {
    if (life.expired()) return;
    storage->retry();
    if (machine->checkpoint_wanted()) node->checkpoint();
    look_after_pages();
    notice_changes();
    upkeep();
  });
}

void Replica::Parts::notice_changes() {
  const Core& core = node->core();
  if (std::exchange(last_checkpoint, core.checkpoint().index) != core.checkpoint().index) ++checkpoints;
  if (node->has_stopped() && !std::exchange(is_stop_told, true)) {
    surroundings.runtime.post([this, life = std::weak_ptr<const char>(alive)] {
      if (!life.expired()) events.stopped(node->stop_reason());
    });
  }
  const Standing now{core.role(), core.term(), core.leader(), core.configuration_index(),
                     core.configuration_index() <= core.commit()};
  if (now == standing) return;
  standing = now;
  events.changed();
}

/// `start_waiting` gets a callback that may come after the deadline, when nobody waits for it any more.
template <class Start>
void Replica::Parts::with_deadline(Instant deadline, ReadCallback done, Start&& start_waiting) {
  struct Wait {
    ReadCallback done;
    Alarms::Id alarm;
  };
  if (abandoned_waits >= kAbandonedWaitsMax) return done({Refusal::kOverloaded, {}});
  const auto wait = std::make_shared<Wait>(Wait{std::move(done), {}});
  start_waiting([this, wait](ReadResult result) {
    surroundings.alarms.cancel(wait->alarm);
    if (auto waiting = std::exchange(wait->done, nullptr)) return waiting(result);
    --abandoned_waits;
  });
  if (!wait->done) return;
  wait->alarm = surroundings.alarms.at(deadline, [this, life = std::weak_ptr<const char>(alive), wait] {
    if (life.expired()) return;
    ++abandoned_waits;
    if (auto waiting = std::exchange(wait->done, nullptr)) waiting({Refusal::kTimedOut, {}});
  });
}

Result<std::unique_ptr<Replica>> Replica::open(DataDirectory& directory, const NodeRecord& record,
                                               const NodeConfig& config, Surroundings surroundings, Events events) {
  auto log_files = directory.files();
  if (!log_files) return tl::unexpected(log_files.error());
  auto page_files = directory.files();
  if (!page_files) return tl::unexpected(page_files.error());
  auto parts = std::make_unique<Parts>(surroundings, std::move(events), config,
                                       Opened{std::move(*log_files), std::move(*page_files)});
  if (auto opened = parts->open(record); !opened) return tl::unexpected(opened.error());
  return std::unique_ptr<Replica>(new Replica(std::move(parts)));
}

Replica::Replica(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Replica::~Replica() = default;

void Replica::start() {
  parts_->last_checkpoint = core().checkpoint().index;
  parts_->node->start();
  parts_->upkeep();
  parts_->notice_changes();
}

const transport::PeerIdentity& Replica::identity() const { return parts_->identity; }

void Replica::receive(Message message) {
  const NodeId from = message.from;
  parts_->node->receive(std::move(message));
  if (from == core().leader()) parts_->leader_heard = transport::AsioRuntime::now();
  parts_->notice_changes();
}

void Replica::peer_lost(NodeId peer) { parts_->node->peer_disconnected(peer); }

const Core& Replica::core() const { return parts_->node->core(); }

bool Replica::is_serving_leader() const {
  const LeaderState* leading = core().leading();
  return leading != nullptr && core().applied() >= leading->term_start;
}

bool Replica::has_replayed() const { return core().applied() >= parts_->committed_before; }

std::optional<Duration> Replica::since_contact() const {
  if (is_leader()) return Duration::zero();
  if (!parts_->leader_heard || core().leader() == kNoNode) return std::nullopt;
  return transport::AsioRuntime::now() - *parts_->leader_heard;
}

void Replica::read(Instant deadline, ReadCallback done) {
  parts_->with_deadline(deadline, std::move(done),
                        [&](ReadCallback answered) { parts_->node->read(std::move(answered)); });
}

void Replica::wait_applied(Index index, Instant deadline, ReadCallback done) {
  parts_->with_deadline(deadline, std::move(done),
                        [&](ReadCallback answered) { parts_->node->wait_applied(index, std::move(answered)); });
}

void Replica::change_membership(ConfigurationChange change, ProposalCallback done) {
  parts_->node->change_membership(std::move(change), std::move(done));
  parts_->notice_changes();
}

void Replica::transfer_leadership(NodeId target, ProposalCallback done) {
  parts_->node->transfer_leadership(target, std::move(done));
}

void Replica::Parts::checkpoint_up_to(Index wanted, Instant deadline, std::function<void(SnapshotEnd)> done) {
  if (node->core().checkpoint().index >= wanted) {
    notice_changes();
    return done(SnapshotEnd::kTaken);
  }
  if (transport::AsioRuntime::now() >= deadline || node->has_stopped()) return done(SnapshotEnd::kTimedOut);
  node->checkpoint();  // another one may have been under way until now
  surroundings.alarms.after(kCheckpointPause,
                            [this, life = std::weak_ptr<const char>(alive), wanted, deadline, done = std::move(done)] {
                              if (!life.expired()) checkpoint_up_to(wanted, deadline, done);
                            });
}

void Replica::checkpoint(Instant deadline, std::function<void(SnapshotEnd)> done) {
  const Index wanted = core().applied();
  if (core().checkpoint().index >= wanted) return done(SnapshotEnd::kNothingNew);
  parts_->checkpoint_up_to(wanted, deadline, std::move(done));
}
std::uint64_t Replica::snapshots_installed() const { return parts_->machine->snapshots_installed(); }

bool Replica::has_begun_with_data() const { return parts_->machine->recovered().last.index > Index{}; }

std::uint64_t Replica::checkpoints() const { return parts_->checkpoints; }

void Replica::await_executor(Instant deadline, std::function<void()> done) {
  const bool has_to_wait = is_leader() && !parts_->executor->can_write() && transport::AsioRuntime::now() < deadline;
  if (!has_to_wait) return done();
  parts_->surroundings.alarms.after(kExecutorPause, [this, deadline, life = std::weak_ptr<const char>(parts_->alive),
                                                     done = std::move(done)]() mutable {
    if (!life.expired()) await_executor(deadline, std::move(done));
  });
}

sqlite::Executor& Replica::executor() { return *parts_->executor; }
sqlite::Loader& Replica::loader() { return *parts_->loader; }
void Replica::watch_executor() { parts_->watch_executor(); }
SqlReader& Replica::reader() { return *parts_->reader; }
sqlite::PageStore& Replica::store() { return parts_->machine->store(); }

void Replica::supply_page(std::span<const std::byte> request, std::function<void(const Payload&)> done) {
  parts_->keeper->supply(Payload::copy_of(request), std::move(done));
}
const sqlite::PageKeeperReport& Replica::page_care() const { return parts_->keeper->report(); }
std::size_t Replica::damaged_pages() const { return parts_->machine->store().damaged_pages().size(); }

void Replica::stop(const std::string& why) {
  parts_->is_stop_told = true;
  parts_->node->stop(why);
}

}  // namespace quorate::server
