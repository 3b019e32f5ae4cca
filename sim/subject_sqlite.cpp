// The SQL database as a subject: real SQLite over the page store on a simulated disk, executed by the leader.
//
// SQLite draws random numbers from a generator that belongs to the whole operating-system process. It is seeded anew,
// from the node's own randomness, whenever one node's SQL begins to run, and no other node's runs meanwhile, in this
// simulation or in others at the same time: so that a run stays a function of its plan.
#include <mutex>

#include <sqlite3.h>

#include "consensus/assert.hpp"
#include "consensus/exactly_once.hpp"
#include "consensus/fingerprint.hpp"
#include "sim/node_process.hpp"
#include "sim/sql_file.hpp"
#include "sim/sql_session.hpp"
#include "sim/sql_workload.hpp"
#include "sim/subjects.hpp"
#include "sim/typed_workload.hpp"
#include "statemachine/sqlite/change_feed.hpp"
#include "statemachine/sqlite/executor.hpp"
#include "statemachine/sqlite/load.hpp"
#include "statemachine/sqlite/loader.hpp"
#include "statemachine/sqlite/machine.hpp"
#include "statemachine/sqlite/page_keeper.hpp"
#include "statemachine/sqlite/reader_pool.hpp"
#include "statemachine/sqlite/request_codec.hpp"

namespace quorate::sim {

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kKeysMax = 24;
/// Requests wait no longer for their turn, or for a quorum.
constexpr Duration kRequestTimeout = 1500ms;
/// A load takes many entries, and checkpoints in between.
constexpr Duration kLoadTimeout = 4s;
/// Between two looks at some of the pages of the base files.
constexpr Duration kScrubPause = 100ms;
constexpr std::size_t kPagesPerScrub = 8;
/// Between two deliveries of captured changes, and how many groups one takes.
constexpr Duration kDeliveryPause = 150ms;
constexpr std::size_t kGroupsPerDelivery = 16;
/// Of a session whose client has fallen silent.
constexpr Duration kSessionIdleMax = 400ms;
constexpr PartsPerMillion kFallsSilent = percent(10);
constexpr std::int64_t kUnixTimeMs = 1'700'000'000'000;

/// While it exists, SQL of one node runs.
class SqlTurn {
 public:
  explicit SqlTurn(Random& random) : lock_(mutex()) {
    const int seed = static_cast<int>(random.below(INT32_MAX - 1)) + 1;
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, seed, nullptr);
  }

 private:
  static std::mutex& mutex() {
    static std::mutex instance;
    return instance;
  }
  const std::lock_guard<std::mutex> lock_;
};

/// Small, so that folding, spilling and cutting happen all the time.
sqlite::PageStoreOptions page_options() {
  sqlite::PageStoreOptions options;
  options.overlay_bytes_fold = std::uint64_t{96} << 10;
  options.overlay_bytes_max = std::uint64_t{256} << 10;
  options.delta_part_bytes = std::size_t{3} << 10;
  return options;
}

class SqliteProcess final : public NodeProcess<sqlite::SqliteMachine> {
 public:
  static Result<std::unique_ptr<Process>> open(Host& host, typename SimWal::Opened opened) {
    auto machine = sqlite::SqliteMachine::open(storage::AnyFileSystem(host.files()),
                                               {.self = host.id(),
                                                .pages = page_options(),
                                                .outcomes = {},
                                                .snapshot_piece_bytes = host.options().core.snapshot_chunk_bytes,
                                                .apply_inline_bytes_max = std::size_t{6} << 10,
                                                .checkpoint_parts_bytes_max = std::size_t{6} << 10},
                                               sqlite::job_runner(host.machine_executor()));
    if (!machine) return tl::unexpected(machine.error());
    // What rots in the base files would be found when it is needed, which may be when too many others are down.
    if (const Result<void> sound = (*machine)->verify(); !sound) return tl::unexpected(sound.error());
    const Result<void> fits = Core::validate_recovered(opened.recovered, (*machine)->recovered());
    if (!fits) return tl::unexpected(fits.error());
    return std::unique_ptr<Process>(new SqliteProcess(host, std::move(opened), std::move(**machine)));
  }

  void start() override {
    machine_.on_applicable([this] { node_.resume_apply(); });
    NodeProcess::start();
    look_after_pages();
    look_after_changes();
  }

  void called(NodeId, Payload request, std::function<void(Payload)> reply) override {
    keeper_.supply(std::move(request), std::move(reply));
  }

  void tick() override {
    NodeProcess::tick();
    executor_.expire(host_.clock().now());
    if (machine_.checkpoint_wanted()) node_.checkpoint();
  }

