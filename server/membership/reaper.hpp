// Removes members that the leader has not heard of for too long (-raft-reap-node-timeout for voters and who is to be
// one, -raft-reap-read-only-node-timeout for read replicas): one at a time, and only if a majority of the voters that
// are left is in contact. A leader that has lost contact to a majority of all voters does not lead any more, so a
// minority never removes a majority.
//
// Loop thread only. Membership and alarms outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "server/alarms.hpp"
#include "server/config.hpp"
#include "server/membership/silence_record.hpp"
#include "server/membership_service.hpp"

namespace quorate::server {

struct ReapCounts {
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
};

class Reaper {
 public:
  Reaper(MembershipService& membership, Alarms& alarms, const NodeConfig& config);
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  /// Once. Nothing happens without a timeout.
  void start();
  [[nodiscard]] const ReapCounts& counts() const { return counts_; }

 private:
  void look_later();
  void look();
  void reap(const MemberContact& member, Duration limit);

  MembershipService& membership_;
  Alarms& alarms_;
  SilenceRecord::Limits limits_;
  Duration interval_;
  SilenceRecord silence_;
  bool is_reaping_ = false;
  ReapCounts counts_;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace quorate::server
