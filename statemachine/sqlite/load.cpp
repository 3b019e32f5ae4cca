#include "statemachine/sqlite/load.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/file_vfs.hpp"

namespace quorate::sqlite {
namespace {

constexpr const char* kFile = "database";
constexpr const char* kLog = "database-wal";
constexpr std::string_view kMagic{"SQLite format 3\0", 16};

// Offsets within the header, from SQLite's file format (big-endian numbers).
constexpr std::size_t kHeaderBytes = 100;
constexpr std::size_t kPageSizeAt = 16;
constexpr std::size_t kWriteVersionAt = 18;
constexpr std::size_t kReadVersionAt = 19;
constexpr std::size_t kChangeCounterAt = 24;
constexpr std::size_t kPageCountAt = 28;
constexpr std::size_t kVersionValidForAt = 92;
/// 1: rollback journal, 2: write-ahead log.
constexpr unsigned kFormatVersionMax = 2;
constexpr const char* kWhatToDo = "nothing was loaded";

std::uint64_t big_endian(std::span<const std::byte> bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (const std::byte byte : bytes.subspan(at, size)) value = value << 8 | std::to_integer<std::uint64_t>(byte);
  return value;
}

tl::unexpected<Error> refuse(std::string_view why) {
  return fail(ErrorKind::kInvalidArgument, fmt::format("{}; {}", why, kWhatToDo));
}

}  // namespace

/// The collected file, opened.
struct Load::Database {
  Database(storage::AnyFileSystem files, std::string directory) : vfs(std::move(files), std::move(directory)) {}
  ~Database() { sqlite3_close(handle); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// The first column of the first row; empty if there is none.
  Result<std::string> query(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    std::string text;
    int code = sqlite3_prepare_v2(handle, sql, -1, &statement, nullptr);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
      const auto* column = sqlite3_column_text(statement, 0);
      if (column != nullptr) text = reinterpret_cast<const char*>(column);
      while ((code = sqlite3_step(statement)) == SQLITE_ROW) {}
    }
    const bool is_done = code == SQLITE_DONE;
    const Error error = is_done ? Error{} : error_of(code);
    sqlite3_finalize(statement);
    if (!is_done) return tl::unexpected(error);
    return text;
  }
  Error error_of(int code) {
    if (std::optional<Error> cause = vfs.take_error()) return std::move(*cause);
    if ((code & 0xFF) == SQLITE_NOMEM)
      return {ErrorKind::kOverloaded, "there is not enough memory to look at the file"};
    return {ErrorKind::kInvalidArgument,
            fmt::format("SQLite says of the file: {}; {}", sqlite3_errmsg(handle), kWhatToDo)};
  }

  FileVfs vfs;
  sqlite3* handle = nullptr;
};

// --- Collecting ---

Load::Load(storage::AnyFileSystem files, LoadOptions options)
    : files_(std::move(files)), options_(std::move(options)) {}

Load::~Load() {
  database_.reset();
  static_cast<void>(remove_all());
}

Result<std::unique_ptr<Load>> Load::begin(storage::AnyFileSystem files, LoadOptions options) {
  std::unique_ptr<Load> load(new Load(std::move(files), std::move(options)));
  if (Result<void> created = load->files_.create_directories(load->options_.directory); !created) {
    return tl::unexpected(created.error());
  }
  if (Result<void> removed = load->remove_all(); !removed) return tl::unexpected(removed.error());
  return load;
}

Result<void> Load::remove_all() {
  const Result<std::vector<std::string>> names = files_.list(options_.directory);
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    if (Result<void> removed = files_.remove(path(name.c_str())); !removed) return removed;
  }
  return {};
}

bool Load::is_database(std::span<const std::byte> beginning) {
  return beginning.size() >= kMagic.size() && std::memcmp(beginning.data(), kMagic.data(), kMagic.size()) == 0;
}

Result<void> Load::append(std::span<const std::byte> bytes) { return append_to(file_, file_bytes_, kFile, bytes); }
Result<void> Load::append_log(std::span<const std::byte> bytes) { return append_to(log_, log_bytes_, kLog, bytes); }

Result<void> Load::append_to(std::optional<storage::AnyFile>& file, std::uint64_t& size, const char* name,
                             std::span<const std::byte> bytes) {
  QUORATE_ASSERT(database_ == nullptr);
  if (bytes.size() > options_.bytes_max - size) {
    return refuse(fmt::format("the file has more than {} bytes, which is as much as one transaction may change",
                              options_.bytes_max));
  }
  if (!file) {
    Result<storage::AnyFile> opened = files_.open(path(name), storage::OpenMode::kCreate);
    if (!opened) return tl::unexpected(opened.error());
    file = std::move(*opened);
  }
  if (Result<void> written = file->write(size, bytes); !written) return written;
  size += bytes.size();
  return {};
}

// --- Verifying ---

