#include "lock_node.hpp"

#include <random>

#include <consensus/bootstrap.hpp>

namespace example {

using quorate::ErrorKind;
using quorate::Instant;
using quorate::Message;
using quorate::NodeId;
using quorate::Result;
using quorate::storage::PosixFiles;
using quorate::transport::AsioRuntime;
using quorate::transport::AsioTransport;

namespace {

constexpr quorate::ClusterId kCluster{0x10c5};

std::uint64_t random_number() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

Result<LockNode::Log::Opened> open_log(PosixFiles& files, NodeId id) {
  return LockNode::Log::open(files, {.cluster = kCluster, .node = id, .entropy = random_number()});
}

}  // namespace

Worker::Worker(AsioRuntime& loop) : loop_(loop), thread_([this] { work(); }) {}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Worker::run(std::function<void()> job, std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.emplace_back(std::move(job), std::move(done));
  }
  wake_.notify_one();
}

void Worker::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return is_ending_ || !jobs_.empty(); });
    if (is_ending_) return;
    auto [job, done] = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    loop_.post(std::move(done));
    lock.lock();
  }
}

Result<quorate::Member> LockNode::prepare(const Options& options) {
  Result<PosixFiles> files = PosixFiles::below(options.directory);
  if (!files) return tl::unexpected(files.error());
  auto log = open_log(*files, options.id);
  if (!log) return tl::unexpected(log.error());
  return quorate::Member{.id = options.id, .incarnation = log->recovered.incarnation, .address = options.address};
}

Result<void> LockNode::found(const Options& options, const quorate::Configuration& founders) {
  Result<PosixFiles> files = PosixFiles::below(options.directory);
  if (!files) return tl::unexpected(files.error());
  auto log = open_log(*files, options.id);
  if (!log) return tl::unexpected(log.error());
  const bool is_member = log->recovered.base.index.value != 0 || !log->recovered.entries.empty();
  if (is_member) return {};
  if (const auto last = log->wal.append(bootstrap_batch(founders)); !last) return tl::unexpected(last.error());
  return log->wal.commit();
}

Result<std::unique_ptr<LockNode>> LockNode::start(AsioRuntime& loop, const Options& options) {
  Result<PosixFiles> log_files = PosixFiles::below(options.directory);
  if (!log_files) return tl::unexpected(log_files.error());
  Result<PosixFiles> state_files = PosixFiles::below(options.directory);
  if (!state_files) return tl::unexpected(state_files.error());
  std::unique_ptr<LockNode> node(new LockNode(loop, options, std::move(*log_files), std::move(*state_files)));
  if (Result<void> opened = node->open(); !opened) return tl::unexpected(opened.error());
  node->node_->start();
  return node;
}

LockNode::LockNode(AsioRuntime& loop, const Options& options, PosixFiles log_files, PosixFiles state_files)
    : loop_(loop),
      options_(options),
      log_files_(std::move(log_files)),
      state_files_(std::move(state_files)),
      log_worker_(loop),
      state_worker_(loop),
      clock_(loop, [this] { node_->tick(); }) {}

Result<void> LockNode::open() {
  auto log = open_log(log_files_, options_.id);
  if (!log) return tl::unexpected(log.error());
  auto machine = Machine::open(options_.id, {}, state_files_, "state", state_worker_);
  if (!machine) return tl::unexpected(machine.error());
  const quorate::Recovered& recovered = log->recovered;
  if (auto fits = quorate::Core::validate_recovered(recovered, machine->recovered()); !fits) return fits;

  const auto address = quorate::transport::parse_host_port(options_.address);
  if (!address) return tl::unexpected(address.error());
  AsioTransport::Options listening{.listen = *address,
                                   .identity = {.cluster = kCluster,
                                                .node = options_.id,
                                                .incarnation = recovered.incarnation,
                                                .boot = recovered.boot},
                                   .seed = random_number()};
  auto transport = AsioTransport::start(loop_, std::move(listening),
                                        {.received = [this](Message message) { node_->receive(std::move(message)); },
                                         .called = [](quorate::transport::PeerCall) {},
                                         .lost = [this](NodeId peer) { node_->peer_disconnected(peer); }});
  if (!transport) return tl::unexpected(transport.error());

  transport_ = std::move(*transport);
  machine_ = std::make_unique<Machine>(std::move(*machine));
  storage_ = std::make_unique<Storage>(std::move(log->wal), log_worker_);
  quorate::NodeOptions options;
  options.core.id = options_.id;
  options.core.seed = random_number();
  options.checkpoint_entries = 10'000;
  node_ = std::make_unique<Node>(options, log->recovered, *storage_, *transport_, *machine_, clock_);
  return {};
}

}  // namespace example
