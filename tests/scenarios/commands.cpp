// What a scenario may do. Each function is one command of docs/scenarios.md.
#include <algorithm>
#include <utility>

#include "tests/scenarios/interpreter.hpp"
#include "tests/scenarios/notation.hpp"

namespace quorate::scenario {
namespace {

/// Alarms until a server must have campaigned: one of them may be the postponement after a pause.
constexpr int kCampaignTicksMax = 4;
constexpr int kElectAttemptsMax = 5;

Switch parse_switch(const std::string& text) {
  if (text == "on") return Switch::kOn;
  if (text == "off") return Switch::kOff;
  throw Failure("expected on or off, not '" + text + "'");
}

/// `options` of one server, or of all; false if there is no such option.
bool set_option(CoreOptions& options, const std::string& name, const std::string& value) {
  const std::map<std::string, Switch CoreOptions::*> switches{{"prevote", &CoreOptions::pre_vote},
                                                              {"checkquorum", &CoreOptions::check_quorum},
                                                              {"leases", &CoreOptions::lease_reads}};
  const std::map<std::string, std::size_t CoreOptions::*> sizes{
      {"append-bytes", &CoreOptions::append_bytes_max},     {"append-entries", &CoreOptions::append_entries_max},
      {"chunk", &CoreOptions::snapshot_chunk_bytes},        {"snapshot-window", &CoreOptions::snapshot_window_bytes},
      {"uncommitted", &CoreOptions::uncommitted_bytes_max}, {"log-bytes", &CoreOptions::log_bytes_max},
      {"trailing", &CoreOptions::trailing_bytes_max}};
  if (const auto found = switches.find(name); found != switches.end()) {
    options.*found->second = parse_switch(value);
  } else if (const auto size = sizes.find(name); size != sizes.end()) {
    options.*size->second = parse_number(value);
  } else if (name == "seed") {
    options.seed = parse_number(value);
  } else if (name == "window") {
    options.window.messages_max = parse_number(value);
  } else if (name == "window-bytes") {
    options.window.bytes_min = options.window.bytes_max = parse_number(value);
  } else if (name == "catch-up") {
    options.catch_up_entries_max = parse_number(value);
  } else if (name == "drift") {
    options.clock_drift_ppm = static_cast<std::uint32_t>(parse_number(value));
  } else {
    return false;
  }
  return true;
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

void Interpreter::do_cluster(Words& words) {
  setup_.core.trailing_bytes_max = 0;
  setup_.core.seed = 7;
  if (words.has_option("n")) {
    for (std::uint64_t id = parse_number(words.option("n", "")); id > 0; --id) {
      setup_.founders.members.insert(setup_.founders.members.begin(), parse_member(std::to_string(id)));
    }
  } else {
    setup_.founders = parse_configuration(words.option("members", "()"));
  }
  for (const std::string& spare : parse_list(words.option("spare", "()"))) setup_.spares.push_back(parse_node(spare));
  setup_.core.election_timeout = duration(words.option("T", "300ms"));
  setup_.core.heartbeat_interval = duration(words.option("HB", "75ms"));
  setup_.latency = duration(words.option("latency", "1ms"));
  setup_.sessions.sessions_max = parse_number(words.option("sessions", std::to_string(setup_.sessions.sessions_max)));
  setup_.sessions.idle_ms_max = parse_number(words.option("idle-ms", std::to_string(setup_.sessions.idle_ms_max)));
  const std::string disk = words.option("disk", setup_.is_on_files ? "files" : "model");
  if (disk != "files" && disk != "model") throw Failure("expected disk=files or disk=model, not '" + disk + "'");
  setup_.is_on_files = disk == "files";
  for (const auto& [name, value] : words.take_options()) {
    if (name == "chunk") setup_.chunk_bytes = parse_number(value);
    if (!set_option(setup_.core, name, value)) throw Failure("there is no option '" + name + "'");
  }
  setup_.core.id = NodeId{1};
  for (const Result<void>& valid : {validate(setup_.core), validate(setup_.founders)}) {
    if (!valid) throw Failure(valid.error().message);
  }
}

void Interpreter::do_given(Words& words) {
  for (const std::string& word : words.take_all()) {
    const Assertion fact = parse_assertion(word);
    if (fact.arguments.empty() || fact.comparison != "=")
      throw Failure("expected fact(servers)=value, not '" + word + "'");
    std::vector<NodeId> nodes;
    for (const std::string& argument : fact.arguments) {
      if (argument != "all") nodes.push_back(parse_node(argument));
      if (argument == "all") std::ranges::transform(setup_.founders.members, std::back_inserter(nodes), &Member::id);
    }
    for (const NodeId node : nodes) {
      Given& given = setup_.given[node];
      if (fact.name == "log") {
        given.log = parse_counted_list(fact.value);
      } else if (fact.name == "term") {
        given.term = Term{parse_number(fact.value)};
      } else if (fact.name == "vote") {
        given.voted_for = parse_node(fact.value);
      } else if (fact.name == "commit") {
        given.commit = Index{parse_number(fact.value)};
      } else if (fact.name == "snapshot") {
        given.snapshot = given.base = Index{parse_number(fact.value)};
      } else if (fact.name == "base") {
        given.base = Index{parse_number(fact.value)};
      } else {
        throw Failure("expected log, term, vote, commit, snapshot or base, not '" + fact.name + "'");
      }
    }
  }
}

void Interpreter::do_no_epilogue(Words& words) {
  static_cast<void>(words.take_all());  // the reason, for the reader
  has_epilogue_ = false;
}

void Interpreter::do_option(Words& words) {
  for (const NodeId node : take_nodes(words)) {
    CoreOptions& options = cluster_->server(node).options.core;
    Words left = words;
    for (const auto& [name, value] : left.take_options()) {
      if (!set_option(options, name, value)) throw Failure("there is no option '" + name + "'");
    }
    if (const Result<void> valid = validate(options); !valid) throw Failure(valid.error().message);
  }
  static_cast<void>(words.take_options());
}

void Interpreter::do_tick(Words& words) {
  const std::vector<NodeId> nodes = take_nodes(words);
  const std::string repeat = words.has_next() ? words.take("x<times>") : "x1";
  if (!repeat.starts_with('x')) throw Failure("expected x<times>, not '" + repeat + "'");
  for (std::uint64_t count = parse_number(repeat.substr(1)); count > 0; --count) {
    for (const NodeId node : nodes) cluster_->tick(node);
  }
}

void Interpreter::do_ring(Words& words) {
  for (const NodeId node : take_nodes(words)) cluster_->ring(node);
}

void Interpreter::do_campaign(Words& words) {
  for (const NodeId node : take_nodes(words)) {
    const Core& core = up(node).core();
    const Term before = core.term();
    const auto has_campaigned = [&] { return core.role() == Role::kPreCandidate || core.term() > before; };
    // One that asks already asks again.
    if (core.role() != Role::kFollower) cluster_->tick(node);
    for (int attempt = 0; attempt < kCampaignTicksMax && !has_campaigned(); ++attempt) cluster_->tick(node);
    if (!has_campaigned()) throw Failure("server " + std::to_string(node.value) + " does not campaign");
  }
}

/// What is on its way arrives, everybody else forgets the leader there was, and nobody else's alarm rings.
void Interpreter::do_elect(Words& words) {
  const NodeId node = take_node(words);
  cluster_->stabilize(cluster_->nodes());
  for (auto& [other, server] : cluster_->servers()) {
    if (other != node) server.clock.jump(setup_.core.election_timeout);
  }
  for (int attempt = 0; attempt < kElectAttemptsMax && up(node).core().role() != Role::kLeader; ++attempt) {
    cluster_->tick(node);
    cluster_->stabilize(cluster_->nodes());
  }
  if (up(node).core().role() != Role::kLeader)
    throw Failure("server " + std::to_string(node.value) + " is not elected");
}

void Interpreter::do_clock(Words& words) {
  for (const NodeId node : take_nodes(words)) {
    Words left = words;
    const std::string drift = left.option("drift", "");
    if (!drift.empty()) {
      const bool negative = drift.starts_with('-');
      const auto ppm = static_cast<std::int64_t>(parse_number(negative ? drift.substr(1) : drift));
      cluster_->server(node).clock.drift(negative ? -ppm : ppm);
    }
    if (!left.has_next()) continue;
    const std::string ahead = left.take("+<duration>");
    if (!ahead.starts_with('+'))
      throw Failure("a monotonic clock only goes ahead: expected +<duration>, not '" + ahead + "'");
    cluster_->server(node).clock.jump(duration(ahead.substr(1)));
  }
  static_cast<void>(words.take_all());
  static_cast<void>(words.take_options());
}

void Interpreter::do_run(Words& words) { cluster_->run(duration(words.take("a duration"))); }

void Interpreter::do_stabilize(Words& words) {
  if (!words.has_next()) return cluster_->stabilize(cluster_->nodes());
  const std::vector<NodeId> nodes = take_nodes(words);
  cluster_->stabilize({nodes.begin(), nodes.end()});
}

void Interpreter::do_pause(Words& words) {
  for (const NodeId node : take_nodes(words)) up(node).paused = true;
}

void Interpreter::do_resume(Words& words) {
  for (const NodeId node : take_nodes(words)) cluster_->server(node).paused = false;
}

void Interpreter::propose(NodeId node, const std::string& name, Payload payload, Words& words) {
  const Epoch epoch{parse_number(words.option("epoch", "0"))};
  const std::uint64_t sequence = parse_number(words.option("sequence", "0"));
  up(node).node().propose(std::move(payload), epoch, sequence, cluster_->expect_call(name, node));
  up(node).node().flush();
  cluster_->settle(node);
}

void Interpreter::do_propose(Words& words) {
  const NodeId node = take_node(words);
  std::vector<std::string> names = words.take_all();
  if (names.empty()) throw Failure("expected the names of the proposals");
  const std::uint64_t size = parse_number(words.option("size", "0"));
  const std::string body = words.option("body", "");
  const std::string session = words.option("session", "");
  RequestId request;
  if (!session.empty()) {
    const std::size_t slash = session.find('/');
    const auto found = cluster_->sessions.find(session.substr(0, slash));
    if (slash == std::string::npos || found == cluster_->sessions.end()) {
      throw Failure("expected session=<name of an opened session>/<number>, not '" + session + "'");
    }
    const Sequence number{parse_number(session.substr(slash + 1))};
    request = {found->second, number, Sequence{parse_number(words.option("first-open", "1"))}};
  }
  const auto payload = [&](const std::string& name) {
    std::string text = body.empty() ? name : body;
    text.resize(std::max<std::size_t>(text.size(), size), '.');
    return encode(SessionCommand{Execute{request, bytes_of(text)}});
  };
  if (names.size() == 1) return propose(node, names[0], payload(names[0]), words);
  for (const std::string& name : names) up(node).node().propose(payload(name), cluster_->expect_call(name, node));
  up(node).node().flush();
  cluster_->settle(node);
}

void Interpreter::do_session(Words& words) {
  const NodeId node = take_node(words);
  const std::string name = words.take("a name for the session");
  propose(node, name, encode(SessionCommand{OpenSession{}}), words);
}

void Interpreter::do_read(Words& words) {
  const NodeId node = take_node(words);
  for (const std::string& name : words.take_all()) up(node).node().read(cluster_->expect_read(name, node));
  cluster_->settle(node);
}

void Interpreter::do_change(Words& words) {
  const NodeId node = take_node(words);
  const std::string name = words.take("a name for the change");
  ConfigurationChange change;
  for (const std::string& member : parse_list(words.option("set", "()"))) change.set.push_back(parse_member(member));
  for (const std::string& member : parse_list(words.option("remove", "()")))
    change.remove.push_back(parse_node(member));
  up(node).node().change_membership(std::move(change), cluster_->expect_call(name, node));
  cluster_->settle(node);
}

void Interpreter::do_abort(Words& words) {
  const NodeId node = take_node(words);
  up(node).node().abort_membership_change(cluster_->expect_call(words.take("a name for the call"), node));
  cluster_->settle(node);
}

void Interpreter::do_transfer(Words& words) {
  const std::string from_to = words.take("1->2, or 1 for the best successor");
  const std::size_t arrow = from_to.find("->");
  const NodeId node = parse_node(from_to.substr(0, arrow));
  const NodeId target = arrow == std::string::npos ? kNoNode : NodeId{parse_number(from_to.substr(arrow + 2))};
  up(node).node().transfer_leadership(target, cluster_->expect_call(words.take("a name for the call"), node));
  cluster_->settle(node);
}

void Interpreter::do_checkpoint(Words& words) {
  for (const NodeId node : take_nodes(words)) {
    up(node).node().checkpoint();
    cluster_->settle(node);
  }
}

void Interpreter::do_disk(Words& words) {
  for (const NodeId node : take_nodes(words)) {
    Server& server = cluster_->server(node);
    Words left = words;
    const std::string what = left.take("stall, flow, complete or fail");
    if (what == "stall" || what == "flow") {
      server.disk_stalled = what == "stall";
    } else if (what == "complete") {
      std::uint64_t count = left.has_next() ? parse_number(left.take("how many")) : 1;
      for (; count > 0; --count) {
        if (!server.disk.complete_one()) throw Failure("there is no write to complete");
      }
    } else if (what == "fail") {
      const std::string how = left.has_next() ? left.take("io or full") : "io";
      if (how != "io" && how != "full") throw Failure("expected io or full, not '" + how + "'");
      server.disk.fail_next(how == "full" ? ErrorKind::kDiskFull : ErrorKind::kIo);
    } else if (what == "misdirect") {
      server.disk.tainted_files().misdirect_write();
    } else if (what == "lose") {
      server.disk.tainted_files().lose_write();
    } else {
      throw Failure("expected stall, flow, complete, fail, misdirect or lose, not '" + what + "'");
    }
    left.finish();
    cluster_->settle(node);
  }
  static_cast<void>(words.take_all());
}

void Interpreter::do_machine(Words& words) {
  const NodeId node = take_node(words);
  Server& server = cluster_->server(node);
  const std::string what = words.take("stall, flow, complete or fail");
  if (what == "stall" || what == "flow") {
    server.machine_stalled = what == "stall";
  } else if (what == "complete") {
    std::uint64_t count = words.has_next() ? parse_number(words.take("how many")) : 1;
    for (; count > 0; --count) {
      if (!server.machine.complete_one()) throw Failure("there is no job to complete");
    }
  } else if (what == "fail") {
    server.machine.fail_next(words.take("the name of a job"));
  } else {
    throw Failure("expected stall, flow, complete or fail, not '" + what + "'");
  }
  cluster_->settle(node);
}

void Interpreter::do_crash(Words& words) {
  const std::vector<NodeId> nodes = take_nodes(words);
  const std::string tear = words.option("tear", "");
  const std::string how = words.has_next() ? words.take("drop, keep or reorder") : "drop";
  if (how != "drop" && how != "keep" && how != "reorder") {
    throw Failure("expected drop, keep, reorder or tear=<atoms>, not '" + how + "'");
  }
  std::size_t atoms = how == "keep" ? SIZE_MAX : 0;
  UnsyncedWrites fate = how == "keep" ? UnsyncedWrites::kKept : UnsyncedWrites::kDropped;
  if (how == "reorder") fate = UnsyncedWrites::kReordered;
  if (!tear.empty()) {
    atoms = parse_number(tear);
    fate = atoms == 0 ? UnsyncedWrites::kDropped : UnsyncedWrites::kTorn;
  }
  for (const NodeId node : nodes) {
    static_cast<void>(cluster_->server(node).node());
    cluster_->crash(node, atoms, fate);
  }
}

void Interpreter::do_restart(Words& words) {
  for (const NodeId node : take_nodes(words)) {
    if (cluster_->server(node).process() != nullptr) cluster_->crash(node, 0);
    cluster_->start(node);
  }
}

void Interpreter::do_wipe(Words& words) {
  for (const NodeId node : take_nodes(words)) cluster_->wipe(node);
}

void Interpreter::do_damage(Words& words) {
  const NodeId node = take_node(words);
  Server& server = cluster_->server(node);
  if (server.process() != nullptr) throw Failure("damage is found at a start: crash the server first");
  const std::string entry = words.option("entry", "");
  if (entry.empty()) {
    const std::string what = words.take("entry=<index> or promises");
    if (what != "promises") throw Failure("expected entry=<index> or promises, not '" + what + "'");
    server.disk.lose_promises();
    cluster_->invariants().excuse(node);
  } else {
    const Index index{parse_number(entry)};
    if (!server.disk.content().log.contains(index)) throw Failure("there is no entry " + entry + " on the disk");
    server.disk.damage(index);
  }
}

}  // namespace quorate::scenario
