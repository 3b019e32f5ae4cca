// Brings a file into a database that is still empty: read, unpacked, verified and loaded as if a client had sent it to
// /db/load, so that all nodes get it, all of it or nothing.
//
// Whether it is to be done at all is for backups.hpp to decide. Threads: loop only; the file is read on another thread
// (`run`). Calls that are under way when it is destroyed come to nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "server/backups/restore_source.hpp"
#include "server/bulk.hpp"
#include "server/settings/backup_settings.hpp"

namespace quorate::server {

/// What a load may take once the file has been read.
inline constexpr Duration kRestoreLoadTimeout = std::chrono::minutes(10);

class AutoRestore {
 public:
  struct Surroundings {
    /// Does a job on a thread where it may block; `done` comes back to the loop.
    std::function<void(std::function<void()> job, std::function<void()> done)> run;
    std::function<Instant()> now;
  };
  using Done = std::function<void(Result<void>)>;

  AutoRestore(settings::RestoreSettings settings, Surroundings surroundings)
      : settings_(std::move(settings)), surroundings_(std::move(surroundings)) {}
  AutoRestore(const AutoRestore&) = delete;
  AutoRestore& operator=(const AutoRestore&) = delete;

  /// Reads the file into `incoming` and has it loaded. Once.
  void restore(std::shared_ptr<IncomingFile> incoming, Done done);

  [[nodiscard]] const settings::RestoreSettings& settings() const { return settings_; }
  /// That were read and handed over, unpacked.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  template <class T>
  void run(std::function<Result<T>()> job, std::function<void(Result<T>)> done);
  void next_piece(const std::shared_ptr<RestoreSource>& source);
  void load();
  void end(Result<void> how);

  settings::RestoreSettings settings_;
  Surroundings surroundings_;
  Instant deadline_;
  std::shared_ptr<IncomingFile> incoming_;
  Done done_;
  std::uint64_t bytes_ = 0;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace quorate::server
