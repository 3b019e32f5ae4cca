// Makes a backup every so often, on the leader only, of whatever has changed since the last one.
//
//   wait an interval -> does this node lead? -> is it another state than that of the last backup, here and in the
//   directory's record? -> copy it, a piece at a time -> wait again
//
// What goes wrong is logged, counted, and tried again after the next interval; a backup that fails leaves the last one
// as it was.
//
// Threads: loop only; the directory is used on another thread (`run`), by one job at a time. Bulk outlives it; calls
// that are under way when it is destroyed come to nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "server/backups/backup_directory.hpp"
#include "server/bulk.hpp"
#include "server/settings/backup_settings.hpp"

namespace quorate::server {

/// Since the process began.
struct UploadCounts {
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
  std::uint64_t skipped = 0;        ///< nothing had changed since this node's last one
  std::uint64_t skipped_by_id = 0;  ///< the directory has it already, by its record
  std::uint64_t bytes = 0;          ///< of all of them, as they were written
  std::uint64_t last_bytes = 0;
};

class AutoBackup {
 public:
  struct Surroundings {
    Bulk& bulk;
    /// The name of the state that is applied here, if this node leads.
    std::function<std::optional<std::string>()> state;
    std::function<void(Duration delay, std::function<void()> task)> after;
    /// Does a job on a thread where it may block; `done` comes back to the loop.
    std::function<void(std::function<void()> job, std::function<void()> done)> run;
    std::function<std::chrono::system_clock::time_point()> clock;
    std::function<Instant()> now;
  };

  AutoBackup(settings::BackupSettings settings, const std::string& owner, Surroundings surroundings);
  AutoBackup(const AutoBackup&) = delete;
  AutoBackup& operator=(const AutoBackup&) = delete;

  /// Once.
  void start() { look_later(); }

  [[nodiscard]] const settings::BackupSettings& settings() const { return settings_; }
  [[nodiscard]] const UploadCounts& counts() const { return counts_; }
  struct Last {
    settings::BackupRecord record;
    Duration took{};
  };
  /// The last one that was made here.
  [[nodiscard]] const std::optional<Last>& last() const { return last_; }
  /// Of the last attempt; empty if it succeeded.
  [[nodiscard]] const std::string& last_error() const { return last_error_; }

 private:
  struct Copy;

  template <class T>
  void run(std::function<Result<T>()> job, std::function<void(Result<T>)> done);
  void look_later();
  void look();
  void make();
  void next_piece(const std::shared_ptr<Copy>& copy);
  void finish(const std::shared_ptr<Copy>& copy);
  void succeeded(const Copy& copy, const settings::BackupRecord& record);
  void failed(const std::shared_ptr<Copy>& copy, const Error& error);

  settings::BackupSettings settings_;
  BackupDirectory directory_;
  Surroundings surroundings_;
  std::string backed_up_;  ///< the state that the directory has, as far as this node knows
  UploadCounts counts_;
  std::optional<Last> last_;
  std::string last_error_;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace quorate::server
