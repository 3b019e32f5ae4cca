#include "server/offline/page_reading.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "consensus/core.hpp"
#include "consensus/storage/any_file_system.hpp"
#include "statemachine/sqlite/base_file.hpp"
#include "statemachine/sqlite/connection.hpp"
#include "statemachine/sqlite/fold_journal.hpp"

namespace quorate::server {

using sqlite::BaseFile;
using sqlite::DatabaseRecord;
using sqlite::PageHash;
using sqlite::PageNumber;
using sqlite::Superblock;

namespace {

constexpr std::uint64_t kTableEntryBytes = 16;
constexpr std::uint64_t kSuperblockBytesMax = std::uint64_t{1} << 30;

Result<PageReading::SuperblockFile> look_at_superblock(ShadowFiles& files, int slot) {
  auto file = files.open(fmt::format("{}/superblock.{}", kPageDirectory, slot), storage::OpenMode::kReadOnly);
  if (!file && file.error().kind == ErrorKind::kNotFound) return PageReading::SuperblockFile::kMissing;
  if (!file) return tl::unexpected(file.error());
  const Result<std::uint64_t> size = file->size();
  if (!size) return tl::unexpected(size.error());
  std::vector<std::byte> bytes(std::min(*size, kSuperblockBytesMax));
  if (const auto count = file->read(0, bytes); !count) return tl::unexpected(count.error());
  return sqlite::parse_superblock(bytes) ? PageReading::SuperblockFile::kWhole : PageReading::SuperblockFile::kDamaged;
}

Result<void> check_database(storage::AnyFileSystem& files, const DatabaseRecord& record, Index newest, PageCheck& check,
                            sqlite::StateDigest& digest) {
  const std::string stem = sqlite::base_stem(kPageDirectory, record.id);
  const auto base = BaseFile::open(files, stem, record.page_size, storage::OpenMode::kReadOnly);
  if (!base) return tl::unexpected(base.error());
  const auto table = base->load_table(record.page_count);
  if (!table) return tl::unexpected(table.error());
  digest.add(record.shape());
  std::vector<std::byte> bytes(record.page_size.bytes());
  for (PageNumber page{1}; page.value <= table->size(); ++page.value) {
    const sqlite::BasePage& entry = (*table)[page.value - 1];
    digest.add(record.id, page, entry.hash);
    if (entry.modified > newest) {
      check.damage.push_back(
          {PageDamage::What::kTable, stem + ".table", (page.value - 1) * kTableEntryBytes, record.name, page});
    }
    if (entry.hash == PageHash{0}) continue;  // zeros, wherever they are needed; what the file has is never read
    if (Result<void> read = base->read(page, bytes); !read) return read;
    ++check.pages;
    check.bytes += bytes.size();
    if (sqlite::hash_page(bytes) == entry.hash) continue;
    check.damage.push_back(
        {PageDamage::What::kPage, stem + ".pages", (page.value - 1) * bytes.size(), record.name, page});
  }
  return {};
}

std::string text_of(const sqlite::Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr ? *text : std::string();
}

sqlite::ConnectionOptions connection_options(const std::string& database) {
  sqlite::ConnectionOptions options;
  options.vfs.unix_time_ms = [] { return std::int64_t{0}; };
  options.now = [] { return Instant(std::chrono::steady_clock::now().time_since_epoch()); };
  options.database = database;
  return options;
}

Result<void> check_with_sqlite(sqlite::PageStore& store, const std::string& database,
                               std::vector<std::string>& complaints) {
  const auto unreadable = [&](const sqlite::SqlError& error) {
    complaints.push_back(fmt::format("database '{}': {}", database, error.message));
    return Result<void>{};
  };
  const auto connection = sqlite::Connection::open(store, connection_options(database));
  if (!connection) return unreadable(connection.error());
  auto prepared = (*connection)->prepare("PRAGMA integrity_check");
  if (!prepared) return unreadable(prepared.error());
  for (;;) {
    const auto progress = prepared->statement.step();
    if (!progress) return unreadable(progress.error());
    if (*progress == sqlite::Statement::Progress::kDone) return {};
    const std::string line = text_of(prepared->statement.value(0));
    if (line != "ok") complaints.push_back(fmt::format("database '{}': {}", database, line));
  }
}

}  // namespace

Result<PageReading> read_pages(ShadowFiles& files) {
  PageReading reading;
  storage::AnyFileSystem any(files);
  const auto before = sqlite::read_superblock(any, kPageDirectory);
  if (!before) return tl::unexpected(before.error());
  if (!*before) return reading;
  auto after = sqlite::recover(any, kPageDirectory);
  if (!after) return tl::unexpected(after.error());
  reading.had_interrupted_fold = after->sequence != (*before)->sequence;
  reading.superblock = std::move(*after);
  for (const int slot : {0, 1}) {
    const auto file = look_at_superblock(files, slot);
    if (!file) return tl::unexpected(file.error());
    reading.superblock_files[static_cast<std::size_t>(slot)] = *file;
  }
  return reading;
}

Result<PageCheck> check_pages(ShadowFiles& files, const Superblock& superblock) {
  PageCheck check;
  storage::AnyFileSystem any(files);
  sqlite::StateDigest digest;
  for (const DatabaseRecord& record : superblock.databases) {
    if (auto done = check_database(any, record, superblock.last.index, check, digest); !done) {
      return tl::unexpected(done.error());
    }
  }
  check.tables_have_digest = digest == superblock.digest;
  return check;
}

Result<std::unique_ptr<sqlite::SqliteMachine>> open_machine(ShadowFiles& files, NodeId self) {
  // Entries are applied on the spot; nothing here asks for a checkpoint or a snapshot.
  const auto run = [](const std::function<void()>& job, const std::function<void()>& done) { job(), done(); };
  return sqlite::SqliteMachine::open(storage::AnyFileSystem(files), {.self = self}, run);
}

Result<LogId> apply_committed(sqlite::SqliteMachine& machine, const Recovered& recovered) {
  const LogId start = machine.recovered().last;
  if (auto fits = Core::validate_recovered(recovered, machine.recovered()); !fits) return tl::unexpected(fits.error());
  LogId last = start;
  for (const Entry& entry : recovered.entries) {
    if (entry.index <= start.index) continue;
    const bool is_damaged = std::ranges::binary_search(recovered.damaged, entry.id());
    if (entry.index > recovered.hard_state.commit || is_damaged) break;
    if (const auto applied = machine.apply(entry); !applied) {
      return fail(applied.error().kind,
                  fmt::format("entry {} cannot be applied: {}", entry.index.value, applied.error().message));
    }
    last = entry.id();
  }
  return last;
}

Result<std::vector<std::string>> complaints_of_sqlite(sqlite::SqliteMachine& machine) {
  std::vector<std::string> complaints;
  sqlite::PageStore& store = machine.store();
  const std::vector<DatabaseRecord> databases = store.databases(store.pin(sqlite::PinKind::kApplied));
  for (const DatabaseRecord& database : databases) {
    if (auto checked = check_with_sqlite(store, database.name, complaints); !checked) {
      return tl::unexpected(checked.error());
    }
  }
  return complaints;
}

}  // namespace quorate::server
