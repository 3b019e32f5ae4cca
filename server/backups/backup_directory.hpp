// Where automatic backups go: one directory, with files of one name, or of one name behind the hour, and a record of
// the last one (METADATA.json, server/settings/backup_record.hpp). What stands under a backup's name is always whole:
//
//   .NAME.OWNER.part   written and synced -> renamed to NAME -> the directory synced -> the record likewise
//
// Two nodes that believe to lead may use one directory at the same time: each writes files of its own until it renames
// them, and either's is a good backup.
//
// Blocking calls; one thread at a time. A full disk, or a directory that is not there, is an error of that backup only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/result.hpp"
#include "consensus/storage/posix_files.hpp"
#include "server/settings/backup_record.hpp"
#include "server/settings/backup_settings.hpp"

namespace quorate::server {

/// A backup that is being written. What is not finished is removed with it.
class BackupFile {
 public:
  BackupFile(storage::PosixFiles files, storage::PosixFile file, std::string draft, settings::BackupSettings settings);
  ~BackupFile();
  BackupFile(const BackupFile&) = delete;
  BackupFile& operator=(const BackupFile&) = delete;

  Result<void> append(std::string_view bytes);
  /// Puts it in its place, durably. `state` is what it is a copy of, `unix_seconds` when.
  Result<settings::BackupRecord> finish(const std::string& state, std::int64_t unix_seconds);

 private:
  Result<void> set_record(const settings::BackupRecord& record);

  storage::PosixFiles files_;
  std::optional<storage::PosixFile> file_;
  std::string draft_;
  settings::BackupSettings settings_;
  std::uint64_t bytes_ = 0;
};

class BackupDirectory {
 public:
  /// `owner` tells this node's unfinished files from those of others.
  BackupDirectory(settings::BackupSettings settings, std::string owner)
      : settings_(std::move(settings)), owner_(std::move(owner)) {}

  /// Whether the last backup is of this state, under the name that it would have now, and still there.
  [[nodiscard]] bool has(const std::string& state) const;
  [[nodiscard]] Result<std::unique_ptr<BackupFile>> begin() const;

 private:
  [[nodiscard]] Result<storage::PosixFiles> open() const;

  settings::BackupSettings settings_;
  std::string owner_;
};

/// "20260102030405_" and the name.
[[nodiscard]] std::string timestamped(const std::string& name, std::int64_t unix_seconds);

}  // namespace quorate::server
