#include "statemachine/sqlite/staging.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <sqlite3.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/database_header.hpp"

namespace quorate::sqlite {
namespace {

tl::unexpected<SqlError> sql_fail_with(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kUnavailable: return sql_fail({SqlErrorKind::kNotLeader, kSqliteNotLeader, error.message});
    case ErrorKind::kOverloaded: return sql_fail({SqlErrorKind::kBusy, SQLITE_BUSY, error.message});
    case ErrorKind::kDiskFull: return sql_fail({SqlErrorKind::kTooLarge, SQLITE_FULL, error.message});
    default: return sql_fail({SqlErrorKind::kStorage, SQLITE_ERROR, error.message});
  }
}

SqlResult<void> write(Connection& writer, std::vector<DatabaseWrite> writes) {
  if (Result<void> sealed = writer.vfs().write(std::move(writes)); !sealed) return sql_fail_with(sealed.error());
  return {};
}

DatabaseWrite drop_of(const DatabaseRecord& record) {
  return {.name = record.name,
          .page_size = record.page_size,
          .page_count_after = record.page_count,
          .pages = {},
          .fate = DatabaseFate::kDropped};
}

tl::unexpected<SqlError> interrupted() {
  return sql_fail({SqlErrorKind::kBusy, SQLITE_BUSY, "another load has begun meanwhile; nothing was loaded"});
}

/// Connections know what they have cached by the change counter, and what they have parsed by the schema cookie: both
/// go on from those of the database that was there.
PageImage continue_counters(const PageImage& first, const PageImage& before, PageSize size) {
  return PageImage::build(size.bytes(), [&](std::span<std::byte> page) {
    std::ranges::copy(bytes_of(first, size), page.begin());
    const std::uint32_t counter = big_endian_32(before.bytes(), kChangeCounterAt) + 1;
    write_big_endian_32(page, kChangeCounterAt, counter);
    write_big_endian_32(page, kVersionValidForAt, counter);
    write_big_endian_32(page, kSchemaCookieAt, big_endian_32(before.bytes(), kSchemaCookieAt) + 1);
  });
}

}  // namespace

SqlResult<void> stage(Connection& writer, std::string_view database, StagedPages pages) {
  QUORATE_ASSERT(!pages.pages.empty());
  PageStore& store = writer.vfs().store();
  const std::string name = hidden_name(database);
  const std::optional<DatabaseRecord> staged = store.find_database(store.pin(PinKind::kHead), name);
  const bool begins = pages.first == PageNumber{1};
  if (begins && staged) {
    if (SqlResult<void> dropped = write(writer, {drop_of(*staged)}); !dropped) return dropped;
  }
  const bool goes_on =
      staged && staged->page_size == pages.page_size && staged->page_count.value + 1 == pages.first.value;
  if (!begins && !goes_on) return interrupted();
  DatabaseWrite next{.name = name, .page_size = pages.page_size, .page_count_after = {}, .pages = {}};
  PageNumber page = pages.first;
  for (PageImage& image : pages.pages) {
    next.pages.emplace(page, std::move(image));
    next.page_count_after = PageCount{page.value};
    ++page.value;
  }
  std::vector<DatabaseWrite> writes;
  writes.push_back(std::move(next));
  return write(writer, std::move(writes));
}

SqlResult<void> adopt(Connection& writer, std::string_view database, PageCount pages) {
  PageStore& store = writer.vfs().store();
  const Pin head = store.pin(PinKind::kHead);
  const std::optional<DatabaseRecord> staged = store.find_database(head, hidden_name(database));
  const std::optional<DatabaseRecord> before = store.find_database(head, database);
  if (!staged || staged->page_count != pages) return interrupted();
  std::vector<DatabaseWrite> writes;
  writes.push_back({.name = staged->name,
                    .page_size = staged->page_size,
                    .page_count_after = staged->page_count,
                    .pages = {},
                    .fate = DatabaseFate::kAdopted});
  if (before) {
    const Result<StoredPage> first = store.page(head, staged->id, PageNumber{1});
    if (!first) return sql_fail_with(first.error());
    const Result<StoredPage> old = store.page(head, before->id, PageNumber{1});
    if (!old) return sql_fail_with(old.error());
    if (!old->image.empty()) {
      writes.front().pages.emplace(PageNumber{1}, continue_counters(first->image, old->image, staged->page_size));
    }
    writes.push_back(drop_of(*before));
  }
  if (ChangeCapture* capture = writer.capture()) capture->add_replacement(std::string(database));
  return write(writer, std::move(writes));
}

SqlResult<void> drop_staged(Connection& writer) {
  PageStore& store = writer.vfs().store();
  std::vector<DatabaseWrite> writes;
  for (const DatabaseRecord& record : store.databases(store.pin(PinKind::kHead))) {
    if (is_hidden_name(record.name)) writes.push_back(drop_of(record));
  }
  return writes.empty() ? SqlResult<void>{} : write(writer, std::move(writes));
}

}  // namespace quorate::sqlite
