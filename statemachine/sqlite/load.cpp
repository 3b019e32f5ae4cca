#include "statemachine/sqlite/load.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/database_header.hpp"
#include "statemachine/sqlite/scratch_database.hpp"

namespace quorate::sqlite {
namespace {

constexpr const char* kReceivedFile = "database";
constexpr const char* kLog = "database-wal";
constexpr std::string_view kMagic{"SQLite format 3\0", 16};

/// 1: rollback journal, 2: write-ahead log.
constexpr unsigned kFormatVersionMax = 2;
constexpr const char* kWhatToDo = "nothing was loaded";

tl::unexpected<Error> refuse(std::string_view why) {
  return fail(ErrorKind::kInvalidArgument, fmt::format("{}; {}", why, kWhatToDo));
}

}  // namespace

// --- Collecting ---

Load::Load(storage::AnyFileSystem files, LoadOptions options)
    : files_(std::move(files)), options_(std::move(options)) {}

Load::~Load() {
  file_.reset();
  log_.reset();
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

Result<void> Load::append(std::span<const std::byte> bytes) {
  return append_to(file_, file_bytes_, kReceivedFile, bytes);
}
Result<void> Load::append_log(std::span<const std::byte> bytes) { return append_to(log_, log_bytes_, kLog, bytes); }

Result<void> Load::append_to(std::optional<storage::AnyFile>& file, std::uint64_t& size, const char* name,
                             std::span<const std::byte> bytes) {
  QUORATE_ASSERT(!is_verified_);
  if (bytes.size() > options_.bytes_max - size) {
    return refuse(fmt::format("the file has more than {} bytes, which is the limit", options_.bytes_max));
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
  QUORATE_ASSERT(!is_verified_);
  if (Result<void> checked = check_header(); !checked) return checked;
  file_.reset();
  log_.reset();
  if (Result<void> checked = check_content(); !checked) return checked;
  Result<storage::AnyFile> opened = files_.open(options_.directory + "/" + kReceivedFile, storage::OpenMode::kReadOnly);
  if (!opened) return tl::unexpected(opened.error());
  file_ = std::move(*opened);
  is_verified_ = true;
  return {};
}

Result<void> Load::check_header() {
  std::array<std::byte, kDatabaseHeaderBytes> header{};
  if (file_) {
    const Result<std::size_t> read = file_->read(0, header);
    if (!read) return tl::unexpected(read.error());
  }
  if (file_bytes_ < kDatabaseHeaderBytes || !is_database(header)) {
    return refuse("this is not a SQLite database (if it is an encrypted one, decrypt it first)");
  }
  // 65536 does not fit the field, and is written as 1.
  const std::uint32_t size_field = big_endian_16(header, kPageSizeAt);
  const std::optional<PageSize> size = PageSize::of(size_field == 1 ? kPageBytesMax : size_field);
  if (!size) return refuse(fmt::format("the file's header says that its pages have {} bytes", size_field));
  const auto version = std::to_integer<unsigned>(std::max(header[kWriteVersionAt], header[kReadVersionAt]));
  if (version == 0 || version > kFormatVersionMax) {
    return refuse(fmt::format("the file has version {} of SQLite's format, which is not known here", version));
  }
  const std::uint64_t pages = big_endian_32(header, kPageCountAt);
  const bool is_counted =
      big_endian_32(header, kChangeCounterAt) == big_endian_32(header, kVersionValidForAt) && pages > 0;
  if (is_counted && log_bytes_ == 0 && file_bytes_ < pages * size->bytes()) {
    return refuse(fmt::format("the file is cut short: it should have {} pages of {} bytes, and has {} bytes", pages,
                              size->bytes(), file_bytes_));
  }
  page_size_ = *size;
  return {};
}

Result<void> Load::check_content() {
  Result<std::unique_ptr<ScratchDatabase>> opened = ScratchDatabase::open(files_, options_.directory, kReceivedFile);
  if (!opened) return tl::unexpected(opened.error());
  const std::unique_ptr<ScratchDatabase> database = std::move(*opened);
  if (Result<std::string> set = database->query("PRAGMA cell_size_check=ON"); !set) {
    return tl::unexpected(set.error());
  }
  // Takes the log's content in, and makes the header say that there is none.
  const Result<std::string> mode = database->query("PRAGMA journal_mode=DELETE");
  if (!mode) return tl::unexpected(mode.error());
  if (*mode != "delete") return refuse("the file cannot be taken out of WAL mode");
  const Result<std::string> verdict = database->query("PRAGMA integrity_check(1)");
  if (!verdict) return tl::unexpected(verdict.error());
  if (*verdict != "ok") return refuse(fmt::format("the file is damaged: {}", *verdict));
  const Result<std::string> count = database->query("PRAGMA page_count");
  if (!count) return tl::unexpected(count.error());
  page_count_ = PageCount{std::stoull(*count)};
  if (page_count_ == PageCount{}) return refuse("the file holds no database at all");
  return {};
}

// --- Reading ---

Result<StagedPages> Load::read(PageNumber first, std::size_t bytes_max) {
  QUORATE_ASSERT(is_verified_);
  QUORATE_ASSERT(first.value >= 1 && first.value <= page_count_.value);
  const std::size_t size = page_size_.bytes();
  const std::uint64_t left = page_count_.value - first.value + 1;
  const std::uint64_t count = std::min<std::uint64_t>(left, std::max<std::size_t>(bytes_max / size, 1));
  std::vector<std::byte> bytes(count * size);
  const Result<std::size_t> read = file_->read((first.value - 1) * size, bytes);
  if (!read) return tl::unexpected(read.error());
  if (*read != bytes.size()) return fail(ErrorKind::kIo, "the file that was received has become shorter");
  StagedPages pages{.page_size = page_size_, .first = first, .pages = {}};
  for (std::size_t at = 0; at < bytes.size(); at += size) {
    // Nothing is ever in the page of the lock bytes, whatever the file has there.
    const bool is_lock_page = PageNumber{first.value + at / size} == lock_byte_page(page_size_);
    pages.pages.push_back(is_lock_page ? PageImage{} : PageImage::copy_of(std::span(bytes).subspan(at, size)));
  }
  return pages;
}

}  // namespace quorate::sqlite
