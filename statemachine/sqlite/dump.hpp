// A database as SQL text that makes it again, as the .dump command of SQLite's shell writes it: tables and their rows
// first, then sqlite_sequence, then indexes, triggers and views. Made statement by statement while it is read, of one
// version from the beginning to the end; memory is a row.
//
// Virtual tables are entered into sqlite_schema directly, and the tables that they keep their content in are dumped as
// what they are. Hidden rowids are not kept.
//
// Threads: one at a time; the reader's pool outlives the dump.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "statemachine/sqlite/reader_pool.hpp"

namespace quorate::sqlite {

struct DumpOptions {
  std::vector<std::string> tables;  ///< only these, with what belongs to them; empty: everything
};

class Dump {
 public:
  static SqlResult<Dump> open(Reader reader, DumpOptions options = {});
  Dump(Dump&&) noexcept = default;
  Dump& operator=(Dump&&) = delete;

  struct Piece {
    std::string text;  ///< whole statements, each with its line break
    enum class End : std::uint8_t { kMoreFollow, kReached } end = End::kMoreFollow;
  };
  /// The next statements: at least one, and no more once they have come to so many bytes. An error ends the dump.
  SqlResult<Piece> next(std::size_t bytes);

 private:
  struct Table {
    std::string name;
    std::string sql;
  };

  Dump(Reader reader, DumpOptions options) : reader_(std::move(reader)), options_(std::move(options)) {}

  SqlResult<void> plan();
  SqlResult<std::optional<std::string>> next_statement();
  SqlResult<void> begin_table();
  void end_tables();
  SqlResult<std::vector<std::vector<Value>>> query(const std::string& sql);
  [[nodiscard]] bool is_wanted(const std::string& table) const;

  Reader reader_;
  DumpOptions options_;
  std::deque<std::string> ready_;    ///< statements to come before anything else
  std::deque<Table> tables_;         ///< not yet begun
  std::deque<std::string> objects_;  ///< indexes, triggers, views
  bool is_schema_writable_ = false;
  bool is_ended_ = false;
  std::string table_;              ///< whose rows are being read
  std::optional<Statement> rows_;  ///< destroyed before the reader that it came from
};

}  // namespace quorate::sqlite