  void propose(Payload command, ProposalCallback done) override {
    const std::optional<SessionCommand> decoded = decode_session_command(command.bytes());
    QUORATE_ASSERT(decoded.has_value());
    const auto* execute = std::get_if<Execute>(&*decoded);
    // A client's own name is all that it needs to have its requests told apart.
    if (execute == nullptr) return answer(done, {SessionStatus::kOpened, SessionId{random_.next() | 1}, {}});
    Result<sqlite::Request> request = sqlite::decode_request(execute->body);
    QUORATE_ASSERT(request.has_value());
    if (!request->statements.empty() && request->statements.front().sql == kBeginOfSession) {
      return run_session(std::move(*request), std::move(done));
    }
    sqlite::Submission submission{.request = std::move(*request), .idempotency_key = {}};
    submission.deadline = host_.clock().now() + kRequestTimeout;
    const auto& [session, sequence, first_open] = execute->request;
    if (session != SessionId{}) {
      submission.idempotency_key = std::to_string(session.value) + ":" + std::to_string(sequence.value);
    }
    if (!submission.request.statements.empty() && submission.request.statements.front().sql == kLoadOfFile) {
      return load_file(submission, std::move(done));
    }
    executor_.execute(std::move(submission),
                      [done = std::move(done)](const sqlite::Execution& execution) { answer(done, execution); });
  }

  void run_session(sqlite::Request request, ProposalCallback done) {
    const std::size_t silent_before = random_.chance(kFallsSilent) ? 1 + random_.below(request.statements.size()) : 0;
    SqlSession::start(executor_, std::move(request), host_.clock().now() + kRequestTimeout, silent_before,
                      [done = std::move(done)](const SqlSession::Outcome& outcome) {
                        using Kind = SqlSession::Outcome::Kind;
                        switch (outcome.kind) {
                          case Kind::kCommitted:
                            return answer(done, SqlReply{outcome.log_index, outcome.position, outcome.response});
                          case Kind::kCommittedBefore: return answer(done, {SessionStatus::kReplyNotKept, {}, {}});
                          case Kind::kRefused: return done({Outcome::kRefused, Refusal::kNotLeader, {}, {}});
                          case Kind::kUnknown: return done({Outcome::kUnknown, Refusal::kTimedOut, {}, {}});
                        }
                      });
  }

  void load_file(const sqlite::Submission& submission, ProposalCallback done) {
    const auto& values = std::get<std::vector<sqlite::Value>>(submission.request.statements.front().parameters);
    const auto file = std::make_shared<Result<std::unique_ptr<sqlite::Load>>>();
    const std::string directory = "load." + std::to_string(++loads_);
    host_.machine_executor().run(
        [this, file, directory, mark = std::get<std::string>(values.front())] {
          const SqlTurn turn(random_);
          *file = verified_file(directory, mark);
        },
        [this, file, key = submission.idempotency_key, done = std::move(done)] {
          if (!*file) return done({Outcome::kRefused, Refusal::kNotLeader, {}, {}});
          loader_.load({.file = std::move(**file),
                        .database = "loaded",
                        .idempotency_key = key,
                        .deadline = host_.clock().now() + kLoadTimeout},
                       [done](const sqlite::Execution& execution) { answer(done, execution); });
        });
  }
  Result<std::unique_ptr<sqlite::Load>> verified_file(const std::string& directory, const std::string& mark) {
    auto load = sqlite::Load::begin(storage::AnyFileSystem(host_.files()), {.directory = directory});
    if (!load) return load;
    if (const Result<void> added = (*load)->append(sql_file(mark)); !added) return tl::unexpected(added.error());
    if (const Result<void> sound = (*load)->verify(); !sound) return tl::unexpected(sound.error());
    return load;
  }

  Result<Payload> query(std::span<const std::byte> bytes) const override {
    const Result<sqlite::Request> request = sqlite::decode_request(bytes);
    if (!request) return tl::unexpected(request.error());
    const SqlTurn turn(random_);
    sqlite::SqlResult<sqlite::Reader> reader = readers_->take();
    if (!reader) return fail(ErrorKind::kUnavailable, reader.error().message);
    SqlReply reply{{}, UINT32_MAX, reader->run(*request)};
    reply.log_index = reader->last_entry().index;
    return SqlApp::encode(reply);
  }

 private:
  SqliteProcess(Host& host, typename SimWal::Opened opened, sqlite::SqliteMachine machine)
      : NodeProcess(host, std::move(opened), std::move(machine)),
        host_(host),
        random_(fingerprint(host.launches(), host.options().core.seed)),
        readers_(std::make_unique<sqlite::ReaderPool>(machine_.store(), connection_options(host), 2)),
        executor_(machine_, executor_options(host), sql_jobs(), proposer()),
        loader_(machine_, executor_,
                {.piece_bytes = 3 << 10, .pieces_under_way_max = 3, .unfolded_bytes_max = 16 << 10},
                sqlite::job_runner(host.machine_executor())),
        keeper_(
            machine_, {.self = host.id(), .pages_per_step = kPagesPerScrub},
            sqlite::job_runner(host.machine_executor()),
            [&host](NodeId member, Payload request, sqlite::PageKeeper::Answered done) {
              host.call(member, std::move(request), [done = std::move(done)](Payload answer) { done(answer); });
            },
            [](const std::string&) {}) {}

