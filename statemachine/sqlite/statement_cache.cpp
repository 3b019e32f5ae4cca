#include "statemachine/sqlite/statement_cache.hpp"

#include <utility>

#include <sqlite3.h>

#include "consensus/assert.hpp"

namespace quorate::sqlite {

StatementCache::Loan StatementCache::take(std::string_view sql) {
  Loan loan;
  const auto known = by_text_.find(sql);
  if (known == by_text_.end()) return loan;
  loan.splice(loan.begin(), statements_, known->second);
  by_text_.erase(known);
  return loan;
}

void StatementCache::put(Loan statement) {
  QUORATE_ASSERT(statement.size() == 1);
  sqlite3_reset(statement.front().handle);
  sqlite3_clear_bindings(statement.front().handle);
  if (statements_max_ == 0 || statement.front().traits.changes_connection || by_text_.contains(statement.front().sql)) {
    sqlite3_finalize(statement.front().handle);
    return;
  }
  if (statements_.size() == statements_max_) {
    sqlite3_finalize(statements_.back().handle);
    by_text_.erase(statements_.back().sql);
    statements_.pop_back();
  }
  statements_.splice(statements_.begin(), statement);
  by_text_.emplace(statements_.front().sql, statements_.begin());
}

void StatementCache::clear() {
  by_text_.clear();
  for (const PreparedStatement& statement : statements_) sqlite3_finalize(statement.handle);
  statements_.clear();
}

}  // namespace quorate::sqlite
