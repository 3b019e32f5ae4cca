// What the log makes of disks that decay: damage is never taken for absence, and what is returned is what was written.
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "consensus/wire/little_endian.hpp"
#include "tests/storage/wal_workload.hpp"

namespace quorate::storage {
namespace {

using quorate::testing::entry;
using quorate::testing::LogModel;
using quorate::testing::model_of;
using quorate::testing::SimWal;
using quorate::testing::small_wal;
using sim::CrashPolicy;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A log at rest: everything is on the disk, the mark behind the last group included.
class DamagedLog {
 public:
  explicit DamagedLog(std::uint64_t seed) : disk(Random(seed)), random(seed) {}

  void fill(int batches) {
    auto wal = std::move(SimWal::open(disk, small_wal()).value().wal);
    for (int i = 0; i < batches; ++i) {
      persist(wal, quorate::testing::random_batch(model, random));
      if (random.below(20) != 0 || model.hard_state.commit <= model.base.index) continue;
      const Index through{random.between(model.base.index.value + 1, model.hard_state.commit.value)};
      const LogId id = model.entries[through - model.first_index()].id();
      EXPECT_TRUE(wal.compact(id));
      model.compact(id);
    }
    rest(wal);
  }
  void persist(SimWal& wal, const PersistBatch& batch) {
    ASSERT_TRUE(wal.append(batch));
    ASSERT_TRUE(wal.commit());
    model.apply(batch);
    for (const Entry& written : batch.entries) ever_written[written.id()] = written;
  }
  void rest(SimWal& wal) {
    EXPECT_TRUE(wal.mark());
    disk.crash(CrashPolicy::kKeepAll);
  }
  [[nodiscard]] Result<SimWal::Opened> open() { return SimWal::open(disk, small_wal()); }

  /// Whether the mark behind the last group is there: without it, damage to that group looks like a torn tail.
  [[nodiscard]] bool is_marked() const {
    std::array<std::byte, kIdentitySlotBytes> slot{};
    std::ranges::copy(disk.durable_bytes("log/identity").first<kIdentitySlotBytes>(), slot.begin());
    const auto identity = decode_identity(slot);
    if (!identity) return false;
    for (const std::string& path : disk.durable_files()) {
      const auto number = parse_segment_name(path.substr(path.rfind('/') + 1));
      if (!number) continue;
      const auto content = disk.durable_bytes(path);
      for (std::uint64_t at = 0; at < content.size(); at += identity->block_bytes) {
        const auto found = decode_group_header(content, *number, at, identity->salt);
        if (found && found->header.is_mark && found->header.state.last == model.last() &&
            found->header.state.hard_state == model.hard_state && found->header.state.base == model.base) {
          return true;
        }
      }
    }
    return false;
  }

  /// The files that damage may strike: segments and identity.
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> found;
    for (const std::string& path : disk.durable_files()) {
      if (path.starts_with("log/log-") || path == "log/identity") found.push_back(path);
    }
    return found;
  }