Result<void> Load::verify() {
  QUORATE_ASSERT(database_ == nullptr);
  if (Result<void> checked = check_header(); !checked) return checked;
  file_.reset();
  log_.reset();
  Result<void> checked = check_content();
  if (!checked) database_.reset();
  return checked;
}

Result<void> Load::check_header() {
  std::array<std::byte, kHeaderBytes> header{};
  if (file_) {
    const Result<std::size_t> read = file_->read(0, header);
    if (!read) return tl::unexpected(read.error());
  }
  if (file_bytes_ < kHeaderBytes || !is_database(header)) {
    return refuse("this is not a SQLite database (if it is an encrypted one, decrypt it first)");
  }
  // 65536 does not fit the field, and is written as 1.
  const std::uint64_t size_field = big_endian(header, kPageSizeAt, 2);
  const std::optional<PageSize> size = PageSize::of(size_field == 1 ? kPageBytesMax : size_field);
  if (!size) return refuse(fmt::format("the file's header says that its pages have {} bytes", size_field));
  const std::uint64_t version = std::max(big_endian(header, kWriteVersionAt, 1), big_endian(header, kReadVersionAt, 1));
  if (version == 0 || version > kFormatVersionMax) {
    return refuse(fmt::format("the file has version {} of SQLite's format, which is not known here", version));
  }
  const std::uint64_t pages = big_endian(header, kPageCountAt, 4);
  const bool is_counted =
      big_endian(header, kChangeCounterAt, 4) == big_endian(header, kVersionValidForAt, 4) && pages > 0;
  if (is_counted && log_bytes_ == 0 && file_bytes_ < pages * size->bytes()) {
    return refuse(fmt::format("the file is cut short: it should have {} pages of {} bytes, and has {} bytes", pages,
                              size->bytes(), file_bytes_));
  }
  page_size_ = *size;
  return {};
}

Result<void> Load::check_content() {
  database_ = std::make_unique<Database>(files_, options_.directory);
  const int code = sqlite3_open_v2(kFile, &database_->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                   database_->vfs.name().c_str());
  if (code != SQLITE_OK) return tl::unexpected(database_->error_of(code));
  // Whoever made the file decided what is in its schema.
  sqlite3_db_config(database_->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(database_->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(database_->handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  for (const char* setting : {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA cell_size_check=ON"}) {
    if (Result<std::string> set = database_->query(setting); !set) return tl::unexpected(set.error());
  }
  // Takes the log's content in, and makes the header say that there is none.
  const Result<std::string> mode = database_->query("PRAGMA journal_mode=DELETE");
  if (!mode) return tl::unexpected(mode.error());
  if (*mode != "delete") return refuse("the file cannot be taken out of WAL mode");
  const Result<std::string> verdict = database_->query("PRAGMA integrity_check(1)");
  if (!verdict) return tl::unexpected(verdict.error());
  if (*verdict != "ok") return refuse(fmt::format("the file is damaged: {}", *verdict));
  const Result<std::string> count = database_->query("PRAGMA page_count");
  if (!count) return tl::unexpected(count.error());
  page_count_ = PageCount{std::stoull(*count)};
  if (page_count_.value > options_.bytes_max / page_size_.bytes()) {
    return refuse(fmt::format("the database has more than {} bytes, which is as much as one transaction may change",
                              options_.bytes_max));
  }
  return {};
}

// --- Replacing ---

SqlResult<void> Load::check_encoding(Connection& writer) {
  const Result<std::string> here = database_->query("PRAGMA encoding");
  if (!here) return sql_fail({SqlErrorKind::kStorage, SQLITE_ERROR, here.error().message});
  SqlResult<Connection::Prepared> prepared = writer.prepare("PRAGMA encoding");
  if (!prepared) return sql_fail(std::move(prepared.error()));
  if (const auto stepped = prepared->statement.step(); !stepped) return sql_fail(stepped.error());
  const Value there = prepared->statement.value(0);
  if (there == Value(*here)) return {};
  return sql_fail({SqlErrorKind::kRefused, SQLITE_MISMATCH,
                   fmt::format("the file's text is {}, and the database's is not, which cannot be changed while "
                               "connections are open; load the file as SQL text (.dump)",
                               *here)});
}

SqlResult<void> Load::replace(Connection& writer, std::optional<PageSize> page_size_there) {
  QUORATE_ASSERT(database_ != nullptr);
  if (SqlResult<void> checked = check_encoding(writer); !checked) return checked;
  if (page_size_there && *page_size_there != page_size_) {
    const std::string resize = fmt::format("PRAGMA page_size={}", page_size_there->bytes());
    for (const char* sql : {resize.c_str(), "VACUUM"}) {
      if (Result<std::string> done = database_->query(sql); !done) {
        return sql_fail({SqlErrorKind::kStorage, SQLITE_ERROR, done.error().message});
      }
    }
    page_size_ = *page_size_there;
  }
  return writer.replace_by(database_->handle);
}

}  // namespace quorate::sqlite
