// How a whole database is replaced by another one, of whatever size: it grows page by page behind the name of the old
// one, in as many transactions as it takes, and takes its place in the last.
//
//   stage   the next pages, at the end of the hidden database (".main" behind "main")
//   adopt   the hidden database gets the name, whoever had it is dropped: one version, one entry
//   drop    of what was staged and will never be whole
//
// Every step is a transaction like any other: it is sealed, replicated, folded into files and sent in snapshots, so
// that memory holds no more of the new database than of any other changes, and a replica that crashes or comes late has
// what the others have. Nothing of it can be seen before it is adopted. What a leader leaves half done is dropped by
// the next one (executor.hpp).
//
// For the writer's connection, which must be in no transaction, on its thread. An error means that nothing happened.
#pragma once

#include <string_view>
#include <vector>

#include "statemachine/sqlite/connection.hpp"
#include "statemachine/sqlite/page.hpp"
#include "statemachine/sqlite/value.hpp"

namespace quorate::sqlite {

struct StagedPages {
  PageSize page_size;
  PageNumber first;
  std::vector<PageImage> pages;  ///< consecutive
};

/// Adds pages to what is staged behind `database`. The first page begins it anew; any other must be the next.
SqlResult<void> stage(Connection& writer, std::string_view database, StagedPages pages);
/// Puts what is staged, which must be so many pages, in the place of `database`.
SqlResult<void> adopt(Connection& writer, std::string_view database, PageCount pages);
/// Drops whatever is staged, behind any database.
SqlResult<void> drop_staged(Connection& writer);

}  // namespace quorate::sqlite
