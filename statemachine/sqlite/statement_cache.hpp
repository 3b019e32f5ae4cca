// Prepared statements of one connection that are not in use, by their text; the least recently used goes first. A
// statement on loan is not in here, so that the same text may be on loan twice.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "statemachine/sqlite/pragma_rules.hpp"

struct sqlite3_stmt;

namespace quorate::sqlite {

struct PreparedStatement {
  std::string sql;  ///< the whole text that was given; the statement is its first
  sqlite3_stmt* handle = nullptr;
  StatementTraits traits;
  std::size_t length = 0;  ///< of the statement within the text
};

class StatementCache {
 public:
  /// A list of one element (or none), so that a statement changes hands without being copied.
  using Loan = std::list<PreparedStatement>;

  explicit StatementCache(std::size_t statements_max) : statements_max_(statements_max) {}
  ~StatementCache() { clear(); }
  StatementCache(const StatementCache&) = delete;
  StatementCache& operator=(const StatementCache&) = delete;

  /// Empty if it is not here.
  [[nodiscard]] Loan take(std::string_view sql);
  /// Keeps the statement, reset and without bindings, or finalizes it. What changes the connection is not kept: part of
  /// its effect may come from being prepared.
  void put(Loan statement);
  void clear();

 private:
  const std::size_t statements_max_;
  std::list<PreparedStatement> statements_;  ///< most recently used first
  std::unordered_map<std::string_view, std::list<PreparedStatement>::iterator> by_text_;
};

}  // namespace quorate::sqlite
