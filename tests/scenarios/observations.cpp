// What a scenario may ask: every observation is a text, compared as text or, for an order, as a number.
#include <algorithm>
#include <utility>

#include "tests/scenarios/interpreter.hpp"
#include "tests/scenarios/notation.hpp"

namespace quorate::scenario {
namespace {

bool holds(const std::string& is, const std::string& comparison, const std::string& wanted) {
  if (comparison == "=") return is == wanted;
  if (comparison == "!=") return is != wanted;
  const std::uint64_t left = parse_number(is);
  const std::uint64_t right = parse_number(wanted);
  if (comparison == "<") return left < right;
  if (comparison == "<=") return left <= right;
  return comparison == ">" ? left > right : left >= right;
}

std::string text_of(NodeId node) { return node == kNoNode ? "none" : std::to_string(node.value); }
std::string text_of(Index index) { return std::to_string(index.value); }
std::string yes_or_no(bool value) { return value ? "yes" : "no"; }

std::string text_of(const std::vector<std::string>& list) {
  std::string text = "[";
  for (const std::string& element : list) text += (text.size() > 1 ? " " : "") + element;
  return text + "]";
}

std::string text_of(const std::vector<LogId>& ids) {
  std::vector<std::string> list;
  for (const LogId& id : ids) list.push_back(std::to_string(id.index.value));
  return text_of(list);
}

}  // namespace

/// Empty if the assertion holds. An argument `all` stands for every running server.
std::string Interpreter::problem_with(const Assertion& assertion) {
  std::vector<std::vector<std::string>> subjects{assertion.arguments};
  if (!assertion.arguments.empty() && assertion.arguments[0] == "all") {
    subjects.clear();
    for (auto& [node, server] : cluster_->servers()) {
      if (server.is_up()) subjects.push_back({std::to_string(node.value)});
    }
  }
  for (const std::vector<std::string>& subject : subjects) {
    const std::string is = observe(assertion.name, subject);
    const bool is_counted = assertion.value.front() == '[' && assertion.value.find('*') != std::string::npos;
    const std::string wanted = is_counted ? text_of(parse_counted_list(assertion.value)) : assertion.value;
    if (holds(is, assertion.comparison, wanted)) continue;
    std::string arguments;
    for (const std::string& argument : subject) arguments += (arguments.empty() ? "(" : ",") + argument;
    return "expected " + assertion.text + ", but " + assertion.name + arguments + (arguments.empty() ? "" : ")") +
           " is " + is;
  }
  return "";
}

std::string Interpreter::observe(const std::string& name, const std::vector<std::string>& arguments) {
  const auto need = [&](std::size_t count) {
    if (arguments.size() != count) throw Failure("'" + name + "' takes " + std::to_string(count) + " arguments");
  };
  if (name == "leader" && arguments.empty()) return text_of(cluster_->leader().value_or(kNoNode));
  if (name == "converged" && arguments.empty()) return cluster_->has_converged() ? "yes" : cluster_->obstacle();
  if (name == "sent") return std::to_string(count_sent(arguments));
  if (name == "queue") return need(1), observe_queue(arguments[0]);
  if (name == "reply" || name == "result" || name == "index" || name == "entry")
    return need(1), observe_call(name, arguments[0]);
  if (name == "match" || name == "next" || name == "progress" || name == "in-flight") {
    need(2);
    return observe_progress(name, parse_node(arguments[0]), parse_node(arguments[1]));
  }
  need(1);
  return observe_server(name, parse_node(arguments[0]));
}

std::string Interpreter::observe_server(const std::string& name, NodeId node) {
  Server& server = cluster_->server(node);
  // Of the server, whether a process runs or not.
  if (name == "up") return server.is_up() ? "yes" : server.refused().empty() ? "no" : "refused";
  if (name == "refusal") return server.refused();
  if (name == "disk") return text_of(server.disk.content().log);
  if (name == "promise")
    return text_of(server.disk.content().hard_state.voted_for) + "@" +
           std::to_string(server.disk.content().hard_state.term.value);
  if (name == "writes") return std::to_string(server.disk.pending());
  if (name == "jobs") return std::to_string(server.machine.pending());
  if (name == "commands") return text_of(server.machine.state().application().commands());
  if (name == "sessions") return std::to_string(server.machine.state().sessions().size());
  if (name == "checkpoint") return scenario::text_of(server.machine.durable().last);
  if (name == "staged") return std::to_string(server.machine.staged_bytes());
  if (name == "snapshots") return std::to_string(server.machine.open_snapshots());
  if (name == "epoch") return std::to_string(server.machine.epoch().value);
  if (name == "stopped") return server.node().has_stopped() ? server.node().stop_reason() : "no";

  const Core& core = server.core();
  if (name == "fatal") return yes_or_no(core.has_failed());
  if (name == "role") return name_of(core.role());
  if (name == "term") return std::to_string(core.term().value);
  if (name == "leader") return text_of(core.leader());
  if (name == "vote") return text_of(core.voted_for()) + "@" + std::to_string(core.term().value);
  if (name == "commit") return text_of(core.commit());
  if (name == "applied") return text_of(core.applied());
  if (name == "durable") return text_of(core.durable());
  if (name == "log") return scenario::text_of(core.log());
  if (name == "last") return scenario::text_of(core.log().last());
  if (name == "base") return scenario::text_of(core.log().base());
  if (name == "config") return scenario::text_of(core.configuration());
  if (name == "config-index") return text_of(core.configuration_index());
  if (name == "damaged") return text_of(core.damaged());
  if (name == "may-vote") return yes_or_no(core.may_vote());
  if (name == "boot") return std::to_string(core.boot().value);
  if (name == "lease") return yes_or_no(core.lease_valid(server.clock.now()));
  if (name == "reads") return std::to_string(core.leading() == nullptr ? 0 : core.leading()->reads.size());
  if (name == "uncommitted") return std::to_string(core.leading() == nullptr ? 0 : core.leading()->uncommitted_bytes);
  throw Failure("expected something that can be observed, not '" + name + "'");
}

std::string Interpreter::observe_progress(const std::string& name, NodeId leader, NodeId peer) {
  const LeaderState* leading = cluster_->server(leader).core().leading();
  if (leading == nullptr) throw Failure("server " + std::to_string(leader.value) + " does not lead");
  const auto found = leading->progress.find(peer);
  if (found == leading->progress.end()) return "none";
  const Progress& progress = found->second;
  if (name == "match") return text_of(progress.match);
  if (name == "next") return text_of(progress.next);
  if (name == "in-flight") return std::to_string(progress.in_flight_messages());
  return scenario::text_of(progress.state);
}

std::string Interpreter::observe_call(const std::string& name, const std::string& call_name) {
  const Call& call = cluster_->call(call_name);
  if (name == "reply") return call.outcome;
  if (name == "result") return call.result;
  if (name == "index") return text_of(call.read_index);
  return scenario::text_of(call.id);
}

/// Messages handed to the network since `listen`: link, kind, then fields.
std::size_t Interpreter::count_sent(const std::vector<std::string>& arguments) {
  if (arguments.empty()) throw Failure("'sent' takes a link, a kind and fields");
  const std::vector<Link> links = parse_links(arguments[0], cluster_->nodes());
  MessageFilter filter;
  if (arguments.size() > 1) filter.kind = arguments[1];
  for (std::size_t at = 2; at < arguments.size(); ++at) {
    const std::size_t equals = arguments[at].find('=');
    if (equals == std::string::npos) throw Failure("expected field=value, not '" + arguments[at] + "'");
    filter.fields[arguments[at].substr(0, equals)] = arguments[at].substr(equals + 1);
  }
  const auto& sent = cluster_->network().sent();
  return static_cast<std::size_t>(std::ranges::count_if(sent, [&](const Message& message) {
    return std::ranges::find(links, Link{message.from, message.to}) != links.end() && filter.accepts(message);
  }));
}

std::string Interpreter::observe_queue(const std::string& link) {
  std::vector<std::string> kinds;
  for (const Link one : parse_links(link, cluster_->nodes())) {
    for (const Network::InFlight& in_flight : cluster_->network().queue(one))
      kinds.push_back(kind_of(in_flight.message.body));
  }
  return text_of(kinds);
}

}  // namespace quorate::scenario
