#include "sim/run.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "sim/checker/explanation.hpp"
#include "sim/operator.hpp"
#include "sim/timeline.hpp"

namespace quorate::sim {

namespace {

using namespace std::chrono_literals;

// What a healed cluster may take to come to work again.
constexpr Duration kRecoveryMax = 60s;
constexpr std::uint64_t kRecoveryElectionsMax = 40;
constexpr std::uint64_t kRecoveryMessagesMax = 3'000'000;
/// How often it is asked whether it has.
constexpr Duration kLookEvery = 20ms;
/// Of the nodes that the others can do without, about so many stay dead.
constexpr PartsPerMillion kStaysDead = percent(40);
constexpr std::uint64_t kCorePurpose = 0x636f7265;
/// What cuts the dead off; no fault of a plan has this id.
constexpr FaultId kDeath{UINT64_MAX};

Clients::Limits client_limits(const ClusterShape& shape) {
  Clients::Limits limits;
  limits.attempt_timeout = 2 * shape.election_timeout + 100ms;
  limits.operation_timeout = 8 * limits.attempt_timeout;
  return limits;
}

class Run {
 public:
  Run(const Plan& plan, const Subject& subject, const RunOptions& options)
      : plan_(plan),
        options_(options),
        world_(plan.seed),
        launcher_(subject.make_launcher()),
        workload_(subject.make_workload()),
        cluster_(world_, plan.shape, *launcher_),
        trace_(world_),
        operator_(cluster_),
        clients_(world_, cluster_, subject, *workload_, client_limits(plan.shape)),
        faults_(cluster_, operator_, plan.shape, options.budget) {
    if (options.trace) trace_.write_to(options.trace);
    cluster_.add_observer(trace_);
    cluster_.add_observer(placements_);
    if (options.timeline != nullptr) options.timeline->attach(cluster_);
    faults_.report_to([this](const Fault& fault, FaultRunner::Stage stage) { note(fault, stage); });
    clients_.report_to([this](const OperationReport& report, Reply reply) { note(report, reply); });
  }

  RunReport carry_out() {
    cluster_.start();
    operator_.start();
    faults_.schedule(plan_.faults);
    clients_.add(plan_.operations);
    if (run_until(WorldTime{} + plan_.duration)) {
      heal();
      if (options_.budget == Budget::kWithin) {
        if (recover("after the faults have ended") && read_everything()) compare_replicas();
      } else {
        run_until(world_.now() + 5s);
      }
    }
    if (!found_) judge_history();
    return report();
  }

 private:
  void note(const Fault& fault, FaultRunner::Stage stage) {
    static constexpr std::array<const char*, 3> kStages{"fault-begins", "fault-ends", "fault-withheld"};
    trace_.note(kStages[static_cast<std::size_t>(stage)], describe(fault));
    if (options_.timeline != nullptr) options_.timeline->note(fault, stage);
  }
  void note(const OperationReport& operation, Reply reply) {
    std::string text = workload_->describe(operation.operation);
    std::string answer = reply ? workload_->describe_reply(*reply) : std::string();
    trace_.note("operation", fmt::format("client {} {} -> {} {}", operation.operation.client, text,
                                         name_of(operation.outcome), answer));
    if (options_.timeline != nullptr) options_.timeline->note(operation, std::move(text), std::move(answer));
  }

  /// False as soon as an invariant is broken.
  bool run_until(WorldTime time) {
    while (world_.next() && *world_.next() <= time) {
      world_.step();
      if (const Verdict& violation = cluster_.invariants().violation()) {
        find(RunReport::Result::kViolation, *violation);
        return false;
      }
    }
    world_.run_until(time);
    return true;
  }

  void find(RunReport::Result result, Violation violation) {
    if (found_) return;
    found_ = result;
    violation_ = std::move(violation);
  }

  void heal() {
    clients_.cancel_plans();
    faults_.end_all();
    operator_.stop();
    cluster_.network().lift_all();
    for (const NodeId node : cluster_.roster().all()) faults_.revive(node);
    if (options_.budget == Budget::kBeyond) return;
    core_ = choose_core();
    const NodeSet dead = cluster_.roster().all() - core_;
    for (const NodeId node : dead) cluster_.end(node, Ending::kDropAll);
    // Nothing more is heard of them, not even what they had sent.
    cluster_.network().lay(kDeath, dead, cluster_.roster().all(), {.passage = LinkFault::Passage::kCut});
    trace_.note("healed", fmt::format("{} nodes go on", core_.size()));
  }

  /// Some of the nodes, but enough of them: of every configuration that anybody believes in, a quorum, and of every
  /// entry that may be committed in it, a body.
  NodeSet choose_core() {
    NodeSet core = cluster_.running();
    Random random = world_.randomness(kCorePurpose);
    for (const NodeId node : shuffled(random, cluster_.roster().all())) {
      if (!random.chance(kStaysDead)) continue;
      NodeSet without = core;
      without.erase(node);
      if (suffices(without)) core = without;
    }
    return core;
  }

