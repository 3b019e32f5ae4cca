// The same SQL on SQLite as it comes and on the page store, over several connections each: same rows, same errors, same
// extended codes, and in the end the same content, also of the plain file that a fold leaves. A replica that was only
// given the deltas must be equal page by page after every transaction.
#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/scratch_directory.hpp"
#include "tests/sqlite/sql_generator.hpp"
#include "tests/sqlite/sql_harness.hpp"
#include "tests/sqlite/stock_sqlite.hpp"

namespace quorate::sqlite {
namespace {

using testing::query;
using testing::SqlStore;
using testing::StockSqlite;

constexpr int kConnections = 3;

const char* const kWholeContent =
    "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2; PRAGMA user_version; PRAGMA integrity_check";

class Comparison {
 public:
  explicit Comparison(std::uint64_t seed) : random_(seed), generator_(random_) {
    // Both begin with a database that exists: going to WAL mode has already created the stock one.
    // Neither keeps prepared statements: one that was prepared before another connection changed the schema asks for
    // the write lock first and finds out afterwards.
    ConnectionOptions options;
    options.statements_cached_max = 0;
    const std::string first = "PRAGMA auto_vacuum=" + std::to_string(random_.below(3));
    for (int i = 0; i < kConnections; ++i) {
      stock_.push_back(std::make_unique<StockSqlite>(directory_.below("main"),
                                                     "PRAGMA synchronous=OFF; " + first + "; PRAGMA journal_mode=WAL"));
      ours_.push_back(ours_store_.connect(ConnectionRole::kWriter, options));
    }
    query(*ours_[0], first);
    for (int i = 0; i < testing::SqlGenerator::kTables; ++i) {
      const std::string create = generator_.create_table("t" + std::to_string(i));
      stock_[0]->query(create);
      query(*ours_[0], create);
    }
    replicate(*ours_[0]);
    // A connection that last saw nothing treats its next statements otherwise; ours look again by themselves.
    for (const auto& connection : stock_) connection->query("SELECT 1 FROM sqlite_schema");
    for (const auto& connection : ours_) query(*connection, "SELECT 1 FROM sqlite_schema");
  }

  void step() {
    const std::size_t who = random_.below(kConnections);
    const std::string sql = generator_.next();
    const std::string expected = stock_[who]->query(for_stock(sql));
    const std::string actual = query(*ours_[who], sql);
    RC_LOG() << who << ": " << sql << "\n  stock: " << expected.substr(0, 200) << "\n  ours:  " << actual.substr(0, 200)
             << "\n";
    RC_ASSERT(actual == expected);
    replicate(*ours_[who]);
    if (random_.below(40) == 0) ours_store_.store().fold();
  }

  void finish() {
    for (int i = 0; i < kConnections; ++i) {
      stock_[static_cast<std::size_t>(i)]->query("ROLLBACK");
      query(*ours_[static_cast<std::size_t>(i)], "ROLLBACK");
    }
    const std::string expected = content([&](const std::string& sql) { return stock_[0]->query(sql); });
    const auto reader = ours_store_.connect(ConnectionRole::kReader);
    expect_content("ours", expected, content([&](const std::string& sql) { return query(*reader, sql); }));

    ours_store_.store().fold();
    StockSqlite file(folded_file("1"));
    expect_content("folded", expected, content([&](const std::string& sql) { return file.query(sql); }));
  }

 private:
  static void expect_content(const char* whose, const std::string& expected, const std::string& actual) {
    const auto differ = std::ranges::mismatch(expected, actual);
    const auto at = static_cast<std::size_t>(differ.in1 - expected.begin());
    RC_LOG() << "in the end, from character " << at << " on\n  stock: " << expected.substr(at, 200) << "\n  " << whose
             << ": " << actual.substr(at, 200) << "\n";
    RC_ASSERT(actual == expected);
  }

  [[nodiscard]] std::string for_stock(std::string sql) const {
    const std::size_t at = sql.find("'other'");
    if (at != std::string::npos) sql.replace(at, 7, "'" + directory_.below("other") + "'");
    return sql;
  }

  void replicate(Connection& connection) {
    const std::vector<SealedVersion> versions = ours_store_.commit(connection);
    if (versions.empty()) return;
    for (const SealedVersion& sealed : versions) {
      const LogId entry = replica_.next_entry();
      const Result<void> applied = replica_->apply(entry, sealed.parts);
      RC_ASSERT(applied.has_value());
      RC_ASSERT(replica_->digest().value() == sealed.digest.value());
    }
    RC_ASSERT(ours_store_->digest().value() == versions.back().digest.value());
    compare_pages();
  }

  void compare_pages() {
    const Pin mine = ours_store_->pin(PinKind::kApplied);
    const Pin theirs = replica_->pin(PinKind::kApplied);
    const std::vector<DatabaseRecord> databases = ours_store_->databases(mine);
    RC_ASSERT(databases == replica_->databases(theirs));
    for (const DatabaseRecord& record : databases) {
      for (PageNumber page{1}; page.value <= record.page_count.value; ++page.value) {
        const Result<StoredPage> left = ours_store_->page(mine, record.id, page);
        const Result<StoredPage> right = replica_->page(theirs, record.id, page);
        RC_ASSERT(left.has_value());
        RC_ASSERT(right.has_value());
        RC_ASSERT(left->image == right->image);
      }
    }
  }

  template <class Ask>
  static std::string content(Ask&& ask) {
    std::string text = ask(kWholeContent);
    for (int i = 0; i < testing::SqlGenerator::kTables; ++i) {
      text += "\n" + ask("SELECT * FROM t" + std::to_string(i) + " ORDER BY 1, 2, 3");
    }
    return text;
  }

  /// The base file as a stranger would copy it from the disk.
  std::string folded_file(const std::string& id) {
    // A database that nothing was ever written to has no file yet.
    const bool exists = std::ranges::count(ours_store_.disk().durable_files(), "pages/" + id + ".pages") != 0;
    const std::span<const std::byte> bytes =
        exists ? ours_store_.disk().durable_bytes("pages/" + id + ".pages") : std::span<const std::byte>{};
    const std::string path = directory_.below("folded-" + id);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return path;
  }

  Random random_;
  testing::SqlGenerator generator_;
  quorate::testing::ScratchDirectory directory_;
  SqlStore ours_store_;
  sim::SimFiles replica_disk_{Random(3)};
  testing::Store replica_{replica_disk_};
  std::vector<std::unique_ptr<StockSqlite>> stock_;
  std::vector<std::unique_ptr<Connection>> ours_;
};

RC_GTEST_PROP(Differential, AnswersAsSqliteDoes, ()) {
  Comparison comparison(*rc::gen::arbitrary<std::uint64_t>());
  const auto steps = *rc::gen::inRange(1, 120);
  for (int i = 0; i < steps; ++i) comparison.step();
  comparison.finish();
}

}  // namespace
}  // namespace quorate::sqlite
