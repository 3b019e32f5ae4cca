// SQLite as the StateMachine (consensus/concepts.hpp) of a replica: what entries of the log do to the page store. It
// runs no SQL. On the leader, entries that carry what its own executor sealed commit the versions that are there
// already; everywhere else, and for whatever was appended before the present epoch, they are applied from their deltas.
//
// Its state is the page store, the outcomes of requests with a key, the parts of a bundle that is not complete, and the
// configuration: all of it in one digest, in one checkpoint (the application's bytes of a superblock), in one snapshot.
//
// A replica whose pages are not those of the leader fails to apply the next change of them, which stops the node.
//
// Threads: everything on the node's strand, except what `disk_jobs` runs, and what the page store allows (readers, the
// executor's jobs). A checkpoint is a fold in many small jobs, beside which entries go on being applied. May be moved
// until it is used for the first time. Destroy it only when no job of the runner is at work or will be.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/storage/any_file_system.hpp"
#include "statemachine/sqlite/command.hpp"
#include "statemachine/sqlite/jobs.hpp"
#include "statemachine/sqlite/outcomes.hpp"
#include "statemachine/sqlite/page_store.hpp"
#include "statemachine/sqlite/part_buffer.hpp"
#include "statemachine/sqlite/scrub.hpp"

namespace quorate::sqlite {

class Fold;
class SnapshotSink;
class SnapshotSource;

struct SqliteMachineOptions {
  NodeId self;
  PageStoreOptions pages;
  OutcomeLimits outcomes;
  std::size_t snapshot_piece_bytes = kSnapshotChunkBytesMax;
  /// Changes in larger bundles are applied by a job, so that the strand goes on; the node waits for it.
  std::size_t apply_inline_bytes_max = std::size_t{4} << 20;
  /// While more than this of a bundle is here and its end is not, checkpoints wait: they would have to keep all of it.
  std::size_t checkpoint_parts_bytes_max = std::size_t{16} << 20;
  std::string incoming_directory = "incoming";  ///< below the file system's root; created if need be
};

class SqliteMachine {
 public:
  /// Opens what is there, or begins with nothing. Completes an interrupted fold.
  static Result<std::unique_ptr<SqliteMachine>> open(storage::AnyFileSystem files, SqliteMachineOptions options,
                                                     JobRunner disk_jobs);
  SqliteMachine(SqliteMachine&&) noexcept;
  SqliteMachine& operator=(SqliteMachine&&) = delete;
  ~SqliteMachine();

  /// Reads all that the last checkpoint wrote, and says what is damaged. Blocks; for whoever would rather know before
  /// the node starts than when a page is needed.
  [[nodiscard]] Result<void> verify();

  [[nodiscard]] PageStore& store() { return *store_; }
  [[nodiscard]] const PageStore& store() const { return *store_; }
  [[nodiscard]] const OutcomeTable& outcomes() const { return outcomes_; }
  /// Of what is applied.
  [[nodiscard]] const CheckpointContext& context() const { return context_; }
  /// 0: this node must not speculate.
  [[nodiscard]] Epoch epoch() const { return epoch_; }
  /// Told after every change of it; 0: all speculation has been dropped. One listener, the executor, which calls
  /// begin_speculation() when none of its jobs of an earlier epoch is at work any more: what such a job sealed would
  /// never be proposed.
  void on_epoch(std::function<void(Epoch)> listener) { listener_ = std::move(listener); }
  void begin_speculation() { store_->begin_epoch(epoch_); }
  /// Told when an entry that was refused with kUnavailable may be given again (Node::resume_apply).
  void on_applicable(std::function<void()> listener) { applicable_ = std::move(listener); }
  /// Puts back a page that another replica supplied, when nobody writes the base files. Errors as of take_page().
  void repair(const PageRequest& request, Payload answer, Completion<void> done);
  /// Memory fills up: the owner should ask the node for a checkpoint, whatever the size of the log.
  [[nodiscard]] bool checkpoint_wanted() const {
    return !is_base_busy_ && (store_->fold_wanted() || !awaiting_checkpoint_.empty());
  }
  /// Wants a checkpoint, and calls back when the one under way, or else the next, has ended, however it did; or when
  /// this node leads no more. For whoever fills memory faster than it can be emptied.
  void await_checkpoint(std::function<void()> done) { awaiting_checkpoint_.push_back(std::move(done)); }

  // --- The StateMachine concept; what is not said here is said there ---

  [[nodiscard]] const CheckpointContext& recovered() const { return recovered_; }
  /// The reply is empty: the executor has the response. kUnavailable: a job applies the entry, or a page that it
  /// changes is damaged here and has to be repaired first (page_keeper.hpp). kCorrupt: this replica has diverged, or
  /// the entry is damaged.
  Result<Payload> apply(const Entry& entry);
  [[nodiscard]] std::optional<std::uint64_t> digest() const;
  void checkpoint(CheckpointContext context, Completion<CheckpointContext> done);

