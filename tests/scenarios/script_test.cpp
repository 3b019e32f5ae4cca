// What is wrong with a scenario is said with file, line, and what was expected.
#include "tests/scenarios/script.hpp"

#include <string>

#include <gtest/gtest.h>

#include "consensus/coverage.hpp"
#include "tests/scenarios/interpreter.hpp"

namespace quorate::scenario {
namespace {

/// What running the text as file `s` reports; empty if all is well.
std::string error_of(std::string_view text) {
  try {
    for (const Script& script : parse_script("s", text)) {
      Coverage coverage;
      Interpreter(coverage).execute(script);
    }
  } catch (const ScriptError& error) {
    return error.what();
  }
  return "";
}

TEST(Script, IsLinesOfWords) {
  const std::vector<Script> scripts = parse_script("s", "# a comment\n\nverb one  (two three) x=[4 5] # not a word\n");
  ASSERT_EQ(scripts.size(), 1U);
  ASSERT_EQ(scripts[0].statements.size(), 1U);
  EXPECT_EQ(scripts[0].statements[0].line, 3U);
  EXPECT_EQ(scripts[0].statements[0].verb, "verb");
  EXPECT_EQ(scripts[0].statements[0].words, (std::vector<std::string>{"one", "(two three)", "x=[4 5]"}));
}

TEST(Script, IsRunForEveryCombinationOfWhatVaries) {
  const std::vector<Script> scripts = parse_script("s", "vary k=1..2\nvary how=a,b\nverb $k$how\n");
  ASSERT_EQ(scripts.size(), 4U);
  EXPECT_EQ(scripts[0].statements[0].words.front(), "1a");
  EXPECT_EQ(scripts[3].statements[0].words.front(), "2b");
  EXPECT_EQ(scripts[3].file, "s[k=2][how=b]");
}

TEST(Script, SaysWhatIsWrongWithItsForm) {
  EXPECT_EQ(error_of("\nverb (one\n"), "s:2: expected the closing bracket or quote of '(one'");
  EXPECT_EQ(error_of("verb )\n"), "s:1: a bracket is closed that was not opened");
  EXPECT_EQ(error_of("vary k\n"), "s:1: expected: vary name=first..last, or name=value,value");
  EXPECT_EQ(error_of("vary k=3..1\n"), "s:1: there is no value between the ends of '3..1'");
  EXPECT_EQ(error_of("vary k=a..b\n"), "s:1: expected a number, not 'b'");
}

TEST(Script, SaysWhatIsWrongWithACommand) {
  EXPECT_EQ(error_of("cluster n=3\ndance 1\n"), "s:2: expected a command, not 'dance'");
  EXPECT_EQ(error_of("elect 1\n"), "s:1: expected first: cluster n=<servers>, or cluster members=(...)");
  EXPECT_EQ(error_of("cluster n=3\nelect\n"), "s:2: expected a server");
  EXPECT_EQ(error_of("cluster n=3\nelect 7\n"), "s:2: there is no server 7");
  EXPECT_EQ(error_of("cluster n=3\nelect 1 now\n"), "s:2: did not expect 'now' here");
  EXPECT_EQ(error_of("cluster n=3\nelect 1 at=noon\n"), "s:2: did not expect 'at=' here");
  EXPECT_EQ(error_of("cluster n=3\nelect 1\ncluster n=5\n"), "s:3: 'cluster' must come before anything happens");
  EXPECT_EQ(error_of("cluster n=3\nrun 5 T\n"), "s:2: expected a duration such as 300ms, 2s, 1.5T or 1HB, not '5'");
  EXPECT_EQ(error_of("cluster n=3\ndeliver 1>2\n"), "s:2: expected a link: 1->2, 1-2, *->2 or 1->*, not '1>2'");
  EXPECT_EQ(error_of("cluster n=3\ndeliver 1->2 XX\n"), "s:2: there is no such message on the way");
  EXPECT_EQ(error_of("cluster n=3\ncampaign 1\ndeliver 1->2 XX\n"), "s:3: expected a kind of message, not 'XX'");
  EXPECT_EQ(error_of("cluster n=3\ngiven log(1)=1\n"), "s:2: expected a list in brackets, not '1'");
  EXPECT_EQ(error_of("cluster n=3\ncrash 1\npropose 1 x\n"), "s:3: server 1 is down");
}

TEST(Script, SaysWhatIsWrongWithAnAssertion) {
  EXPECT_EQ(error_of("cluster n=3\nexpect role(1)\n"), "s:2: expected name(arguments)=value, not 'role(1)'");
  EXPECT_EQ(error_of("cluster n=3\nexpect role(1)=leader\n"), "s:2: expected role(1)=leader, but role(1) is follower");
  EXPECT_EQ(error_of("cluster n=3\nexpect term(all)>2\n"), "s:2: expected term(all)>2, but term(1) is 1");
  EXPECT_EQ(error_of("cluster n=3\nexpect colour(1)=red\n"),
            "s:2: expected something that can be observed, not 'colour'");
  EXPECT_EQ(error_of("cluster n=3\nexpect match(1)=3\n"), "s:2: 'match' takes 2 arguments");
  EXPECT_EQ(error_of("cluster n=3\nexpect reply(x)=open\n"), "s:2: there is no call named 'x'");
  EXPECT_EQ(error_of("cluster n=3\nawait leader=9 within 2T\n"),
            "s:2: expected leader=9, but leader is 1, and not within 2T");
}

/// Pitfall G10: combinations that would be unsafe are refused before anything starts.
TEST(Script, RefusesOptionsThatWouldBeUnsafe) {
  EXPECT_EQ(error_of("cluster n=3 leases=on prevote=off\n"),
            "s:1: lease reads need pre-vote and check-quorum: turn both on, or leases off");
  EXPECT_EQ(error_of("cluster n=3 leases=on checkquorum=off\n"),
            "s:1: lease reads need pre-vote and check-quorum: turn both on, or leases off");
  EXPECT_EQ(error_of("cluster n=3 HB=200ms\n"),
            "s:1: the election timeout must be at least twice the heartbeat interval");
  EXPECT_EQ(error_of("cluster n=3 speed=on\n"), "s:1: there is no option 'speed'");
}

/// A scenario that proves nothing would be worse than none: these must fail.
TEST(Script, EpilogueDemandsLifeAndExplanations) {
  EXPECT_NE(error_of("cluster n=3\nelect 1\nforge 3->2 AE term=2 prev=2@2 entries=[2]\n")
                .find("server 2 failed: two leaders"),
            std::string::npos);
  EXPECT_NE(
      error_of("cluster n=3\ngiven log(1,2,3)=[1 2] term(1)=2\ndamage 1 promises\n").find("crash the server first"),
      std::string::npos);
  EXPECT_NE(error_of("cluster n=2\ncrash 2 drop\nwipe 2\n").find("U11 liveness: after 40 T there is no leader"),
            std::string::npos);
  EXPECT_NE(error_of("cluster n=3\ngiven log(1)=[1 2] log(2)=[1 2] log(3)=[1 3] commit(1,2,3)=2\n")
                .find("U3 commit stability"),
            std::string::npos);
}

}  // namespace
}  // namespace quorate::scenario