  bool suffices(NodeSet core) {
    for (const NodeId node : cluster_.running()) {
      const Configuration& believed = cluster_.believed(node);
      if (!suffices(core, believed.members) || !suffices(core, believed.outgoing)) return false;
    }
    return !is_outrun_by_witness(core);
  }

  /// A witness that heard more from a dead leader than any of the living voters who have data votes for none of them.
  /// That is the price of witnesses: leader and witness together are one copy.
  bool is_outrun_by_witness(NodeSet core) {
    LogId of_witnesses;
    LogId of_voters;
    for (const NodeId node : core) {
      const Member* self = cluster_.believed(node).find(node);
      if (self == nullptr || !self->votes()) continue;
      LogId& newest = self->kind == MemberKind::kWitness ? of_witnesses : of_voters;
      newest = std::max(newest, cluster_.host(node).process()->core().log().last());
    }
    return of_witnesses > of_voters;
  }

  bool suffices(NodeSet core, const std::vector<Member>& half) {
    const NodeSet damaged = faults_.atlas().damaged();
    std::size_t voters = 0;
    std::size_t full = 0;
    std::size_t live = 0;
    std::size_t live_full = 0;
    for (const Member& member : half) {
      if (!member.votes()) continue;
      const bool is_full = member.kind == MemberKind::kVoter;
      const bool is_live = core.contains(member.id) && !damaged.contains(member.id) &&
                           member.incarnation == cluster_.incarnation(member.id);
      ++voters;
      full += is_full ? 1 : 0;
      live += is_live ? 1 : 0;
      live_full += is_live && is_full ? 1 : 0;
    }
    if (voters == 0) return true;
    const std::size_t quorum = voters / 2 + 1;
    const std::size_t bodies_of_a_quorum = quorum - (voters - full);
    return live >= quorum && live_full + bodies_of_a_quorum > full;
  }

  /// U11. False if it was not met, which is noted with an explanation.
  bool recover(const char* when) {
    const WorldTime deadline = world_.now() + kRecoveryMax;
    const std::uint64_t elections = cluster_.invariants().ledger().elections();
    const std::uint64_t messages = cluster_.network().count(Fate::kSent);
    while (!has_recovered()) {
      const bool takes_too_long = world_.now() >= deadline;
      const bool spins = cluster_.invariants().ledger().elections() - elections > kRecoveryElectionsMax ||
                         cluster_.network().count(Fate::kSent) - messages > kRecoveryMessagesMax;
      if (takes_too_long || spins) {
        find(RunReport::Result::kStalled,
             {"U11 liveness",
              fmt::format("{}, the cluster did not recover within {} s, {} elections and {} messages:\n{}", when,
                          kRecoveryMax / 1s, kRecoveryElectionsMax, kRecoveryMessagesMax, explain())});
        return false;
      }
      turn_off_removed();
      restart_stopped();
      if (!run_until(world_.now() + kLookEvery)) return false;
    }
    return true;
  }

  /// A server that does not know that it was removed campaigns for ever. Pre-votes protect the others from it, and so
  /// does a leader that is stood by (thesis 4.2.3); without either, somebody has to turn it off.
  void turn_off_removed() {
    if (plan_.shape.pre_vote == Switch::kOn || plan_.shape.check_quorum == Switch::kOn) return;
    const NodeId leader = cluster_.leader();
    if (leader == kNoNode) return;
    const Core& leading = cluster_.host(leader).process()->core();
    if (leading.configuration_index() > leading.commit()) return;
    for (const NodeId node : cluster_.running()) {
      if (!leading.configuration().contains(node)) cluster_.end(node, Ending::kKill);
    }
  }

  /// A write that was under way when the faults ended may still fail, and its node with it. Who stops twice has no such
  /// excuse.
  void restart_stopped() {
    for (const NodeId node : core_ - restarted_) {
      if (cluster_.host(node).state() != Host::State::kStopped) continue;
      restarted_.insert(node);
      faults_.revive(node);
    }
  }

  bool has_recovered() {
    const NodeId leader = cluster_.leader();
    if (leader == kNoNode || clients_.open() > 0) return false;
    const Core& leading = cluster_.host(leader).process()->core();
    if (leading.configuration().is_joint()) return false;
    return std::ranges::all_of(leading.configuration().members, [&](const Member& member) {
      if (!is_live(member)) return true;
      const Core& core = cluster_.host(member.id).process()->core();
      return core.leader() == leader && core.term() == leading.term() && core.log().last() == leading.log().last() &&
             core.applied() == leading.log().last().index;
    });
  }

  bool is_live(const Member& member) {
    return cluster_.host(member.id).is_running() && member.incarnation == cluster_.incarnation(member.id);
  }

