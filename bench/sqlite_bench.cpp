// SQLite on the page store, with SQLite as it comes beside it in the same run: the machine's mood changes from one run
// to the next, their ratio does not.
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <sqlite3.h>

#include "consensus/configuration_codec.hpp"
#include "consensus/random.hpp"
#include "consensus/storage/posix_files.hpp"
#include "statemachine/sqlite/connection.hpp"
#include "statemachine/sqlite/executor.hpp"
#include "statemachine/sqlite/fold.hpp"
#include "statemachine/sqlite/machine.hpp"
#include "statemachine/sqlite/page_store.hpp"
#include "tests/scratch_directory.hpp"

namespace quorate::sqlite {
namespace {

const char* const kSchema = "CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, v TEXT); CREATE INDEX i ON t(k)";
const char* const kInsert = "INSERT INTO t(k, v) VALUES(?, ?)";
const char* const kSelect = "SELECT v FROM t WHERE id = ?";
constexpr std::size_t kRowBytes = 128;
constexpr std::int64_t kKeys = 1'000'000;

using testing::ScratchDirectory;

/// Text without a pattern that compression could find.
std::string random_text(Random& random) {
  std::string text(kRowBytes, ' ');
  for (char& c : text) c = static_cast<char>('0' + random.below(64));
  return text;
}

// --- SQLite as it comes ---

class Stock {
 public:
  Stock() {
    sqlite3_open((directory_.path() + "/db").c_str(), &database_);
    run("PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL; PRAGMA cache_size=-8192");
    run(kSchema);
    sqlite3_prepare_v2(database_, kInsert, -1, &insert_, nullptr);
    sqlite3_prepare_v2(database_, kSelect, -1, &select_, nullptr);
  }
  ~Stock() {
    sqlite3_finalize(insert_);
    sqlite3_finalize(select_);
    sqlite3_close(database_);
  }
  Stock(const Stock&) = delete;
  Stock& operator=(const Stock&) = delete;

