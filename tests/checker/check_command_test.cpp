// `quorate check` from file to exit code.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/commands/check.hpp"

namespace quorate {
namespace {

using cli::ExitCode;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class CheckCommandTest : public ::testing::Test {
 protected:
  CheckCommandTest() {
    const ::testing::TestInfo* test = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::temp_directory_path() / (std::string("quorate_") + test->name() + ".history");
  }
  ~CheckCommandTest() override { std::filesystem::remove(path_); }

  struct Outcome {
    ExitCode code;
    std::string out;
    std::string err;
  };

  Outcome check(const std::string& text, CheckCommand command) {
    std::ofstream(path_) << text;
    command.file = path_;
    return run(std::move(command));
  }

  static Outcome run(CheckCommand command) {
    std::ostringstream out;
    std::ostringstream err;
    const ExitCode code = run_check(std::move(command), out, err);
    return {code, out.str(), err.str()};
  }

  std::filesystem::path path_;
};

constexpr const char* kWriteThenRead =
    R"({"client":1,"call":1,"return":2,"op":"put","key":"x","value":7,"outcome":"ok"})"
    "\n"
    R"({"client":2,"call":3,"return":4,"op":"get","key":"x","result":7,"outcome":"ok"})"
    "\n";
constexpr const char* kStaleRead =
    R"({"client":1,"call":1,"return":2,"op":"put","key":"x","value":7,"outcome":"ok"})"
    "\n"
    R"({"client":2,"call":3,"return":4,"op":"get","key":"x","result":null,"outcome":"ok"})"
    "\n";

TEST_F(CheckCommandTest, LinearizableIsSuccess) {
  const Outcome outcome = check(kWriteThenRead, {.model = "kv"});
  EXPECT_EQ(outcome.code, ExitCode::kSuccess);
  EXPECT_THAT(outcome.out, MatchesRegex(".*: linearizable \\(kv, 2 operations in 1 independent parts, [0-9]+ steps, "
                                        "[0-9]+ ms\\)\n"));
  EXPECT_EQ(outcome.err, "");
}

TEST_F(CheckCommandTest, AViolationIsFailureAndIsShown) {
  const Outcome outcome = check(kStaleRead, {.model = "kv"});
  EXPECT_EQ(outcome.code, ExitCode::kFailure);
  EXPECT_THAT(outcome.out, HasSubstr(": NOT LINEARIZABLE (kv, 2 operations"));
  EXPECT_THAT(outcome.out, HasSubstr("line 2, client 2: get \"x\" -> nil"));
  EXPECT_THAT(outcome.out, HasSubstr("which leaves \"x\" = 7"));
}

TEST_F(CheckCommandTest, RunningOutIsNoPass) {
  std::string text;
  for (int add = 0; add < 60; ++add) {
    text += R"({"client":1,"call":1,"op":"add","value":)" + std::to_string(add) + R"(,"outcome":"unknown"})" + "\n";
  }
  text += R"({"client":2,"call":2,"return":3,"op":"get","result":[-1],"outcome":"ok"})";
  const Outcome time = check(text, {.model = "set", .timeout_seconds = 0.01});
  EXPECT_EQ(time.code, ExitCode::kUndecided);
  EXPECT_THAT(time.out, HasSubstr(": UNKNOWN (set, 61 operations"));
  EXPECT_THAT(time.out, HasSubstr("0.01 seconds did not suffice for nil. This is no pass"));
  const Outcome memory = check(text, {.model = "set", .memory_bytes = std::uint64_t{1} << 20});
  EXPECT_EQ(memory.code, ExitCode::kUndecided);
  EXPECT_THAT(memory.out, HasSubstr("1 MiB of memory did not suffice"));
}

TEST_F(CheckCommandTest, WhatCannotBeJudgedIsRefused) {
  const auto refusal = [&](const std::string& text, CheckCommand command) {
    const Outcome outcome = check(text, std::move(command));
    EXPECT_EQ(outcome.code, ExitCode::kUsage) << outcome.out;
    EXPECT_EQ(outcome.out, "");
    return outcome.err;
  };
  const std::string name = path_.string();
  EXPECT_EQ(refusal("", {.model = "kv"}),
            "quorate check: " + name + ": holds no operations, so that there is nothing to judge\n");
  EXPECT_THAT(refusal("{\"client\":", {.model = "kv"}), StartsWith("quorate check: " + name + ":1: expected a JSON"));
  EXPECT_THAT(refusal("history", {.model = "kv"}),
              StartsWith("quorate check: " + name + ":1: expected a JSON object, "));
  EXPECT_EQ(refusal(kStaleRead, {.model = "queue"}),
            "quorate check: there is no model 'queue'; the models are register, cas-register, kv, list, mutex, set\n");
  EXPECT_EQ(refusal(kStaleRead, {.model = "mutex"}),
            "quorate check: " + name + ": line 1: the model mutex knows acquire and release, not put\n");
  EXPECT_EQ(refusal(kStaleRead, {.model = "set", .initial = "1"}),
            "quorate check: the model set has no initial value to choose\n");
  EXPECT_THAT(refusal(kStaleRead, {.model = "kv", .initial = "1 2"}), HasSubstr("--initial: expected one value"));
}

TEST_F(CheckCommandTest, AMissingFileIsRefused) {
  const Outcome outcome = run({.file = path_, .model = "kv"});
  EXPECT_EQ(outcome.code, ExitCode::kUsage);
  EXPECT_EQ(outcome.err, "quorate check: " + path_.string() + ": cannot be opened\n");
}

TEST_F(CheckCommandTest, OptionsSayWhatAJepsenHistoryMeans) {
  const std::string text =
      "{:process 1, :type :invoke, :f :read, :value nil}\n"
      "{:process 1, :type :ok, :f :read, :value 0}\n"
      "{:process 1, :type :invoke, :f :cas, :value [0 1]}\n"
      "{:process 1, :type :fail, :f :cas, :value [0 1]}\n";
  EXPECT_EQ(check(text, {.model = "cas-register"}).code, ExitCode::kSuccess);
  EXPECT_EQ(check(text, {.model = "cas-register", .failed = "observed"}).code, ExitCode::kFailure);
  EXPECT_EQ(check(text, {.model = "cas-register", .initial = "nil"}).code, ExitCode::kFailure);
  EXPECT_EQ(check(text, {.model = "cas-register", .format = "edn", .initial = "0"}).code, ExitCode::kSuccess);
  EXPECT_EQ(check(text, {.model = "cas-register", .format = "jsonl"}).code, ExitCode::kUsage);
  const std::string nil =
      "{:process 1, :type :invoke, :f :read, :value [7 nil]}\n"
      "{:process 1, :type :ok, :f :read, :value [7 nil]}\n";
  EXPECT_EQ(check(nil, {.model = "register", .independent_keys = true}).code, ExitCode::kSuccess);
  EXPECT_EQ(check(nil, {.model = "register", .nil_read = "nil", .independent_keys = true}).code, ExitCode::kFailure);
}

TEST_F(CheckCommandTest, ALogThatExplainsTheHistoryIsProofEnough) {
  const std::string put = R"({"client":1,"call":1,"return":4,"op":"put","key":"x","value":7,"outcome":"ok","index":)";
  const std::string get = R"({"client":2,"call":2,"return":3,"op":"get","key":"x","result":7,"outcome":"ok","index":)";
  const Outcome right = check(put + "5}\n" + get + "5}\n", {.model = "kv"});
  EXPECT_EQ(right.code, ExitCode::kSuccess);
  EXPECT_THAT(right.out, HasSubstr(": linearizable, in the order of its log (kv, 2 operations, "));
  const Outcome wrong = check(put + "5}\n" + get + "4}\n", {.model = "kv"});
  EXPECT_EQ(wrong.code, ExitCode::kFailure);
  EXPECT_THAT(wrong.out, HasSubstr(": linearizable (kv, 2 operations"));
  EXPECT_THAT(wrong.out,
              HasSubstr("THE LOG INDEXES ARE WRONG: line 2, client 2: get \"x\" -> 7: where the log puts it, "
                        "\"x\" is nil.\n"));
  const Outcome silent = check(put + "5}\n" + kWriteThenRead, {.model = "kv"});
  EXPECT_EQ(silent.code, ExitCode::kSuccess);
  EXPECT_THAT(silent.out, HasSubstr("The log indexes prove nothing: line 2 has no log index.\n"));
}

}  // namespace
}  // namespace quorate
