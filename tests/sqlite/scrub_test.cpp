// Rot in the base files: found, reported, healed from another replica.
#include "statemachine/sqlite/scrub.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/sqlite/snapshot_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::Change;
using testing::expect_equal;
using testing::Leader;
using testing::pages_from;
using testing::Store;

class ScrubTest : public ::testing::Test {
 protected:
  ScrubTest() {
    leader_.execute({pages_from(1, 300, 300, 1000), {"other", 5, {{1, 1}, {5, 5}}}});
    leader_.replicate(*follower_, Index{1});
    follower_.fold();
  }
  void rot(std::uint64_t page) { disk_.flip_bit("pages/1.pages", (page - 1) * testing::kTestPageBytes + 100, 3); }
  /// Looks at everything once.
  void scrub(std::size_t step = 40) {
    Scrubber scrubber(*follower_);
    while (scrubber.report().rounds == 0) ASSERT_TRUE(scrubber.step(step).has_value());
    EXPECT_EQ(scrubber.report().pages_checked, 305U);
  }
  /// One exchange with the leader for every page that is wanted; the last answer that was of no use.
  ErrorKind heal() {
    ErrorKind refusal{};
    for (const PageRequest& request : wanted_pages(*follower_, 100)) {
      const Payload answer = answer_page_request(*leader_.store, encode(request).bytes());
      if (const Result<void> taken = take_page(*follower_, request, answer.bytes()); !taken) {
        refusal = taken.error().kind;
      }
    }
    return refusal;
  }

  sim::SimFiles leader_disk_{Random(1)};
  sim::SimFiles disk_{Random(2)};
  Leader leader_{leader_disk_};
  Store follower_{disk_};
};

TEST_F(ScrubTest, FindsNothingInASoundStore) {
  for (const std::size_t step : {1U, 7U, 300U, 10'000U}) scrub(step);
  EXPECT_TRUE(follower_->damaged_pages().empty());
}

TEST_F(ScrubTest, FindsRotAndHealsItFromAnotherReplica) {
  for (const std::uint64_t page : {1U, 17U, 300U}) rot(page);
  scrub();
  const std::vector<PageStore::PageName> damaged = {
      {DatabaseId{1}, PageNumber{1}}, {DatabaseId{1}, PageNumber{17}}, {DatabaseId{1}, PageNumber{300}}};
  EXPECT_EQ(follower_->damaged_pages(), damaged);
  heal();
  EXPECT_TRUE(follower_->damaged_pages().empty());
  disk_.crash(sim::CrashPolicy::kDropAll);
  follower_.reopen();
  expect_equal(*leader_.store, *follower_);
  scrub();
  EXPECT_TRUE(follower_->damaged_pages().empty());
}

TEST_F(ScrubTest, ALeaderThatFoldedTheSamePageSuppliesIt) {
  leader_.store.fold();
  rot(17);
  scrub();
  heal();
  EXPECT_TRUE(follower_->damaged_pages().empty());
}

TEST_F(ScrubTest, AnOldVersionIsNotThereAnyMoreAndIsHealedByAFold) {
  leader_.execute({{"main", 300, {{17, 5}}}});
  rot(17);
  scrub();
  leader_.store.fold();
  EXPECT_EQ(heal(), ErrorKind::kNotFound);
  EXPECT_EQ(follower_->damaged_pages().size(), 1U);
  // The change itself needs the page; the next snapshot or a fold behind it replaces it.
  ASSERT_TRUE(testing::carry(*leader_.store, *follower_, disk_, Index{1}).has_value());
  EXPECT_TRUE(follower_->damaged_pages().empty());
  expect_equal(*leader_.store, *follower_);
}

TEST_F(ScrubTest, SaysWhyAPageCannotBeSupplied) {
  const auto verdict = [&](const PageRequest& request) {
    return static_cast<PageVerdict>(answer_page_request(*follower_, encode(request).bytes()).bytes()[1]);
  };
  const PageRequest good{{DatabaseId{1}, PageNumber{17}}, hash_page(testing::image_of(1017).bytes()), Index{1}};
  EXPECT_EQ(verdict(good), PageVerdict::kFound);
  PageRequest other = good;
  other.hash = PageHash{12345};
  EXPECT_EQ(verdict(other), PageVerdict::kGone);
  other.modified = Index{2};
  EXPECT_EQ(verdict(other), PageVerdict::kBehind);
  rot(17);
  EXPECT_EQ(verdict(good), PageVerdict::kDamaged);
  const std::byte nonsense[] = {std::byte{1}, std::byte{9}};
  EXPECT_EQ(answer_page_request(*follower_, nonsense).bytes()[1], static_cast<std::byte>(PageVerdict::kMalformed));
}

TEST_F(ScrubTest, TakesNoOtherPageThanTheOneAskedFor) {
  rot(17);
  scrub();
  const PageRequest request = wanted_pages(*follower_, 10).front();
  PageRequest neighbour = request;
  neighbour.name.page = PageNumber{18};
  neighbour.hash = hash_page(testing::image_of(1018).bytes());
  const Payload answer = answer_page_request(*leader_.store, encode(neighbour).bytes());
  EXPECT_EQ(take_page(*follower_, request, answer.bytes()).error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(take_page(*follower_, request, {}).error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(follower_->damaged_pages().size(), 1U);
}

TEST_F(ScrubTest, ReadsBesideAFoldAreNoDamage) {
  leader_.execute({pages_from(1, 300, 300, 5000)});
  leader_.replicate(*follower_, Index{2});
  Result<Fold> fold = Fold::begin(*follower_, {});
  Scrubber scrubber(*follower_);
  for (bool is_done = false; !is_done;) {
    is_done = *fold->step() == Fold::Progress::kDone;
    ASSERT_TRUE(scrubber.step(400).has_value());
  }
  EXPECT_EQ(scrubber.report().pages_damaged, 0U);
}

RC_GTEST_PROP(ScrubProperty, AnyBytesAreAnsweredAndNoneBelieved, ()) {
  sim::SimFiles disk{Random(2)};
  Store store(disk);
  const auto bytes = *rc::gen::arbitrary<std::vector<std::uint8_t>>();
  const std::span<const std::byte> hostile = std::as_bytes(std::span(bytes));
  RC_ASSERT(answer_page_request(*store, hostile).size() >= 2U);
  const PageRequest request{{DatabaseId{1}, PageNumber{1}}, PageHash{7}, Index{1}};
  RC_ASSERT(!take_page(*store, request, hostile).has_value());
  RC_ASSERT(parse_page_request(encode(request).bytes()).value() == request);
}

}  // namespace
}  // namespace quorate::sqlite
