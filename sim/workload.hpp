// What clients do with one application, and what it means: planned operations become commands, replies become entries
// of a history that a checker can judge. One object per run; it knows nothing of nodes, retries and time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "consensus/payload.hpp"
#include "sim/checker/history.hpp"
#include "sim/checker/linearizability.hpp"
#include "sim/checker/log_order.hpp"
#include "sim/process.hpp"
#include "sim/schedule.hpp"

namespace quorate::sim {

/// How an operation is carried out.
enum class Access : std::uint8_t {
  kCommand,       ///< through the log
  kRead,          ///< at an index that is confirmed by the leader (ReadIndex, or a lease), asked of the leader
  kFollowerRead,  ///< the same, asked of any node
  kStaleRead,     ///< whatever any node has applied: not linearizable, and not in the history
};

struct OperationKind {
  const char* name;
  std::uint32_t weight;  ///< how often it is drawn, relative to the others
  Access access;
};

using Reply = std::optional<std::span<const std::byte>>;

class Workload {
 public:
  virtual ~Workload() = default;

  /// The command (or query) to carry out. Called once per operation, when it begins.
  [[nodiscard]] virtual Payload begin(const PlannedOperation& operation) = 0;
  /// How it ended. Without a reply the client was told nothing about the result.
  virtual void end(const PlannedOperation& operation, checker::Operation outcome, Reply reply) = 0;
  /// It ended, and is not to be judged.
  virtual void discard(const PlannedOperation& operation) = 0;
  /// For people, until the operation has ended: "put k3 v17"; and its reply.
  [[nodiscard]] virtual std::string describe(const PlannedOperation& operation) const = 0;
  [[nodiscard]] virtual std::string describe_reply(std::span<const std::byte> reply) const = 0;

  [[nodiscard]] const checker::History& history() const { return history_; }
  /// Where the log has the operation that was the `number`-th to be added to the history.
  void place(std::size_t number, Index log_index) {
    if (number < history_.size()) history_.place(number, log_index);
  }
  [[nodiscard]] virtual Result<checker::Report> check(const checker::CheckLimits& limits) const = 0;
  /// Whether replaying the log explains the history, as far as its operations have been placed. Workloads that keep no
  /// history, because they judge for themselves, have nothing to replay.
  [[nodiscard]] virtual Result<checker::LogOrder> check_log_order() const { return checker::LogOrder{}; }
  /// One operation per key that reads it through the log: whether what was acknowledged is kept shows only if somebody
  /// reads it in the end.
  [[nodiscard]] virtual std::vector<PlannedOperation> final_reads(std::uint32_t first_id) const = 0;

 protected:
  checker::History history_;
};

/// An application that can be simulated.
struct Subject {
  std::string_view name;
  std::span<const OperationKind> kinds;
  std::uint32_t keys_max;  ///< 1: there is one object only
  std::unique_ptr<Workload> (*make_workload)();
  std::unique_ptr<Launcher> (*make_launcher)();
};

}  // namespace quorate::sim
