// Makes a StateMachine (concepts.hpp) of an application whose state is in memory: entries are applied to it, and every
// checkpoint writes the whole state as one snapshot file, from a copy, while entries go on being applied.
//
// Threads: used on the node's strand. The files are touched by jobs on the executor only, one after the other. What a
// job still owes when the machine is destroyed is dropped. A machine must not be moved once it has been used.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "consensus/application.hpp"
#include "consensus/assert.hpp"
#include "consensus/concepts.hpp"
#include "consensus/limits.hpp"
#include "consensus/storage/snapshot_store.hpp"

namespace quorate {

template <Application App, storage::FileSystem Files, SerialExecutor Executor>
class DurableMachine {
 public:
  /// Opens what is in `directory`, or begins with `fresh` where there is nothing. `files` and `executor` outlive the
  /// machine. kCorrupt: no snapshot there is whole.
  static Result<DurableMachine> open(NodeId self, App fresh, Files& files, std::string directory, Executor& executor) {
    auto store = storage::SnapshotStore<Files>::open(files, std::move(directory));
    if (!store) return tl::unexpected(store.error());
    auto loaded = store->load_newest();
    if (!loaded) return tl::unexpected(loaded.error());
    DurableMachine machine(self, std::move(fresh), std::move(*store), executor);
    if (*loaded) {
      if (auto restored = machine.app_.load((*loaded)->state); !restored) return tl::unexpected(restored.error());
      machine.recovered_ = (*loaded)->context;
      machine.newest_ = machine.recovered_.last;
    }
    return machine;
  }

  [[nodiscard]] const App& application() const { return app_; }

  [[nodiscard]] const CheckpointContext& recovered() const { return recovered_; }
  Result<Payload> apply(const Entry& entry) {
    if (entry.kind != EntryKind::kCommand) return Payload();
    return app_.apply(entry.payload.bytes(), entry.time);
  }
  [[nodiscard]] std::optional<std::uint64_t> digest() const {
    if (std::is_empty_v<App>) return std::nullopt;  // without state there is nothing to compare with the others'
    return app_.digest();
  }

  void checkpoint(CheckpointContext context, Completion<CheckpointContext> done) {
    std::vector<std::byte> state;
    app_.save(state);
    run<CheckpointContext>(
        [store = store_, context = std::move(context), state = std::move(state),
         pinned = pinned()]() mutable -> Result<CheckpointContext> {
          if (auto saved = store->save(context, state, pinned); !saved) return tl::unexpected(saved.error());
          return std::move(context);
        },
        [this, done = std::move(done)](Result<CheckpointContext> saved) {
          if (saved) newest_ = std::max(newest_, saved->last);
          done(std::move(saved));
        });
  }

  /// Always the whole state: an application in memory does not know what changed since `base`.
  Result<SnapshotId> open_snapshot(NodeId to, Index base) {
    static_cast<void>(base);
    if (newest_.index == Index{}) return fail(ErrorKind::kNotFound, "there is no snapshot yet");
    sending_[to] = newest_;
    return SnapshotId{newest_, Index{}, self_};
  }
  void read_snapshot(NodeId to, std::uint64_t offset, Completion<SnapshotPiece> done) {
    QUORATE_ASSERT(sending_.contains(to));
    run<SnapshotPiece>(
        [store = store_, last = sending_[to], offset] { return store->read(last, offset, kSnapshotChunkBytesMax); },
        std::move(done));
  }
  void close_snapshot(NodeId to) { sending_.erase(to); }

  [[nodiscard]] std::optional<StagedSnapshot> staged_snapshot() const { return store_->staged(); }
  void stage_snapshot(const SnapshotId& id, std::uint64_t offset, Payload bytes, Completion<std::uint64_t> done) {
    run<std::uint64_t>(
        [store = store_, id, offset, bytes = std::move(bytes)] { return store->stage(id, offset, bytes.bytes()); },
        std::move(done));
  }
  void install_snapshot(const SnapshotId& id, Completion<CheckpointContext> done) {
    struct Received {
      CheckpointContext context;
      App application;
    };
    run<Received>(
        [store = store_, id, pinned = pinned(), application = empty_]() mutable -> Result<Received> {
          auto loaded = store->adopt(id, pinned);
          if (!loaded) return tl::unexpected(loaded.error());
          // Its bytes are those that a node wrote; if they make no sense here, the two run different applications.
          if (auto restored = application.load(loaded->state); !restored) {
            return fail(ErrorKind::kUnsupported, restored.error().message);
          }
          return Received{std::move(loaded->context), std::move(application)};
        },
        [this, done = std::move(done)](Result<Received> received) {
          if (!received) return done(tl::unexpected(received.error()));
          app_ = std::move(received->application);
          newest_ = received->context.last;
          done(std::move(received->context));
        });
  }

  /// Every replica executes the commands of such an application: there is nothing to speculate about.
  void epoch_changed(Epoch) {}
  void appended(Epoch, std::uint64_t, LogId) {}

 private:
  DurableMachine(NodeId self, App fresh, storage::SnapshotStore<Files> store, Executor& executor)
      : self_(self),
        empty_(fresh),
        app_(std::move(fresh)),
        store_(std::make_shared<storage::SnapshotStore<Files>>(std::move(store))),
        executor_(&executor) {}

  /// Runs `job` on the executor and hands its result to `done` on the strand, if the machine is still there.
  template <class T, class Job>
  void run(Job job, std::function<void(Result<T>)> done) {
    auto result = std::make_shared<std::optional<Result<T>>>();
    executor_->run([job = std::move(job), result]() mutable { *result = job(); },
                   [result, done = std::move(done), life = std::weak_ptr<const char>(life_)] {
                     if (!life.expired()) done(std::move(**result));
                   });
  }

  [[nodiscard]] std::set<LogId> pinned() const {
    std::set<LogId> pinned;
    for (const auto& [to, last] : sending_) pinned.insert(last);
    return pinned;
  }

  NodeId self_;
  App empty_;  ///< as it was handed in: received state is loaded into a copy
  App app_;
  CheckpointContext recovered_;
  LogId newest_;
  std::map<NodeId, LogId> sending_;
  std::shared_ptr<storage::SnapshotStore<Files>> store_;  ///< shared with the jobs
  Executor* executor_;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace quorate
