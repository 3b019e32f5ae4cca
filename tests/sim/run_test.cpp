// Whole runs: a run is a function of its plan, plans survive being written down, every kind of fault has an effect, a
// healed cluster recovers, and what is wrong is found.
#include "sim/run.hpp"

#include <string>

#include <gtest/gtest.h>

#include "sim/nemesis.hpp"
#include "sim/shrink.hpp"
#include "sim/subjects.hpp"
#include "sim/timeline.hpp"

namespace quorate::sim {
namespace {

using namespace std::chrono_literals;

constexpr NodeId kOne{1};
constexpr NodeId kTwo{2};
constexpr NodeId kThree{3};

const Subject& subject(std::string_view name) { return **subject_named(name); }

WorldTime at(Duration since_start) { return WorldTime{} + since_start; }

/// Three voters, a register, clients that work all the time, and no fault.
Plan calm_plan(Duration duration = 4s) {
  NemesisOptions options;
  options.voters = 3;
  options.duration = duration;
  options.faults = FaultSelection::none();
  Plan plan = draw_plan(1, subject("register"), options);
  plan.shape = ClusterShape{};
  return plan;
}

std::string explain(const RunReport& report) { return report.violation.property + ": " + report.violation.text; }

/// Lines of the trace that contain a text.
std::size_t count_lines(const Plan& plan, std::string_view text) {
  std::size_t count = 0;
  RunOptions options;
  options.trace = [&](std::string_view line) { count += line.find(text) != std::string_view::npos ? 1 : 0; };
  const RunReport report = run(plan, subject(plan.application), options);
  EXPECT_TRUE(report.passed()) << explain(report);
  return count;
}

struct EveryApplication : testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Run, EveryApplication, testing::Values("register", "kv", "list_append"));

TEST_P(EveryApplication, IsAFunctionOfItsPlan) {
  NemesisOptions options;
  options.duration = 3s;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const Plan plan = draw_plan(seed, subject(GetParam()), options);
    EXPECT_EQ(plan, draw_plan(seed, subject(GetParam()), options));
    const RunReport first = run(plan, subject(GetParam()));
    const RunReport second = run(plan, subject(GetParam()));
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
  }
}

TEST_P(EveryApplication, ServesItsClientsWhenNothingGoesWrong) {
  NemesisOptions options;
  options.voters = 3;
  options.faults = FaultSelection::none();
  const RunReport report = run(draw_plan(5, subject(GetParam()), options), subject(GetParam()));
  EXPECT_TRUE(report.passed()) << explain(report);
  EXPECT_GT(report.operations.ok, 100u);
  EXPECT_GT(report.workload->history().size(), 100u);
}

TEST_P(EveryApplication, APlanSurvivesBeingWrittenDown) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    const Plan plan = draw_plan(seed, subject(GetParam()), {});
    EXPECT_TRUE(validate(plan, subject(GetParam())).has_value());
    const Result<Plan> again = plan_from_json(to_json(plan));
    ASSERT_TRUE(again.has_value()) << again.error().message;
    EXPECT_EQ(*again, plan);
  }
}

/// A node that stops itself then is started again, as anybody would.
TEST(Run, AWriteThatIsUnderWayWhenTheFaultsEndMayStillFail) {
  const RunReport report = run(draw_plan(1952, subject("register"), {}), subject("register"));
  EXPECT_TRUE(report.passed()) << report.violation.text;
}

TEST(Run, TraceHashesOfDifferentSeedsDiffer) {
  NemesisOptions options;
  options.duration = 1s;
  const auto hash = [&](std::uint64_t seed) {
    return run(draw_plan(seed, subject("kv"), options), subject("kv")).trace_hash;
  };
  EXPECT_NE(hash(1), hash(2));
}

/// The same whatever compiler and options built the simulator. Whoever changes what happens in a run, on purpose, puts
/// the new hashes here; whoever sees them change without a purpose has found something that is not deterministic.
TEST(Run, TracesAreTheSameInEveryBuild) {
  const auto hash = [&](const char* name, std::uint64_t seed) {
    return run(draw_plan(seed, subject(name), {.duration = 3s}), subject(name)).trace_hash;
  };
  EXPECT_EQ(hash("register", 11), 6450449611222915550u);
  EXPECT_EQ(hash("kv", 12), 11214197703236137072u);
  EXPECT_EQ(hash("list_append", 13), 1061549497008464251u);
}

