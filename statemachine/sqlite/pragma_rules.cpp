#include "statemachine/sqlite/pragma_rules.hpp"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>
#include <sqlite3.h>

#include "statemachine/sqlite/delta.hpp"

namespace quorate::sqlite {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equals_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, {}, lower, lower);
}

struct RefusedPragma {
  std::string_view name;
  enum class When : std::uint8_t { kSet, kAlways } when;
  std::string_view reason;
};

constexpr std::string_view kJournal = "transactions are replicated, which depends on this node's own way of journaling";
constexpr std::string_view kWal = "there is no write-ahead log here: the replicated log takes its place";
constexpr std::string_view kProcess = "it would change the whole server process";

using When = RefusedPragma::When;
constexpr std::array kRefusedPragmas = {
    RefusedPragma{"journal_mode", When::kSet, kJournal},
    RefusedPragma{"synchronous", When::kSet, kJournal},
    RefusedPragma{"locking_mode", When::kSet, kJournal},
    RefusedPragma{"wal_checkpoint", When::kAlways, kWal},
    RefusedPragma{"wal_autocheckpoint", When::kSet, kWal},
    RefusedPragma{"page_size", When::kSet, "every replica's pages have the size that the database was created with"},
    RefusedPragma{"mmap_size", When::kSet, "pages come from the page store, not from a file"},
    RefusedPragma{"query_only", When::kSet, "whether a request may write is decided by how it is sent"},
    RefusedPragma{"soft_heap_limit", When::kSet, kProcess},
    RefusedPragma{"hard_heap_limit", When::kSet, kProcess},
    RefusedPragma{"temp_store_directory", When::kAlways, kProcess},
    RefusedPragma{"data_store_directory", When::kAlways, kProcess},
    RefusedPragma{"lock_proxy_file", When::kAlways, kProcess},
};

/// PRAGMAs that change the database itself, within a transaction like any other statement.
constexpr std::array<std::string_view, 4> kDatabasePragmas = {"user_version", "application_id", "schema_version",
                                                              "incremental_vacuum"};

/// PRAGMAs whose argument says what is asked about.
constexpr std::array<std::string_view, 10> kQuestionPragmas = {
    "table_info", "table_xinfo",      "table_list",        "index_info",      "index_xinfo",
    "index_list", "foreign_key_list", "foreign_key_check", "integrity_check", "quick_check"};

bool is_one_of(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::any_of(names, [&](std::string_view one) { return equals_ignoring_case(one, name); });
}

std::optional<std::string> judge_pragma(const Action& action, StatementTraits& traits) {
  for (const RefusedPragma& refused : kRefusedPragmas) {
    if (!equals_ignoring_case(refused.name, action.first)) continue;
    if (refused.when == When::kSet && !action.is_second_given) continue;
    return fmt::format("PRAGMA {} is not allowed: {}", refused.name, refused.reason);
  }
  const bool is_setting = action.is_second_given && !is_one_of(kDatabasePragmas, action.first) &&
                          !is_one_of(kQuestionPragmas, action.first);
  if (is_setting) traits.changes_connection = traits.runs_alone = true;
  return std::nullopt;
}

std::optional<std::string> judge_attach(const Action& action, StatementTraits& traits) {
  traits.changes_connection = traits.runs_alone = traits.attaches = true;
  // VACUUM attaches a nameless database to work in; VACUUM INTO one with the name of a file.
  if (!action.is_outermost) {
    if (action.first.empty()) return std::nullopt;
    return "VACUUM INTO is not allowed: the copy would be one more replicated database; take a backup instead";
  }
  if (!action.is_second_given && action.first.empty()) {
    return "ATTACH needs the name of the database as a literal";
  }
  if (action.first.empty() || action.first == ":memory:" || is_attachable_name(action.first)) return std::nullopt;
  if (action.first == kChangesDatabase) {
    return fmt::format("ATTACH '{}' is not allowed: it is the queue of the change feed, and no database of SQL",
                       action.first);
  }
  return fmt::format(
      "ATTACH '{}' is not allowed: the databases of this cluster have names of letters, digits, '_', '-' "
      "and '.', no paths",
      action.first);
}

/// Behind white space and comments.
std::string_view without_leading_comments(std::string_view sql) {
  for (;;) {
    const std::size_t begin = sql.find_first_not_of(" \t\r\n\f;");
    if (begin == std::string_view::npos) return {};
    sql.remove_prefix(begin);
    const bool is_line = sql.starts_with("--");
    if (!is_line && !sql.starts_with("/*")) return sql;
    const std::size_t end = is_line ? sql.find('\n') : sql.find("*/", 2);
    if (end == std::string_view::npos) return {};
    sql.remove_prefix(end + (is_line ? 1 : 2));
  }
}

}  // namespace

std::optional<std::string> judge(const Action& action, StatementTraits& traits) {
  switch (action.code) {
    case SQLITE_PRAGMA: return judge_pragma(action, traits);
    case SQLITE_ATTACH: return judge_attach(action, traits);
    case SQLITE_DETACH: traits.changes_connection = traits.runs_alone = traits.attaches = true; return std::nullopt;
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT: traits.controls_transaction = true; return std::nullopt;
    case SQLITE_CREATE_TEMP_INDEX:
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_CREATE_TEMP_VIEW: traits.changes_connection = true; return std::nullopt;
    default: return std::nullopt;
  }
}

bool is_blank(std::string_view sql) { return without_leading_comments(sql).empty(); }

bool begins_with_keyword(std::string_view sql, std::string_view keyword) {
  sql = without_leading_comments(sql);
  if (sql.size() < keyword.size() || !equals_ignoring_case(sql.substr(0, keyword.size()), keyword)) return false;
  if (sql.size() == keyword.size()) return true;
  const char next = lower(sql[keyword.size()]);
  return !((next >= 'a' && next <= 'z') || (next >= '0' && next <= '9') || next == '_' || (next & 0x80) != 0);
}

}  // namespace quorate::sqlite
