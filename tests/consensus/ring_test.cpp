// The ring buffer against std::deque, with elements that notice when they are copied, leaked or destroyed twice.
#include "consensus/ring.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace quorate {
namespace {

/// Owns memory, so that a sanitizer sees every mistake.
using Element = std::shared_ptr<const int>;
using Numbers = Ring<Element>;

static_assert(std::random_access_iterator<Numbers::iterator>);
static_assert(std::random_access_iterator<Numbers::const_iterator>);
static_assert(std::regular<Ring<int>>);

std::vector<int> contents(const auto& queue) {
  std::vector<int> numbers;
  for (const Element& element : queue) numbers.push_back(*element);
  return numbers;
}

TEST(Ring, TakesAReferenceToItsOwnElementWhileItGrows) {
  Ring<std::vector<int>> ring;
  ring.push_back({1, 2, 3});
  for (int at = 0; at < 20; ++at) ring.push_back(ring.front());
  EXPECT_EQ(ring.back(), (std::vector<int>{1, 2, 3}));
}

TEST(Ring, SearchesAsARange) {
  Ring<int> ring;
  for (int at = 0; at < 10; ++at) ring.push_back(at);
  for (int at = 10; at < 14; ++at) {  // now it wraps around
    ring.pop_front();
    ring.push_back(at);
  }
  EXPECT_EQ(*std::ranges::lower_bound(ring, 7), 7);
  EXPECT_EQ(std::ranges::lower_bound(ring, 99), ring.end());
  EXPECT_EQ(ring.end() - ring.begin(), 10);
  EXPECT_EQ(*(ring.begin() + 9), 13);
}

TEST(Ring, IsEmptyAfterItWasMovedFrom) {
  Numbers ring;
  ring.push_back(std::make_shared<const int>(1));
  const Numbers taken = std::move(ring);
  EXPECT_TRUE(ring.empty());  // NOLINT(bugprone-use-after-move): that is the promise
  ring.push_back(std::make_shared<const int>(2));
  EXPECT_EQ(contents(ring), (std::vector<int>{2}));
  EXPECT_EQ(contents(taken), (std::vector<int>{1}));
}

TEST(RingDeathTest, HasNoFrontWhenEmpty) {
  EXPECT_DEATH(Ring<int>().pop_front(), "assertion failed");
  EXPECT_DEATH(static_cast<void>(Ring<int>().back()), "assertion failed");
}

RC_GTEST_PROP(RingProperty, BehavesLikeADeque, ()) {
  Numbers ring;
  std::deque<Element> model;
  const int steps = *rc::gen::inRange(1, 200);
  for (int step = 0; step < steps; ++step) {
    switch (*rc::gen::weightedElement<int>({{10, 0}, {6, 1}, {2, 2}, {1, 3}, {1, 4}})) {
      case 0:
        ring.push_back(std::make_shared<const int>(step));
        model.push_back(ring.back());
        break;
      case 1:
        if (model.empty()) break;
        ring.pop_front();
        model.pop_front();
        break;
      case 2:
        if (model.empty()) break;
        ring.pop_back();
        model.pop_back();
        break;
      case 3: {
        const Numbers copy = ring;
        RC_ASSERT(copy == ring);
        ring = copy;
        break;
      }
      default: ring.clear(); model.clear();
    }
    RC_ASSERT(contents(ring) == contents(model));
    RC_ASSERT(ring.size() == model.size());
    for (std::size_t at = 0; at < model.size(); ++at) RC_ASSERT(ring[at] == model[at]);
  }
  // Nothing is held but what is in the two of them.
  for (const Element& element : model) RC_ASSERT(element.use_count() == 2);
}

}  // namespace
}  // namespace quorate