TEST(Run, WritingATraceOrATimelineChangesNothing) {
  const Plan plan = draw_plan(3, subject("kv"), {.duration = 2s});
  std::size_t lines = 0;
  Timeline timeline;
  RunOptions options;
  options.trace = [&](std::string_view) { ++lines; };
  options.timeline = &timeline;
  const RunReport watched = run(plan, subject("kv"), options);
  EXPECT_EQ(watched.trace_hash, run(plan, subject("kv")).trace_hash);
  EXPECT_GT(lines, 1000u);
  const std::string page = timeline.render("a </script> run", "");
  EXPECT_NE(page.find("a <\\/script> run"), std::string::npos);
  EXPECT_EQ(page.find("http"), std::string::npos) << "a timeline needs nothing from a network";
}

// Every kind of fault has an effect.

TEST(Fault, CutLinksLoseMessagesAndTheLeader) {
  Plan plan = calm_plan();
  for (const NodeId node : {kOne, kTwo, kThree}) {
    const NodeSet alone{node};
    plan.faults.push_back({at(1s + node.value * 700ms), 600ms,
                           fault::Links{LinkTrouble::kIsolated,
                                        {{alone, NodeSet::first(3) - alone}, {NodeSet::first(3) - alone, alone}},
                                        {.passage = LinkFault::Passage::kCut}}});
  }
  const RunReport report = run(plan, subject("register"));
  EXPECT_TRUE(report.passed()) << explain(report);
  EXPECT_GT(report.fates[static_cast<std::size_t>(Fate::kCut)], 10u);
  EXPECT_GE(report.elections, 2u);
}

TEST(Fault, ACrashEndsAProcessAndItsEndBeginsAnother) {
  Plan plan = calm_plan();
  const std::size_t before = count_lines(plan, R"("what":"launch")");
  plan.faults = {{at(1s), 300ms, fault::Crash{NodeSet::first(3), Ending::kTear, 0}},
                 {at(2s), 300ms, fault::Crash{{kOne}, Ending::kKill, 5}}};
  EXPECT_EQ(count_lines(plan, R"("what":"launch")"), before + 4);
}

TEST(Fault, APausedLeaderLosesItsOffice) {
  Plan plan = calm_plan();
  for (const NodeId node : {kOne, kTwo, kThree}) {
    plan.faults.push_back({at(800ms + node.value * 800ms), 700ms, fault::Pause{{node}}});
  }
  EXPECT_GE(run(plan, subject("register")).elections, 2u);
}

TEST(Fault, AWipedNodeIsLetGoAndComesBackAsAnother) {
  Plan plan = calm_plan();
  plan.faults = {{at(1s), 200ms, fault::Wipe{kTwo}}};
  const RunReport report = run(plan, subject("register"));
  EXPECT_TRUE(report.passed()) << explain(report);
  EXPECT_GE(report.membership_changes, 3u) << "removed, added as a learner, promoted";
}

TEST(Fault, OnlyAsManyDisksAreDamagedAsTheClusterCanSpare) {
  Plan plan = calm_plan();
  plan.faults = {{at(1s), 100ms, fault::Wipe{kOne}}, {at(1s), 100ms, fault::Wipe{kTwo}}};
  const RunReport report = run(plan, subject("register"));
  EXPECT_TRUE(report.passed()) << explain(report);
  EXPECT_EQ(report.faults[kFaultKind<fault::Wipe>].begun, 1u);
  EXPECT_EQ(report.faults[kFaultKind<fault::Wipe>].withheld, 1u);
}