  sim::SimFiles disk;
  Random random;
  LogModel model;
  std::map<LogId, Entry> ever_written;
};

/// Ids and hard state are as written, and bodies are, or are reported as damaged.
std::string differences(const LogModel& model, const Recovered& recovered) {
  if (recovered.promises_lost) return "promises are lost";
  if (recovered.hard_state != model.hard_state) return "another hard state";
  if (recovered.base != model.base) return "another base";
  if (recovered.entries.size() != model.entries.size()) return "another number of entries";
  std::vector<LogId> damaged;
  for (std::size_t i = 0; i < model.entries.size(); ++i) {
    Entry expected = model.entries[i];
    if (recovered.entries[i].payload.is_absent()) {
      damaged.push_back(expected.id());
      expected.payload = Payload::absent();
    }
    if (recovered.entries[i] != expected) return "entry " + std::to_string(expected.index.value) + " differs";
  }
  return damaged == recovered.damaged ? "" : "the list of damaged entries is wrong";
}

// pitfall C10, C11: every single bit of everything that is stored.
RC_GTEST_PROP(WalDamageProperty, OneFlippedBitLosesAtMostOneBody, ()) {
  DamagedLog log(*rc::gen::arbitrary<std::uint64_t>());
  log.fill(*rc::gen::inRange(1, 80));
  const auto files = log.files();
  const std::string path = files[*rc::gen::inRange<std::size_t>(0, files.size())];
  const auto size = log.disk.durable_bytes(path).size();
  log.disk.flip_bit(path, *rc::gen::inRange<std::uint64_t>(0, size), *rc::gen::inRange(0U, 8U));
  auto opened = log.open();
  RC_ASSERT(opened.has_value());
  RC_ASSERT(differences(log.model, opened->recovered) == "");
  RC_ASSERT(opened->recovered.damaged.size() <= 1U);
}

// Whole sectors, so that ids may be lost as well. What is returned was written, and a loss of promises is said.
RC_GTEST_PROP(WalDamageProperty, LostSectorsAreNeverTakenForAbsence, ()) {
  DamagedLog log(*rc::gen::arbitrary<std::uint64_t>());
  log.fill(*rc::gen::inRange(1, 80));
  const auto files = log.files();
  const int strikes = *rc::gen::inRange(1, 4);
  for (int strike = 0; strike < strikes; ++strike) {
    const std::string path = files[*rc::gen::inRange<std::size_t>(0, files.size())];
    const auto sectors = log.disk.durable_bytes(path).size() / sim::kSectorBytes;
    const auto first = *rc::gen::inRange<std::uint64_t>(0, sectors);
    const auto count = *rc::gen::inRange<std::uint64_t>(1, std::min<std::uint64_t>(8, sectors - first) + 1);
    std::vector<std::byte> garbage(count * sim::kSectorBytes);
    const bool is_zeros = *rc::gen::arbitrary<bool>();
    for (std::byte& byte : garbage) byte = is_zeros ? std::byte{0} : static_cast<std::byte>(log.random.next());
    log.disk.overwrite(path, first * sim::kSectorBytes, garbage);
  }
  const bool is_marked = log.is_marked();
  auto opened = log.open();
  if (!opened) {
    RC_ASSERT(opened.error().kind == ErrorKind::kCorrupt);
    return;
  }
  const Recovered& recovered = opened->recovered;
  LogId previous = recovered.base;
  for (const Entry& found : recovered.entries) {
    RC_ASSERT(found.index == previous.index + 1);
    RC_ASSERT(log.ever_written.contains(found.id()));
    if (!found.payload.is_absent()) RC_ASSERT(found == log.ever_written[found.id()]);
    previous = found.id();
  }
  if (is_marked && !recovered.promises_lost) RC_ASSERT(differences(log.model, recovered) == "");
}

// A disk that does not do what it says it did, while the log is in use.
RC_GTEST_PROP(WalDamageProperty, LostAndMisdirectedWritesAreNoticed, ()) {
  DamagedLog log(*rc::gen::arbitrary<std::uint64_t>());
  log.fill(*rc::gen::inRange(1, 30));
  {
    auto wal = std::move(log.open().value().wal);
    const int before = *rc::gen::inRange(0, 10);
    for (int i = 0; i < before; ++i) log.persist(wal, quorate::testing::random_batch(log.model, log.random));
    const bool is_lost = *rc::gen::arbitrary<bool>();
    log.disk.arm(is_lost ? sim::DiskFault::kLostWrite : sim::DiskFault::kMisdirectedWrite);
    const int after = *rc::gen::inRange(2, 10);
    for (int i = 0; i < after; ++i) log.persist(wal, quorate::testing::random_batch(log.model, log.random));
    log.disk.disarm();
    log.rest(wal);
  }
  const auto opened = log.open();
  RC_ASSERT(opened.has_value());
  for (const Entry& found : opened->recovered.entries) {
    RC_ASSERT(log.ever_written.contains(found.id()));
    if (!found.payload.is_absent()) RC_ASSERT(found == log.ever_written[found.id()]);
  }
  if (!opened->recovered.promises_lost) RC_ASSERT(differences(log.model, opened->recovered) == "");
}

class WalDamage : public ::testing::Test {
 protected:
  /// Ten entries, one group each, in the first segment; then at rest.
  WalDamage() {
    auto wal = std::move(log.open().value().wal);
    log.persist(wal, {.hard_state = HardState{Term{1}, NodeId{2}, {}}});
    for (std::uint64_t index = 1; index <= 10; ++index) {
      log.persist(wal, {.entries = {entry(1, index, "the body of entry " + std::to_string(index))}});
    }
    log.rest(wal);
  }

  /// Where the text is on disk.
  [[nodiscard]] std::uint64_t find(std::string_view text) const {
    const auto bytes = log.disk.durable_bytes(kSegment);
    const auto pattern = std::as_bytes(std::span(text));
    const auto found = std::ranges::search(bytes, pattern);
    EXPECT_FALSE(found.empty());
    return static_cast<std::uint64_t>(found.begin() - bytes.begin());
  }
  void damage_body(std::uint64_t index) { log.disk.flip_bit(kSegment, find("entry " + std::to_string(index)), 3); }
  /// Of the group with the entry: the block of the group is all there is of it.
  void destroy_group(std::uint64_t index) {
    const std::uint64_t at = find("entry " + std::to_string(index)) / 512 * 512;
    log.disk.overwrite(kSegment, at, std::vector<std::byte>(512));
  }

