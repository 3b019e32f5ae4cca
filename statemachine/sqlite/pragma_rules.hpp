// What a statement may not do because replication would not survive it, and what it does that its surroundings must
// know of. Decided from what SQLite's parser reports to its authorizer, so that neither comments nor a preceding
// statement hide anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quorate::sqlite {

/// What preparing a statement has shown about it.
struct StatementTraits {
  bool controls_transaction = false;  ///< BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE
  /// ATTACH, DETACH, temporary objects, settings: outlives the statement. Some PRAGMAs take effect when they are
  /// prepared.
  bool changes_connection = false;
  /// ATTACH or DETACH: it changes nothing else, and queries may do it, too.
  bool attaches = false;
  bool runs_alone = false;  ///< does nothing, or fails, within a transaction
};

/// An authorizer's question; absent strings are empty.
struct Action {
  int code = 0;  ///< SQLITE_PRAGMA, SQLITE_ATTACH, ...
  std::string_view first;
  std::string_view second;
  bool is_second_given = false;
  /// The statement is a client's own, not one that SQLite runs in the course of another.
  bool is_outermost = true;
};

/// Why the action is refused; nullopt if it is allowed. Adds to `traits` what it says about the statement.
[[nodiscard]] std::optional<std::string> judge(const Action& action, StatementTraits& traits);

/// Nothing but white space, comments and semicolons.
[[nodiscard]] bool is_blank(std::string_view sql);

/// Whether the first statement of `sql` begins with this keyword, behind white space and comments.
[[nodiscard]] bool begins_with_keyword(std::string_view sql, std::string_view keyword);

}  // namespace quorate::sqlite
