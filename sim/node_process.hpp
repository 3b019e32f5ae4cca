// What the processes of all applications have in common: the real driver over the real write-ahead log and a state
// machine, with a simulated disk, network, clock and threads below it, and the same way to open them that a server
// goes. Include it only where an application is made a subject (subject_*.cpp): it instantiates everything.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "consensus/bootstrap.hpp"
#include "consensus/node.hpp"
#include "consensus/storage/async_storage.hpp"
#include "consensus/storage/wal.hpp"
#include "consensus/witness_machine.hpp"
#include "sim/host.hpp"

namespace quorate::sim {

using SimWal = storage::Wal<SimFiles>;

/// A storage that says when something is durable.
class WatchedStorage {
 public:
  WatchedStorage(Host& host, SimWal log) : host_(host), storage_(std::move(log), host.log_executor()) {}

  void submit(PersistBatch batch, Completion<LogId> done) {
    const Ticket ticket = batch.ticket;
    storage_.submit(std::move(batch), [&host = host_, ticket, done = std::move(done)](Result<LogId> last) {
      if (last) host.observer().on_durable(host.id(), ticket);
      done(std::move(last));
    });
  }
  void compact(LogId through) { storage_.compact(through); }
  void retry() { storage_.retry(); }

 private:
  Host& host_;
  storage::AsyncStorage<SimWal, SimExecutor> storage_;
};

/// A state machine that says what it applies, and whose snapshots come in pieces as small as the cluster's shape wants
/// them: simulated states are small, and a transfer that is never interrupted half way tests little.
template <StateMachine Machine>
class WatchedMachine : public Machine {
 public:
  WatchedMachine(Host& host, Machine machine)
      : Machine(std::move(machine)), host_(host), state_index_(Machine::recovered().last.index) {}

  [[nodiscard]] Index state_index() const { return state_index_; }

  Result<Payload> apply(const Entry& entry) {
    Result<Payload> result = Machine::apply(entry);
    state_index_ = entry.index;
    if (result) host_.observer().on_apply(host_.id(), entry, *result, Machine::digest());
    return result;
  }

  void install_snapshot(const SnapshotId& id, Completion<CheckpointContext> done) {
    Machine::install_snapshot(id, [this, done = std::move(done)](Result<CheckpointContext> installed) {
      if (installed) state_index_ = installed->last.index;
      done(std::move(installed));
    });
  }

  void read_snapshot(NodeId to, std::uint64_t offset, Completion<SnapshotPiece> done) {
    const std::size_t bytes_max = host_.options().core.snapshot_chunk_bytes;
    Machine::read_snapshot(to, offset, [bytes_max, done = std::move(done)](Result<SnapshotPiece> piece) {
      if (piece && piece->bytes.size() > bytes_max) {
        piece = SnapshotPiece{Payload::copy_of(piece->bytes.bytes().first(bytes_max)), false};
      }
      done(std::move(piece));
    });
  }

 private:
  Host& host_;
  Index state_index_;
};

/// A process but for what its clients ask of it.
template <StateMachine Machine>
class NodeProcess : public Process {
 public:
  void start() override { node_.start(); }
  void receive(Message message) override { node_.receive(std::move(message)); }
  void tick() override { node_.tick(); }
  void peer_disconnected(NodeId peer) override { node_.peer_disconnected(peer); }
  void flush() override { node_.flush(); }
  void space_freed() override { storage_.retry(); }

  void read(ReadCallback done) override { node_.read(std::move(done)); }
  Index state_index() const override { return machine_.state_index(); }
  void change_membership(ConfigurationChange change, ProposalCallback done) override {
    node_.change_membership(std::move(change), std::move(done));
  }
  void abort_membership_change(ProposalCallback done) override { node_.abort_membership_change(std::move(done)); }
  void transfer_leadership(NodeId target, ProposalCallback done) override {
    node_.transfer_leadership(target, std::move(done));
  }
  void checkpoint() override { node_.checkpoint(); }

  const Core& core() const override { return node_.core(); }
  bool has_stopped() const override { return node_.has_stopped(); }
  const std::string& stop_reason() const override { return node_.stop_reason(); }
  std::optional<std::uint64_t> digest() const override { return machine_.digest(); }

 protected:
  NodeProcess(Host& host, typename SimWal::Opened opened, Machine machine)
      : storage_(host, std::move(opened.wal)),
        machine_(host, std::move(machine)),
        node_(host.options(), opened.recovered, storage_, host.transport(), machine_, host.clock()) {
    host.observer().on_launch(host.id(), opened.recovered, node_.core());
    node_.observe([&host](const Event& event, const Core& core, const Effects& effects) {
      host.observer().on_step(host.id(), event, core, effects);
    });
  }

  WatchedStorage storage_;
  WatchedMachine<Machine> machine_;
  Node<WatchedStorage, SimTransport, WatchedMachine<Machine>, SimClock> node_;
};

/// Keeps ids of entries, and nothing else.
class WitnessProcess final : public NodeProcess<WitnessMachine<SimFiles, SimExecutor>> {
 public:
  using Machine = WitnessMachine<SimFiles, SimExecutor>;

  static Result<std::unique_ptr<Process>> open(Host& host, typename SimWal::Opened opened) {
    auto machine = Machine::open(host.id(), NoApplication{}, host.files(), "state", host.machine_executor());
    if (!machine) return tl::unexpected(machine.error());
    const Result<void> fits = Core::validate_recovered(opened.recovered, machine->recovered());
    if (!fits) return tl::unexpected(fits.error());
    return std::unique_ptr<Process>(new WitnessProcess(host, std::move(opened), std::move(*machine)));
  }

  void propose(Payload command, ProposalCallback done) override { node_.propose(std::move(command), std::move(done)); }
  Result<Payload> query(std::span<const std::byte>) const override {
    return fail(ErrorKind::kUnavailable, "a witness has no data: ask another node");
  }

 private:
  using NodeProcess::NodeProcess;
};

/// Opens the log; what runs on it is up to the application.
class LogLauncher : public Launcher {
 public:
  Result<Incarnation> format(Host& host, std::uint64_t entropy) override {
    auto opened = SimWal::open(host.files(), options(host, entropy));
    if (!opened) return tl::unexpected(opened.error());
    const Incarnation incarnation = opened->recovered.incarnation;
    host.files().crash(CrashPolicy::kKeepAll);
    return incarnation;
  }

  Result<void> found(Host& host, const Configuration& founders) override {
    auto opened = SimWal::open(host.files(), options(host, 0));
    if (!opened) return tl::unexpected(opened.error());
    if (const auto last = opened->wal.append(bootstrap_batch(founders)); !last) return tl::unexpected(last.error());
    if (const auto committed = opened->wal.commit(); !committed) return committed;
    host.files().crash(CrashPolicy::kKeepAll);
    return {};
  }

  Result<std::unique_ptr<Process>> launch(Host& host) override {
    auto opened = SimWal::open(host.files(), options(host, 0));
    if (!opened) return tl::unexpected(opened.error());
    return launch_on(host, std::move(*opened));
  }

 protected:
  virtual Result<std::unique_ptr<Process>> launch_on(Host& host, typename SimWal::Opened opened) = 0;

 private:
  static storage::WalOptions options(const Host& host, std::uint64_t entropy) {
    return {.cluster = ClusterId{1},
            .node = host.id(),
            .entropy = entropy,
            .segment_bytes = host.laws().segment_bytes,
            .reserve_bytes = host.laws().segment_bytes,
            .block_bytes = static_cast<std::uint32_t>(kSectorBytes)};
  }
};

}  // namespace quorate::sim
