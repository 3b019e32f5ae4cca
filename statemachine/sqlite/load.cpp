#include "statemachine/sqlite/load.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "consensus/assert.hpp"

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

// --- Collecting ---

Load::Load(storage::AnyFileSystem files, LoadOptions options)
    : files_(std::move(files)), options_(std::move(options)) {}

Load::~Load() {
  database_.reset();
  static_cast<void>(ScratchDatabase::empty(files_, options_.directory));
}

Result<std::unique_ptr<Load>> Load::begin(storage::AnyFileSystem files, LoadOptions options) {
  std::unique_ptr<Load> load(new Load(std::move(files), std::move(options)));
  if (Result<void> created = load->files_.create_directories(load->options_.directory); !created) {
    return tl::unexpected(created.error());
  }
  if (Result<void> emptied = ScratchDatabase::empty(load->files_, load->options_.directory); !emptied) {
    return tl::unexpected(emptied.error());
  }
  return load;
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
    Result<storage::AnyFile> opened = files_.open(options_.directory + "/" + name, storage::OpenMode::kCreate);
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
  Result<std::unique_ptr<ScratchDatabase>> opened = ScratchDatabase::open(files_, options_.directory, kFile);
  if (!opened) return tl::unexpected(opened.error());
  database_ = std::move(*opened);
  if (Result<std::string> set = database_->query("PRAGMA cell_size_check=ON"); !set) {
    return tl::unexpected(set.error());
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

namespace {

/// The answer to a PRAGMA that gives one value.
SqlResult<Value> ask(Connection& connection, std::string_view sql) {
  SqlResult<Connection::Prepared> prepared = connection.prepare(sql);
  if (!prepared) return sql_fail(std::move(prepared.error()));
  if (const auto stepped = prepared->statement.step(); !stepped) return sql_fail(stepped.error());
  return prepared->statement.value(0);
}

tl::unexpected<SqlError> sql_fail_with(const Error& error) {
  return sql_fail({SqlErrorKind::kStorage, SQLITE_ERROR, error.message});
}

}  // namespace

SqlResult<void> Load::replace(Connection& writer) {
  QUORATE_ASSERT(database_ != nullptr);
  if (SqlResult<void> checked = check_encoding(writer); !checked) return checked;
  if (SqlResult<void> resized = adopt_page_size(writer); !resized) return resized;
  return writer.replace_by(database_->handle());
}

SqlResult<void> Load::check_encoding(Connection& writer) {
  const Result<std::string> here = database_->query("PRAGMA encoding");
  if (!here) return sql_fail_with(here.error());
  const SqlResult<Value> there = ask(writer, "PRAGMA encoding");
  if (!there) return sql_fail(there.error());
  if (*there == Value(*here)) return {};
  return sql_fail({SqlErrorKind::kRefused, SQLITE_MISMATCH,
                   fmt::format("the file's text is {}, and the database's is not, which cannot be changed while "
                               "connections are open; load the file as SQL text (.dump)",
                               *here)});
}

SqlResult<void> Load::adopt_page_size(Connection& writer) {
  const SqlResult<Value> count = ask(writer, "PRAGMA page_count");
  if (!count) return sql_fail(count.error());
  const SqlResult<Value> size = ask(writer, "PRAGMA page_size");
  if (!size) return sql_fail(size.error());
  const std::optional<PageSize> there = PageSize::of(static_cast<std::uint64_t>(std::get<std::int64_t>(*size)));
  QUORATE_ASSERT(there.has_value());
  if (*count == Value(std::int64_t{0}) || *there == page_size_) return {};
  for (const std::string& sql : {fmt::format("PRAGMA page_size={}", there->bytes()), std::string("VACUUM")}) {
    if (Result<std::string> done = database_->query(sql); !done) return sql_fail_with(done.error());
  }
  page_size_ = *there;
  return {};
}

}  // namespace quorate::sqlite
