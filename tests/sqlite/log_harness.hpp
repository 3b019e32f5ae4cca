// What the tests of machine and executor share: replicas of the SQLite application on simulated disks under one log
// that the test grows, commits and cuts off as it likes. Jobs wait in queues until the test runs them, or run at once.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "consensus/configuration_codec.hpp"
#include "consensus/random.hpp"
#include "sim/disk.hpp"
#include "statemachine/sqlite/executor.hpp"
#include "statemachine/sqlite/machine.hpp"
#include "tests/sqlite/sql_harness.hpp"

namespace quorate::sqlite::testing {

/// Jobs that run when they are told to, in order.
class ManualJobs {
 public:
  JobRunner runner() {
    return [this](std::function<void()> job, std::function<void()> done) {
      jobs_.push_back({std::move(job), std::move(done)});
      if (is_automatic) run_all();
    };
  }
  /// Runs the oldest job's work; its end is reported by finish().
  void work() {
    if (auto work = std::exchange(jobs_.front().work, nullptr)) work();
  }
  void finish() {
    work();
    std::function<void()> done = std::move(jobs_.front().done);
    jobs_.pop_front();
    done();
  }
  void run_all() {
    if (std::exchange(is_running_, true)) return;
    while (!jobs_.empty()) finish();
    is_running_ = false;
  }
  [[nodiscard]] std::size_t waiting() const { return jobs_.size(); }

  bool is_automatic = true;

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };
  std::deque<Job> jobs_;
  bool is_running_ = false;
};

/// One node's part.
class Replica {
 public:
  explicit Replica(NodeId self, PageStoreOptions pages = {}, OutcomeLimits outcomes = {})
      : options_{self, std::move(pages), outcomes} {
    open();
  }

  void open() {
    machine_.reset();
    auto opened = SqliteMachine::open(storage::AnyFileSystem(disk), options_, disk_jobs.runner());
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    machine_ = std::move(*opened);
  }
  SqliteMachine& operator*() { return *machine_; }
  SqliteMachine* operator->() { return machine_.get(); }

  /// Errors as text.
  std::string apply(const Entry& entry) {
    const Result<Payload> applied = machine_->apply(entry);
    return applied ? "" : applied.error().message;
  }
  /// What is applied, asked of a connection of its own.
  std::string read(std::string_view sql) {
    ConnectionOptions options;
    options.vfs.unix_time_ms = [] { return std::int64_t{0}; };
    options.now = [] { return Instant{}; };
    auto connection = Connection::open(machine_->store(), options);
    EXPECT_TRUE(connection.has_value());
    return query(**connection, sql);
  }
  std::string checkpoint() {
    std::string end = "not done";
    machine_->checkpoint(machine_->context(), [&](Result<CheckpointContext> done) {
      end = done ? "" : done.error().message;
      EXPECT_TRUE(!done || *done == machine_->context());
    });
    return end;
  }

  sim::SimFiles disk{Random(1)};
  ManualJobs disk_jobs;

 private:
  SqliteMachineOptions options_;
  std::unique_ptr<SqliteMachine> machine_;
};

/// The log of a leader, as far as a leader-executed application sees it: proposals are appended at once, and committed,
/// or cut off, when the test says so.
class FakeLog {
 public:
  explicit FakeLog(Replica& leader) : leader_(leader) {
    append(EntryKind::kConfiguration, encode(Configuration{.members = {{.id = NodeId{1}}}}));
    append(EntryKind::kNoop);
  }

  Executor::Propose propose() {
    return [this](Payload payload, Epoch epoch, std::uint64_t sequence, ProposalCallback done) {
      if (epoch != epoch_ || sequence != next_sequence_ || refuses_) {
        if (epoch == epoch_) end_epoch();
        return done({Outcome::kRefused, refuses_ ? Refusal::kOverloaded : Refusal::kStaleEpoch, {}, {}});
      }
      ++next_sequence_;
      append(EntryKind::kCommand, std::move(payload));
      entries_.back().done = std::move(done);
      leader_->appended(epoch, sequence, entries_.back().entry.id());
      if (is_automatic) commit();
    };
  }

  void append(EntryKind kind, Payload payload = {}) {
    const Index index = entries_.empty() ? Index{1} : entries_.back().entry.index + 1;
    entries_.push_back({{term_, index, kind, time, std::move(payload)}, nullptr});
  }
  /// Commits and applies `count` entries, everything by default.
  void commit(std::size_t count = SIZE_MAX) {
    for (; count > 0 && applied_ < entries_.size(); --count) {
      const std::size_t at = applied_++;
      EXPECT_EQ(leader_.apply(entries_[at].entry), "");
      const ProposalCallback done = std::exchange(entries_[at].done, nullptr);
      if (done) done({Outcome::kCommitted, Refusal::kNone, entries_[at].entry.id(), {}});
    }
  }
  [[nodiscard]] std::size_t uncommitted() const { return entries_.size() - applied_; }