  /// As a tool reads it that looks at everything.
  [[nodiscard]] ScannedLog scan() {
    LogScanner scanner(IdentityFile<sim::SimFiles>::open(log.disk, "log/identity")->get(), ScanDepth::kEverything);
    const auto content = log.disk.durable_bytes(kSegment);
    static_cast<void>(scanner.add(SegmentNumber{1}, {content.begin(), content.end()}));
    return std::move(scanner).finish();
  }

  const std::string kSegment = "log/" + segment_name(SegmentNumber{1});
  DamagedLog log{1};
};

TEST_F(WalDamage, ABodyInTheMiddleIsMissedByItsId) {
  damage_body(3);
  const auto recovered = log.open().value().recovered;
  EXPECT_EQ(differences(log.model, recovered), "");
  EXPECT_THAT(recovered.damaged, ElementsAre(LogId{Term{1}, Index{3}}));
}

TEST_F(WalDamage, APlaceIsGivenForWhateverIsDamaged) {
  EXPECT_THAT(scan().damage, IsEmpty());
  const std::uint64_t body = find("the body of entry 3");
  const std::uint64_t group = find("the body of entry 7") / 512 * 512;
  damage_body(3);
  log.disk.flip_bit(kSegment, group + 30, 0);
  const LogDamage lost_body{
      .what = LogDamage::What::kBody, .segment = SegmentNumber{1}, .offset = body, .id = {Term{1}, Index{3}}};
  const LogDamage lost_group{
      .what = LogDamage::What::kGroups, .segment = SegmentNumber{1}, .offset = group, .groups = 1};
  EXPECT_THAT(scan().damage, ElementsAre(lost_body, lost_group));
}

TEST_F(WalDamage, NoBitThatMeansSomethingIsFlippedUnnoticed) {
  const std::uint64_t end = scan().tail.offset;
  const std::vector<std::byte> whole(log.disk.durable_bytes(kSegment).begin(), log.disk.durable_bytes(kSegment).end());
  const std::uint64_t salt = IdentityFile<sim::SimFiles>::open(log.disk, "log/identity")->get().salt;
  std::uint64_t flipped = 0;
  for (std::uint64_t at = 512; at < end; at += 512) {
    const auto group = decode_group_header(whole, SegmentNumber{1}, at, salt);
    ASSERT_TRUE(group) << "each has one block";
    for (std::uint64_t byte = at; byte < at + group->header.bytes(); ++byte, ++flipped) {
      log.disk.flip_bit(kSegment, byte, static_cast<unsigned>(byte % 8));
      EXPECT_FALSE(scan().damage.empty()) << "byte " << byte;
      log.disk.flip_bit(kSegment, byte, static_cast<unsigned>(byte % 8));
    }
  }
  EXPECT_GT(flipped, 2000U);
}

TEST_F(WalDamage, ABodyOfTheLastGroupIsMissedToo) {  // pitfall C11
  damage_body(10);
  const auto recovered = log.open().value().recovered;
  EXPECT_EQ(differences(log.model, recovered), "");
  EXPECT_THAT(recovered.damaged, ElementsAre(LogId{Term{1}, Index{10}}));
}

TEST_F(WalDamage, AGroupThatIsGoneIsKnownByItsSuccessor) {
  destroy_group(10);
  const auto recovered = log.open().value().recovered;
  EXPECT_EQ(differences(log.model, recovered), "");
  EXPECT_THAT(recovered.damaged, ElementsAre(LogId{Term{1}, Index{10}}));
}

TEST_F(WalDamage, RepairedBodiesStayRepaired) {
  damage_body(3);
  damage_body(7);
  {
    auto opened = std::move(log.open().value());
    EXPECT_EQ(opened.recovered.damaged.size(), 2U);
    log.persist(opened.wal, {.repairs = {log.model.entries[2]}});
    log.rest(opened.wal);
  }
  EXPECT_THAT(log.open().value().recovered.damaged, ElementsAre(LogId{Term{1}, Index{7}}));
}

TEST_F(WalDamage, WhatIsStillDamagedIsReportedAgain) {
  damage_body(3);
  for (int life = 0; life < 3; ++life) {
    auto opened = std::move(log.open().value());
    EXPECT_EQ(differences(log.model, opened.recovered), "");
    EXPECT_EQ(opened.recovered.damaged.size(), 1U);
    log.persist(opened.wal, {.entries = {entry(1, log.model.last().index.value + 1)}});
    log.rest(opened.wal);
  }
}

TEST_F(WalDamage, TwoGroupsGoneLoseThePromises) {
  destroy_group(4);
  destroy_group(5);
  const auto recovered = log.open().value().recovered;
  EXPECT_TRUE(recovered.promises_lost);
  EXPECT_EQ(recovered.hard_state, log.model.hard_state) << "every later group states it";
  EXPECT_EQ(recovered.entries.size(), 3U);
}

TEST_F(WalDamage, PromisesAreLostUntilTheLogIsAsFarAgain) {
  destroy_group(4);
  destroy_group(5);
  std::uint64_t index = 4;
  for (int life = 0; life < 2; ++life) {
    auto opened = std::move(log.open().value());
    EXPECT_TRUE(opened.recovered.promises_lost);
    EXPECT_EQ(opened.recovered.entries.size(), index - 1);
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(opened.wal.append({.entries = {entry(1, index++)}}));
      ASSERT_TRUE(opened.wal.commit());
    }
    log.rest(opened.wal);
  }
  {
    auto opened = std::move(log.open().value());
    EXPECT_TRUE(opened.recovered.promises_lost) << "entry 10 is missing";
    ASSERT_TRUE(opened.wal.append({.entries = {entry(1, index++)}}));
    ASSERT_TRUE(opened.wal.commit());
    log.rest(opened.wal);
  }
  const auto recovered = log.open().value().recovered;
  EXPECT_FALSE(recovered.promises_lost);
  EXPECT_EQ(recovered.entries.size(), 10U);
}

