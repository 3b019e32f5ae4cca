// Many things that shall happen after a while, on one timer. Loop thread only; the runtime outlives it.
#pragma once

#include <functional>
#include <map>

#include "consensus/types.hpp"
#include "transport/asio_runtime.hpp"
#include "transport/timer.hpp"

namespace quorate::server {

class Alarms {
 public:
  using Id = StrongNumber<struct AlarmIdTag>;

  explicit Alarms(transport::AsioRuntime& runtime) : timer_(runtime) {}

  /// Calls `action` on the loop, later, unless it is cancelled before.
  Id at(Instant when, std::function<void()> action) {
    const Id id{++last_};
    const bool is_first = alarms_.empty() || when < alarms_.begin()->first.first;
    alarms_.emplace(Key{when, id}, std::move(action));
    due_.emplace(id, when);
    if (is_first) arm();
    return id;
  }
  Id after(Duration delay, std::function<void()> action) {
    return at(transport::AsioRuntime::now() + delay, std::move(action));
  }
  /// What has happened already, or was cancelled, may be cancelled.
  void cancel(Id id) {
    const auto found = due_.find(id);
    if (found == due_.end()) return;
    alarms_.erase({found->second, id});
    due_.erase(found);
  }

 private:
  using Key = std::pair<Instant, Id>;

  void arm() {
    if (!alarms_.empty()) timer_.arm_at(alarms_.begin()->first.first, [this] { ring(); });
  }
  void ring() {
    const Instant now = transport::AsioRuntime::now();
    while (!alarms_.empty() && alarms_.begin()->first.first <= now) {
      auto alarm = alarms_.extract(alarms_.begin());
      due_.erase(alarm.key().second);
      alarm.mapped()();
    }
    arm();
  }

  transport::Timer timer_;
  std::uint64_t last_ = 0;
  std::map<Key, std::function<void()>> alarms_;
  std::map<Id, Instant> due_;
};

}  // namespace quorate::server