  std::string explain() {
    std::string text;
    for (const NodeId node : cluster_.roster().all()) {
      const Host& host = cluster_.host(node);
      if (host.process() == nullptr) {
        text += fmt::format("  n{}: down\n", node.value);
        continue;
      }
      const Core& core = host.process()->core();
      text += fmt::format(
          "  n{}: {} in term {}, leader n{}, log ({},t{})..({},t{}), durable {}, commit {}, applied {}, members "
          "{}{}{}{}\n",
          node.value, quorate::name_of(core.role()), core.term().value, core.leader().value,
          core.log().base().index.value, core.log().base().term.value, core.log().last().index.value,
          core.log().last().term.value, core.durable().value, core.commit().value, core.applied().value,
          describe(core.configuration()), core.damaged().empty() ? "" : ", damaged",
          core.may_vote() ? "" : ", must not vote",
          host.process()->has_stopped() ? ", stopped: " + host.process()->stop_reason() : "");
    }
    return text + clients_.describe_open();
  }

  /// What was acknowledged must still be there, and the cluster must serve whoever asks.
  bool read_everything() {
    const std::uint64_t served = clients_.counts().ok;
    std::vector<PlannedOperation> reads = workload_->final_reads(kPlannedIdsMax);
    for (PlannedOperation& read : reads) read.at = world_.now();
    clients_.add(reads);
    if (!recover("when everything was read at the end")) return false;
    if (clients_.counts().ok - served == reads.size()) return true;
    find(RunReport::Result::kStalled,
         {"U11 liveness", "the healed cluster did not serve the last reads:\n" + explain()});
    return false;
  }

  void compare_replicas() {
    const NodeId leader = cluster_.leader();
    const std::optional<std::uint64_t> expected = cluster_.host(leader).process()->digest();
    for (const Member& member : cluster_.host(leader).process()->core().configuration().members) {
      if (member.kind == MemberKind::kWitness || !is_live(member)) continue;
      if (cluster_.host(member.id).process()->digest() == expected) continue;
      find(RunReport::Result::kViolation,
           {"U5 state machine safety",
            fmt::format("n{} and n{} applied the same log and hold different states", leader.value, member.id.value)});
    }
  }

  /// U10. The search for an order trusts nothing that the cluster says. Where it takes too long, the order of the log
  /// will do, if it explains everything; and where the log says anything, it must not be something else.
  void judge_history() {
    clients_.place_commands(placements_);
    const Result<checker::Report> report = workload_->check(options_.check);
    const Result<checker::LogOrder> order = workload_->check_log_order();
    QUORATE_ASSERT(report.has_value());
    QUORATE_ASSERT(order.has_value());
    if (report->verdict == checker::Verdict::kNotLinearizable) {
      const std::string text =
          report->violation
              ? checker::explain(workload_->history(), *report->violation, checker::TimeUnit::kNanoseconds)
              : "the workload's own check says that what clients were told is not what was promised";
      return find(RunReport::Result::kViolation, {"U10 linearizability", text});
    }
    // An operation of unknown outcome has a place in the log even if the application refused it there.
    const bool is_certain = clients_.counts().unknown == 0;
    if (order->answer == checker::LogOrder::Answer::kContradicts && is_certain) {
      return find(RunReport::Result::kViolation, {"U10 linearizability, by the order of the log", order->reason});
    }
    if (report->verdict == checker::Verdict::kLinearizable || order->answer == checker::LogOrder::Answer::kConfirms)
      return;
    find(RunReport::Result::kUndecided,
         {"U10 linearizability",
          fmt::format("undecided after {} steps of the checker, and the log does not explain the history: {}",
                      report->steps, order->reason)});
  }

  RunReport report() {
    if (options_.timeline != nullptr) options_.timeline->finish();
    RunReport report;
    report.result = found_.value_or(RunReport::Result::kPassed);
    report.violation = violation_;
    report.trace_hash = trace_.hash();
    report.events = world_.events();
    report.steps = cluster_.steps();
    report.elections = cluster_.invariants().ledger().elections();
    report.committed = cluster_.invariants().ledger().last_committed().value;
    report.membership_changes = operator_.changes();
    report.simulated = world_.now().time_since_epoch();
    report.operations = clients_.counts();
    report.coverage = cluster_.coverage();
    report.fates = cluster_.network().fates();
    report.faults = faults_.counts();
    report.workload = std::move(workload_);
    return report;
  }

  const Plan& plan_;
  const RunOptions& options_;
  World world_;
  std::unique_ptr<Launcher> launcher_;
  std::unique_ptr<Workload> workload_;
  Cluster cluster_;
  Trace trace_;
  Placements placements_;
  Operator operator_;
  Clients clients_;
  FaultRunner faults_;
  NodeSet core_;       ///< who goes on when the faults have ended
  NodeSet restarted_;  ///< of those, since then
  std::optional<RunReport::Result> found_;
  Violation violation_;
};

}  // namespace

RunReport run(const Plan& plan, const Subject& subject, const RunOptions& options) {
  QUORATE_ASSERT(validate(plan, subject).has_value());
  return Run(plan, subject, options).carry_out();
}

}  // namespace quorate::sim
