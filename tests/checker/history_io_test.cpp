// Reading and writing histories: what each notation means, and that whatever is wrong is named with file and line.
#include "sim/checker/history_io.hpp"

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/checker/explanation.hpp"
#include "tests/checker/history_builder.hpp"

namespace quorate::checker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::HistoryBuilder;

constexpr std::string_view kFile = "some.file";

Result<History> read(const std::string& text, HistoryFormat format) {
  return read_history(text, kFile, format, usual_meaning(format));
}

/// What a history says, operation by operation.
std::vector<std::string> lines_of(const Result<History>& history) {
  if (!history) return {"error: " + history.error().message};
  std::vector<std::string> lines;
  for (std::size_t operation = 0; operation < history->size(); ++operation) {
    lines.push_back(describe(*history, operation));
    if ((*history)[operation].outcome == Outcome::kRefused) lines.back() += " (refused)";
  }
  return lines;
}

std::string error_of(const Result<History>& history) {
  return history.has_value() ? "no error" : history.error().message;
}

// --- our own format ---

std::vector<std::string> json(const std::string& text) { return lines_of(read(text, HistoryFormat::kJsonLines)); }
std::string json_error(const std::string& text) { return error_of(read(text, HistoryFormat::kJsonLines)); }

TEST(JsonLines, HoldAnOperationEach) {
  const std::string text =
      R"({"format":"quorate-history","version":1})"
      "\n\n"
      R"({"client":3,"call":10,"return":20,"op":"put","key":"x","value":7,"outcome":"ok","index":5})"
      "\n"
      R"({"client":4,"call":11,"return":21,"op":"get","key":"x","result":null,"outcome":"ok","note":"a comment"})"
      "\n"
      R"({"client":5,"call":12,"op":"cas","key":1,"expected":"a","value":[1,"b"],"outcome":"unknown"})"
      "\n"
      R"({"client":5,"call":12,"return":13,"op":"delete","key":1,"outcome":"refused"})";
  const Result<History> history = read(text, HistoryFormat::kJsonLines);
  EXPECT_THAT(lines_of(history), ElementsAre("line 3, client 3: put \"x\" = 7", "line 4, client 4: get \"x\" -> nil",
                                             "line 5, client 5: cas 1 from \"a\" to [1 \"b\"] (outcome unknown)",
                                             "line 6, client 5: delete 1 (refused)"));
  EXPECT_EQ((*history)[0].log_index, Index{5});
  EXPECT_EQ((*history)[0].invoked, Time{10});
  EXPECT_EQ((*history)[0].returned, Time{20});
  EXPECT_FALSE((*history)[2].returned.has_value());
}

TEST(JsonLines, KnowEveryFunction) {
  const auto one = [](const std::string& action) {
    return json(R"({"client":0,"call":1,"return":2,"outcome":"ok",)" + action + "}").front();
  };
  EXPECT_EQ(one(R"("op":"append","value":"a")"), "line 1, client 0: append \"a\"");
  EXPECT_EQ(one(R"("op":"cas","expected":1,"value":2,"result":true)"), "line 1, client 0: cas from 1 to 2 -> true");
  EXPECT_EQ(one(R"("op":"delete","result":false)"), "line 1, client 0: delete -> false");
  EXPECT_EQ(one(R"("op":"add","value":3)"), "line 1, client 0: add 3");
  EXPECT_EQ(one(R"("op":"remove","value":3,"result":true)"), "line 1, client 0: remove 3 -> true");
  EXPECT_EQ(one(R"("op":"acquire","key":"lock")"), "line 1, client 0: acquire \"lock\"");
  EXPECT_EQ(one(R"("op":"release","key":"lock")"), "line 1, client 0: release \"lock\"");
  EXPECT_EQ(one(R"("op":"txn","ops":[{"op":"get","key":"x","result":1},{"op":"put","key":"y","value":2}])"),
            "line 1, client 0: txn get \"x\" -> 1; put \"y\" = 2");
}

