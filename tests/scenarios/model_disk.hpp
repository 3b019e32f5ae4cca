// The log's disk as scenarios see it: a model of the Storage concept in which every write waits until it is told to
// complete, may be made to fail, and may be cut anywhere by a crash. Writes become durable in order, field by field as
// PersistBatch says; the smallest thing that can reach the disk or not is called an atom: a reset, a truncation, the
// hard state, one entry, one repaired body, one compaction.
//
// On request the same writes are made to a real write-ahead log on simulated files as well (file_log.hpp). Then a start
// finds what that log recovers, which must be one of the states that the model allows.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/effect.hpp"
#include "consensus/log.hpp"
#include "tests/scenarios/file_log.hpp"

namespace quorate::scenario {

class ModelDisk {
 public:
  /// What is durable.
  struct Content {
    HardState hard_state;
    Log log;
    std::set<Index> damaged;
    bool promises_lost = false;
  };

  // The Storage concept.
  void submit(PersistBatch batch, Completion<LogId> done);
  void compact(LogId through);

  /// Makes the oldest write durable and says so to the node. False if there is none.
  bool complete_one();
  /// Writes that were asked for and are not durable.
  [[nodiscard]] std::size_t pending() const { return pending_.size(); }
  /// The next write fails instead of completing.
  void fail_next(ErrorKind kind);

  /// The process is gone; of what was under way, the first `atoms` atoms are found on the disk later. On files, `fate`
  /// decides what is.
  void crash(std::size_t atoms, UnsyncedWrites fate);
  /// What a process finds that starts now. Every call is another boot. An error: it does not start.
  [[nodiscard]] Result<Recovered> recover();
  /// Another, empty disk.
  void wipe(Incarnation incarnation);

  /// The body of an entry has become unreadable; its id has not.
  void damage(Index index);
  /// Term, vote and commit have become unreadable. Only without files.
  void lose_promises();
  /// The files, if there are any, for faults that only they know. What is lost by those need not be found.
  [[nodiscard]] FileLog& tainted_files();

  [[nodiscard]] const Content& content() const { return content_; }
  [[nodiscard]] bool holds(LogId id) const;
  [[nodiscard]] Incarnation incarnation() const { return incarnation_; }
  [[nodiscard]] bool is_on_files() const { return files_ != nullptr; }

  /// Before the scenario begins.
  void fill(Incarnation incarnation, Content content);
  /// Makes everything so far, and all that follows, on files too.
  void use_files(NodeId node);

 private:
  struct Write {
    PersistBatch batch;
    Completion<LogId> done;
    std::optional<LogId> compaction;  ///< instead of a batch
  };

  static std::size_t put(const Write& write, Content& content, std::size_t atoms);
  Result<void> write_files(const Write& write);
  void adopt(const Recovered& found);
  [[nodiscard]] bool allows(const Content& possible, const Recovered& found) const;

  Content content_;
  std::vector<Content> possible_;  ///< what a crash may have left, on files
  Incarnation incarnation_;
  Boot boot_;
  NodeId node_;
  std::deque<Write> pending_;
  std::optional<ErrorKind> failure_;
  bool has_failed_ = false;  ///< nothing is written any more before the next crash
  std::unique_ptr<FileLog> files_;
  bool tainted_ = false;
};

}  // namespace quorate::scenario
