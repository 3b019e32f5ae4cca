// A lock service: clients acquire named locks for a limited time, and get a fencing token with each. The tokens of a
// lock only ever grow, so that whatever it protects can turn away a holder that has lost it without knowing.
//
// This is all that an application of your own has to be: a value with five functions (consensus/application.hpp) that
// knows nothing of networks, disks, leaders and clocks. Its commands and replies are lines of text:
//
//   acquire LOCK OWNER MILLISECONDS    ->  granted TOKEN | held OWNER
//   renew LOCK TOKEN MILLISECONDS      ->  renewed | lost
//   release LOCK TOKEN                 ->  released | lost
//   holder LOCK                        ->  held OWNER | free
//   anything else                      ->  refused
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <consensus/application.hpp>
#include <consensus/fingerprint.hpp>

namespace example {

class LockService {
 public:
  static constexpr std::string_view kName = "locks";

  struct Command {
    enum class Verb { kAcquire, kRenew, kRelease, kHolder } verb = Verb::kHolder;
    std::string lock;
    std::string owner;
    std::uint64_t token = 0;
    std::uint64_t milliseconds = 0;

    friend bool operator==(const Command&, const Command&) = default;
  };
  struct Reply {
    enum class Status { kGranted, kHeld, kFree, kRenewed, kReleased, kLost, kRefused } status = Status::kRefused;
    std::uint64_t token = 0;  ///< of kGranted
    std::string owner;        ///< of kHeld

    friend bool operator==(const Reply&, const Reply&) = default;
  };

  static std::string describe(const Command& command);
  static std::string describe(const Reply& reply);
  static quorate::Payload encode(const Command& command) { return quorate::Payload::copy_of(describe(command)); }
  static quorate::Payload encode(const Reply& reply) { return quorate::Payload::copy_of(describe(reply)); }
  static quorate::Result<Command> decode_command(std::span<const std::byte> bytes);
  static quorate::Result<Reply> decode_reply(std::span<const std::byte> bytes);

  /// Carries out one command. `now` is the log's own time: the same on every replica, and never a wall clock's.
  quorate::Payload apply(std::span<const std::byte> command, quorate::LogTime now);
  /// Writes the whole state, for checkpoints and for replicas that lag; and reads it back.
  void save(std::vector<std::byte>& out) const;
  quorate::Result<void> load(std::span<const std::byte> bytes);
  /// By which replicas notice that they differ.
  std::uint64_t digest() const { return quorate::fingerprint(last_time_.value, locks_digest_); }
  friend bool operator==(const LockService&, const LockService&) = default;

  /// Answers `holder` without going through the log, from the state and the time of the last command.
  Reply holder(const std::string& name) const { return holder(name, last_time_); }

 private:
  struct Lock {
    std::string owner;  ///< the last one
    std::uint64_t token = 0;
    quorate::LogTime expires;

    friend bool operator==(const Lock&, const Lock&) = default;
  };

  Reply execute(const Command& command, quorate::LogTime now);
  Reply acquire(const Command& command, quorate::LogTime now);
  Reply holder(const std::string& name, quorate::LogTime now) const;
  const Lock* find_held(const Command& command, quorate::LogTime now) const;
  void set(const std::string& name, Lock lock);

  /// Also those that nobody holds: their tokens must go on growing.
  std::map<std::string, Lock> locks_;
  quorate::LogTime last_time_;
  std::uint64_t locks_digest_ = 0;  ///< the sum of one term per lock
};

}  // namespace example
