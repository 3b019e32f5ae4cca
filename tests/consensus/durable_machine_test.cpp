// Checkpoints and snapshots of an in-memory application, on a disk that crashes at every single operation (pitfalls E4,
// E14, E15, E25, E26). The application is the key-value store with sessions around it.
#include "consensus/durable_machine.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "consensus/exactly_once.hpp"
#include "consensus/witness_machine.hpp"
#include "sim/disk.hpp"
#include "statemachine/kv.hpp"
#include "statemachine/limits.hpp"
#include "statemachine/register.hpp"
#include "tests/storage/manual_executor.hpp"

namespace quorate {
namespace {

using sim::CrashPolicy;
using sim::SimFiles;
using testing::ManualExecutor;

using App = ExactlyOnce<KeyValue>;
using Machine = DurableMachine<App, SimFiles, ManualExecutor>;
using Witness = WitnessMachine<SimFiles, ManualExecutor>;
static_assert(StateMachine<Machine>);
static_assert(StateMachine<Witness>);

constexpr NodeId kSender{1};
constexpr NodeId kReceiver{2};

Configuration voters(std::uint64_t count) {
  Configuration configuration;
  for (std::uint64_t id = 1; id <= count; ++id) {
    configuration.members.push_back({NodeId{id}, Incarnation{id}, MemberKind::kVoter, 1, "n"});
  }
  return configuration;
}

/// One disk, and one life of a machine on it after the other.
class Site {
 public:
  explicit Site(NodeId id) : id_(id), disk_(Random(7)) { reopen(); }

  void reopen() {
    machine_.reset();
    auto opened = Machine::open(id_, App{}, disk_, "snapshots", executor_);
    ASSERT_TRUE(opened) << opened.error().message;
    machine_ = std::make_unique<Machine>(std::move(*opened));
    last_ = machine_->recovered().last;
  }
  void crash(CrashPolicy policy) {
    machine_.reset();
    executor_ = {};
    disk_.crash(policy);
    reopen();
  }

  /// Applies the next entry of the log: it puts its own index under "x", or `value` under `key`.
  void put(const std::string& key, const std::string& value) {
    const Payload inner = KeyValue::encode(KeyValue::single(KeyValue::put({key, value})));
    apply({Term{1}, last_.index + 1, EntryKind::kCommand, LogTime{last_.index.value + 1},
           encode(SessionCommand(Execute{{}, inner.bytes()}))});
  }
  void put_next() { put("x", std::to_string(last_.index.value + 1)); }
  void apply(const Entry& entry) {
    ASSERT_TRUE(machine_->apply(entry));
    last_ = entry.id();
  }

  /// What the driver knows of the state at `last`.
  [[nodiscard]] CheckpointContext context() const {
    return {last_, LogTime{last_.index.value}, voters(1 + last_.index.value % 3)};
  }

  std::optional<Result<CheckpointContext>> checkpoint() {
    std::optional<Result<CheckpointContext>> result;
    machine_->checkpoint(context(), [&](Result<CheckpointContext> done) { result = std::move(done); });
    executor_.run_all();
    return result;
  }

  std::optional<Result<std::uint64_t>> stage(const SnapshotId& id, std::uint64_t offset, const Payload& bytes) {
    std::optional<Result<std::uint64_t>> result;
    machine_->stage_snapshot(id, offset, bytes, [&](Result<std::uint64_t> done) { result = std::move(done); });
    executor_.run_all();
    return result;
  }
  std::optional<Result<CheckpointContext>> install(const SnapshotId& id) {
    std::optional<Result<CheckpointContext>> result;
    machine_->install_snapshot(id, [&](Result<CheckpointContext> done) { result = std::move(done); });
    executor_.run_all();
    return result;
  }
  std::optional<Result<SnapshotPiece>> read(NodeId to, std::uint64_t offset) {
    std::optional<Result<SnapshotPiece>> result;
    machine_->read_snapshot(to, offset, [&](Result<SnapshotPiece> done) { result = std::move(done); });
    executor_.run_all();
    return result;
  }

  Machine& machine() { return *machine_; }
  SimFiles& disk() { return disk_; }
  ManualExecutor& executor() { return executor_; }
  [[nodiscard]] const App& app() const { return machine_->application(); }
  [[nodiscard]] std::string value(const std::string& key) const {
    const auto& values = app().application().values();
    const auto found = values.find(key);
    return found == values.end() ? "" : found->second;
  }