  void run(const char* sql) {
    if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
      throw std::runtime_error(sqlite3_errmsg(database_));
    }
  }
  void insert(Random& random) {
    const std::string text = random_text(random);
    sqlite3_bind_int64(insert_, 1, static_cast<std::int64_t>(random.below(kKeys)));
    sqlite3_bind_text(insert_, 2, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
    if (sqlite3_step(insert_) != SQLITE_DONE) throw std::runtime_error(sqlite3_errmsg(database_));
    sqlite3_reset(insert_);
  }
  std::size_t select(std::int64_t id) {
    sqlite3_bind_int64(select_, 1, id);
    if (sqlite3_step(select_) != SQLITE_ROW) throw std::runtime_error("row not found");
    const std::string text(reinterpret_cast<const char*>(sqlite3_column_text(select_, 0)),
                           static_cast<std::size_t>(sqlite3_column_bytes(select_, 0)));
    sqlite3_reset(select_);
    return text.size();
  }

 private:
  ScratchDirectory directory_;
  sqlite3* database_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* select_ = nullptr;
};

// --- The page store ---

template <class T>
T checked(tl::expected<T, Error> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
template <class T>
T checked(SqlResult<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class Ours {
 public:
  Ours() : files_(checked(storage::PosixFiles::below(directory_.path()))) {
    store_ = checked(PageStore::open(storage::AnyFileSystem(files_), {}));
    store_->begin_epoch(Epoch{1});
    writer_ = connect(ConnectionRole::kWriter);
    run(kSchema);
  }

  std::unique_ptr<Connection> connect(ConnectionRole role) {
    ConnectionOptions options;
    options.vfs.role = role;
    options.vfs.unix_time_ms = [] { return std::int64_t{0}; };
    options.now = [] { return Instant{}; };
    return checked(Connection::open(*store_, std::move(options)));
  }
  void run(std::string_view sql) {
    checked(writer_->run(sql));
    commit();
  }
  void insert(Random& random) {
    Connection::Prepared prepared = checked(writer_->prepare(kInsert));
    checked(prepared.statement.bind(0, static_cast<std::int64_t>(random.below(kKeys))));
    checked(prepared.statement.bind(1, random_text(random)));
    checked(prepared.statement.step());
  }
  /// What was sealed, committed at once.
  void commit() {
    for (const SealedVersion& sealed : writer_->vfs().take_sealed()) {
      for (const Payload& part : sealed.parts) entry_bytes += part.size();
      store_->commit(sealed.name, {Term{1}, store_->applied().index + 1});
      if (keep_ != nullptr) keep_->push_back(sealed.parts);
    }
    if (store_->fold_wanted()) fold();
  }
  void fold() { checked(checked(Fold::begin(*store_, {})).run()); }
  void keep(std::vector<std::vector<Payload>>* versions) { keep_ = versions; }
  PageStore& store() { return *store_; }

  std::size_t entry_bytes = 0;

 private:
  ScratchDirectory directory_;
  storage::PosixFiles files_;
  std::unique_ptr<PageStore> store_;
  std::unique_ptr<Connection> writer_;
  std::vector<std::vector<Payload>>* keep_ = nullptr;
};

// --- Writing ---

void InsertStock(benchmark::State& state) {
  Stock stock;
  Random random(1);
  const auto batch = state.range(0);
  for (auto _ : state) {
    if (batch > 1) stock.run("BEGIN");
    for (std::int64_t i = 0; i < batch; ++i) stock.insert(random);
    if (batch > 1) stock.run("COMMIT");
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(InsertStock)->Arg(1)->Arg(64);

void InsertOurs(benchmark::State& state) {
  Ours ours;
  Random random(1);
  const auto batch = state.range(0);
  for (auto _ : state) {
    if (batch > 1) ours.run("BEGIN IMMEDIATE");
    for (std::int64_t i = 0; i < batch; ++i) ours.insert(random);
    if (batch > 1) ours.run("COMMIT");
    ours.commit();
  }
  state.SetItemsProcessed(state.iterations() * batch);
  state.counters["entry_bytes_per_row"] =
      static_cast<double>(ours.entry_bytes) / static_cast<double>(state.iterations() * batch);
}
BENCHMARK(InsertOurs)->Arg(1)->Arg(64);

/// The leader's way from a request to its answer, with a log that commits at once: everything but the engine.
class Executed {
 public:
  Executed() : files_(checked(storage::PosixFiles::below(directory_.path()))) {
    machine_ = checked(SqliteMachine::open(storage::AnyFileSystem(files_), {.self = NodeId{1}}, jobs()));
    ExecutorOptions options;
    options.connection.vfs.unix_time_ms = [] { return std::int64_t{0}; };
    options.connection.now = [] { return Instant{}; };
    options.random = [] { return std::uint64_t{1}; };
    executor_ = std::make_unique<Executor>(*machine_, std::move(options), jobs(), proposer());
    apply(EntryKind::kConfiguration, encode(Configuration{.members = {{.id = NodeId{1}}}}));
    machine_->epoch_changed(Epoch{1});
    send(kSchema, {});
    run();
  }

  void send(const char* sql, std::vector<Value> parameters) {
    Submission submission;
    submission.request.statements.push_back({sql, std::move(parameters)});
    executor_->execute(std::move(submission), [this](const Execution& execution) {
      if (execution.end != Execution::End::kDone) throw std::runtime_error(execution.error);
      ++answers;
    });
  }
  /// Until everything is answered.
  void run() {
    while (!jobs_.empty()) {
      jobs_.front().first();
      const std::function<void()> done = std::move(jobs_.front().second);
      jobs_.pop_front();
      done();
    }
    if (!machine_->checkpoint_wanted()) return;
    machine_->checkpoint(machine_->context(), [](Result<CheckpointContext> done) { checked(std::move(done)); });
    run();
  }

  std::size_t entry_bytes = 0;
  std::size_t answers = 0;

 private:
  JobRunner jobs() {
    return [this](std::function<void()> job, std::function<void()> done) {
      jobs_.emplace_back(std::move(job), std::move(done));
    };
  }
  Executor::Propose proposer() {
    return [this](Payload payload, Epoch epoch, std::uint64_t sequence, const ProposalCallback& done) {
      entry_bytes += payload.size();
      machine_->appended(epoch, sequence, {Term{1}, last_ + 1});
      apply(EntryKind::kCommand, std::move(payload));
      done({Outcome::kCommitted, Refusal::kNone, {Term{1}, last_}, {}});
    };
  }
  void apply(EntryKind kind, Payload payload) {
    ++last_;
    checked(machine_->apply({Term{1}, last_, kind, LogTime{last_.value}, std::move(payload)}));
  }

  ScratchDirectory directory_;
  storage::PosixFiles files_;
  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs_;
  std::unique_ptr<SqliteMachine> machine_;
  std::unique_ptr<Executor> executor_;
  Index last_;
};

/// One request alone, or so many at once: the first runs by itself, all others together.
void InsertThroughExecutor(benchmark::State& state) {
  Executed executed;
  Random random(1);
  const auto batch = state.range(0);
  executed.entry_bytes = 0;
  for (auto _ : state) {
    for (std::int64_t i = 0; i < batch; ++i) {
      executed.send(kInsert, {static_cast<std::int64_t>(random.below(kKeys)), random_text(random)});
    }
    executed.run();
  }
  state.SetItemsProcessed(state.iterations() * batch);
  state.counters["entry_bytes_per_row"] =
      static_cast<double>(executed.entry_bytes) / static_cast<double>(state.iterations() * batch);
}
BENCHMARK(InsertThroughExecutor)->Arg(1)->Arg(65);

// --- Reading ---

constexpr std::int64_t kRows = 100'000;

void SelectStock(benchmark::State& state) {
  Stock stock;
  Random random(1);
  stock.run("BEGIN");
  for (std::int64_t i = 0; i < kRows; ++i) stock.insert(random);
  stock.run("COMMIT");
  for (auto _ : state) benchmark::DoNotOptimize(stock.select(1 + static_cast<std::int64_t>(random.below(kRows))));
}
BENCHMARK(SelectStock);

void SelectOurs(benchmark::State& state) {
  Ours ours;
  Random random(1);
  ours.run("BEGIN");
  for (std::int64_t i = 0; i < kRows; ++i) ours.insert(random);
  ours.run("COMMIT");
  ours.fold();
  const auto reader = ours.connect(ConnectionRole::kReader);
  for (auto _ : state) {
    Connection::Prepared prepared = checked(reader->prepare(kSelect));
    checked(prepared.statement.bind(0, 1 + static_cast<std::int64_t>(random.below(kRows))));
    checked(prepared.statement.step());
    benchmark::DoNotOptimize(prepared.statement.value(0));
  }
}
BENCHMARK(SelectOurs);

}  // namespace
}  // namespace quorate::sqlite
