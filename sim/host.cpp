#include "sim/host.hpp"

#include <utility>

#include "consensus/assert.hpp"

namespace quorate::sim {

namespace {

/// Purposes of randomness, one block of them per host.
constexpr std::uint64_t kHostPurposes = 0x686f7374'00000000;
enum Purpose : std::uint64_t { kDisk, kLogExecutor, kMachineExecutor, kTurns, kPurposes };
/// Apart from the others, which recorded seeds rely upon.
constexpr std::uint64_t kApplicationPurpose = 0x686f7374'01000000;

Random randomness(const World& world, NodeId node, Purpose purpose) {
  return world.randomness(kHostPurposes + node.value * kPurposes + purpose);
}

}  // namespace

Host::Host(World& world, Network& network, HostObserver& observer, Launcher& launcher, NodeOptions options, Laws laws)
    : world_(world),
      network_(network),
      observer_(observer),
      launcher_(launcher),
      options_(options),
      laws_(laws),
      random_(randomness(world, options.core.id, kTurns)),
      transport_(network, observer),
      files_(randomness(world, options.core.id, kDisk)),
      clock_(world, [this] { alarm(); }),
      log_executor_(world, randomness(world, options.core.id, kLogExecutor), laws.disk,
                    [this](std::function<void()> done) { on_strand(std::move(done)); }),
      machine_executor_(world, randomness(world, options.core.id, kMachineExecutor), laws.disk,
                        [this](std::function<void()> done) { on_strand(std::move(done)); }),
      application_executor_(world, world.randomness(kApplicationPurpose + options.core.id.value), laws.disk,
                            [this](std::function<void()> done) { on_strand(std::move(done)); }) {
  network.attach(id(), *this);
}

Host::~Host() { abandon_jobs(); }  // before the process that they work for

void Host::abandon_jobs() {
  log_executor_.abandon();
  machine_executor_.abandon();
  application_executor_.abandon();
}

Host::State Host::state() const {
  if (process_ == nullptr) return State::kDown;
  if (process_->has_stopped()) return State::kStopped;
  return paused_ ? State::kPaused : State::kRunning;
}

Result<void> Host::launch() {
  QUORATE_ASSERT(process_ == nullptr);
  ++life_;
  ++launches_;
  stop_noted_ = false;
  Result<std::unique_ptr<Process>> process = launcher_.launch(*this);
  if (!process) {
    files_.kill();
    return tl::unexpected(process.error());
  }
  process_ = std::move(*process);
  process_->start();
  note_stop();
  return {};
}

void Host::end(Ending ending) {
  if (process_ != nullptr) {
    ++life_;
    backlog_.clear();
    clock_.disarm();
    abandon_jobs();
    if (paused_) resume();
    turn_open_ = false;
    process_.reset();
    if (!stop_noted_) observer_.on_end(id(), {});
    network_.break_connections(id());
  }
  ending_.reset();
  switch (ending) {
    case Ending::kKill: files_.kill(); break;
    case Ending::kKeepAll: files_.crash(CrashPolicy::kKeepAll); break;
    case Ending::kDropAll: files_.crash(CrashPolicy::kDropAll); break;
    case Ending::kTear: files_.crash(CrashPolicy::kTear); break;
    case Ending::kReorder: files_.crash(CrashPolicy::kReorder); break;
  }
}

void Host::end_at_operation(std::uint64_t operation, Ending ending) {
  QUORATE_ASSERT(operation > 0);
  if (process_ == nullptr) return;
  ending_ = ending;
  files_.stop_after(operation - 1);
}

void Host::pause() {
  if (!is_running()) return;
  paused_ = true;
  log_executor_.stall();
  machine_executor_.stall();
  application_executor_.stall();
}

void Host::resume() {
  if (!paused_) return;
  paused_ = false;
  log_executor_.resume();
  machine_executor_.resume();
  application_executor_.resume();
  const std::uint64_t life = life_;
  for (std::function<void()>& call : std::exchange(backlog_, {})) {
    if (life != life_) return;
    on_strand(std::move(call));
  }
}

void Host::replace_disk() {
  end(Ending::kDropAll);
  files_.wipe();
  files_.disarm();
  files_.set_capacity(UINT64_MAX);
}

void Host::limit_disk(std::uint64_t bytes) { files_.set_capacity(files_.used_bytes() + bytes); }

void Host::unlimit_disk() {
  files_.set_capacity(UINT64_MAX);
  on_strand([this] { process_->space_freed(); });
}

void Host::stall_disk() {
  log_executor_.stall();
  machine_executor_.stall();
}

void Host::unstall_disk() {
  log_executor_.resume();
  machine_executor_.resume();
}

void Host::set_disk_law(DelayLaw law) {
  log_executor_.set_law(law);
  machine_executor_.set_law(law);
}

void Host::on_strand(std::function<void()> call) {
  if (process_ == nullptr || ends_with_its_disk()) return;
  if (paused_) {
    backlog_.push_back(std::move(call));
    return;
  }
  call();
  note_stop();
}

void Host::deliver(Message message) {
  // As on_strand() does, without wrapping up the message for the common case.
  if (process_ == nullptr || ends_with_its_disk()) return;
  if (paused_) {
    backlog_.push_back([this, message = std::move(message)]() mutable { process_->receive(std::move(message)); });
    return;
  }
  process_->receive(std::move(message));
  note_stop();
}

void Host::disconnected(NodeId peer) {
  on_strand([this, peer] { process_->peer_disconnected(peer); });
}

void Host::called(NodeId from, Payload request, std::function<void(Payload)> reply) {
  on_strand(
      [this, from, request = std::move(request), reply = std::move(reply)] { process_->called(from, request, reply); });
}

void Host::call(NodeId to, Payload request, std::function<void(Payload)> done) {
  network_.call(id(), to, std::move(request), [this, life = life_, done = std::move(done)](const Payload& answer) {
    if (life == life_) on_strand([done, answer] { done(answer); });
  });
}

void Host::after(Duration delay, std::function<void()> call) {
  world_.at(world_.now() + delay, [this, life = life_, call = std::move(call)] {
    if (life == life_) on_strand(call);
  });
}

void Host::alarm() {
  on_strand([this] { process_->tick(); });
}

void Host::end_turn() {
  if (turn_open_) return;
  turn_open_ = true;
  world_.schedule(world_.now() + random_.between(Duration::zero(), laws_.turn), *this, life_);
}

void Host::fire(std::uint64_t life) {
  if (life != life_) return;
  turn_open_ = false;
  on_strand([this] { process_->flush(); });
}

bool Host::ends_with_its_disk() {
  if (!ending_ || !files_.is_stopped()) return false;
  end(*ending_);
  return true;
}

void Host::note_stop() {
  if (stop_noted_ || process_ == nullptr || !process_->has_stopped()) return;
  // A process that noticed that its disk has stopped does not get to say so: it ends with it.
  if (ending_ && files_.is_stopped()) return;
  stop_noted_ = true;
  observer_.on_end(id(), process_->stop_reason());
}

}  // namespace quorate::sim
