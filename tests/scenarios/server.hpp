// One server of a scenario: a disk and a state machine that outlive processes, and at times a process on them, which is
// the engine's own driver. Its clock is its own: it may be ahead, or run faster, or be stopped with the process.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "consensus/node.hpp"
#include "tests/scenarios/machine.hpp"
#include "tests/scenarios/model_disk.hpp"

namespace quorate::scenario {

/// A monotonic clock that is derived from the scenario's time; rates in parts per million.
class ServerClock {
 public:
  explicit ServerClock(const Instant& world) : world_(&world), world_from_(world), local_from_(world) {}

  // The Clock concept.
  [[nodiscard]] Instant now() const;
  void arm(Instant deadline) { alarm_ = deadline; }

  [[nodiscard]] Instant alarm() const { return alarm_; }
  /// When the alarm rings, by the scenario's time.
  [[nodiscard]] Instant alarm_in_world() const;
  /// Goes ahead by this much at once.
  void jump(Duration ahead) { local_from_ += ahead; }
  /// Runs this much faster from now on; negative: slower.
  void drift(std::int64_t ppm);

 private:
  const Instant* world_;
  Instant world_from_;
  Instant local_from_;
  std::int64_t ppm_ = 0;
  Instant alarm_ = Instant::max();
};

/// The Transport concept: hands everything to whoever runs the scenario.
class ServerLink {
 public:
  explicit ServerLink(std::function<void(Message)> post) : post_(std::move(post)) {}
  void send(Message message) { post_(std::move(message)); }
  void reconfigure(const Configuration&) {}

 private:
  std::function<void(Message)> post_;
};

using ServerNode = Node<ModelDisk, ServerLink, Machine, ServerClock>;

}  // namespace quorate::scenario

extern template class quorate::Node<quorate::scenario::ModelDisk, quorate::scenario::ServerLink,
                                    quorate::scenario::Machine, quorate::scenario::ServerClock>;

namespace quorate::scenario {

class Server {
 public:
  Server(const Instant& world, std::function<void(Server&, Message)> post)
      : clock(world), link_([this, post = std::move(post)](Message message) { post(*this, std::move(message)); }) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Starts a process, unless what it finds is impossible; says so in refused().
  void start(const std::function<void(Server&)>& stepped);
  /// The process ends now, and of what it was writing some reaches the disk (ModelDisk::crash).
  void crash(std::size_t atoms, UnsyncedWrites fate);
  /// Lets everything that is under way on disk and machine complete, unless it is stalled.
  void settle();

  /// Whether a process runs that has not stopped itself.
  [[nodiscard]] bool is_up() const { return node_ != nullptr && !node_->has_stopped(); }
  /// The process, if there is one, even if it has stopped itself.
  [[nodiscard]] ServerNode* process() const { return node_.get(); }
  /// The process; Failure if there is none.
  [[nodiscard]] ServerNode& node() const;
  [[nodiscard]] const Core& core() const { return node().core(); }
  /// Why no process could be started on the disk; empty if one could.
  [[nodiscard]] const std::string& refused() const { return refused_; }

  NodeOptions options;
  std::uint64_t life = 1;
  ModelDisk disk;
  Machine machine;
  ServerClock clock;
  bool disk_stalled = false;
  bool machine_stalled = false;
  bool paused = false;

 private:
  ServerLink link_;
  std::unique_ptr<ServerNode> node_;
  std::string refused_;
};

}  // namespace quorate::scenario
