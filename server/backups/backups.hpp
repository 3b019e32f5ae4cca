// Automatic backup and restore of one node: its settings, its thread, and when either happens.
//
// A restore is for a database that has never been written to. So it is decided once, when the replica is there: a node
// that is the only member of its cluster waits until it leads; if there is no database then, it is restored before
// anybody is let in, so that no write can come between. A node that belongs to others gets its data from them.
//
// Loop thread only; files are used on a thread of its own, quorate-backup. Bulk and alarms outlive it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "consensus/result.hpp"
#include "server/alarms.hpp"
#include "server/backups/auto_backup.hpp"
#include "server/backups/auto_restore.hpp"
#include "server/bulk_service.hpp"
#include "server/config.hpp"
#include "server/http/status_tree.hpp"
#include "server/replica.hpp"
#include "server/thread_executor.hpp"

namespace quorate::server {

class Backups {
 public:
  struct Events {
    /// The database may be used. Called once, maybe at once.
    std::function<void()> ready;
    /// It could not be restored, and the node must not go on without. Never after ready.
    std::function<void(Error)> failed;
  };

  /// kInvalidArgument: the settings are not as they must be; the message names file and key.
  static Result<std::unique_ptr<Backups>> open(const NodeConfig& config, const std::string& node_name,
                                               BulkService& bulk, Alarms& alarms, const ThreadExecutor::Post& post);
  ~Backups();
  Backups(const Backups&) = delete;
  Backups& operator=(const Backups&) = delete;

  /// Once, when the replica is there, which outlives this or is never asked again.
  void begin(Replica& replica, Events events);
  [[nodiscard]] bool is_restoring() const { return is_restoring_; }
  /// Nothing if none was made here.
  [[nodiscard]] std::optional<std::int64_t> last_backup_unix_seconds() const;

  /// `auto_backups` at /status; there is none without settings.
  void write_status(http::StatusTree& status) const;
  void write_uploads(http::StatusTree& uploader) const;
  void write_downloads(http::StatusTree& downloader) const;

 private:
  Backups(BulkService& bulk, Alarms& alarms) : bulk_(bulk), alarms_(alarms) {}

  [[nodiscard]] bool has_database() const;
  [[nodiscard]] std::optional<std::string> state_to_back_up() const;
  void wait_to_lead();
  void restore_unless_there_is_something();
  void restored(const Result<void>& how);
  void let_in();

  BulkService& bulk_;
  Alarms& alarms_;
  Replica* replica_ = nullptr;
  Events events_;
  std::unique_ptr<AutoBackup> backup_;
  std::unique_ptr<AutoRestore> restore_;
  bool is_restoring_ = false;
  struct {
    std::uint64_t ok = 0;
    std::uint64_t failed = 0;
    std::uint64_t skipped = 0;
  } restores_;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
  std::unique_ptr<ThreadExecutor> thread_;  ///< last: it ends before what its completions are for
};

}  // namespace quorate::server
