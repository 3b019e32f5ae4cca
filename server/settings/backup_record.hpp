// METADATA.json beside automatic backups: which state of the database the last one is of, so that whoever leads next
// need not make it again.
//
//   {"id": "3f0c9a...", "name": "db.gz", "bytes": 12345, "timestamp": 1767225600}
//
// A value; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "consensus/result.hpp"

namespace quorate::settings {

inline constexpr const char* kBackupRecordFile = "METADATA.json";

struct BackupRecord {
  std::string id;    ///< of the state (bulk.hpp)
  std::string name;  ///< of the file
  std::uint64_t bytes = 0;
  std::int64_t unix_seconds = 0;  ///< when it was made

  friend bool operator==(const BackupRecord&, const BackupRecord&) = default;
};

[[nodiscard]] std::string print(const BackupRecord& record);
/// Further keys are another version's, and no error.
[[nodiscard]] Result<BackupRecord> parse_backup_record(std::string_view text, const std::string& file);

}  // namespace quorate::settings
