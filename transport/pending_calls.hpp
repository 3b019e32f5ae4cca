// The calls of this node to one peer that are not answered yet. Each ends exactly once: by its answer, by its deadline
// or with the connection. No I/O; loop thread only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "consensus/types.hpp"
#include "transport/call_pieces.hpp"

namespace quorate::transport {

enum class CallEnd : std::uint8_t {
  kAnswered,
  kRefused,  ///< the peer did nothing, or never got it
  kUnknown,  ///< the peer may have got it, and may have done it
};
struct CallResult {
  CallEnd end = CallEnd::kUnknown;
  std::vector<std::byte> answer;
  std::string error;  ///< for people, unless answered
};
using CallDone = std::function<void(CallResult)>;

class PendingCalls {
 public:
  [[nodiscard]] std::size_t size() const { return calls_.size(); }

  CallId add(Instant deadline, CallDone done) {
    const CallId id{++last_};
    calls_.emplace(id, Call{std::move(done), deadlines_.emplace(deadline, id)});
    return id;
  }
  /// Nothing if the call has ended already.
  CallDone take(CallId id) {
    auto node = calls_.extract(id);
    if (node.empty()) return nullptr;
    deadlines_.erase(node.mapped().deadline);
    return std::move(node.mapped().done);
  }
  [[nodiscard]] Instant earliest() const { return deadlines_.empty() ? Instant::max() : deadlines_.begin()->first; }
  [[nodiscard]] std::vector<CallId> expired(Instant now) const {
    std::vector<CallId> ids;
    for (auto at = deadlines_.begin(); at != deadlines_.end() && at->first <= now; ++at) ids.push_back(at->second);
    return ids;
  }
  [[nodiscard]] std::vector<CallId> all() const {
    std::vector<CallId> ids;
    std::ranges::copy(calls_ | std::views::keys, std::back_inserter(ids));
    return ids;
  }

 private:
  using Deadlines = std::multimap<Instant, CallId>;
  struct Call {
    CallDone done;
    Deadlines::iterator deadline;
  };

  std::uint64_t last_ = 0;
  std::map<CallId, Call> calls_;
  Deadlines deadlines_;
};

}  // namespace quorate::transport
