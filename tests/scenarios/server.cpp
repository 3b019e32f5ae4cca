#include "tests/scenarios/server.hpp"

#include <utility>

#include "tests/scenarios/script.hpp"

template class quorate::Node<quorate::scenario::ModelDisk, quorate::scenario::ServerLink, quorate::scenario::Machine,
                             quorate::scenario::ServerClock>;

namespace quorate::scenario {
namespace {

constexpr std::int64_t kMillionth = 1'000'000;

}  // namespace

Instant ServerClock::now() const {
  const Duration passed = *world_ - world_from_;
  return local_from_ + passed + passed / kMillionth * ppm_;
}

Instant ServerClock::alarm_in_world() const {
  if (alarm_ == Instant::max()) return alarm_;
  if (alarm_ <= now()) return *world_;
  const Duration local = alarm_ - local_from_;
  if (ppm_ == 0) return world_from_ + local;
  // Rounded up, so that the alarm is due by the local clock when it rings.
  return world_from_ + Duration{local.count() / (kMillionth + ppm_) * kMillionth + kMillionth};
}

void ServerClock::drift(std::int64_t ppm) {
  local_from_ = now();
  world_from_ = *world_;
  ppm_ = ppm;
}

void Server::start(const std::function<void(Server&)>& stepped) {
  QUORATE_ASSERT(node_ == nullptr);
  Result<Recovered> recovered = disk.recover();
  const Result<void> valid = recovered.and_then(
      [this](const Recovered& found) { return Core::validate_recovered(found, machine.recovered()); });
  refused_ = valid ? "" : valid.error().message;
  if (!valid) return;
  node_ = std::make_unique<ServerNode>(options, std::move(*recovered), disk, link_, machine, clock);
  node_->observe([this, stepped](const Event&, const Core&, const Effects&) { stepped(*this); });
  node_->start();
}

void Server::crash(std::size_t atoms, UnsyncedWrites fate) {
  node_.reset();
  disk.crash(atoms, fate);
  machine.crash();
  clock.arm(Instant::max());
}

void Server::settle() {
  for (bool moved = true; moved;) {
    moved = !disk_stalled && disk.complete_one();
    moved = (!machine_stalled && machine.complete_one()) || moved;
  }
}

ServerNode& Server::node() const {
  if (node_ == nullptr) throw Failure("server " + std::to_string(options.core.id.value) + " is down");
  return *node_;
}

}  // namespace quorate::scenario