  Result<SnapshotId> open_snapshot(NodeId to, Index base);
  void read_snapshot(NodeId to, std::uint64_t offset, Completion<SnapshotPiece> done);
  void close_snapshot(NodeId to);
  [[nodiscard]] std::optional<StagedSnapshot> staged_snapshot() const;
  void stage_snapshot(const SnapshotId& id, std::uint64_t offset, Payload bytes, Completion<std::uint64_t> done);
  void install_snapshot(const SnapshotId& id, Completion<CheckpointContext> done);
  /// Since the machine was opened.
  [[nodiscard]] std::uint64_t snapshots_installed() const { return snapshots_installed_; }

  void epoch_changed(Epoch epoch);
  void appended(Epoch epoch, std::uint64_t sequence, LogId id);

 private:
  enum class Origin : std::uint8_t {
    kOwn,      ///< sealed here, in this epoch: the pages are in the store already
    kForeign,  ///< from another leader, or from speculation that was dropped
  };

  /// A snapshot for another node. Kept when the transfer breaks off, so that it may go on where it was.
  struct Sending {
    std::shared_ptr<SnapshotSource> source;  ///< null for a witness
    Payload context;                         ///< all that a witness gets
    enum class State : std::uint8_t { kOpen, kClosed } state = State::kOpen;
  };

  SqliteMachine(std::unique_ptr<PageStore> store, SnapshotSink sink, SqliteMachineOptions options, JobRunner disk_jobs);

  [[nodiscard]] Origin origin_of(LogId id);
  Result<void> apply_part(const Entry& entry, Origin origin);
  Result<void> apply_bundle(const Entry& entry, const std::vector<Payload>& bundle, Origin origin);
  /// The parts of each version that a bundle makes, in their order.
  using Versions = std::vector<std::vector<Payload>>;
  Result<void> apply_foreign(LogId last, const std::vector<Payload>& bundle);
  [[nodiscard]] static std::size_t count_versions(const std::vector<Payload>& bundle);
  static Result<Versions> versions_in(const std::vector<Payload>& bundle);
  static Result<void> apply_all(PageStore& store, LogId last, const std::vector<Payload>& bundle);
  void settle_waiting();

  [[nodiscard]] std::vector<std::byte> save(const CheckpointContext& context) const;
  Result<void> load(std::span<const std::byte> bytes);
  [[nodiscard]] SnapshotId send_context(NodeId to);
  Result<CheckpointContext> adopt(Result<std::vector<std::byte>> application);
  /// Folds and installations take turns.
  void when_base_is_free(std::function<void()> work);
  void base_is_free();
  void fold(CheckpointContext context, Completion<CheckpointContext> done);
  void go_on_folding(CheckpointContext context, Completion<CheckpointContext> done);
  void checkpoint_ended();
  /// Runs `job` elsewhere and hands its result to `done`, if the machine is still there.
  template <class T, class Job>
  void run(Job job, Completion<T> done) {
    auto result = std::make_shared<std::optional<Result<T>>>();
    disk_jobs_([job = std::move(job), result]() mutable { *result = job(); },
               [result, done = std::move(done), life = std::weak_ptr(life_)]() mutable {
                 if (!life.expired()) done(std::move(**result));
               });
  }

  SqliteMachineOptions options_;
  JobRunner disk_jobs_;
  std::unique_ptr<PageStore> store_;
  std::function<void(Epoch)> listener_;

  OutcomeTable outcomes_;
  PartBuffer parts_;
  CheckpointContext context_;
  CheckpointContext recovered_;

  Epoch epoch_;
  std::uint64_t versions_committed_ = 0;  ///< of this epoch
  std::deque<LogId> own_;                 ///< appended in this epoch, not yet applied

  /// A bundle that a job applies, or has applied.
  struct Background {
    LogId entry;
    std::optional<Result<void>> result;
  };
  std::optional<Background> background_;
  std::function<void()> applicable_;
  std::vector<std::function<void()>> after_background_;  ///< what must not see half of it
  std::uint64_t snapshots_installed_ = 0;
  bool is_installing_ = false;                      ///< another node's state: nothing is applied meanwhile
  std::vector<std::function<void()>> after_parts_;  ///< checkpoints that wait for the end of a bundle

  std::map<NodeId, Sending> sending_;
  std::shared_ptr<SnapshotSink> sink_;  ///< belongs to the jobs
  std::optional<StagedSnapshot> staged_;
  std::vector<std::function<void()>> awaiting_checkpoint_;
  bool is_base_busy_ = false;   ///< the base files are being written
  std::shared_ptr<Fold> fold_;  ///< under way; kept here, for the completion of a job may outlive the store
  std::deque<std::function<void()>> waiting_for_base_;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace quorate::sqlite
