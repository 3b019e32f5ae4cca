// Deadlines of many connections at the cost of a list splice each. Every kind of deadline has one constant length, so
// that the list of those who wait for it, in the order in which they began to, is sorted by expiry; there is no heap
// and no timer per connection. Owns the connections: leaving the queue is what lets go of one.
//
// Loop thread only. `Kind` is an enum whose enumerators count from 0, kNone first and kCount last.
#pragma once

#include <array>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "consensus/types.hpp"

namespace quorate::transport::detail {

template <class Owner, class Kind>
class Deadlines {
  struct Entry {
    std::shared_ptr<Owner> owner;
    Kind kind = Kind::kNone;
    Instant at = Instant::max();
  };
  static constexpr std::size_t kKinds = static_cast<std::size_t>(Kind::kCount);

 public:
  using Handle = typename std::list<Entry>::iterator;
  using Lengths = std::array<Duration, kKinds>;

  explicit Deadlines(const Lengths& lengths) : lengths_(lengths) {}

  Handle add(std::shared_ptr<Owner> owner) {
    std::list<Entry>& parked = waiting_[0];
    return parked.insert(parked.end(), Entry{std::move(owner)});
  }
  void remove(Handle handle) { list_of(handle->kind).erase(handle); }

  /// Starts the deadline anew, also if it is of the same kind as before.
  void start(Handle handle, Kind kind, Instant now) {
    std::list<Entry>& to = list_of(kind);
    to.splice(to.end(), list_of(handle->kind), handle);
    handle->kind = kind;
    handle->at = kind == Kind::kNone ? Instant::max() : now + lengths_[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] Kind kind(Handle handle) const { return handle->kind; }

  [[nodiscard]] Instant earliest() const {
    Instant earliest = Instant::max();
    for (const auto& list : waiting_)
      if (!list.empty() && list.front().at < earliest) earliest = list.front().at;
    return earliest;
  }
  /// Whose deadline has passed; they stay in the queue.
  [[nodiscard]] std::vector<std::shared_ptr<Owner>> expired(Instant now) const {
    std::vector<std::shared_ptr<Owner>> owners;
    for (const auto& list : waiting_)
      for (auto entry = list.begin(); entry != list.end() && entry->at <= now; ++entry) owners.push_back(entry->owner);
    return owners;
  }
  [[nodiscard]] std::vector<std::shared_ptr<Owner>> all() const {
    std::vector<std::shared_ptr<Owner>> owners;
    for (const auto& list : waiting_)
      for (const Entry& entry : list) owners.push_back(entry.owner);
    return owners;
  }

 private:
  [[nodiscard]] std::list<Entry>& list_of(Kind kind) { return waiting_[static_cast<std::size_t>(kind)]; }

  Lengths lengths_;
  std::array<std::list<Entry>, kKinds> waiting_;
};

}  // namespace quorate::transport::detail
