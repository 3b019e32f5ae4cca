// SQLite on the page store, with SQLite as it comes beside it in the same run: the machine's mood changes from one run
// to the next, their ratio does not.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <sqlite3.h>

#include "consensus/random.hpp"
#include "consensus/storage/posix_files.hpp"
#include "statemachine/sqlite/connection.hpp"
#include "statemachine/sqlite/fold.hpp"
#include "statemachine/sqlite/page_store.hpp"

namespace quorate::sqlite {
namespace {

const char* const kSchema = "CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, v TEXT); CREATE INDEX i ON t(k)";
const char* const kInsert = "INSERT INTO t(k, v) VALUES(?, ?)";
const char* const kSelect = "SELECT v FROM t WHERE id = ?";
constexpr std::size_t kRowBytes = 128;
constexpr std::int64_t kKeys = 1'000'000;

class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "quorate-bench-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot create " + pattern);
    path_ = pattern;
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  [[nodiscard]] std::string path() const { return path_; }

 private:
  std::string path_;
};

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
