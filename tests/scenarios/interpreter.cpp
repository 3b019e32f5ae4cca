#include "tests/scenarios/interpreter.hpp"

#include <utility>

#include "tests/scenarios/notation.hpp"

namespace quorate::scenario {
namespace {

/// So long, in election timeouts, may a cluster without faults take to come to rest, and then to do one more thing.
constexpr int kConvergenceTimeouts = 40;
constexpr int kLastProposalTimeouts = 10;

}  // namespace

const std::map<std::string, Interpreter::Verb>& Interpreter::verbs() {
  static const std::map<std::string, Verb> kVerbs{{"cluster", {&Interpreter::do_cluster, true}},
                                                  {"given", {&Interpreter::do_given, true}},
                                                  {"no-epilogue", {&Interpreter::do_no_epilogue, false}},
                                                  {"option", {&Interpreter::do_option, false}},
                                                  {"tick", {&Interpreter::do_tick, false}},
                                                  {"ring", {&Interpreter::do_ring, false}},
                                                  {"campaign", {&Interpreter::do_campaign, false}},
                                                  {"elect", {&Interpreter::do_elect, false}},
                                                  {"clock", {&Interpreter::do_clock, false}},
                                                  {"run", {&Interpreter::do_run, false}},
                                                  {"stabilize", {&Interpreter::do_stabilize, false}},
                                                  {"pause", {&Interpreter::do_pause, false}},
                                                  {"resume", {&Interpreter::do_resume, false}},
                                                  {"propose", {&Interpreter::do_propose, false}},
                                                  {"session", {&Interpreter::do_session, false}},
                                                  {"read", {&Interpreter::do_read, false}},
                                                  {"change", {&Interpreter::do_change, false}},
                                                  {"abort", {&Interpreter::do_abort, false}},
                                                  {"transfer", {&Interpreter::do_transfer, false}},
                                                  {"checkpoint", {&Interpreter::do_checkpoint, false}},
                                                  {"deliver", {&Interpreter::do_deliver, false}},
                                                  {"drop", {&Interpreter::do_drop, false}},
                                                  {"dup", {&Interpreter::do_dup, false}},
                                                  {"hold", {&Interpreter::do_hold, false}},
                                                  {"release", {&Interpreter::do_release, false}},
                                                  {"corrupt", {&Interpreter::do_corrupt, false}},
                                                  {"forge", {&Interpreter::do_forge, false}},
                                                  {"cut", {&Interpreter::do_cut, false}},
                                                  {"heal", {&Interpreter::do_heal, false}},
                                                  {"disconnect", {&Interpreter::do_disconnect, false}},
                                                  {"disk", {&Interpreter::do_disk, false}},
                                                  {"machine", {&Interpreter::do_machine, false}},
                                                  {"crash", {&Interpreter::do_crash, false}},
                                                  {"restart", {&Interpreter::do_restart, false}},
                                                  {"wipe", {&Interpreter::do_wipe, false}},
                                                  {"damage", {&Interpreter::do_damage, false}},
                                                  {"listen", {&Interpreter::do_listen, false}}};
  return kVerbs;
}

void Interpreter::execute(const Script& script) {
  std::size_t line = 0;
  try {
    for (const Statement& statement : script.statements) {
      line = statement.line;
      execute(statement);
    }
    if (cluster_ == nullptr) begin();
    if (has_epilogue_) epilogue();
    for (auto& [node, server] : cluster_->servers()) {
      if (server.process() == nullptr || !server.core().has_failed() || fatal_expected_.contains(node)) continue;
      throw Failure("server " + std::to_string(node.value) + " failed: " + server.process()->stop_reason());
    }
  } catch (const Failure& failure) {
    throw ScriptError(script.file, line, failure.what());
  }
}

void Interpreter::execute(const Statement& statement) {
  if (trace_ != nullptr) {
    *trace_ << statement.line << ": " << statement.verb;
    for (const std::string& word : statement.words) *trace_ << ' ' << word;
    *trace_ << "\n";
  }
  if (statement.verb == "expect" || statement.verb == "await") {
    if (cluster_ == nullptr) begin();
    return statement.verb == "expect" ? do_expect(statement) : do_await(statement);
  }
  const auto verb = verbs().find(statement.verb);
  if (verb == verbs().end()) throw Failure("expected a command, not '" + statement.verb + "'");
  if (verb->second.is_setup && cluster_ != nullptr) {
    throw Failure("'" + statement.verb + "' must come before anything happens");
  }
  if (!verb->second.is_setup && cluster_ == nullptr) begin();
  Words words(statement);
  (this->*verb->second.command)(words);
  words.finish();
}

void Interpreter::begin() {
  if (setup_.founders.members.empty()) throw Failure("expected first: cluster n=<servers>, or cluster members=(...)");
  cluster_ = std::make_unique<Cluster>(setup_, &coverage_);
  cluster_->trace = trace_;
}

/// Liveness (U11): once faults end, a leader is found, everybody converges, everybody is answered, and work goes on.
void Interpreter::epilogue() {
  Cluster& cluster = *cluster_;
  cluster.network().heal_all();
  for (auto& [node, server] : cluster.servers()) {
    server.paused = server.disk_stalled = server.machine_stalled = false;
    server.clock.drift(0);
    const bool has_ended = server.process() == nullptr || (!server.is_up() && !server.core().has_failed());
    if (!has_ended) continue;
    if (server.process() != nullptr) cluster.crash(node, 0);
    cluster.start(node);
  }
  const auto rest = [&](int timeouts) {
    const bool rests =
        cluster.run_until([&] { return cluster.has_converged(); }, timeouts * setup_.core.election_timeout);
    if (!rests) throw Failure("epilogue, U11 liveness: after " + std::to_string(timeouts) + " T " + cluster.obstacle());
  };
  rest(kConvergenceTimeouts);
  const std::string name = "epilogue";
  const NodeId leader = *cluster.leader();
  Words none(Statement{});
  propose(leader, name, encode(SessionCommand{Execute{{}, std::as_bytes(std::span(name))}}), none);
  rest(kLastProposalTimeouts);
  if (cluster.call(name).outcome != "committed")
    throw Failure("epilogue: the last proposal was " + cluster.call(name).outcome);
}

Duration Interpreter::duration(const std::string& text) const {
  return parse_duration(text, setup_.core.election_timeout, setup_.core.heartbeat_interval);
}

NodeId Interpreter::take_node(Words& words) const {
  const NodeId node = parse_node(words.take("a server"));
  static_cast<void>(cluster_->server(node));
  return node;
}

std::vector<NodeId> Interpreter::take_nodes(Words& words) const {
  std::vector<NodeId> nodes;
  for (const std::string& word : split(words.take("servers: 1 or 1,2 or all"), ',')) {
    if (word == "all") {
      const std::set<NodeId> all = cluster_->nodes();
      nodes.insert(nodes.end(), all.begin(), all.end());
    } else {
      nodes.push_back(parse_node(word));
      static_cast<void>(cluster_->server(nodes.back()));
    }
  }
  return nodes;
}

std::vector<Link> Interpreter::take_links(Words& words) const {
  return parse_links(words.take("a link: 1->2, 1-2, *->2 or 1->*"), cluster_->nodes());
}

MessageFilter Interpreter::take_filter(Words& words) const {
  MessageFilter filter;
  if (words.has_next()) filter.kind = words.take("a kind of message");
  filter.fields = words.take_options();
  return filter;
}

Server& Interpreter::up(NodeId node) const {
  Server& server = cluster_->server(node);
  if (!server.is_up()) throw Failure("server " + std::to_string(node.value) + " is down");
  return server;
}

}  // namespace quorate::scenario