  void look_after_pages() {
    host_.after(kScrubPause, [this] {
      keeper_.step(host_.clock().now());
      node_.resume_apply();
      if (node_.postponement() && keeper_.is_beyond_help()) node_.stop(*node_.postponement());
      look_after_pages();
    });
  }

  void look_after_changes() {
    host_.after(kDeliveryPause, [this] {
      if (executor_.can_write()) deliver_changes();
      look_after_changes();
    });
  }
  /// What the queue holds must be whole, whoever has put it there; then it is forgotten.
  void deliver_changes() {
    sqlite::PageStore& store = machine_.store();
    const sqlite::Pin pin = store.pin(sqlite::PinKind::kApplied);
    const auto batch = sqlite::read_changes(store, pin, {}, {.groups = kGroupsPerDelivery, .bytes = SIZE_MAX});
    const bool is_damaged = !batch && batch.error().kind == ErrorKind::kCorrupt;
    QUORATE_ASSERT(!is_damaged || !store.damaged_pages().empty());
    if (!batch || batch->groups.empty()) return;
    sqlite::Submission submission;
    submission.request.action = [until = batch->after](sqlite::Connection& writer) {
      return sqlite::forget_changes(writer, until);
    };
    submission.deadline = host_.clock().now() + kRequestTimeout;
    executor_.execute(std::move(submission), [](const sqlite::Execution&) {});
  }

  static sqlite::ConnectionOptions connection_options(Host& host) {
    sqlite::ConnectionOptions options;
    options.now = [&host] { return host.clock().now(); };
    options.vfs.unix_time_ms = [&host] {
      return kUnixTimeMs +
             std::chrono::duration_cast<std::chrono::milliseconds>(host.clock().now().time_since_epoch()).count();
    };
    return options;
  }
  /// On every other node the flow control reckons with less room than there is, or with more: then the engine refuses;
  /// and changes are captured, so that leaders with and without a change feed follow each other.
  sqlite::ExecutorOptions executor_options(Host& host) {
    const std::size_t room = host.options().core.uncommitted_bytes_max;
    sqlite::ExecutorOptions options;
    options.connection = connection_options(host);
    options.random = [this] { return random_.next(); };
    options.session_idle_max = kSessionIdleMax;
    const bool is_even = host.id().value % 2 == 0;
    options.in_flight_bytes_max = is_even ? room / 2 : room * 2;
    if (is_even) options.connection.capture = sqlite::CaptureOptions{.wants = nullptr, .group_bytes = 600};
    options.batch_requests_max = 8;
    options.bundles_in_flight_max = 8;
    options.part_bytes = page_options().delta_part_bytes;
    return options;
  }
  sqlite::JobRunner sql_jobs() {
    return [this](std::function<void()> job, std::function<void()> done) {
      host_.application_executor().run(
          [this, job = std::move(job)] {
            const SqlTurn turn(random_);
            job();
          },
          std::move(done));
    };
  }
  sqlite::Executor::Propose proposer() {
    return [this](Payload command, Epoch epoch, std::uint64_t sequence, ProposalCallback done) {
      node_.propose(std::move(command), epoch, sequence, std::move(done));
      host_.end_turn();
    };
  }

  static void answer(const ProposalCallback& done, const SessionReply& reply) {
    done({Outcome::kCommitted, Refusal::kNone, {}, encode(reply)});
  }
  static void answer(const ProposalCallback& done, const sqlite::Execution& execution) {
    using End = sqlite::Execution::End;
    if (execution.end == End::kUnknown) return done({Outcome::kUnknown, Refusal::kTimedOut, {}, {}});
    if (execution.end != End::kDone) return done({Outcome::kRefused, Refusal::kNotLeader, {}, {}});
    answer(done, SqlReply{execution.log_index, execution.position, execution.response});
  }
  static void answer(const ProposalCallback& done, const SqlReply& reply) {
    answer(done, {SessionStatus::kExecuted, {}, SqlApp::encode(reply).bytes()});
  }

  Host& host_;
  mutable Random random_;
  std::unique_ptr<sqlite::ReaderPool> readers_;
  sqlite::Executor executor_;
  sqlite::Loader loader_;
  sqlite::PageKeeper keeper_;
  std::uint64_t loads_ = 0;
};

class SqliteLauncher final : public LogLauncher {
 protected:
  Result<std::unique_ptr<Process>> launch_on(Host& host, typename SimWal::Opened opened) override {
    return host.is_witness() ? WitnessProcess::open(host, std::move(opened))
                             : SqliteProcess::open(host, std::move(opened));
  }
};

}  // namespace

const Subject& sqlite_subject() {
  static const Subject kSubject{
      .name = SqlApp::kName,
      .kinds = sql_operation_kinds(),
      .keys_max = kKeysMax,
      .make_workload = [] { return std::unique_ptr<Workload>(std::make_unique<TypedWorkload<SqlTraits>>()); },
      .make_launcher = [] { return std::unique_ptr<Launcher>(std::make_unique<SqliteLauncher>()); }};
  return kSubject;
}

}  // namespace quorate::sim
