#include "sim/shrink.hpp"

#include <utility>

#include "consensus/assert.hpp"

namespace quorate::sim {

namespace {

class Shrinker {
 public:
  Shrinker(const Plan& plan, const Subject& subject, const ShrinkOptions& options)
      : subject_(subject), options_(options), best_(plan), report_(run(plan, subject, options.run)) {
    QUORATE_ASSERT(!report_.passed());
    result_ = report_.result;
    property_ = report_.violation.property;
  }

  Shrunk shrink() {
    cut_time();
    cut_faults();
    cut_operations();
    cut_within_faults();
    cut_faults();
    return {std::move(best_), std::move(report_), runs_};
  }

 private:
  [[nodiscard]] bool is_exhausted() const { return runs_ >= options_.runs_max; }

  /// Whether the plan fails as the first one did; if so, it is the best so far.
  bool fails(Plan plan) {
    ++runs_;
    RunReport report = run(plan, subject_, options_.run);
    if (report.result != result_ || report.violation.property != property_) return false;
    best_ = std::move(plan);
    report_ = std::move(report);
    if (options_.progress) options_.progress(best_, runs_);
    return true;
  }

  /// What happens after the violation cannot have caused it.
  void cut_time() {
    const Duration needed = report_.simulated + std::chrono::milliseconds(1);
    if (result_ != RunReport::Result::kViolation || needed >= best_.duration) return;
    Plan shorter = best_;
    shorter.duration = needed;
    const WorldTime end = WorldTime{} + needed;
    std::erase_if(shorter.faults, [end](const Fault& fault) { return fault.at > end; });
    std::erase_if(shorter.operations, [end](const PlannedOperation& operation) { return operation.at > end; });
    fails(std::move(shorter));
  }

  template <class T>
  void cut(std::vector<T> Plan::* part) {
    const std::vector<T> all = best_.*part;
    const auto fails_with = [&](const std::vector<T>& rest) {
      Plan plan = best_;
      plan.*part = rest;
      return fails(std::move(plan));
    };
    static_cast<void>(minimize(all, fails_with, [this] { return is_exhausted(); }));
  }
  void cut_faults() { cut(&Plan::faults); }
  void cut_operations() { cut(&Plan::operations); }

  void cut_within_faults() {
    for (std::size_t number = 0; number < best_.faults.size() && !is_exhausted(); ++number) {
      std::visit([&](const auto& body) { cut_within(number, body); }, FaultBody(best_.faults[number].body));
    }
  }
  template <class Body>
  void cut_within(std::size_t, const Body&) {}
  void cut_within(std::size_t number, const fault::Links& links) {
    static_cast<void>(minimize(
        links.arcs,
        [&](const std::vector<Arc>& arcs) {
          Plan plan = best_;
          std::get<fault::Links>(plan.faults[number].body).arcs = arcs;
          return fails(std::move(plan));
        },
        [this] { return is_exhausted(); }));
  }
  void cut_within(std::size_t number, const fault::Crash& crash) { cut_nodes<fault::Crash>(number, crash.nodes); }
  void cut_within(std::size_t number, const fault::Pause& pause) { cut_nodes<fault::Pause>(number, pause.nodes); }
  void cut_within(std::size_t number, const fault::Checkpoint& checkpoint) {
    cut_nodes<fault::Checkpoint>(number, checkpoint.nodes);
  }
  template <class Body>
  void cut_nodes(std::size_t number, NodeSet nodes) {
    for (const NodeId node : nodes) {
      Plan plan = best_;
      NodeSet& left = std::get<Body>(plan.faults[number].body).nodes;
      left.erase(node);
      if (!left.empty() && !is_exhausted()) fails(std::move(plan));
    }
  }

  const Subject& subject_;
  const ShrinkOptions& options_;
  Plan best_;
  RunReport report_;
  RunReport::Result result_ = RunReport::Result::kPassed;
  std::string property_;
  std::uint64_t runs_ = 0;
};

}  // namespace

Shrunk shrink(const Plan& plan, const Subject& subject, const ShrinkOptions& options) {
  return Shrinker(plan, subject, options).shrink();
}

}  // namespace quorate::sim