TEST(JsonLines, AreReadBackAsTheyWereWritten) {
  HistoryBuilder builder;
  builder.at(9).put({10, 20}, "x", 7).get({11, 21}, "x", nullptr).cas({12, 22}, 3, {"a\n\"b\"", nullptr}, false);
  builder.append({13}, "x", "c").get({14}, "x").get({14, 15}, "x");
  builder.add({15, 16},
              {{Function::kWrite, "x", std::vector<int>{1, 2}}, {Function::kDelete, "y", nullptr, nullptr, true}});
  builder.add({15, 16}, {{Function::kAdd, nullptr, 1}}).add({15, 16}, {{Function::kRemove, nullptr, 1}});
  builder.add({15, 16}, {{Function::kAcquire, true}}).add({17, 18}, {{Function::kRelease, true}});
  std::ostringstream written;
  write_history(builder.history(), written);
  const Result<History> history = read(written.str(), HistoryFormat::kJsonLines);
  ASSERT_TRUE(history.has_value()) << history.error().message;
  std::ostringstream again;
  write_history(*history, again);
  EXPECT_EQ(again.str(), written.str());
  ASSERT_EQ(history->size(), builder.history().size());
  for (std::size_t at = 0; at < history->size(); ++at) {
    const auto without_line = [&](const History& source) {
      const std::string words = describe(source, at);
      return words.substr(words.find(','));
    };
    EXPECT_EQ(without_line(*history), without_line(builder.history()));
    EXPECT_EQ((*history)[at].invoked, builder.history()[at].invoked);
    EXPECT_EQ((*history)[at].returned, builder.history()[at].returned);
    EXPECT_EQ((*history)[at].outcome, builder.history()[at].outcome);
    EXPECT_EQ((*history)[at].log_index, builder.history()[at].log_index);
  }
}

TEST(JsonLines, NameTheLineAndWhatWasExpectedThere) {
  const std::string good = R"({"client":0,"call":1,"return":2,"op":"put","value":1,"outcome":"ok"})"
                           "\n";
  EXPECT_THAT(json_error(good + "{"), HasSubstr("some.file:2: expected a JSON object on one line (incomplete JSON)"));
  EXPECT_EQ(json_error(good + "7"), "some.file:2: expected a JSON object, found 7");
  EXPECT_EQ(json_error(good + R"({"format":"quorate-history","version":1})"),
            "some.file:2: expected the header only once, before all operations");
  EXPECT_EQ(json_error(R"({"format":"other"})"),
            "some.file:1: expected \"format\":\"quorate-history\", found \"other\"");
  EXPECT_EQ(json_error(R"({"format":"quorate-history","version":2})"), "some.file:1: expected \"version\":1, found 2");
}

TEST(JsonLines, AcceptNoFieldThatIsMissingMisspeltOrOfAnotherKind) {
  const auto error = [](const std::string& fields) { return json_error("{" + fields + "}"); };
  const std::string when = R"("client":0,"call":1,"return":2,"outcome":"ok",)";
  EXPECT_EQ(error(when + R"("op":"get","reslt":1)"),
            "some.file:1: expected no field \"reslt\" here (docs/histories.md names the fields)");
  EXPECT_EQ(error(when + R"("op":"get")"), "some.file:1: expected \"result\" in get");
  EXPECT_EQ(error(when + R"("op":"get","result":1,"unseen":true)"),
            "some.file:1: expected \"unseen\":true only in place of a \"result\" that is needed");
  EXPECT_EQ(error(when + R"("op":"put","value":1,"unseen":true)"),
            "some.file:1: expected \"unseen\":true only in place of a \"result\" that is needed");
  EXPECT_EQ(error(when + R"("op":"put","value":1,"result":1)"), "some.file:1: expected no \"result\" in put");
  EXPECT_EQ(
      error(when + R"("op":"put","value":1.5)"),
      "some.file:1: expected \"value\": null, a truth value, a 64-bit whole number, a text or a list, found 1.5E0");
  EXPECT_EQ(error(when + R"("op":"cas","expected":1,"value":2,"result":3)"),
            "some.file:1: expected \"result\": true or false, found 3");
  EXPECT_THAT(error(when + R"("op":"got")"), HasSubstr("some.file:1: expected \"op\": one of get, put, "));
  EXPECT_EQ(error(R"("call":1,"return":2,"outcome":"ok","op":"put","value":1)"),
            "some.file:1: expected \"client\": a whole number, found none");
  EXPECT_EQ(error(R"("client":0,"call":-1,"return":2,"outcome":"ok","op":"put","value":1)"),
            "some.file:1: expected \"call\": nanoseconds, found -1");
  EXPECT_EQ(error(R"("client":0,"call":3,"return":2,"outcome":"ok","op":"put","value":1)"),
            "some.file:1: expected \"return\" not to be before \"call\"");
  EXPECT_EQ(error(R"("client":0,"call":3,"return":null,"outcome":"ok","op":"put","value":1)"),
            "some.file:1: expected \"return\": nanoseconds, since the outcome is \"ok\"");
  EXPECT_EQ(error(R"("client":0,"call":3,"outcome":"maybe","op":"put","value":1)"),
            "some.file:1: expected \"outcome\": \"ok\", \"refused\" or \"unknown\", found \"maybe\"");
  EXPECT_EQ(error(when + R"("op":"put","value":1,"index":0)"), "some.file:1: expected \"index\": a log index, found 0");
  EXPECT_EQ(error(when + R"("op":"txn","ops":[])"), "some.file:1: expected \"ops\": 1 to 4096 actions, found []");
  EXPECT_EQ(error(when + R"("op":"get","ops":[])"),
            "some.file:1: expected \"op\":\"txn\" where there are \"ops\", found \"get\"");
  EXPECT_EQ(error(when + R"("op":"txn","key":1,"ops":[{"op":"get","result":1}])"),
            "some.file:1: expected \"key\", \"value\", \"expected\", \"result\" and \"unseen\" within \"ops\" only");
  EXPECT_EQ(error(when + R"("op":"txn","ops":[{"op":"get","result":1,"client":2}])"),
            "some.file:1: expected no field \"client\" here (docs/histories.md names the fields)");
  EXPECT_EQ(error(when + R"("op":"txn","ops":[7])"), "some.file:1: expected a JSON object in \"ops\", found 7");
}

