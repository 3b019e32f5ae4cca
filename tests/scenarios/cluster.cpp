#include "tests/scenarios/cluster.hpp"

#include <algorithm>
#include <utility>

#include "consensus/configuration_codec.hpp"
#include "consensus/quorum.hpp"
#include "tests/scenarios/notation.hpp"
#include "tests/scenarios/script.hpp"

namespace quorate::scenario {
namespace {

/// So many deliveries without time passing are a loop.
constexpr std::size_t kDeliveriesMax = 200'000;

std::string name_of(NodeId node) { return "server " + std::to_string(node.value); }

/// Entry number `index` of a given log. The first one is the founding configuration, as on every founding member's
/// disk.
Entry given_entry(const std::string& word, Index index, const Configuration& founders) {
  const std::size_t colon = word.find(':');
  Entry entry{Term{parse_number(word.substr(0, colon))}, index, EntryKind::kCommand, LogTime{}, {}};
  if (colon != std::string::npos || index == Index{1}) {
    entry.kind = EntryKind::kConfiguration;
    entry.payload = encode(colon == std::string::npos ? founders : parse_configuration(word.substr(colon + 1)));
  } else {
    const std::string text = text_of(entry.id());
    entry.payload = encode(SessionCommand{Execute{{}, std::as_bytes(std::span(text))}});
  }
  return entry;
}

std::string text_of_reply(const Payload& payload) {
  if (payload.empty()) return "";
  const auto reply = decode_session_reply(payload.bytes());
  if (!reply) return "malformed";
  switch (reply->status) {
    case SessionStatus::kExecuted:
      return std::string(reinterpret_cast<const char*>(reply->body.data()), reply->body.size());
    case SessionStatus::kOpened: return "opened";
    case SessionStatus::kClosed: return "closed";
    case SessionStatus::kNoSession: return "no-session";
    case SessionStatus::kReplyNotKept: return "reply-not-kept";
    case SessionStatus::kForgotten: return "forgotten";
    case SessionStatus::kTooFarAhead: return "too-far-ahead";
    case SessionStatus::kMalformed: return "malformed";
  }
  QUORATE_ASSERT(false);
}

}  // namespace

Cluster::Cluster(const Setup& setup, Coverage* coverage) : latency_(setup.latency) {
  std::vector<NodeId> nodes = setup.spares;
  for (const Member& member : setup.founders.members) nodes.push_back(member.id);
  for (const auto& [node, given] : setup.given) {
    if (std::ranges::find(nodes, node) == nodes.end()) throw Failure("there is no " + name_of(node));
  }
  const auto post = [this](Server& server, Message message) {
    invariants_.sending(server, message);
    network_.post(std::move(message), now_ + latency_);
  };
  for (const NodeId node : nodes) {
    Server& server = servers_.try_emplace(node, now_, post).first->second;
    server.options.core = setup.core;
    server.options.core.id = node;
    server.options.core.coverage = coverage;
    fill(server, setup, node);
  }
  for (const NodeId node : nodes) start(node);
}

void Cluster::fill(Server& server, const Setup& setup, NodeId node) {
  ModelDisk::Content disk;
  CheckpointContext context;
  Machine::State state{CommandList{}, setup.sessions};
  const auto found = setup.given.find(node);
  if (setup.founders.contains(node) || found != setup.given.end()) {
    Given given = found == setup.given.end() ? Given{} : found->second;
    if (given.log.empty()) given.log = {"1"};
    std::vector<Entry> entries;
    LogId base;
    for (const std::string& word : given.log) {
      const Index index{entries.size() + base.index.value + 1};
      Entry entry = given_entry(word, index, setup.founders);
      if (index <= given.snapshot) {
        context.last = entry.id();
        if (entry.kind == EntryKind::kConfiguration) {
          context.configuration = *decode_configuration(entry.payload.bytes());
        } else {
          state.apply(entry.payload.bytes(), entry.time);
        }
      }
      if (index <= given.base) {
        base = entry.id();
      } else {
        entries.push_back(std::move(entry));
      }
    }
    disk.log = Log(base, std::move(entries));
    const Term last = disk.log.last().term;
    disk.hard_state = {std::max(given.term.value_or(last), last), given.voted_for,
                       given.commit.value_or(given.snapshot)};
  }
  server.disk.fill(incarnation_of(node), std::move(disk));
  if (setup.is_on_files) server.disk.use_files(node);
  server.machine.fill(node, std::move(context), std::move(state), setup.chunk_bytes);
}

Server& Cluster::server(NodeId node) {
  const auto found = servers_.find(node);
  if (found == servers_.end()) throw Failure("there is no " + name_of(node));
  return found->second;
}

std::set<NodeId> Cluster::nodes() const {
  std::set<NodeId> nodes;
  for (const auto& [node, server] : servers_) nodes.insert(node);
  return nodes;
}

void Cluster::start(NodeId node) {
  if (server(node).process() != nullptr) throw Failure(name_of(node) + " is running");
  invariants_.started(node);
  server(node).start([this](Server& stepped) { invariants_.stepped(stepped); });
  settle(node);
}

void Cluster::crash(NodeId node, std::size_t atoms, UnsyncedWrites fate) {
  server(node).crash(atoms, fate);
  server(node).paused = false;
  for (auto& [name, call] : calls_) {
    if (call.server == node && call.outcome == "open") call.outcome = "unknown:crashed";
  }
  check();
}

void Cluster::wipe(NodeId node) {
  Server& wiped = server(node);
  if (wiped.process() != nullptr) crash(node, 0);
  invariants_.excuse(node);
  ++wiped.life;
  wiped.disk.wipe(incarnation_of(node, wiped.life));
  wiped.machine.fill(node, {}, Machine::State{CommandList{}, wiped.machine.state().sessions().limits()},
                     wiped.machine.chunk_bytes());
}

void Cluster::tick(NodeId node) {
  Server& ticking = server(node);
  const Instant alarm = ticking.clock.alarm();
  if (alarm == Instant::max()) throw Failure(name_of(node) + " has set no alarm");
  const Duration ahead = alarm - ticking.clock.now();
  if (ahead > Duration{}) ticking.clock.jump(ahead);
  ring(node);
}

void Cluster::ring(NodeId node) {
  if (trace != nullptr)
    *trace << "  " << now_.time_since_epoch() / std::chrono::microseconds(1) << "us ring " << node.value << "\n";
  server(node).node().tick();
  settle(node);
}

void Cluster::settle(NodeId node) {
  server(node).settle();
  check();
}

void Cluster::check() {
  invariants_.check(servers_);
  if (invariants_.violation()) throw Failure(*invariants_.violation());
}

void Cluster::deliver(Message message) {
  const NodeId to = message.to;
  const auto found = servers_.find(to);
  if (found == servers_.end() || !found->second.is_up()) return;
  if (found->second.paused) throw Failure(name_of(to) + " is paused");
  if (trace != nullptr)
    *trace << "  " << now_.time_since_epoch() / std::chrono::microseconds(1) << "us " << text_of(message) << "\n";
  found->second.node().receive(std::move(message));
  settle(to);
}

void Cluster::stabilize(const std::set<NodeId>& among) {
  for (const NodeId node : among) settle(node);
  std::size_t deliveries = 0;
  for (;;) {
    std::optional<Link> next;
    for (const NodeId from : among) {
      for (const NodeId to : among) {
        if (!next && from != to && !server(to).paused && !network_.queue({from, to}).empty()) next = Link{from, to};
      }
    }
    if (!next) return;
    if (++deliveries > kDeliveriesMax) throw Failure("the servers do not come to rest");
    deliver(network_.pop(*next));
  }
}

std::set<NodeId> Cluster::listening() const {
  std::set<NodeId> listening;
  for (const auto& [node, server] : servers_) {
    if (!server.paused) listening.insert(node);
  }
  return listening;
}

bool Cluster::step_until(Instant limit) {
  std::optional<NodeId> ringing;
  Instant alarm = Instant::max();
  for (const auto& [node, server] : servers_) {
    if (server.paused || !server.is_up() || server.clock.alarm_in_world() >= alarm) continue;
    ringing = node;
    alarm = server.clock.alarm_in_world();
  }
  const std::optional<Link> link = network_.next(listening());
  // What has arrived is read before the alarm rings.
  if (link && network_.front(*link).due <= std::min(alarm, limit)) {
    now_ = std::max(now_, network_.front(*link).due);
    deliver(network_.pop(*link));
    return true;
  }
  if (!ringing || alarm > limit) return false;
  now_ = std::max(now_, alarm);
  ring(*ringing);
  return true;
}

void Cluster::run(Duration duration) {
  run_until([] { return false; }, duration);
}

bool Cluster::run_until(const std::function<bool()>& condition, Duration limit) {
  const Instant end = now_ + limit;
  for (const NodeId node : listening()) settle(node);
  std::size_t steps = 0;
  while (!condition()) {
    if (!step_until(end)) {
      now_ = end;
      return condition();
    }
    if (++steps > kDeliveriesMax) throw Failure("more happens than can be of use");
  }
  return true;
}

ProposalCallback Cluster::expect_call(const std::string& name, NodeId server) {
  if (!calls_.emplace(name, Call{.server = server, .floor = acknowledged_}).second) {
    throw Failure("there is a call named '" + name + "' already");
  }
  return [this, name](const ProposalResult& result) { finish_call(name, result); };
}

void Cluster::finish_call(const std::string& name, const ProposalResult& result) {
  Call& call = calls_.at(name);
  if (call.outcome != "open") invariants_.report("J: the call '" + name + "' was answered twice");
  call.id = result.id;
  switch (result.outcome) {
    case Outcome::kCommitted: call.outcome = "committed"; break;
    case Outcome::kRefused: call.outcome = "refused:" + word_of(result.refusal); break;
    case Outcome::kUnknown: call.outcome = "unknown:" + word_of(result.refusal); break;
  }
  if (result.outcome != Outcome::kCommitted) return;
  acknowledged_ = std::max(acknowledged_, result.id.index);
  call.result = text_of_reply(result.result);
  if (call.result != "opened") return;
  sessions[name] = decode_session_reply(result.result.bytes())->session;
}

ReadCallback Cluster::expect_read(const std::string& name, NodeId server) {
  expect_call(name, server);
  return [this, name](const ReadResult& result) {
    Call& call = calls_.at(name);
    if (call.outcome != "open") invariants_.report("J: the call '" + name + "' was answered twice");
    call.outcome = result.refusal == Refusal::kNone ? "ready" : "refused:" + word_of(result.refusal);
    if (result.refusal != Refusal::kNone) return;
    call.read_index = result.index;
    if (result.index < call.floor) {
      invariants_.report("U10 linearizability: the read '" + name + "' saw entry " +
                         std::to_string(result.index.value) + ", but entry " + std::to_string(call.floor.value) +
                         " was acknowledged before it was asked");
    }
    acknowledged_ = std::max(acknowledged_, result.index);
  };
}

const Call& Cluster::call(const std::string& name) const {
  const auto found = calls_.find(name);
  if (found == calls_.end()) throw Failure("there is no call named '" + name + "'");
  return found->second;
}

std::optional<NodeId> Cluster::leader() const {
  for (const auto& [node, server] : servers_) {
    if (!server.is_up() || server.core().role() != Role::kLeader) continue;
    const bool is_followed = is_quorum(server.core().configuration(), [&, leader = node](NodeId member) {
      const auto follower = servers_.find(member);
      if (follower == servers_.end() || !follower->second.is_up()) return false;
      const Core& core = follower->second.core();
      return core.leader() == leader && core.term() == server.core().term();
    });
    if (is_followed) return node;
  }
  return std::nullopt;
}

bool Cluster::has_converged() const { return obstacle().empty(); }

std::string Cluster::obstacle() const {
  const std::optional<NodeId> found = leader();
  if (!found) return "there is no leader that a quorum follows";
  const Core& leading = servers_.at(*found).core();
  if (leading.configuration().is_joint()) return "the configuration is joint";
  if (leading.commit() != leading.log().last().index) return "the leader has uncommitted entries";
  for (const Member& member : leading.configuration().members) {
    const auto other = servers_.find(member.id);
    if (other == servers_.end() || !other->second.is_up()) continue;
    const Core& core = other->second.core();
    if (core.incarnation() != member.incarnation) continue;
    const std::string who = name_of(member.id);
    if (core.leader() != *found) return who + " does not follow the leader " + name_of(*found);
    if (core.commit() != leading.commit()) return who + " does not know everything to be committed";
    if (core.applied() != leading.applied()) return who + " has not applied everything";
    if (core.configuration() != leading.configuration()) return who + " has another configuration";
    if (!core.may_vote()) return who + " may not vote";
  }
  for (const auto& [name, call] : calls_) {
    if (call.outcome == "open") return "the call '" + name + "' is not answered";
  }
  return "";
}

}  // namespace quorate::scenario
