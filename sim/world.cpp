#include "sim/world.hpp"

#include <algorithm>
#include <utility>

#include "consensus/assert.hpp"

namespace quorate::sim {

namespace {
constexpr std::size_t kChildren = 4;
}

void World::schedule(WorldTime at, Handler& handler, std::uint64_t token) {
  QUORATE_ASSERT(at >= now_);
  heap_.push_back({at, sequence_++, &handler, token});
  sift_up(heap_.size() - 1);
}

void World::at(WorldTime time, std::function<void()> action) {
  schedule(time, actions_, actions_.keep(std::move(action)));
}

bool World::step() {
  if (heap_.empty()) return false;
  const Scheduled next = heap_.front();
  heap_.front() = heap_.back();
  heap_.pop_back();
  if (!heap_.empty()) sift_down(0);
  now_ = next.time;
  ++events_;
  next.handler->fire(next.token);
  return true;
}

void World::run_until(WorldTime time) {
  while (!heap_.empty() && heap_.front().time <= time) step();
  now_ = std::max(now_, time);
}

std::optional<WorldTime> World::next() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().time;
}

void World::sift_up(std::size_t at) {
  const Scheduled moving = heap_[at];
  while (at > 0) {
    const std::size_t parent = (at - 1) / kChildren;
    if (!moving.is_before(heap_[parent])) break;
    heap_[at] = heap_[parent];
    at = parent;
  }
  heap_[at] = moving;
}

void World::sift_down(std::size_t at) {
  const Scheduled moving = heap_[at];
  const std::size_t size = heap_.size();
  while (true) {
    const std::size_t first = at * kChildren + 1;
    if (first >= size) break;
    std::size_t least = first;
    for (std::size_t child = first + 1; child < std::min(first + kChildren, size); ++child) {
      if (heap_[child].is_before(heap_[least])) least = child;
    }
    if (!heap_[least].is_before(moving)) break;
    heap_[at] = heap_[least];
    at = least;
  }
  heap_[at] = moving;
}

std::uint64_t World::Actions::keep(std::function<void()> action) {
  if (free_.empty()) {
    slots_.push_back(std::move(action));
    return slots_.size() - 1;
  }
  const std::uint64_t slot = free_.back();
  free_.pop_back();
  slots_[slot] = std::move(action);
  return slot;
}

void World::Actions::fire(std::uint64_t slot) {
  // Taken out first: the action may schedule others, which may use the slot.
  const std::function<void()> action = std::exchange(slots_[slot], nullptr);
  free_.push_back(slot);
  action();
}

}  // namespace quorate::sim
