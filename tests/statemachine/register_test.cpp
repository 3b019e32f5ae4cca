#include "statemachine/register.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include <gtest/gtest.h>

#include "tests/statemachine/application_testing.hpp"

namespace quorate {
namespace {

using testing::execute;
using testing::reloaded;
using Status = Register::Status;

TEST(Register, HoldsNothingBeforeTheFirstWrite) {
  Register one;
  EXPECT_EQ(execute(one, Register::read()), (Register::Reply{Status::kDone, std::nullopt}));
}

TEST(Register, ReadsWhatWasWrittenLast) {
  Register one;
  execute(one, Register::write(1));
  EXPECT_EQ(execute(one, Register::write(-7)), (Register::Reply{Status::kDone, -7}));
  EXPECT_EQ(execute(one, Register::read()), (Register::Reply{Status::kDone, -7}));
}

TEST(Register, SetsOnlyWhatIsAsExpected) {
  Register one;
  EXPECT_EQ(execute(one, Register::compare_and_set({.expected = 0, .value = 1})),
            (Register::Reply{Status::kMismatch, std::nullopt}));
  EXPECT_EQ(execute(one, Register::compare_and_set({.expected = {}, .value = 1})), (Register::Reply{Status::kDone, 1}));
  EXPECT_EQ(execute(one, Register::compare_and_set({.expected = 2, .value = 3})),
            (Register::Reply{Status::kMismatch, 1}));
  EXPECT_EQ(execute(one, Register::compare_and_set({.expected = 1, .value = 3})), (Register::Reply{Status::kDone, 3}));
}

TEST(Register, TellsNothingFromZeroInItsDigest) {
  Register nothing;
  Register zero;
  execute(zero, Register::write(0));
  EXPECT_NE(nothing.digest(), zero.digest());
  EXPECT_EQ(reloaded(nothing), nothing);
  EXPECT_EQ(reloaded(zero), zero);
}

// The bytes are in logs and snapshots: changing them is changing a format.
TEST(Register, WritesTheseBytes) {
  using namespace std::string_view_literals;
  EXPECT_EQ(Register::encode(Register::compare_and_set({.expected = 1, .value = -2})).text(),
            "\x02\xfe\xff\xff\xff\xff\xff\xff\xff\x01\x01\0\0\0\0\0\0\0"sv);
  EXPECT_EQ(Register::encode(Register::Reply{Status::kMismatch, std::nullopt}).text(), "\x01\0"sv);
}

TEST(Register, DescribesItselfForPeople) {
  EXPECT_EQ(Register::describe(Register::compare_and_set({.expected = {}, .value = 4})), "cas nothing -> 4");
  EXPECT_EQ(Register::describe(Register::Reply{Status::kMismatch, 3}), "mismatch: 3");
}

}  // namespace
}  // namespace quorate
