// Bare cores under a random schedule: messages lost, repeated and reordered at will, crashes that lose any part of what
// was not durable, pauses, membership changes, transfers, compactions and snapshots; then a calm phase in which the
// cluster must come to rest. No bytes, no files, no driver: what is tested is the protocol alone, at some hundred
// thousand steps per second. QUORATE_SEEDS=first..last repeats or extends a run.
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "consensus/bootstrap.hpp"
#include "consensus/core.hpp"

namespace quorate {
namespace {

using namespace std::chrono_literals;

constexpr int kStormSteps = 4000;
constexpr Duration kCalm = 20s;
constexpr std::uint64_t kChunks = 3;

struct Snapshot {
  CheckpointContext context;
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

/// What survives a crash, and what may not.
struct Disk {
  HardState hard_state;
  LogId base;
  std::vector<Entry> entries;
  Snapshot snapshot;
  std::deque<PersistBatch> pending;

  LogId last() const { return entries.empty() ? base : entries.back().id(); }

  /// Makes the first `fields` parts of a batch durable; all of them by default.
  void write(const PersistBatch& batch, std::size_t fields = SIZE_MAX) {
    const auto next = [&] { return fields > 0 && fields-- > 0; };
    if (batch.reset_to && next()) {
      base = *batch.reset_to;
      entries.clear();
    }
    if (batch.truncate_after && next()) {
      while (last().index > *batch.truncate_after) entries.pop_back();
    }
    if (batch.hard_state && next()) hard_state = *batch.hard_state;
    for (const Entry& entry : batch.entries) {
      if (!next()) return;
      ASSERT_EQ(entry.index, last().index + 1);
      entries.push_back(entry);
    }
  }
};

struct Host {
  std::optional<Core> core;
  Disk disk;
  Boot boot{1};
  Incarnation incarnation;
  std::deque<effect::Send> held;
  Ticket durable;
  std::vector<std::pair<int, EventBody>> later;  ///< completions of the state machine, in steps
  std::map<NodeId, Snapshot> opened;
  std::map<SnapshotId, std::uint64_t> staged;
  std::map<SnapshotId, Snapshot> staged_content;
  Index applied;
  Epoch epoch;                          ///< in which a leader-executed application would speculate now
  std::uint64_t next_sequence = 0;      ///< of what it proposes
  std::uint64_t appended_sequence = 0;  ///< of what got its place in the log
  LogId last_speculated;
  bool paused = false;
  Instant clock_offset{};
};

class Storm {
 public:
  explicit Storm(std::uint64_t seed) : random_(seed) {
    const std::uint64_t voters = random_.between(1, 5);
    loss_ = chance(700'000) ? static_cast<std::uint32_t>(random_.below(300'000)) : 0;
    crashes_ = chance(600'000) ? static_cast<std::uint32_t>(random_.below(15'000)) : 0;
    uncommitted_bytes_max_ = chance(300'000) ? random_.between(50, 500) : 1'000'000;
    catch_up_entries_max_ = chance(300'000) ? random_.below(5) : UINT64_MAX;
    for (std::uint64_t id = 1; id <= voters; ++id) initial_.members.push_back(member(id, 1));
    for (std::uint64_t id = 1; id <= voters; ++id) {
      hosts_[id].incarnation = Incarnation{id * 100 + 1};
      hosts_[id].disk.write(bootstrap_batch(initial_));
      start(id);
    }
  }

  void run() {
    for (int step = 0; step < kStormSteps && !failed(); ++step) storm_step();
    calm();
  }

  Coverage coverage;

 private:
  bool chance(std::uint32_t parts_per_million) { return random_.chance(PartsPerMillion{parts_per_million}); }
  static bool failed() { return ::testing::Test::HasFailure(); }

  Member member(std::uint64_t id, std::uint64_t life) const {
    return {NodeId{id}, Incarnation{id * 100 + life}, MemberKind::kVoter, 1, {}};
  }

  void start(std::uint64_t id) {
    Host& host = hosts_[id];
    CoreOptions options;
    options.id = NodeId{id};
    options.seed = random_.next();
    options.trailing_bytes_max = 200;
    options.append_entries_max = 3;
    options.window.messages_max = 4;
    options.snapshot_window_bytes = 2;
    options.uncommitted_bytes_max = uncommitted_bytes_max_;
    options.catch_up_entries_max = catch_up_entries_max_;
    options.coverage = &coverage;
    Recovered recovered{host.disk.hard_state, host.disk.base, host.disk.entries, {}, false,
                        host.incarnation,     host.boot};
    const auto valid = Core::validate_recovered(recovered, host.disk.snapshot.context);
    ASSERT_TRUE(valid.has_value()) << valid.error().message;
    host.core.emplace(options, recovered, host.disk.snapshot.context, now_);
    host.applied = host.core->applied();
    host.epoch = {};
    host.last_speculated = {};
    step(id, event::Tick{});
  }

  void crash(std::uint64_t id) {
    Host& host = hosts_[id];
    while (!host.disk.pending.empty() && chance(500'000)) {
      host.disk.write(host.disk.pending.front());
      host.disk.pending.pop_front();
    }
    if (!host.disk.pending.empty()) host.disk.write(host.disk.pending.front(), random_.below(4));
    host.disk.pending.clear();
    host.held.clear();
    host.durable = {};
    host.later.clear();
    host.opened.clear();
    host.staged.clear();
    host.staged_content.clear();
    host.core.reset();
    ++host.boot.value;
    for (auto reply = open_.begin(); reply != open_.end();) {
      reply = reply->second.node == id ? open_.erase(reply) : std::next(reply);
    }
    for (auto read = open_reads_.begin(); read != open_reads_.end();) {
      read = read->first.first == id ? open_reads_.erase(read) : std::next(read);
    }
  }

  void step(std::uint64_t id, EventBody body) {
    Host& host = hosts_[id];
    if (!host.core || failed()) return;
    Effects effects;
    host.core->step({now_, std::move(body)}, effects);
    for (Effect& effect : effects) {
      std::visit([&](auto& one) { execute(id, host, one); }, effect);
    }
    check(id, host);
  }

  void execute(std::uint64_t, Host& host, effect::Persist& persist) {
    host.disk.pending.push_back(std::move(persist.batch));
  }
  void execute(std::uint64_t, Host& host, effect::Send& send) {
    if (send.after > host.durable) {
      host.held.push_back(std::move(send));
    } else {
      network_.push_back(std::move(send.message));
    }
  }
  void execute(std::uint64_t id, Host& host, effect::Apply& apply) {
    for (Index index = host.applied + 1; index <= apply.through; ++index) {
      const Entry& entry = host.core->log().at(index);
      ASSERT_LE(index, host.disk.last().index) << "applied before durable on " << id;
      const auto [known, is_new] = committed_.emplace(index, entry);
      if (!is_new) {
        ASSERT_EQ(known->second, entry) << "node " << id << " applies another entry " << index.value;
      }
    }
    host.applied = apply.through;
    host.later.emplace_back(0, event::Applied{apply.through});
  }
  void execute(std::uint64_t id, Host& host, effect::Appended& appended) {
    ASSERT_EQ(appended.epoch, host.epoch) << "node " << id << " accepts speculation that was dropped";
    ASSERT_EQ(appended.sequence, host.appended_sequence) << "node " << id << " accepts speculation with a gap";
    ++host.appended_sequence;
    host.last_speculated = appended.id;
  }
  void execute(std::uint64_t id, Host& host, effect::Reply& reply) {
    if (reply.outcome == Outcome::kCommitted && reply.id.index != Index{}) {
      ASSERT_GT(reply.id.index, host.applied) << "node " << id << " tells of a commit after it was applied";
    }
    const auto open = open_.find(reply.proposal);
    ASSERT_NE(open, open_.end()) << "a proposal of node " << id << " is answered twice";
    if (reply.outcome == Outcome::kCommitted && reply.id.index != Index{})
      acknowledged_ = std::max(acknowledged_, reply.id.index);
    if (reply.outcome == Outcome::kRefused && !open->second.text.empty()) refused_.insert(open->second.text);
    open_.erase(open);
  }
  void execute(std::uint64_t id, Host&, effect::ReadReady& ready) {
    const auto open = open_reads_.find({id, ready.read});
    ASSERT_NE(open, open_reads_.end());
    ASSERT_GE(ready.index, open->second) << "stale read on node " << id;
    open_reads_.erase(open);
  }
  void execute(std::uint64_t id, Host&, effect::ReadFailed& failed) { open_reads_.erase({id, failed.read}); }
  void execute(std::uint64_t, Host& host, effect::OpenSnapshot& open) {
    if (chance(100'000)) {
      host.later.emplace_back(1, event::SnapshotUnavailable{open.to});
      return;
    }
    host.opened[open.to] = host.disk.snapshot;
    host.later.emplace_back(
        1, event::SnapshotOpened{open.to, {host.disk.snapshot.context.last, Index{}, host.core->id()}});
  }
  void execute(std::uint64_t, Host& host, effect::ReadSnapshot& read) {
    host.later.emplace_back(
        1, event::SnapshotRead{read.to, read.id, read.offset, Payload::copy_of(read.offset < kChunks ? "c" : ""),
                               read.offset + 1 >= kChunks ? std::uint8_t{1} : std::uint8_t{0}});
  }
  void execute(std::uint64_t, Host& host, effect::CloseSnapshot& close) { host.opened.erase(close.to); }
  void execute(std::uint64_t, Host& host, effect::StageSnapshot& stage) {
    if (stage.offset == 0) host.staged.clear();
    host.staged[stage.id] = stage.offset + stage.bytes.size();
    host.later.emplace_back(1, event::SnapshotStaged{stage.id, stage.offset + stage.bytes.size()});
  }
  void execute(std::uint64_t id, Host& host, effect::InstallSnapshot& install) {
    ASSERT_EQ(host.staged[install.id], kChunks) << id;
    if (chance(100'000)) {
      host.later.emplace_back(2, event::SnapshotRejected{install.id});
      return;
    }
    const Snapshot& content = snapshots_.at(install.id.last.index);
    ASSERT_EQ(content.context.last, install.id.last);
    host.later.emplace_back(2,
                            event::SnapshotInstalled{install.id, content.context.configuration, content.context.time});
  }
  void execute(std::uint64_t, Host& host, effect::Compact& compact) {
    ASSERT_LE(compact.through.index, host.disk.snapshot.context.last.index) << "compacted beyond the durable snapshot";
    PersistBatch marker;  // deletes in the order of the log's writes
    marker.ticket = Ticket{};
    host.disk.pending.push_back(marker);
    compactions_[host.core->id().value].push_back(compact.through);
  }
  void execute(std::uint64_t, Host&, effect::RoleChanged&) {}
  void execute(std::uint64_t, Host&, effect::ConfigurationChanged&) {}
  void execute(std::uint64_t id, Host& host, effect::EpochChanged& changed) {
    if (changed.epoch != Epoch{}) {
      const LogId last = host.last_speculated;
      ASSERT_TRUE(host.applied >= last.index || !host.core->log().matches(last))
          << "node " << id << " speculates before the last epoch's is settled";
      ASSERT_EQ(host.epoch, Epoch{}) << "node " << id;
    }
    host.epoch = changed.epoch;
    host.next_sequence = host.appended_sequence = 0;
  }
  void execute(std::uint64_t id, Host&, effect::Fatal& fatal) { FAIL() << "node " << id << ": " << fatal.reason; }

  void complete_write(std::uint64_t id) {
    Host& host = hosts_[id];
    if (!host.core || host.disk.pending.empty()) return;
    const PersistBatch batch = std::move(host.disk.pending.front());
    host.disk.pending.pop_front();
    if (batch.ticket == Ticket{}) {  // a compaction's turn
      const LogId through = compactions_[id].front();
      compactions_[id].pop_front();
      if (through.index > host.disk.base.index && through.index <= host.disk.last().index) {
        const auto count = static_cast<std::ptrdiff_t>(through.index - host.disk.base.index);
        host.disk.entries.erase(host.disk.entries.begin(), host.disk.entries.begin() + count);
        host.disk.base = through;
      }
      return;
    }
    host.disk.write(batch);
    host.durable = batch.ticket;
    while (!host.held.empty() && host.held.front().after <= host.durable) {
      network_.push_back(std::move(host.held.front().message));
      host.held.pop_front();
    }
    step(id, event::Persisted{batch.ticket, host.disk.last()});
  }

  void complete_machine(std::uint64_t id) {
    Host& host = hosts_[id];
    for (std::size_t at = 0; at < host.later.size(); ++at) {
      if (host.later[at].first-- > 0) continue;
      EventBody body = std::move(host.later[at].second);
      host.later.erase(host.later.begin() + static_cast<std::ptrdiff_t>(at));
      if (const auto* installed = std::get_if<event::SnapshotInstalled>(&body)) {
        host.disk.snapshot = snapshots_.at(installed->id.last.index);
        host.applied = installed->id.last.index;
      }
      if (const auto* applied = std::get_if<event::Applied>(&body);
          applied != nullptr && applied->index <= host.core->applied())
        return;
      step(id, std::move(body));
      return;
    }
  }

  void take_snapshot(std::uint64_t id) {
    Host& host = hosts_[id];
    if (!host.core || host.core->applied() <= host.disk.snapshot.context.last.index) return;
    const Index last = host.core->applied();
    if (!host.core->log().term_at(last)) return;
    const Snapshot snapshot{
        {{*host.core->log().term_at(last), last}, host.core->time_at(last), host.core->configuration_at(last)}};
    const auto [known, is_new] = snapshots_.emplace(last, snapshot);
    if (!is_new) {
      ASSERT_EQ(known->second, snapshot) << "two different states at index " << last.value;
    }
    host.disk.snapshot = snapshot;
    step(id, event::Checkpointed{snapshot.context.last, snapshot.context.configuration, snapshot.context.time});
  }

  void deliver_one() {
    if (network_.empty()) return;
    const std::size_t at = chance(800'000) ? 0 : random_.below(std::min<std::size_t>(network_.size(), 20));
    Message message = network_[at];
    const bool keep = storm_ && chance(30'000);
    if (!keep) network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(at));
    const bool lost = storm_ && (chance(loss_) || cut_.contains({message.from, message.to}));
    if (lost || !hosts_.contains(message.to.value) || hosts_[message.to.value].paused) return;
    step(message.to.value, event::Received{std::move(message)});
  }

  std::uint64_t any_node() {
    auto host = hosts_.begin();
    std::advance(host, static_cast<std::ptrdiff_t>(random_.below(hosts_.size())));
    return host->first;
  }

  void storm_step() {
    now_ += std::chrono::microseconds(random_.below(4000));
    const std::uint64_t id = any_node();
    Host& host = hosts_[id];
    if (!host.core) {
      if (chance(20'000)) start(id);
      return;
    }
    if (chance(2'000)) host.paused = !host.paused;
    if (host.paused) return;
    if (chance(crashes_)) return crash(id);
    if (chance(3'000)) partition();
    if (host.core->deadline() <= now_) step(id, event::Tick{});
    if (chance(400'000)) complete_write(id);
    if (chance(400'000)) complete_machine(id);
    for (std::uint64_t count = random_.below(6); count > 0; --count) deliver_one();
    if (chance(60'000)) propose(id);
    if (host.epoch != Epoch{} && chance(60'000)) speculate(id, host);
    if (chance(20'000)) read(id);
    if (chance(10'000)) take_snapshot(id);
    if (chance(3'000)) change(id);
    if (chance(1'000)) ask(id, event::AbortMembershipChange{next_proposal()});
    if (chance(2'000)) ask(id, event::TransferLeadership{next_proposal(), kNoNode});
    if (chance(2'000)) step(id, event::PeerDisconnected{NodeId{any_node()}});
  }

  ProposalId next_proposal() { return ProposalId{++proposals_}; }

  template <class E>
  void ask(std::uint64_t id, E event) {
    open_[event.id] = {id, {}};
    step(id, std::move(event));
  }
  void propose(std::uint64_t id) {
    const ProposalId proposal = next_proposal();
    const std::string text = "p" + std::to_string(proposal.value);
    open_[proposal] = {id, text};
    step(id, event::Propose{{{proposal, Payload::copy_of(text), Epoch{}, 0}}});
  }
  /// As a leader-executed application would, which now and then forgets to propose one of its versions.
  void speculate(std::uint64_t id, Host& host) {
    const ProposalId proposal = next_proposal();
    const std::string text = "s" + std::to_string(proposal.value);
    open_[proposal] = {id, text};
    if (chance(20'000)) ++host.next_sequence;
    const std::uint64_t sequence = host.next_sequence++;
    step(id, event::Propose{{{proposal, Payload::copy_of(text), host.epoch, sequence}}});
  }
  void read(std::uint64_t id) {
    const ReadId read{++reads_};
    open_reads_[{id, read}] = acknowledged_;
    step(id, event::Read{read});
  }
  void change(std::uint64_t id) {
    ConfigurationChange change;
    const std::uint64_t count = random_.between(1, 3);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t target = random_.between(1, 6);
      if (chance(400'000)) {
        change.remove.push_back(NodeId{target});
        continue;
      }
      if (!hosts_.contains(target)) {
        hosts_[target].incarnation = Incarnation{target * 100 + 1};
        start(target);
      }
      change.set.push_back(member(target, 1));
      if (chance(300'000)) change.set.back().kind = MemberKind::kLearner;
    }
    ask(id, event::ChangeMembership{next_proposal(), change});
  }
  void partition() {
    cut_.clear();
    if (chance(500'000)) return;
    for (std::uint64_t from = 1; from <= 6; ++from) {
      for (std::uint64_t to = 1; to <= 6; ++to) {
        if (chance(300'000)) cut_.insert({NodeId{from}, NodeId{to}});
      }
    }
  }

  /// After every step: one leader per term, a leader has everything that is committed, terms and commits only grow.
  void check(std::uint64_t id, Host& host) {
    const Core& core = *host.core;
    if (core.role() == Role::kLeader) {
      const auto [leader, is_new] = leaders_.emplace(core.term(), id);
      ASSERT_EQ(leader->second, id) << "two leaders in term " << core.term().value;
      if (is_new) {
        for (const auto& [index, entry] : committed_) {
          if (index <= core.log().base().index) continue;
          ASSERT_TRUE(core.log().matches(entry.id())) << "leader " << id << " lacks committed entry " << index.value;
        }
      }
    }
    ASSERT_LE(core.applied(), core.commit());
    ASSERT_LE(core.commit(), core.log().last().index);
    ASSERT_LE(core.log().base().index, core.applied());
  }

  void calm() {
    storm_ = false;
    cut_.clear();
    const Instant end = now_ + kCalm;
    while (now_ < end && !failed()) {
      now_ += 1ms;
      for (auto& [id, host] : hosts_) {
        host.paused = false;
        if (!host.core) start(id);
        if (host.core->deadline() <= now_) step(id, event::Tick{});
        for (int i = 0; i < 4; ++i) complete_write(id);
        for (int i = 0; i < 4; ++i) complete_machine(id);
      }
      for (int i = 0; i < 40; ++i) deliver_one();
      if (now_ == end - 3s && !leaders_.empty()) {
        for (auto& [id, host] : hosts_) propose(id);
      }
    }
    if (!failed()) check_rest();
  }

  void check_rest() {
    const Core* leader = nullptr;
    for (auto& [id, host] : hosts_) {
      if (host.core->role() == Role::kLeader && (leader == nullptr || leader->term() < host.core->term()))
        leader = &*host.core;
    }
    ASSERT_NE(leader, nullptr) << "no leader after the storm";
    for (auto& [id, host] : hosts_) {
      if (!leader->configuration().contains(NodeId{id})) continue;
      EXPECT_EQ(host.core->commit(), leader->commit()) << "node " << id << " does not catch up";
      EXPECT_EQ(host.core->applied(), leader->commit()) << "node " << id;
    }
    EXPECT_TRUE(open_.empty()) << open_.size() << " calls are never answered";
    EXPECT_FALSE(leader->configuration().is_joint());
    for (const auto& [index, entry] : committed_) {
      EXPECT_FALSE(refused_.contains(std::string(entry.payload.text()))) << "a refused proposal was committed";
    }
  }

  struct Open {
    std::uint64_t node;
    std::string text;
  };

  Random random_;
  Instant now_{1s};
  bool storm_ = true;
  std::uint32_t loss_ = 0;
  std::uint32_t crashes_ = 0;
  std::size_t uncommitted_bytes_max_ = 0;
  std::uint64_t catch_up_entries_max_ = 0;
  Configuration initial_;
  std::map<std::uint64_t, Host> hosts_;
  std::deque<Message> network_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  std::map<Index, Entry> committed_;
  std::map<Index, Snapshot> snapshots_;
  std::map<Term, std::uint64_t> leaders_;
  std::map<std::uint64_t, std::deque<LogId>> compactions_;
  std::map<ProposalId, Open> open_;
  std::set<std::string> refused_;
  std::map<std::pair<std::uint64_t, ReadId>, Index> open_reads_;
  Index acknowledged_;
  std::uint64_t proposals_ = 0;
  std::uint64_t reads_ = 0;
};

std::pair<std::uint64_t, std::uint64_t> seeds() {
  std::uint64_t first = 1;
  std::uint64_t last = 150;
  if (const char* range = std::getenv("QUORATE_SEEDS")) {
    first = std::strtoull(range, nullptr, 10);
    const char* dots = std::strstr(range, "..");
    last = dots == nullptr ? first : std::strtoull(dots + 2, nullptr, 10);
  }
  return {first, last};
}

TEST(CoreStorm, SurvivesAndComesToRest) {
  Coverage coverage;
  const auto [first, last] = seeds();
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    Storm storm(seed);
    storm.run();
    ASSERT_FALSE(HasFailure()) << "repeat with QUORATE_SEEDS=" << seed;
    for (std::size_t mark = 0; mark < kMarkCount; ++mark) coverage.counts[mark] += storm.coverage.counts[mark];
  }
  for (std::size_t mark = 0; mark < kMarkCount; ++mark) {
    if (coverage.counts[mark] == 0) std::printf("not reached: %s\n", name_of(static_cast<Mark>(mark)));
  }
}

}  // namespace
}  // namespace quorate