TEST_F(WalDamage, ASnapshotMakesUpForLostPromises) {
  destroy_group(4);
  destroy_group(5);
  {
    auto opened = std::move(log.open().value());
    ASSERT_TRUE(opened.wal.append({.reset_to = LogId{Term{1}, Index{10}}}));
    ASSERT_TRUE(opened.wal.commit());
    log.rest(opened.wal);
  }
  const auto recovered = log.open().value().recovered;
  EXPECT_FALSE(recovered.promises_lost);
  EXPECT_EQ(recovered.base, (LogId{Term{1}, Index{10}}));
}

TEST_F(WalDamage, ATornTailIsNotDamage) {  // pitfall C9
  {
    auto wal = std::move(log.open().value().wal);
    ASSERT_TRUE(wal.append({.entries = {entry(1, 11, std::string(3000, 'x'))}}));
    log.disk.stop_after(1);  // written, not synced
    EXPECT_FALSE(wal.commit());
    log.disk.crash(CrashPolicy::kTear);
  }
  const auto recovered = log.open().value().recovered;
  EXPECT_THAT(recovered.damaged, IsEmpty());
  EXPECT_FALSE(recovered.promises_lost);
  EXPECT_LE(recovered.entries.size(), 11U);
  EXPECT_GE(recovered.entries.size(), 10U);
}

TEST_F(WalDamage, BytesOfAClientCannotPoseAsAGroup) {
  // A client stores a copy of a whole segment, block for block. It knows everything but the salt.
  std::vector<std::byte> forged(log.disk.durable_bytes(kSegment).begin(), log.disk.durable_bytes(kSegment).end());
  for (std::uint64_t at = 0; at < forged.size(); at += 512)
    wire::store_little_endian(&forged[at + 8], std::uint64_t{666});
  {
    auto wal = std::move(log.open().value().wal);
    Entry large = entry(1, 11);
    large.payload = Payload::copy_of(forged);
    log.persist(wal, {.entries = {large}});
    log.rest(wal);
  }
  const auto recovered = log.open().value().recovered;
  EXPECT_EQ(differences(log.model, recovered), "");
  EXPECT_THAT(recovered.damaged, IsEmpty());
}

TEST_F(WalDamage, OneOfTwoIdentitySlotsIsEnough) {
  log.disk.flip_bit("log/identity", 20, 0);
  EXPECT_TRUE(log.open());
  log.disk.kill();
  log.disk.flip_bit("log/identity", 20, 0);
  log.disk.flip_bit("log/identity", 21, 0);
  log.disk.flip_bit("log/identity", kIdentitySlotStride + 20, 0);
  EXPECT_EQ(log.open().error().kind, ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace quorate::storage