TEST(JsonLines, AreNotNestedWithoutEnd) {
  EXPECT_THAT(json_error(R"({"value":)" + std::string(100'000, '[')), HasSubstr("some.file:1: expected"));
}

TEST(JsonLines, OfTheDocumentationAreRead) {
  std::ifstream file(std::string(QUORATE_SOURCE_DIR) + "/docs/histories.md");
  const std::string page{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  constexpr std::string_view kBegin = "```json\n";
  const std::size_t begin = page.find(kBegin);
  ASSERT_NE(begin, std::string::npos);
  const std::size_t end = page.find("```", begin + kBegin.size());
  EXPECT_THAT(json(page.substr(begin + kBegin.size(), end - begin - kBegin.size())),
              ElementsAre("line 2, client 1: put \"x\" = 7", "line 3, client 2: get \"x\" -> 7",
                          "line 4, client 3: cas \"x\" from 7 to \"seven\" (outcome unknown)",
                          "line 5, client 1: delete \"y\" (refused)",
                          "line 6, client 1: txn get \"x\" -> 7; put \"y\" = [1 2]"));
}

// --- Jepsen's EDN ---

std::vector<std::string> edn(const std::string& text, const JepsenMeaning& meaning = {}) {
  return lines_of(read_history(text, kFile, HistoryFormat::kEdn, meaning));
}
std::string edn_error(const std::string& text, const JepsenMeaning& meaning = {}) {
  return error_of(read_history(text, kFile, HistoryFormat::kEdn, meaning));
}

TEST(Edn, PairsInvocationsAndCompletions) {
  const std::string text =
      "[{:process 1, :type :invoke, :f :write, :value 3}\n"
      " {:process 2, :type :invoke, :f :read, :value nil}\n"
      " {:process 1, :type :ok, :f :write, :value 3}\n"
      " {:process :nemesis, :type :info, :f :start, :value \"cut off\"}\n"
      " {:process 2, :type :ok, :f :read, :value 3}]\n";
  EXPECT_THAT(edn(text), ElementsAre("line 1, client 1: put = 3", "line 2, client 2: get -> 3"));
}

TEST(Edn, MayBeMapsOneAfterAnother) {
  const std::string text =
      "; a comment\n"
      "#jepsen.history.Op{:index 0, :time 17, :process 1, :type :invoke, :f :cas, :value [1 2]}\n"
      "#_{:discarded true} #jepsen.history.Op{:index 1, :time 18, :process 1, :type :ok, :f :cas, :value [1 2]}\n";
  EXPECT_THAT(edn(text), ElementsAre("line 2, client 1: cas from 1 to 2 -> true"));
}

TEST(Edn, TakesWhatNothingOrInfoEndsForUnknown) {
  const std::string text =
      "{:process 1, :type :invoke, :f :write, :value 3}\n"
      "{:process 2, :type :invoke, :f :write, :value 4}\n"
      "{:process 1, :type :info, :f :write, :value :timed-out}\n";
  EXPECT_THAT(edn(text), ElementsAre("line 1, client 1: put = 3 (outcome unknown)",
                                     "line 2, client 2: put = 4 (outcome unknown)"));
}

TEST(Edn, TakesAFailureAsItIsTold) {
  const std::string text =
      "{:process 1, :type :invoke, :f :cas, :value [1 2]}\n"
      "{:process 1, :type :fail, :f :cas, :value [1 2]}\n"
      "{:process 1, :type :invoke, :f :read, :value nil}\n"
      "{:process 1, :type :fail, :f :read, :value nil}\n";
  EXPECT_THAT(edn(text), ElementsAre("line 1, client 1: cas from 1 to 2 (refused)", "line 3, client 1: get (refused)"));
  EXPECT_THAT(edn(text, {.failed = JepsenMeaning::Failed::kObserved}),
              ElementsAre("line 1, client 1: cas from 1 to 2 -> false", "line 3, client 1: get (refused)"));
}

TEST(Edn, TakesAReadOfNilAsItIsTold) {
  const std::string text =
      "{:process 1, :type :invoke, :f :read, :value nil}\n"
      "{:process 1, :type :ok, :f :read, :value nil}\n";
  EXPECT_THAT(edn(text), ElementsAre("line 1, client 1: get"));
  EXPECT_THAT(edn(text, {.nil_read = JepsenMeaning::NilRead::kSawNil}), ElementsAre("line 1, client 1: get -> nil"));
}

TEST(Edn, FindsKeysInTuplesOrInFields) {
  const JepsenMeaning tuples{.keys = JepsenMeaning::Keys::kTuples};
  const std::string text =
      "{:process 1, :type :invoke, :f :cas, :value [\"x\" [1 2]]}\n"
      "{:process 1, :type :ok, :f :cas, :value [\"x\" [1 2]]}\n";
  EXPECT_THAT(edn(text, tuples), ElementsAre("line 1, client 1: cas \"x\" from 1 to 2 -> true"));
  EXPECT_EQ(edn_error("{:process 1, :type :invoke, :f :read, :value nil}", tuples),
            "some.file:1: expected [key value], found nil");
  EXPECT_THAT(edn("{:process 1, :type :invoke, :f :append, :key \"5\", :value \"x 1 y\"}"),
              ElementsAre("line 1, client 1: append \"5\" \"x 1 y\" (outcome unknown)"));
}

TEST(Edn, KnowsTransactions) {
  const std::string text =
      "{:process 1, :type :invoke, :f :txn, :value [[:r 1 nil] [:append 2 7]]}\n"
      "{:process 1, :type :ok, :f :txn, :value [[:r 1 [3 4]] [:append 2 7]]}\n";
  EXPECT_THAT(edn(text), ElementsAre("line 1, client 1: txn get 1 -> [3 4]; append 2 7"));
  EXPECT_EQ(edn_error("{:process 1, :type :invoke, :f :txn, :value [[:r 1 nil]]}\n"
                      "{:process 1, :type :ok, :f :txn, :value [[:r 1 nil] [:w 1 2]]}\n"),
            "some.file:2: expected as many steps of the transaction as were invoked");
}

TEST(Edn, NamesTheLineAndWhatWasExpectedThere) {
  const std::string first = "{:process 1, :type :invoke, :f :write, :value 3}\n";
  EXPECT_EQ(edn_error(first + "{:process 1, :type :invoke, :f :write, :value 4}"),
            "some.file:2: expected process 1 to end what it invoked on line 1 first");
  EXPECT_EQ(edn_error(first + "{:process 2, :type :ok, :f :write, :value 4}"),
            "some.file:2: expected process 2 to invoke something before it ends");
  EXPECT_EQ(edn_error(first + "{:process 1, :type :ok, :f :read, :value 4}"),
            "some.file:2: expected :write, which the process invoked on line 1, to end, found :read");
  EXPECT_EQ(edn_error(first + "{:process 2, :type :done, :f :read, :value 4}"),
            "some.file:2: expected :invoke, :ok, :fail or :info, found :done");
  EXPECT_THAT(edn_error(first + "{:process 2, :type :invoke, :f :wrote, :value 4}"),
              HasSubstr("some.file:2: expected :read, :write, :cas, "));
  EXPECT_EQ(edn_error(first + "{:process 2, :type :invoke, :f :cas, :value 4}"),
            "some.file:2: expected [expected new] as the value of a cas, found 4");
  EXPECT_THAT(edn_error(first + "{:process 2, :type :invoke, :f :write, :value 1.5}"),
              HasSubstr("a 64-bit integer, a text, a keyword or a sequence of such, found 1.5"));
  EXPECT_EQ(edn_error(first + "7"), "some.file:2: expected a map with a :process, found 7");
  EXPECT_EQ(edn_error(first + "{:process 1"), "some.file:2: expected '}' before the end of the file");
  EXPECT_EQ(edn_error(first + "{:process}"), "some.file:2: expected a value for each key of the map");
  EXPECT_EQ(edn_error(first + "\n\n\"text"), "some.file:4: expected '\"' before the end of the file");
  EXPECT_EQ(edn_error("[" + first), "some.file:2: expected ']' at the end of the vector, found the end of the file");
  EXPECT_EQ(edn_error("[" + first + "] 7"), "some.file:2: expected nothing after the vector, found '7'");
  EXPECT_EQ(edn_error(first + ")"), "some.file:2: expected a form, found ')'");
  EXPECT_EQ(edn_error(first + std::string(100'000, '(')), "some.file:2: expected less deeply nested forms");
  std::string discards;
  for (int discard = 0; discard < 100'000; ++discard) discards += "#_";
  EXPECT_EQ(edn_error(discards), "some.file:1: expected less deeply nested forms");
}

// --- Jepsen's log ---

TEST(JepsenLog, IsReadWhereItHoldsOperations) {
  const std::string text =
      "INFO  jepsen.core - Worker 4 starting\n"
      "INFO  jepsen.util - 4\t:invoke\t:read\tnil\n"
      "INFO  jepsen.util - 4\t:ok\t:read\tnil\n"
      "INFO  jepsen.util - 2\t:invoke\t:cas\t[2 4]\n"
      "INFO  jepsen.util - 2\t:fail\t:cas\t[2 4]\n"
      "INFO  jepsen.util - :nemesis\t:info\t:start\t\"Cut off\"\n"
      "INFO  jepsen.util - 3\t:invoke\t:write\t1\n"
      "INFO  jepsen.util - 3\t:info\t:write\t:timed-out\n"
      "INFO  jepsen.util - 5\t:invoke\t:read\tnil\n"
      "INFO  jepsen.util - 5\t:fail\t:read\t:timed-out\n";
  EXPECT_THAT(lines_of(read(text, HistoryFormat::kJepsenLog)),
              ElementsAre("line 2, client 4: get -> nil", "line 4, client 2: cas from 2 to 4 -> false",
                          "line 7, client 3: put = 1 (outcome unknown)", "line 9, client 5: get (refused)"));
}

TEST(JepsenLog, NamesTheLineAndWhatWasExpectedThere) {
  EXPECT_EQ(error_of(read("\nINFO  jepsen.util - 4\t:invoke\t:read\n", HistoryFormat::kJepsenLog)),
            "some.file:2: expected process :type :function value");
  EXPECT_EQ(error_of(read("\nINFO  jepsen.util - 4\t:invoke\t:write\t[1\n", HistoryFormat::kJepsenLog)),
            "some.file:2: expected ']' before the end of the file");
}

// --- which format it is ---

TEST(Format, IsSeenFromTheFirstCharacters) {
  EXPECT_EQ(detect_format("\n {\"client\":1}", kFile), HistoryFormat::kJsonLines);
  EXPECT_EQ(detect_format("{:process 1}", kFile), HistoryFormat::kEdn);
  EXPECT_EQ(detect_format("; by hand\n[{:process 1}]", kFile), HistoryFormat::kEdn);
  EXPECT_EQ(detect_format("#jepsen.history.Op{:process 1}", kFile), HistoryFormat::kEdn);
  EXPECT_EQ(detect_format("INFO starting\nINFO  jepsen.util - 4\t:invoke\t:read\tnil\n", kFile),
            HistoryFormat::kJepsenLog);
  const Result<HistoryFormat> unknown = detect_format("\nclient,call,return\n", kFile);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_THAT(unknown.error().message, HasSubstr("some.file:2: expected a JSON object, an EDN map or vector"));
}

}  // namespace
}  // namespace quorate::checker
