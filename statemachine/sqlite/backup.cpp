#include "statemachine/sqlite/backup.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "statemachine/sqlite/scratch_database.hpp"

namespace quorate::sqlite {
namespace {

constexpr const char* kCopyFile = "copy";
constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

}  // namespace

Result<Backup> Backup::open(PageStore& store, std::string_view database) {
  auto [pin, state] = store.pin_state();
  std::optional<DatabaseRecord> record = store.find_database(pin, database);
  if (Result<void> valid = store.check(pin); !valid) return tl::unexpected(valid.error());
  return Backup(store, std::move(pin), state.digest, record ? std::move(*record) : DatabaseRecord{});
}

Result<std::size_t> Backup::read(std::uint64_t offset, std::span<std::byte> into) const {
  if (offset >= size()) return 0;
  into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size() - offset)));
  const std::size_t page_bytes = record_.page_size.bytes();
  for (std::size_t done = 0; done < into.size();) {
    const std::uint64_t at = offset + done;
    const auto within = static_cast<std::size_t>(at % page_bytes);
    const std::size_t count = std::min(into.size() - done, page_bytes - within);
    const PageNumber page{at / page_bytes + 1};
    if (Result<void> read = store_->read(pin_, record_.id, page, within, into.subspan(done, count)); !read) {
      return tl::unexpected(read.error());
    }
    done += count;
  }
  return into.size();
}

// --- CompactBackup ---

Result<std::unique_ptr<CompactBackup>> CompactBackup::make(const Backup& backup, storage::AnyFileSystem files,
                                                           std::string directory) {
  std::unique_ptr<CompactBackup> copy(new CompactBackup(std::move(files), std::move(directory)));
  if (Result<void> created = copy->files_.create_directories(copy->directory_); !created) {
    return tl::unexpected(created.error());
  }
  if (Result<void> emptied = ScratchDatabase::empty(copy->files_, copy->directory_); !emptied) {
    return tl::unexpected(emptied.error());
  }
  if (Result<void> filled = copy->fill(backup); !filled) return tl::unexpected(filled.error());
  {
    Result<std::unique_ptr<ScratchDatabase>> database =
        ScratchDatabase::open(copy->files_, copy->directory_, kCopyFile);
    if (!database) return tl::unexpected(database.error());
    if (Result<std::string> done = (*database)->query("VACUUM"); !done) return tl::unexpected(done.error());
  }
  const Result<std::uint64_t> size = copy->file_->size();
  if (!size) return tl::unexpected(size.error());
  copy->size_ = *size;
  return copy;
}

CompactBackup::~CompactBackup() {
  file_.reset();
  static_cast<void>(ScratchDatabase::empty(files_, directory_));
}

Result<void> CompactBackup::fill(const Backup& backup) {
  Result<storage::AnyFile> file = files_.open(directory_ + "/" + kCopyFile, storage::OpenMode::kCreate);
  if (!file) return tl::unexpected(file.error());
  file_ = std::move(*file);
  std::vector<std::byte> piece(kPieceBytes);
  for (std::uint64_t at = 0; at < backup.size();) {
    const Result<std::size_t> read = backup.read(at, piece);
    if (!read) return tl::unexpected(read.error());
    if (Result<void> written = file_->write(at, std::span(piece).first(*read)); !written) return written;
    at += *read;
  }
  return {};
}

Result<std::size_t> CompactBackup::read(std::uint64_t offset, std::span<std::byte> into) const {
  return file_->read(offset, into);
}

}  // namespace quorate::sqlite