TEST(Fault, BeyondTheBudgetTheClusterMayStopButServesNothingWrong) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Plan plan = draw_plan(seed, subject("register"),
                                {.voters = 3, .duration = 4s, .faults = *FaultSelection::parse("wipe,disk-rot,crash")});
    RunOptions options;
    options.budget = Budget::kBeyond;
    const RunReport report = run(plan, subject("register"), options);
    EXPECT_TRUE(report.passed()) << "seed " << seed << ": " << explain(report);
    EXPECT_EQ(report.faults[kFaultKind<fault::Wipe>].withheld, 0u);
  }
}

TEST(Fault, ClocksThatRunFastLoseTheirLeader) {
  Plan plan = calm_plan();
  const std::uint64_t before = run(plan, subject("register")).elections;
  for (const NodeId node : {kOne, kTwo, kThree}) {
    plan.faults.push_back({at(1s + node.value * 500ms), 0ms, fault::ClockJump{node, 2s}});
  }
  EXPECT_NE(run(plan, subject("register")).trace_hash, run(calm_plan(), subject("register")).trace_hash);
  EXPECT_GE(run(plan, subject("register")).elections, before);
}

TEST(Fault, AHungDiskMovesTheLeadership) {
  Plan plan = calm_plan(5s);
  for (const NodeId node : {kOne, kTwo, kThree}) {
    plan.faults.push_back({at(node.value * 1s), 900ms, fault::DiskStall{node}});
  }
  const RunReport report = run(plan, subject("register"));
  EXPECT_TRUE(report.passed()) << explain(report);
  EXPECT_GE(report.elections, 2u);
  EXPECT_GT(report.coverage.counts[static_cast<std::size_t>(Mark::kSteppedDownByDisk)], 0u);
}

TEST(Fault, ANodeWhoseSyncFailsStopsItself) {
  Plan plan = calm_plan();
  plan.faults = {{at(1s), 500ms, fault::DiskTrouble{kOne, DiskFault::kSyncError}}};
  EXPECT_EQ(count_lines(plan, R"("reason":"write-ahead log:)"), 1u);
}

TEST(Fault, ATurnedBitIsFoundAndRepaired) {
  std::uint64_t fetched = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Plan plan = calm_plan();
    plan.seed = seed;
    plan.shape.segment_bytes = 1 << 14;
    plan.faults = {{at(2s), 200ms, fault::DiskRot{kTwo, 20}}};
    const RunReport report = run(plan, subject("register"));
    EXPECT_TRUE(report.passed()) << explain(report);
    fetched += report.coverage.counts[static_cast<std::size_t>(Mark::kDamagedFetched)];
  }
  EXPECT_GT(fetched, 0u);
}

/// A key-value store with a state of many pieces, and a learner that was away for so long that it needs it.
Plan snapshot_plan(fault::Interruption interruption) {
  NemesisOptions options;
  options.voters = 1;
  options.duration = 4s;
  options.faults = FaultSelection::none();
  Plan plan = draw_plan(1, subject("kv"), options);
  plan.shape = ClusterShape{.voters = 1, .learners = 1, .trailing_bytes_max = 0, .snapshot_chunk_bytes = 64};
  plan.faults = {{at(100ms), 1900ms, fault::Crash{{kTwo}}},
                 {at(1900ms), 0ms, fault::Checkpoint{{kOne}}},
                 {at(1950ms), 2s, interruption}};
  return plan;
}

TEST(Fault, AnInterruptedTransferOfASnapshotGoesOn) {
  const Plan plan = snapshot_plan({.victim = fault::Interruption::Victim::kSender, .piece = 3, .down = 5ms});
  const RunReport report = run(plan, subject("kv"));
  EXPECT_TRUE(report.passed()) << explain(report);
  EXPECT_EQ(report.coverage.counts[static_cast<std::size_t>(Mark::kSnapshotResumed)], 1u);
}

TEST(Fault, ASnapshotThatRottedWhileItArrivedIsRejected) {
  const Plan plan =
      snapshot_plan({.victim = fault::Interruption::Victim::kReceiver, .piece = 4, .bits = 3, .down = 5ms});
  const RunReport report = run(plan, subject("kv"));
  EXPECT_TRUE(report.passed()) << explain(report);
  EXPECT_EQ(report.coverage.counts[static_cast<std::size_t>(Mark::kSnapshotRejected)], 1u);
}

