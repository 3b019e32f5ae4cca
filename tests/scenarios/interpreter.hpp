// Carries out a scenario: one command after the other, invariants after each, and at the end the epilogue, in which all
// faults end and the cluster must come to rest and do one more thing. docs/scenarios.md describes every command.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "tests/scenarios/cluster.hpp"
#include "tests/scenarios/script.hpp"

namespace quorate::scenario {

class Interpreter {
 public:
  /// Tells every step to `trace`, if it is not null.
  explicit Interpreter(Coverage& coverage, std::ostream* trace = nullptr) : coverage_(coverage), trace_(trace) {}
  /// Lets disks be files, unless the scenario says otherwise.
  void prefer_files() { setup_.is_on_files = true; }

  /// Throws ScriptError at the first thing that is wrong, with the script or with the servers.
  void execute(const Script& script);
  /// One number for everything that was said during the scenario.
  [[nodiscard]] std::uint64_t digest() const { return cluster_ == nullptr ? 0 : cluster_->network().digest(); }

 private:
  using Command = void (Interpreter::*)(Words&);
  struct Verb {
    Command command;
    bool is_setup;  ///< allowed before the servers start, and only then
  };
  [[nodiscard]] static const std::map<std::string, Verb>& verbs();

  void execute(const Statement& statement);
  void begin();
  void epilogue();

  // commands.cpp: what may be said
  void do_cluster(Words& words);
  void do_given(Words& words);
  void do_option(Words& words);
  void do_no_epilogue(Words& words);
  void do_tick(Words& words);
  void do_ring(Words& words);
  void do_campaign(Words& words);
  void do_elect(Words& words);
  void do_clock(Words& words);
  void do_run(Words& words);
  void do_stabilize(Words& words);
  void do_pause(Words& words);
  void do_resume(Words& words);
  void do_propose(Words& words);
  void do_session(Words& words);
  void do_read(Words& words);
  void do_change(Words& words);
  void do_abort(Words& words);
  void do_transfer(Words& words);
  void do_checkpoint(Words& words);
  void do_deliver(Words& words);
  void do_drop(Words& words);
  void do_dup(Words& words);
  void do_hold(Words& words);
  void do_release(Words& words);
  void do_corrupt(Words& words);
  void do_forge(Words& words);
  void do_cut(Words& words);
  void do_heal(Words& words);
  void do_disconnect(Words& words);
  void do_disk(Words& words);
  void do_machine(Words& words);
  void do_crash(Words& words);
  void do_restart(Words& words);
  void do_wipe(Words& words);
  void do_damage(Words& words);
  void do_listen(Words& words);

  void do_expect(const Statement& statement);
  void do_await(const Statement& statement);

  // observations.cpp: what may be asked
  [[nodiscard]] std::string problem_with(const Assertion& assertion);
  [[nodiscard]] std::string observe(const std::string& name, const std::vector<std::string>& arguments);
  [[nodiscard]] std::string observe_server(const std::string& name, NodeId node);
  [[nodiscard]] std::string observe_progress(const std::string& name, NodeId leader, NodeId peer);
  [[nodiscard]] std::string observe_call(const std::string& name, const std::string& call);
  [[nodiscard]] std::size_t count_sent(const std::vector<std::string>& arguments);
  [[nodiscard]] std::string observe_queue(const std::string& link);

  [[nodiscard]] Duration duration(const std::string& text) const;
  [[nodiscard]] std::vector<NodeId> take_nodes(Words& words) const;
  [[nodiscard]] NodeId take_node(Words& words) const;
  [[nodiscard]] std::vector<Link> take_links(Words& words) const;
  [[nodiscard]] MessageFilter take_filter(Words& words) const;
  [[nodiscard]] Server& up(NodeId node) const;
  [[nodiscard]] Message forged(Link link, const std::string& kind, Words& words) const;
  void propose(NodeId node, const std::string& name, Payload payload, Words& words);

  Coverage& coverage_;
  std::ostream* trace_;
  Setup setup_;
  std::unique_ptr<Cluster> cluster_;
  std::map<std::string, std::vector<Message>> held_;
  std::set<NodeId> fatal_expected_;
  std::size_t corruptions_ = 0;
  bool has_epilogue_ = true;
};

}  // namespace quorate::scenario
