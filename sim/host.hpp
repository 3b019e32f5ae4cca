// A simulated machine: what outlives the processes that run on it. Its disk, its clock, the threads that do a process's
// blocking work, and the socket through which it hears others. It runs at most one process at a time.
//
// A process that is paused (SIGSTOP) does nothing; what would have happened to it happens when it goes on, in order.
// Ending a process from within one of its own calls would pull the ground from under it. A disk that stops at a chosen
// operation therefore only fails from then on, and the process ends at the next thing that would happen to it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "consensus/node.hpp"
#include "sim/clock.hpp"
#include "sim/disk.hpp"
#include "sim/executor.hpp"
#include "sim/network.hpp"
#include "sim/process.hpp"
#include "sim/schedule.hpp"
#include "sim/world.hpp"

namespace quorate::sim {

class Host;

/// Watches all hosts; may look, not touch.
class HostObserver {
 public:
  virtual void on_launch(NodeId node, const Recovered& recovered, const Core& core) = 0;
  /// `reason` is empty if the process was made to end.
  virtual void on_end(NodeId node, const std::string& reason) = 0;
  virtual void on_step(NodeId node, const Event& event, const Core& core, const Effects& effects) = 0;
  virtual void on_send(const Message& message) = 0;
  /// The storage reports that the write is durable; its node has not heard of it yet.
  virtual void on_durable(NodeId node, Ticket ticket) = 0;
  virtual void on_apply(NodeId node, const Entry& entry, const Payload& result,
                        std::optional<std::uint64_t> digest) = 0;

 protected:
  ~HostObserver() = default;
};

/// The host's side of the network, as its process sees it. Satisfies the Transport concept.
class SimTransport {
 public:
  SimTransport(Network& network, HostObserver& observer) : network_(network), observer_(observer) {}

  void send(Message message) {
    observer_.on_send(message);
    network_.send(std::move(message));
  }
  /// Everybody can be reached without preparation.
  void reconfigure(const Configuration&) {}

 private:
  Network& network_;
  HostObserver& observer_;
};

class Host final : public NetworkReceiver, private Handler {
 public:
  enum class State : std::uint8_t {
    kDown,  ///< no process
    kRunning,
    kPaused,
    kStopped,  ///< the process has stopped itself; it is still there, and does nothing
  };

  struct Laws {
    DelayLaw disk;
    Duration turn{};  ///< how long the strand may take to come round to what was proposed
    std::uint64_t segment_bytes = 0;
    MemberKind kind = MemberKind::kVoter;  ///< a witness runs without the application
  };

  Host(World& world, Network& network, HostObserver& observer, Launcher& launcher, NodeOptions options, Laws laws);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Lives.

  /// Starts a process on what is on the disk. An error is what a person would read: the node refuses to start.
  [[nodiscard]] Result<void> launch();
  /// Ends the process, if there is one.
  void end(Ending ending);
  /// Ends the process at the n-th changing operation on its disk from now on (1: the next).
  void end_at_operation(std::uint64_t operation, Ending ending);
  void pause();
  void resume();
  /// The process ends, and the disk is replaced by an empty one.
  void replace_disk();

  // Faults.

  /// Bytes that may be written beyond those used now.
  void limit_disk(std::uint64_t bytes);
  void unlimit_disk();
  void stall_disk();
  void unstall_disk();
  void set_disk_law(DelayLaw law);
  [[nodiscard]] SimFiles& files() { return files_; }
  [[nodiscard]] SimClock& clock() { return clock_; }
  [[nodiscard]] SimExecutor& log_executor() { return log_executor_; }
  [[nodiscard]] SimExecutor& machine_executor() { return machine_executor_; }
  /// Where a leader-executed application executes.
  [[nodiscard]] SimExecutor& application_executor() { return application_executor_; }

  // What the process uses, and is used by.

  [[nodiscard]] NodeId id() const { return options_.core.id; }
  [[nodiscard]] const NodeOptions& options() const { return options_; }
  [[nodiscard]] const Laws& laws() const { return laws_; }
  [[nodiscard]] bool is_witness() const { return laws_.kind == MemberKind::kWitness; }
  [[nodiscard]] SimTransport& transport() { return transport_; }
  [[nodiscard]] HostObserver& observer() { return observer_; }

  [[nodiscard]] State state() const;
  [[nodiscard]] bool is_running() const { return state() == State::kRunning; }
  /// Null when down.
  [[nodiscard]] Process* process() { return process_.get(); }
  [[nodiscard]] const Process* process() const { return process_.get(); }
  [[nodiscard]] std::uint64_t launches() const { return launches_; }
  /// Lets a call reach the process, now or when it goes on; never if it ends before.
  void on_strand(std::function<void()> call);
  /// Ends the present turn of the strand soon: what was proposed in it becomes one batch.
  void end_turn();

  /// Asks another node's application; `done` is called in this life of the process, or never.
  void call(NodeId to, Payload request, std::function<void(Payload)> done);
  /// Calls this life of the process back.
  void after(Duration delay, std::function<void()> call);

  void deliver(Message message) override;
  void disconnected(NodeId peer) override;
  void called(NodeId from, Payload request, std::function<void(Payload)> reply) override;

 private:
  void fire(std::uint64_t life) override;
  void alarm();
  /// What the process's threads still had to do will not be done.
  void abandon_jobs();
  /// A disk that was told to stop at an operation has stopped, and what is next ends the process; true if that is now.
  bool ends_with_its_disk();
  void note_stop();

  World& world_;
  Network& network_;
  HostObserver& observer_;
  Launcher& launcher_;
  NodeOptions options_;
  Laws laws_;
  Random random_;
  SimTransport transport_;
  SimFiles files_;
  SimClock clock_;
  SimExecutor log_executor_;
  SimExecutor machine_executor_;
  SimExecutor application_executor_;

  std::unique_ptr<Process> process_;
  bool paused_ = false;
  bool stop_noted_ = false;
  bool turn_open_ = false;
  std::optional<Ending> ending_;  ///< how the process ends once the disk has stopped
  std::vector<std::function<void()>> backlog_;
  std::uint64_t life_ = 0;  ///< raised at every beginning and end: what was meant for another life is recognised
  std::uint64_t launches_ = 0;
};

}  // namespace quorate::sim
