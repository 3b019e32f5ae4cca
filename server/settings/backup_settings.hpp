// What -auto-backup and -auto-restore name: JSON files in rqlite's form, of the type that needs nothing but a file
// system.
//
//   {"version": 1, "type": "file", "interval": "5m", "vacuum": false, "no_compress": false, "timestamp": false,
//    "sub": {"dir": "/backups", "name": "db.gz"}}
//   {"version": 1, "type": "file", "timeout": "30s", "continue_on_failure": false,
//    "sub": {"dir": "/backups", "name": "db.gz"}}          or "sub": {"path": "/backups/db.gz"}
//
// Durations are texts as Go writes them, or nanoseconds. Variables of the environment are put in (settings_text.hpp).
// Values; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "server/settings/settings_text.hpp"

namespace quorate::settings {

/// A disk should have time to do something else in between.
inline constexpr Duration kBackupIntervalMin = std::chrono::milliseconds(100);
inline constexpr std::size_t kFileNameBytesMax = 200;

struct BackupSettings {
  std::string directory;
  std::string name;  ///< of a file in it
  Duration interval{};
  enum class Content : std::uint8_t { kAsItIs, kCompact } content = Content::kAsItIs;
  enum class Packing : std::uint8_t { kGzip, kNone } packing = Packing::kGzip;
  enum class Naming : std::uint8_t { kOneFile, kTimestamps } naming = Naming::kOneFile;
};

struct RestoreSettings {
  std::string path;
  Duration timeout = std::chrono::seconds(30);
  enum class OnFailure : std::uint8_t { kStop, kContinue } on_failure = OnFailure::kStop;
};

[[nodiscard]] Result<BackupSettings> parse_backup_settings(std::string_view text, const std::string& file,
                                                           const Environment& environment);
[[nodiscard]] Result<RestoreSettings> parse_restore_settings(std::string_view text, const std::string& file,
                                                             const Environment& environment);

/// Reads them, with the environment of the process.
[[nodiscard]] Result<BackupSettings> load_backup_settings(const std::string& file);
[[nodiscard]] Result<RestoreSettings> load_restore_settings(const std::string& file);

}  // namespace quorate::settings
