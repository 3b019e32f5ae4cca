// A run as a picture: one HTML file that needs nothing else. Nodes are lanes, coloured by term and role; messages are
// arrows between them, faults are shaded, clients' operations stand below with their outcome. It can be zoomed and
// moved, and says what is under the pointer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sim/clients.hpp"
#include "sim/cluster.hpp"
#include "sim/fault_runner.hpp"

namespace quorate::sim {

/// Messages beyond these are left out of the picture, which says so.
inline constexpr std::size_t kTimelineMessagesMax = 400'000;

class Timeline final : public Cluster::Observer {
 public:
  /// Watches a run from here on; finish() ends that, before the cluster does.
  void attach(Cluster& cluster);
  void finish();
  void note(const Fault& fault, FaultRunner::Stage stage);
  void note(const OperationReport& report, std::string text, std::string reply);

  /// The whole file. `title` says which run it is, `verdict` what came of it (empty: all was well).
  [[nodiscard]] std::string render(std::string_view title, std::string_view verdict) const;

  void on_launch(NodeId node, const Recovered& recovered, const Core& core) override;
  void on_end(NodeId node, const std::string& reason) override;
  void on_step(NodeId node, const Event& event, const Core& core, const Effects& effects) override;
  void on_send(const Message&) override {}
  void on_durable(NodeId, Ticket) override {}
  void on_apply(NodeId, const Entry&, const Payload&, std::optional<std::uint64_t>) override {}
  void on_message(MessageId id, Fate fate, const Message& message) override;

 private:
  /// What a node was from some time on.
  struct State {
    enum class Kind : std::uint8_t { kFollower, kPreCandidate, kCandidate, kLeader, kDown, kStopped };
    std::int64_t at_us = 0;
    Kind kind = Kind::kDown;
    Term term;
    Index commit;
    Index last;
    std::string note;  ///< why it stopped

    [[nodiscard]] bool looks_like(const State& other) const {
      return kind == other.kind && term == other.term && commit == other.commit && last == other.last;
    }
  };
  struct Drawn {
    std::int64_t sent_us = 0;
    std::int64_t ended_us = 0;
    NodeId from;
    NodeId to;
    std::uint8_t kind = 0;  ///< which MessageBody
    Fate fate = Fate::kSent;
    Term term;
  };
  struct Shade {
    std::int64_t begin_us = 0;
    std::int64_t end_us = 0;
    NodeSet nodes;
    std::string text;
  };
  struct Call {
    OperationReport report;
    std::string text;
    std::string reply;
  };

  [[nodiscard]] std::int64_t now_us() const { return microseconds(cluster_->world().now()); }
  void set_state(NodeId node, State state);

  Cluster* cluster_ = nullptr;
  NodeSet nodes_;
  std::int64_t end_us_ = 0;
  std::vector<std::vector<State>> states_;  ///< by node
  std::vector<Drawn> messages_;
  std::unordered_map<std::uint64_t, std::size_t> under_way_;  ///< by message id; only looked up, never walked through
  std::size_t left_out_ = 0;
  std::vector<Shade> shades_;
  std::vector<Call> calls_;
};

namespace detail {
/// The page before and after the data.
extern const std::string_view kTimelineHead;
extern const std::string_view kTimelineTail;
}  // namespace detail

}  // namespace quorate::sim