TEST(Fault, AFullDiskStopsNothingForGood) {
  Plan plan = calm_plan();
  for (const NodeId node : {kOne, kTwo, kThree}) {
    plan.faults.push_back({at(1s + node.value * 600ms), 500ms, fault::DiskFull{node, 0}});
  }
  const RunReport report = run(plan, subject("register"));
  EXPECT_TRUE(report.passed()) << explain(report);
}

TEST(Fault, AnOperatorReachesTheMembershipItWants) {
  Plan plan = calm_plan();
  plan.shape.spares = 2;
  plan.faults = {{at(1s), 0ms, fault::Reshape{{kTwo, kThree, NodeId{4}}, {NodeId{5}}, {}}}};
  const RunReport report = run(plan, subject("register"));
  EXPECT_TRUE(report.passed()) << explain(report);
  EXPECT_GE(report.membership_changes, 2u);
  EXPECT_GT(report.coverage.counts[static_cast<std::size_t>(Mark::kJointLeft)], 0u);
}

TEST(Fault, LeadershipIsHandedOver) {
  Plan plan = calm_plan();
  for (const NodeId node : {kOne, kTwo, kThree})
    plan.faults.push_back({at(node.value * 1s), 0ms, fault::Transfer{node}});
  EXPECT_GE(run(plan, subject("register")).coverage.counts[static_cast<std::size_t>(Mark::kTransferCompleted)], 2u);
}

// What is wrong is found.

