#include "server/backups/backup_directory.hpp"

#include <cstddef>
#include <ctime>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace quorate::server {

using settings::BackupRecord;
using settings::BackupSettings;
using storage::OpenMode;
using storage::PosixFiles;

namespace {

constexpr std::size_t kRecordBytesMax = 4096;

Result<BackupRecord> read_record(PosixFiles& files) {
  auto file = files.open(settings::kBackupRecordFile, OpenMode::kReadOnly);
  if (!file) return tl::unexpected(file.error());
  std::vector<std::byte> bytes(kRecordBytesMax);
  const auto count = file->read(0, bytes);
  if (!count) return tl::unexpected(count.error());
  return settings::parse_backup_record({reinterpret_cast<const char*>(bytes.data()), *count},
                                       settings::kBackupRecordFile);
}

/// A name of a backup in the record is one in this directory, whoever wrote the record.
bool is_name_of_now(const std::string& name, const BackupSettings& settings) {
  if (settings.naming == BackupSettings::Naming::kOneFile) return name == settings.name;
  return name.ends_with("_" + settings.name) && name.find('/') == std::string::npos;
}

}  // namespace

std::string timestamped(const std::string& name, std::int64_t unix_seconds) {
  const auto seconds = static_cast<std::time_t>(unix_seconds);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  return std::string(text, std::strftime(text, sizeof(text), "%Y%m%d%H%M%S", &parts)) + "_" + name;
}

// --- BackupDirectory ---

Result<PosixFiles> BackupDirectory::open() const {
  auto files = PosixFiles::below(settings_.directory);
  if (files) return files;
  return fail(files.error().kind, files.error().message + "; create the directory of backups, or mount it");
}

/// A record that cannot be read is as good as none: the next backup replaces it.
bool BackupDirectory::has(const std::string& state) const {
  auto files = open();
  if (!files) return false;
  const auto record = read_record(*files);
  if (!record || record->id != state || !is_name_of_now(record->name, settings_)) return false;
  const auto file = files->open(record->name, OpenMode::kReadOnly);
  const auto bytes = file ? file->size() : tl::unexpected(file.error());
  return bytes && *bytes == record->bytes;
}

Result<std::unique_ptr<BackupFile>> BackupDirectory::begin() const {
  auto files = open();
  if (!files) return tl::unexpected(files.error());
  std::string draft = fmt::format(".{}.{}.part", settings_.name, owner_);
  auto file = files->open(draft, OpenMode::kCreate);
  if (!file) return tl::unexpected(file.error());
  return std::make_unique<BackupFile>(std::move(*files), std::move(*file), std::move(draft), settings_);
}

// --- BackupFile ---

BackupFile::BackupFile(PosixFiles files, storage::PosixFile file, std::string draft, BackupSettings settings)
    : files_(std::move(files)), file_(std::move(file)), draft_(std::move(draft)), settings_(std::move(settings)) {}

BackupFile::~BackupFile() {
  if (!file_) return;
  file_.reset();
  // What cannot be removed now is written over by the next backup.
  static_cast<void>(files_.remove(draft_));
}

Result<void> BackupFile::append(std::string_view bytes) {
  if (auto written = file_->write(bytes_, std::as_bytes(std::span(bytes))); !written) return written;
  bytes_ += bytes.size();
  return {};
}

Result<BackupRecord> BackupFile::finish(const std::string& state, std::int64_t unix_seconds) {
  if (auto synced = file_->sync(); !synced) return tl::unexpected(synced.error());
  const bool has_hour = settings_.naming == BackupSettings::Naming::kTimestamps;
  const BackupRecord record{.id = state,
                            .name = has_hour ? timestamped(settings_.name, unix_seconds) : settings_.name,
                            .bytes = bytes_,
                            .unix_seconds = unix_seconds};
  if (auto renamed = files_.rename(draft_, record.name); !renamed) return tl::unexpected(renamed.error());
  file_.reset();
  if (auto synced = files_.sync_directory(""); !synced) return tl::unexpected(synced.error());
  if (auto recorded = set_record(record); !recorded) return tl::unexpected(recorded.error());
  return record;
}

Result<void> BackupFile::set_record(const BackupRecord& record) {
  {
    auto file = files_.open(draft_, OpenMode::kCreate);
    if (!file) return tl::unexpected(file.error());
    const std::string text = settings::print(record);
    if (auto written = file->write(0, std::as_bytes(std::span(text))); !written) return written;
    if (auto synced = file->sync(); !synced) return synced;
  }
  if (auto renamed = files_.rename(draft_, settings::kBackupRecordFile); !renamed) return renamed;
  return files_.sync_directory("");
}

}  // namespace quorate::server
