// Rebuilds a log from its records: what the items of the groups, carried out in order, amount to. Where groups were
// lost to damage it goes on with what the next one states about the log before it; entries that cannot be joined to the
// ones it has are left out, and it remembers up to which id promises were lost (invariant W3 of wal_format.hpp). A
// plain value.
#pragma once

#include <set>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/storage/wal_format.hpp"

namespace quorate::storage {

/// The body of an item as it was found.
struct FoundBody {
  Payload payload;
  bool is_damaged = false;
};

class LogReplay {
 public:
  /// Begins where nothing older than `state` is left; entries after `state.base` and up to `state.last` are unknown.
  explicit LogReplay(const LogState& state) : start_(state.last), state_(state) { state_.last = start_; }

  /// To be called before the items of each group, with what the group states.
  void begin_group(const LogState& stated);
  void apply(const Item& item, FoundBody body);

  /// Ends the replay: what there is to go on from. `incarnation` and `boot` are left to the caller. Called once.
  [[nodiscard]] Recovered finish();
  /// Valid after finish().
  [[nodiscard]] const LogState& state() const { return state_; }

 private:
  [[nodiscard]] bool has(LogId id) const;
  void learn_start(LogId id);
  void append(const Item& item, FoundBody body);
  void repair(const Item& item, FoundBody body);
  void truncate_after(Index index);
  void compact(LogId through);
  void reset(LogId base);
  void lose(LogId id);
  void drop_front(std::size_t count, LogId start);

  LogId start_;  ///< the entries follow it
  std::vector<Entry> entries_;
  std::set<Index> damaged_;
  /// Of what is joined together. `last` is that of the entries here, also while `is_detached_`.
  LogState state_;
  /// Behind a hole: items concern a log whose end is not the end of the entries here.
  bool is_detached_ = false;
};

}  // namespace quorate::storage
