#include "statemachine/list_append.hpp"

#include <map>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "statemachine/limits.hpp"
#include "tests/statemachine/application_testing.hpp"

namespace quorate {
namespace {

using testing::execute;
using testing::reloaded;
using Command = ListAppend::Command;
using Elements = ListAppend::Elements;
using Key = ListAppend::Key;
using Reply = ListAppend::Reply;
using Status = ListAppend::Status;

constexpr Key kOne{1};
constexpr Key kTwo{2};

TEST(ListAppend, ReadsSeeTheAppendsBeforeThem) {
  ListAppend lists;
  const Command command{{ListAppend::read(kOne), ListAppend::append(kOne, 5), ListAppend::read(kOne),
                         ListAppend::append(kOne, 6), ListAppend::read(kOne), ListAppend::read(kTwo)}};
  EXPECT_EQ(execute(lists, command), (Reply{Status::kDone, {{}, {}, {5}, {}, {5, 6}, {}}}));
}

TEST(ListAppend, KeepsTheOrderInItsDigest) {
  ListAppend forward;
  ListAppend backward;
  execute(forward, {{ListAppend::append(kOne, 1), ListAppend::append(kOne, 2)}});
  execute(backward, {{ListAppend::append(kOne, 2), ListAppend::append(kOne, 1)}});
  EXPECT_NE(forward.digest(), backward.digest());
  ListAppend elsewhere;
  execute(elsewhere, {{ListAppend::append(kTwo, 1), ListAppend::append(kTwo, 2)}});
  EXPECT_NE(forward.digest(), elsewhere.digest());
}

TEST(ListAppend, RefusesAWholeTransactionThatWouldOverfillAList) {
  ListAppend lists;
  for (std::size_t at = 0; at < kListElementsMax - 1; ++at) {
    ASSERT_EQ(execute(lists, {{ListAppend::append(kOne, static_cast<std::int64_t>(at))}}).status, Status::kDone);
  }
  const ListAppend before = lists;
  const Command two_more{{ListAppend::append(kTwo, 1), ListAppend::append(kOne, 7), ListAppend::append(kOne, 8)}};
  EXPECT_EQ(execute(lists, two_more), (Reply{Status::kFull, {}}));
  EXPECT_EQ(lists, before);
  EXPECT_EQ(execute(lists, {{ListAppend::append(kOne, 7)}}).status, Status::kDone);
  EXPECT_EQ(lists.elements(kOne).size(), kListElementsMax);
}

TEST(ListAppend, RefusesTooManyOperations) {
  ListAppend lists;
  const Command many{std::vector(kTransactionOperationsMax + 1, ListAppend::append(kOne, 1))};
  EXPECT_EQ(execute(lists, many), (Reply{Status::kTooLarge, {}}));
  EXPECT_EQ(lists, ListAppend{});
}

// The bytes are in logs and snapshots: changing them is changing a format.
TEST(ListAppend, WritesTheseBytes) {
  using namespace std::string_view_literals;
  EXPECT_EQ(ListAppend::encode(Command{{ListAppend::append(kTwo, 5)}}).text(),
            "\x01\0\0\0\x01\x02\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0"sv);
  EXPECT_EQ(ListAppend::encode(Reply{Status::kDone, {{7}}}).text(), "\0\x01\0\0\0\x01\0\0\0\x07\0\0\0\0\0\0\0"sv);
  ListAppend lists;
  execute(lists, {{ListAppend::append(kTwo, 5)}});
  const std::vector<std::byte> bytes = testing::saved(lists);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
            "\x01\x01\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\x05\0\0\0\0\0\0\0"sv);
}

TEST(ListAppend, DescribesItselfForPeople) {
  EXPECT_EQ(ListAppend::describe(Command{{ListAppend::append(kOne, 5), ListAppend::read(kTwo)}}), "append 1 5, read 2");
  EXPECT_EQ(ListAppend::describe(Reply{Status::kDone, {{1, 2}, {}}}), "done [1 2] []");
}

RC_GTEST_PROP(ListAppendProperty, BehavesLikeAMapOfVectors, ()) {
  ListAppend lists;
  std::map<Key, Elements> model;
  std::int64_t next = 0;
  const int steps = *rc::gen::inRange(1, 30);
  for (int step = 0; step < steps; ++step) {
    Command command;
    Reply expected;
    const int operations = *rc::gen::inRange(0, 5);
    for (int at = 0; at < operations; ++at) {
      const Key key{*rc::gen::inRange<std::uint64_t>(0, 3)};
      if (*rc::gen::arbitrary<bool>()) {
        command.operations.push_back(ListAppend::read(key));
        expected.lists.push_back(model[key]);
      } else {
        command.operations.push_back(ListAppend::append(key, next));
        model[key].push_back(next++);
        expected.lists.emplace_back();
      }
    }
    RC_ASSERT(execute(lists, command) == expected);
  }
  for (const auto& [key, elements] : model) RC_ASSERT(lists.elements(key) == elements);
  RC_ASSERT(reloaded(lists) == lists);
}

}  // namespace
}  // namespace quorate