  void begin_epoch() {
    end_epoch();
    commit();
    epoch_ = Epoch{epoch_count_ += 1};
    next_sequence_ = 0;
    leader_->epoch_changed(epoch_);
  }
  void end_epoch() {
    if (std::exchange(epoch_, {}) != Epoch{}) leader_->epoch_changed({});
  }
  /// Another leader takes over for a while: it has the first `kept` of the uncommitted entries, the others are gone.
  void lose_leadership(std::size_t kept, Outcome outcome = Outcome::kRefused) {
    end_epoch();
    std::vector<ProposalCallback> lost;
    while (uncommitted() > kept) {
      lost.push_back(std::move(entries_.back().done));
      entries_.pop_back();
    }
    term_ = term_ + 1;
    append(EntryKind::kNoop);
    for (const ProposalCallback& done : lost) {
      if (done) done({outcome, outcome == Outcome::kRefused ? Refusal::kOverwritten : Refusal::kNone, {}, {}});
    }
  }

  [[nodiscard]] const Entry& entry(std::size_t at) const { return entries_[at].entry; }
  /// What is applied here is applied there.
  void replay(Replica& follower, std::size_t through = SIZE_MAX) const {
    for (std::size_t at = follower->store().applied().index.value; at < std::min(through, applied_); ++at) {
      ASSERT_EQ(follower.apply(entries_[at].entry), "");
    }
  }

  void set_refusing(bool refuses) { refuses_ = refuses; }

  bool is_automatic = true;
  LogTime time{1};

 private:
  struct Slot {
    Entry entry;
    ProposalCallback done;
  };
  Replica& leader_;
  std::vector<Slot> entries_;
  std::size_t applied_ = 0;
  Term term_{1};
  Epoch epoch_;
  std::uint64_t epoch_count_ = 0;
  std::uint64_t next_sequence_ = 0;
  bool refuses_ = false;
};

/// A leader with its executor.
class Leader {
 public:
  explicit Leader(PageStoreOptions pages = {}, ExecutorOptions options = {}) : replica(NodeId{1}, std::move(pages)) {
    options.connection.vfs.unix_time_ms = [this] { return unix_time_ms; };
    options.connection.now = [this] {
      if (on_look) on_look();
      return now += tick;
    };
    options.random = [this] { return random.next(); };
    executor = std::make_unique<Executor>(*replica, std::move(options), sql_jobs.runner(), log.propose());
    log.begin_epoch();
  }

  /// A request's end as text, once it has one: "ok", rows, "error: ...", or how it was refused.
  struct Ticket {
    bool has_ended = false;
    std::string text;
    Execution execution;
  };
  using TicketPtr = std::shared_ptr<Ticket>;
  static Executor::Done note(const TicketPtr& ticket) {
    return [ticket](Execution execution) {
      EXPECT_FALSE(ticket->has_ended);
      ticket->has_ended = true;
      ticket->text = describe(execution);
      ticket->execution = std::move(execution);
    };
  }
  TicketPtr send(Submission submission) {
    auto ticket = std::make_shared<Ticket>();
    executor->execute(std::move(submission), note(ticket));
    return ticket;
  }
  TicketPtr send(std::string sql, std::string key = {}) {
    return send({.request = request_of(std::move(sql)), .idempotency_key = std::move(key)});
  }
  std::string run(std::string sql, std::string key = {}) { return send(std::move(sql), std::move(key))->text; }

  static Request request_of(std::string sql) {
    Request request;
    request.statements.push_back({std::move(sql), {}});
    request.kind = RequestKind::kMixed;
    return request;
  }
  static std::string describe(const Execution& execution) {
    switch (execution.end) {
      case Execution::End::kDone: break;
      case Execution::End::kNotLeader: return "not leader";
      case Execution::End::kRefused: return "refused: " + execution.error;
      case Execution::End::kInvalid: return "invalid: " + execution.error;
      case Execution::End::kTooLarge: return "too large";
      case Execution::End::kUnknown: return "unknown";
    }
    std::string text = execution.answer == Execution::Answer::kRepeated  ? "again: "
                       : execution.answer == Execution::Answer::kNotKept ? "not kept"
                                                                         : "";
    if (execution.response.error) return text + "failed: " + execution.response.error->message;
    for (const StatementResult& result : execution.response.results) {
      if (result.kind == StatementResult::Kind::kError) text += "error: " + result.error.message;
      if (result.kind == StatementResult::Kind::kChanges) text += fmt::format("{} changed", result.rows_affected);
      for (const std::vector<Value>& row : result.rows) {
        for (const Value& value : row) text += text_of(value) + ",";
      }
      text += ";";
    }
    return text;
  }

  Random random{7};
  Instant now{};
  Duration tick{};                ///< that the clock advances whenever it is read
  std::function<void()> on_look;  ///< called then
  std::int64_t unix_time_ms = 1'700'000'000'000;
  Replica replica;
  FakeLog log{replica};
  ManualJobs sql_jobs;
  std::unique_ptr<Executor> executor;
};

}  // namespace quorate::sqlite::testing