 private:
  NodeId id_;
  SimFiles disk_;
  ManualExecutor executor_;
  std::unique_ptr<Machine> machine_;
  LogId last_;
};

/// More than two chunks of state.
void fill(Site& site) {
  for (int at = 0; at < 40; ++at)
    site.put("key" + std::to_string(at), std::string(kValueBytesMax, static_cast<char>('a' + at % 26)));
}

struct Transfer {
  SnapshotId id;
  std::vector<Payload> chunks;
};

Transfer send_from(Site& site) {
  const Result<SnapshotId> id = site.machine().open_snapshot(kReceiver, Index{});
  EXPECT_TRUE(id);
  Transfer transfer{*id, {}};
  std::uint64_t offset = 0;
  for (bool is_last = false; !is_last;) {
    const auto piece = site.read(kReceiver, offset);
    is_last = (*piece)->is_last;
    offset += (*piece)->bytes.size();
    transfer.chunks.push_back((*piece)->bytes);
  }
  site.machine().close_snapshot(kReceiver);
  return transfer;
}

void stage_all(Site& site, const Transfer& transfer) {
  std::uint64_t offset = 0;
  for (const Payload& chunk : transfer.chunks) {
    const auto staged = site.stage(transfer.id, offset, chunk);
    ASSERT_TRUE(staged && *staged);
    offset = **staged;
  }
}

// --- checkpoints -----------------------------------------------------------------------------------------------------

TEST(DurableMachine, BeginsWithNothing) {
  Site site(kSender);
  EXPECT_EQ(site.machine().recovered(), CheckpointContext{});
  EXPECT_EQ(site.app(), App{});
  EXPECT_FALSE(site.machine().open_snapshot(kReceiver, Index{}));
}

TEST(DurableMachine, RecoversStateAndContextOfTheSameIndex) {
  Site site(kSender);
  for (int at = 0; at < 5; ++at) site.put_next();
  const CheckpointContext context = site.context();
  const App state = site.app();
  ASSERT_EQ(*site.checkpoint(), context);
  site.put_next();
  site.crash(CrashPolicy::kDropAll);
  EXPECT_EQ(site.machine().recovered(), context);
  EXPECT_EQ(site.app(), state);
  EXPECT_EQ(site.machine().digest(), state.digest());
}

TEST(DurableMachine, CheckpointsTheStateAsOfTheCallWhileEntriesGoOn) {  // pitfall E25
  Site site(kSender);
  site.put_next();
  const CheckpointContext context = site.context();
  std::optional<Result<CheckpointContext>> done;
  site.machine().checkpoint(context, [&](Result<CheckpointContext> result) { done = std::move(result); });
  site.put_next();
  EXPECT_FALSE(done);
  site.executor().run_all();
  ASSERT_EQ(*done, context);
  EXPECT_EQ(site.value("x"), "2");
  site.reopen();
  EXPECT_EQ(site.value("x"), "1");
}

TEST(DurableMachine, AppliesEntriesWithoutACommandToNothing) {
  Site site(kSender);
  const Result<Payload> reply = site.machine().apply({Term{1}, Index{1}, EntryKind::kNoop, LogTime{}, {}});
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->empty());
  EXPECT_EQ(site.app(), App{});
}

class CrashWhile : public ::testing::TestWithParam<CrashPolicy> {};
INSTANTIATE_TEST_SUITE_P(Policies, CrashWhile,
                         ::testing::Values(CrashPolicy::kKeepAll, CrashPolicy::kDropAll, CrashPolicy::kTear,
                                           CrashPolicy::kReorder));

TEST_P(CrashWhile, CheckpointingLeavesTheOldStateOrTheNew) {
  bool has_seen_old = false;
  bool has_seen_new = false;
  for (std::uint64_t operations = 0;; ++operations) {
    Site site(kSender);
    site.put_next();
    ASSERT_TRUE(*site.checkpoint());
    const CheckpointContext old_context = site.context();
    site.put_next();
    const CheckpointContext new_context = site.context();
    site.disk().stop_after(operations);
    const bool is_done = site.checkpoint()->has_value();
    site.crash(GetParam());

    const bool is_new = site.machine().recovered() == new_context;
    ASSERT_TRUE(is_new || site.machine().recovered() == old_context) << "after " << operations << " operations";
    ASSERT_EQ(site.value("x"), is_new ? "2" : "1");
    if (is_done) {
      ASSERT_TRUE(is_new) << "reported as durable and lost, after " << operations << " operations";
    }
    (is_new ? has_seen_new : has_seen_old) = true;
    if (is_done) break;
  }
  EXPECT_TRUE(has_seen_old);
  EXPECT_TRUE(has_seen_new);
}

TEST(DurableMachine, ReportsADiskThatFails) {
  Site site(kSender);
  site.put_next();
  site.disk().arm(sim::DiskFault::kSyncError);
  const auto done = site.checkpoint();
  ASSERT_FALSE(*done);
  EXPECT_EQ(done->error().kind, ErrorKind::kIo);
}

TEST(DurableMachine, MayBeDestroyedWhileItsJobsWait) {
  Site site(kSender);
  ManualExecutor executor;
  auto opened = Machine::open(kReceiver, App{}, site.disk(), "other", executor);
  ASSERT_TRUE(opened);
  auto machine = std::make_unique<Machine>(std::move(*opened));
  bool is_reported = false;
  machine->checkpoint(site.context(), [&](const Result<CheckpointContext>&) { is_reported = true; });
  machine->stage_snapshot({{Term{1}, Index{1}}, {}, kSender}, 0, Payload::copy_of("x"),
                          [&](const Result<std::uint64_t>&) { is_reported = true; });
  machine.reset();
  executor.run_all();
  EXPECT_FALSE(is_reported);
}

// --- snapshots on their way ------------------------------------------------------------------------------------------

TEST(DurableMachine, TakesOverWhatAnotherOneSends) {
  Site sender(kSender);
  fill(sender);
  ASSERT_TRUE(*sender.checkpoint());
  const CheckpointContext context = sender.context();
  const Transfer transfer = send_from(sender);
  EXPECT_EQ(transfer.id, (SnapshotId{context.last, Index{}, kSender}));
  EXPECT_GT(transfer.chunks.size(), 2U);

  Site receiver(kReceiver);
  receiver.put("gone", "afterwards");
  stage_all(receiver, transfer);
  ASSERT_EQ(*receiver.install(transfer.id), context);
  EXPECT_EQ(receiver.app(), sender.app());
  EXPECT_FALSE(receiver.machine().staged_snapshot());
  receiver.crash(CrashPolicy::kDropAll);
  EXPECT_EQ(receiver.app(), sender.app());
  EXPECT_EQ(receiver.machine().recovered(), context);
  // And can hand it on.
  EXPECT_EQ(send_from(receiver).id, (SnapshotId{context.last, Index{}, kReceiver}));
}

TEST(DurableMachine, KeepsWhatIsBeingSent) {
  Site sender(kSender);
  fill(sender);
  ASSERT_TRUE(*sender.checkpoint());
  ASSERT_TRUE(sender.machine().open_snapshot(kReceiver, Index{}));
  const Payload before = (*sender.read(kReceiver, 0))->bytes;
  for (int more = 0; more < 4; ++more) {
    sender.put_next();
    ASSERT_TRUE(*sender.checkpoint());
  }
  EXPECT_EQ((*sender.read(kReceiver, 0))->bytes, before);
  const std::size_t kept = sender.disk().list("snapshots")->size();
  sender.machine().close_snapshot(kReceiver);
  sender.put_next();
  ASSERT_TRUE(*sender.checkpoint());
  EXPECT_LT(sender.disk().list("snapshots")->size(), kept);
}

TEST(DurableMachine, ResumesATransferAfterARestart) {  // pitfall E15
  Site sender(kSender);
  fill(sender);
  ASSERT_TRUE(*sender.checkpoint());
  const Transfer transfer = send_from(sender);

  Site receiver(kReceiver);
  ASSERT_TRUE(*receiver.stage(transfer.id, 0, transfer.chunks[0]));
  receiver.crash(CrashPolicy::kDropAll);
  const std::optional<StagedSnapshot> staged = receiver.machine().staged_snapshot();
  ASSERT_TRUE(staged);
  EXPECT_EQ(staged->id, transfer.id);
  EXPECT_EQ(staged->next_offset, transfer.chunks[0].size());
  std::uint64_t offset = staged->next_offset;
  for (std::size_t at = 1; at < transfer.chunks.size(); ++at)
    offset = **receiver.stage(transfer.id, offset, transfer.chunks[at]);
  ASSERT_TRUE(*receiver.install(transfer.id));
  EXPECT_EQ(receiver.app(), sender.app());
}

TEST(DurableMachine, DiscardsDamagedBytesAndStaysAsItWas) {  // pitfall E26
  Site sender(kSender);
  fill(sender);
  ASSERT_TRUE(*sender.checkpoint());
  Transfer transfer = send_from(sender);
  std::vector<std::byte> damaged(transfer.chunks[1].bytes().begin(), transfer.chunks[1].bytes().end());
  damaged[damaged.size() / 2] ^= std::byte{1};
  const Payload whole = std::exchange(transfer.chunks[1], Payload::copy_of(damaged));

  Site receiver(kReceiver);
  receiver.put_next();
  ASSERT_TRUE(*receiver.checkpoint());
  const App before = receiver.app();
  stage_all(receiver, transfer);
  const auto refused = receiver.install(transfer.id);
  ASSERT_FALSE(*refused);
  EXPECT_EQ(refused->error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(receiver.app(), before);
  EXPECT_FALSE(receiver.machine().staged_snapshot());

  transfer.chunks[1] = whole;
  stage_all(receiver, transfer);
  ASSERT_TRUE(*receiver.install(transfer.id));
  EXPECT_EQ(receiver.app(), sender.app());
}

TEST_P(CrashWhile, InstallingLeavesTheOldStateOrTheNew) {
  Site sender(kSender);
  sender.put("a", "1");
  sender.put("b", "2");
  ASSERT_TRUE(*sender.checkpoint());
  const Transfer transfer = send_from(sender);
  for (std::uint64_t operations = 0;; ++operations) {
    Site receiver(kReceiver);
    receiver.put_next();
    ASSERT_TRUE(*receiver.checkpoint());
    const CheckpointContext old_context = receiver.context();
    stage_all(receiver, transfer);
    receiver.disk().stop_after(operations);
    const bool is_done = receiver.install(transfer.id)->has_value();
    receiver.crash(GetParam());
    const bool is_new = receiver.machine().recovered() == sender.context();
    ASSERT_TRUE(is_new || receiver.machine().recovered() == old_context) << "after " << operations << " operations";
    ASSERT_EQ(receiver.value("b"), is_new ? "2" : "");
    ASSERT_EQ(receiver.value("x"), is_new ? "" : "1");
    if (is_done) {
      ASSERT_TRUE(is_new) << "reported as installed and lost, after " << operations << " operations";
      break;
    }
  }
}

TEST(DurableMachine, RefusesTheStateOfAnotherApplication) {
  Site sender(kSender);
  fill(sender);
  ASSERT_TRUE(*sender.checkpoint());
  const Transfer transfer = send_from(sender);

  SimFiles disk(Random(3));
  ManualExecutor executor;
  auto opened =
      DurableMachine<Register, SimFiles, ManualExecutor>::open(kReceiver, Register{}, disk, "snapshots", executor);
  ASSERT_TRUE(opened);
  std::uint64_t offset = 0;
  for (const Payload& chunk : transfer.chunks) {
    opened->stage_snapshot(transfer.id, offset, chunk, [](const Result<std::uint64_t>& done) { ASSERT_TRUE(done); });
    executor.run_all();
    offset += chunk.size();
  }
  std::optional<Result<CheckpointContext>> installed;
  opened->install_snapshot(transfer.id, [&](Result<CheckpointContext> done) { installed = std::move(done); });
  executor.run_all();
  ASSERT_FALSE(*installed);
  EXPECT_EQ(installed->error().kind, ErrorKind::kUnsupported);
}

// --- the witness -----------------------------------------------------------------------------------------------------

TEST(WitnessMachine, KeepsTheContextAndNothingElse) {
  Site sender(kSender);
  fill(sender);
  ASSERT_TRUE(*sender.checkpoint());
  const Transfer transfer = send_from(sender);

  SimFiles disk(Random(3));
  ManualExecutor executor;
  auto witness = Witness::open(kReceiver, {}, disk, "snapshots", executor);
  ASSERT_TRUE(witness);
  ASSERT_TRUE(witness->apply({Term{1}, Index{1}, EntryKind::kCommand, {}, Payload::absent()}));
  EXPECT_EQ(witness->digest(), std::nullopt) << "it cannot tell what the others hold";

  std::uint64_t offset = 0;
  for (const Payload& chunk : transfer.chunks) {
    witness->stage_snapshot(transfer.id, offset, chunk, [](const Result<std::uint64_t>& done) { ASSERT_TRUE(done); });
    executor.run_all();
    offset += chunk.size();
  }
  std::optional<Result<CheckpointContext>> installed;
  witness->install_snapshot(transfer.id, [&](Result<CheckpointContext> done) { installed = std::move(done); });
  executor.run_all();
  ASSERT_EQ(*installed, sender.context());
  auto again = Witness::open(kReceiver, {}, disk, "snapshots", executor);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->recovered(), sender.context());
}

}  // namespace
}  // namespace quorate
