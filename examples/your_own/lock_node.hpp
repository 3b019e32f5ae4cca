// One real node of the lock service: the driver over TCP, a log and snapshots on disk. Everything about locks is in
// LockService; put your own application in its place.
//
// Lives on the thread that runs the AsioRuntime. Blocking work (syncing the log, writing snapshots) has threads of its
// own.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <consensus/durable_machine.hpp>
#include <consensus/exactly_once.hpp>
#include <consensus/node.hpp>
#include <consensus/storage/async_storage.hpp>
#include <consensus/storage/posix_files.hpp>
#include <consensus/storage/wal.hpp>
#include <transport/asio_runtime.hpp>
#include <transport/asio_transport.hpp>
#include <transport/timer.hpp>

#include "lock_service.hpp"

namespace example {

/// A thread that does one job after the other and reports to the loop (the concept SerialExecutor).
class Worker {
 public:
  explicit Worker(quorate::transport::AsioRuntime& loop);
  ~Worker();

  void run(std::function<void()> job, std::function<void()> done);

 private:
  void work();

  quorate::transport::AsioRuntime& loop_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs_;
  bool is_ending_ = false;
  std::thread thread_;
};

class LockNode {
 public:
  struct Options {
    quorate::NodeId id;
    std::string directory;  ///< must exist
    std::string address;    ///< host:port
  };

  /// What a node is before it is a member: it has a directory, and an incarnation that says which one.
  static quorate::Result<quorate::Member> prepare(const Options& options);
  /// Makes the nodes founding members of a cluster, unless the directory is one's already.
  static quorate::Result<void> found(const Options& options, const quorate::Configuration& founders);
  /// Recovers what is on disk, listens, and connects to the others.
  static quorate::Result<std::unique_ptr<LockNode>> start(quorate::transport::AsioRuntime& loop,
                                                          const Options& options);

  using Machine = quorate::DurableMachine<quorate::ExactlyOnce<LockService>, quorate::storage::PosixFiles, Worker>;
  using Log = quorate::storage::Wal<quorate::storage::PosixFiles>;
  using Storage = quorate::storage::AsyncStorage<Log, Worker>;
  using Node = quorate::Node<Storage, quorate::transport::AsioTransport, Machine, quorate::transport::AsioClock>;

  Node& node() { return *node_; }
  const LockService& locks() const { return machine_->application().application(); }

 private:
  LockNode(quorate::transport::AsioRuntime& loop, const Options& options, quorate::storage::PosixFiles log_files,
           quorate::storage::PosixFiles state_files);

  quorate::Result<void> open();

  quorate::transport::AsioRuntime& loop_;
  Options options_;
  quorate::storage::PosixFiles log_files_;    ///< of the log's thread
  quorate::storage::PosixFiles state_files_;  ///< of the snapshots' thread
  Worker log_worker_;
  Worker state_worker_;
  quorate::transport::AsioClock clock_;
  std::unique_ptr<quorate::transport::AsioTransport> transport_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<Node> node_;
};

}  // namespace example