/// The leader's clock is slow by far more than the bound, the others' are fast; the leader is cut off from them, but
/// not from its clients. They elect another one while the old one still believes in its lease.
Plan lease_plan(std::uint64_t seed, Switch leases) {
  Plan plan = calm_plan(6s);
  plan.seed = seed;
  plan.shape.lease_reads = leases;
  plan.shape.heartbeat_interval = 20ms;
  const NodeSet others{kTwo, kThree};
  plan.faults = {{at(0ms), 10s, fault::ClockDrift{kOne, {-800'000}}},
                 {at(0ms), 10s, fault::ClockDrift{kTwo, {500'000}}},
                 {at(0ms), 10s, fault::ClockDrift{kThree, {500'000}}}};
  for (Duration begin = 1500ms; begin < 5500ms; begin += 1s) {
    plan.faults.push_back({at(begin), 0ms, fault::Transfer{kOne}});
    plan.faults.push_back(
        {at(begin + 300ms), 600ms,
         fault::Links{
             LinkTrouble::kIsolated, {{{kOne}, others}, {others, {kOne}}}, {.passage = LinkFault::Passage::kCut}}});
  }
  return plan;
}

TEST(Run, FindsTheStaleReadsOfLeasesOnClocksBeyondTheirBound) {
  std::uint64_t stale = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const RunReport with = run(lease_plan(seed, Switch::kOn), subject("register"));
    stale += with.violation.property == "U10 linearizability" ? 1 : 0;
    const RunReport without = run(lease_plan(seed, Switch::kOff), subject("register"));
    EXPECT_TRUE(without.passed()) << explain(without);
  }
  EXPECT_GT(stale, 0u);
}

TEST(Shrink, CutsAFailureDownToWhatItNeeds) {
  Plan plan;
  for (std::uint64_t seed = 1; seed <= 5 && run(plan = lease_plan(seed, Switch::kOn), subject("register")).passed();
       ++seed) {}
  const Shrunk shrunk = shrink(plan, subject("register"), {.runs_max = 400});
  EXPECT_EQ(shrunk.report.violation.property, "U10 linearizability");
  EXPECT_LT(shrunk.plan.faults.size(), plan.faults.size());
  EXPECT_LT(shrunk.plan.operations.size(), plan.operations.size() / 4);
  EXPECT_EQ(run(shrunk.plan, subject("register")).trace_hash, shrunk.report.trace_hash) << "it is replayed by its plan";
}

TEST(Shrink, MinimizeKeepsOnlyWhatIsNeededTogether) {
  std::vector<int> items;
  for (int item = 0; item < 100; ++item) items.push_back(item);
  const auto fails = [](const std::vector<int>& rest) {
    return std::ranges::count(rest, 17) + std::ranges::count(rest, 18) + std::ranges::count(rest, 93) == 3;
  };
  EXPECT_EQ(minimize(items, fails, [] { return false; }), (std::vector{17, 18, 93}));
  EXPECT_TRUE(minimize(items, [](const std::vector<int>&) { return true; }, [] { return false; }).empty());
  int asked = 0;
  const auto counted = [&](const std::vector<int>& rest) {
    ++asked;
    return fails(rest);
  };
  EXPECT_FALSE(minimize(items, counted, [&] { return asked >= 3; }).empty());
  EXPECT_EQ(asked, 3);
}

// Files that somebody wrote.

TEST(PlanFile, SaysWhatIsWrongAndWhere) {
  const auto error = [](std::string_view text) {
    const Result<Plan> plan = plan_from_json(text);
    return plan ? std::string("accepted") : plan.error().message;
  };
  EXPECT_NE(error("{").find("not JSON"), std::string::npos);
  EXPECT_EQ(error("[]"), "schedule: expected an object");
  EXPECT_EQ(error("{}"), "schedule.application: is missing");
  std::string text = to_json(calm_plan());
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string copy = text;
    const std::size_t found = copy.find(from);
    EXPECT_NE(found, std::string::npos);
    return copy.replace(found, from.size(), to);
  };
  EXPECT_EQ(error(replaced(R"("voters":3)", R"("voters":-3)")), "schedule.shape.voters: expected an integer that fits");
  EXPECT_EQ(error(replaced(R"("pre_vote":"on")", R"("pre_vote":"maybe")")),
            "schedule.shape.pre_vote: unknown name \"maybe\"");
  EXPECT_EQ(error(replaced(R"("faults": [])", R"("faults": [{"at":0,"lasts":0,"kind":"plague","what":{}}])")),
            "schedule.faults[0].kind: unknown fault \"plague\"");
  EXPECT_EQ(error(replaced(R"("faults": [])", R"("faults": [{"at":0,"lasts":0,"kind":"pause","what":{"nodes":[0]}}])")),
            "schedule.faults[0].what.nodes: expected node ids from 1 on");
}

TEST(PlanFile, IsRefusedIfItCannotBeCarriedOut) {
  const auto refused = [](void (*spoil)(Plan&)) {
    Plan plan = calm_plan();
    EXPECT_TRUE(validate(plan, subject("register")).has_value());
    spoil(plan);
    return !validate(plan, subject("register")).has_value();
  };
  EXPECT_TRUE(refused([](Plan& plan) { plan.application = "kv"; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.shape.voters = 0; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.shape.spares = UINT64_MAX; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.shape.heartbeat_interval = 0ms; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.shape.network.spread = -1ms; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.duration = -1ms; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.faults = {{at(0ms), 1ms, fault::Wipe{NodeId{9}}}}; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.faults = {{at(0ms), 1ms, fault::ClockDrift{kOne, {-1'000'000}}}}; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.operations[1].id = plan.operations[0].id; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.operations[1].kind = 99; }));
}

TEST(FaultSelection, IsReadFromAList) {
  EXPECT_TRUE(FaultSelection::parse("all")->contains(kFaultKind<fault::Crash>));
  EXPECT_TRUE(FaultSelection::parse("none")->empty());
  const FaultSelection some = *FaultSelection::parse("all,-crash");
  EXPECT_FALSE(some.contains(kFaultKind<fault::Crash>));
  EXPECT_TRUE(some.contains(kFaultKind<fault::Pause>));
  EXPECT_TRUE(FaultSelection::parse("crash,pause")->contains(kFaultKind<fault::Pause>));
  const Result<FaultSelection> unknown = FaultSelection::parse("crash,plague");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_NE(unknown.error().message.find("plague"), std::string::npos);
  EXPECT_NE(unknown.error().message.find("disk-rot"), std::string::npos);
}

}  // namespace
}  // namespace quorate::sim
