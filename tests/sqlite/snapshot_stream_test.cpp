// The bytes of a snapshot: as documented, and whatever else arrives in their place.
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/sqlite/snapshot_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::blob;
using testing::id_of;
using testing::Leader;
using testing::open_sink;
using testing::open_source;
using testing::pages_from;
using testing::read_all;
using testing::stage;
using testing::Store;

/// The example of docs/formats/pages.md: a database of three pages of zeros.
std::vector<std::byte> example() {
  SnapshotHead head{Index{6}, {}};
  head.state.last = {Term{2}, Index{9}};
  head.state.databases = {{DatabaseId{1}, "main", *PageSize::of(512), PageCount{3}}};
  head.state.digest.add(head.state.databases.front().shape());
  head.state.application = blob("app");
  std::vector<std::byte> stream = encode(head);
  const std::vector<std::byte> group =
      encode_head({DatabaseId{1}, {{.page = PageNumber{1}, .entry = {}, .zeros = PageCount{3}}}});
  stream.insert(stream.end(), group.begin(), group.end());
  const std::vector<std::byte> end = encode_end(1, stream.size() + kSnapshotEndBytes);
  stream.insert(stream.end(), end.begin(), end.end());
  return stream;
}

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    for (const unsigned digit : {std::to_integer<unsigned>(byte) >> 4, std::to_integer<unsigned>(byte) & 15}) {
      text += "0123456789abcdef"[digit];
    }
  }
  return text;
}

TEST(SnapshotStream, HasTheBytesThatTheDocumentationShows) {
  std::ifstream page(std::string(QUORATE_SOURCE_DIR) + "/docs/formats/pages.md");
  std::string digits;
  for (char c; page.get(c);) {
    if (c != ' ' && c != '\n') digits += c;
  }
  EXPECT_NE(digits.find(hex(example())), std::string::npos)
      << "docs/formats/pages.md shows other bytes than " << hex(example());
  sim::SimFiles disk{Random(1)};
  storage::AnyFileSystem files(disk);
  storage::AnyFile file = *files.open("stream", storage::OpenMode::kCreate);
  ASSERT_TRUE(file.write(0, example()).has_value());
  Result<SnapshotReader> reader = SnapshotReader::open(file);
  ASSERT_TRUE(reader.has_value()) << reader.error().message;
  EXPECT_EQ(reader->head().base, Index{6});
  EXPECT_EQ(reader->head().state.application, blob("app"));
  const Result<const SnapshotGroup*> group = reader->next();
  ASSERT_TRUE(group.has_value() && *group != nullptr);
  ASSERT_EQ((*group)->entries.size(), 1U);
  EXPECT_EQ((*group)->entries.front().zeros, PageCount{3});
  EXPECT_EQ(*reader->next(), nullptr);
}

TEST(SnapshotStream, OfALaterReleaseIsRefusedAsSuch) {
  sim::SimFiles disk{Random(1)};
  storage::AnyFileSystem files(disk);
  storage::AnyFile file = *files.open("stream", storage::OpenMode::kCreate);
  std::vector<std::byte> stream = example();
  stream[8] = std::byte{2};
  ASSERT_TRUE(file.write(0, stream).has_value());
  EXPECT_EQ(SnapshotReader::open(file).error().kind, ErrorKind::kUnsupported);
}

// --- Bad bytes ---

RC_GTEST_PROP(SnapshotProperty, DamagedStreamsChangeNothing, ()) {
  Random random(*rc::gen::arbitrary<std::uint64_t>());
  sim::SimFiles leader_disk{Random(1)};
  sim::SimFiles disk{Random(2)};
  Leader leader{leader_disk};
  Store follower{disk};
  leader.execute({pages_from(1, 100, 120, 1000), {"other", 2, {{2, 1}}}});
  const bool is_difference = random.below(2) == 0;
  if (is_difference) leader.replicate(*follower, Index{1});
  leader.execute({pages_from(90, 105, 110, 2000)});
  const std::unique_ptr<SnapshotSource> source = open_source(*leader.store, "sessions", Index{is_difference ? 1U : 0U});
  std::vector<std::byte> stream = read_all(*source);
  switch (random.below(4)) {
    case 0: stream.resize(random.below(stream.size())); break;
    case 1: stream[random.below(stream.size())] ^= static_cast<std::byte>(1U << random.below(8)); break;
    case 2: {
      const std::size_t from = random.below(stream.size());
      const std::size_t count = std::min<std::size_t>(stream.size() - from, 1 + random.below(40));
      for (std::size_t i = 0; i < count; ++i) stream[from + i] = static_cast<std::byte>(random.next());
      break;
    }
    default: stream.insert(stream.end(), 1 + random.below(100), static_cast<std::byte>(random.next()));
  }
  SnapshotSink sink = open_sink(disk);
  RC_ASSERT(stage(sink, id_of(*source), stream).has_value());
  const StateDigest before = follower->digest();
  const Result<std::vector<std::byte>> installed = sink.install(*follower, id_of(*source));
  RC_ASSERT(!installed.has_value());
  RC_ASSERT(installed.error().kind == ErrorKind::kCorrupt || installed.error().kind == ErrorKind::kUnsupported);
  RC_ASSERT(!sink.staged().has_value());
  RC_ASSERT(follower->digest() == before);
  // The next one is taken.
  RC_ASSERT(stage(sink, id_of(*source), read_all(*source)).has_value());
  RC_ASSERT(sink.install(*follower, id_of(*source)).has_value());
  RC_ASSERT(follower->digest() == leader.store->digest());
}

/// A stream whose checksums are all right, of groups that a sender would never make.
std::vector<std::byte> forged(const Superblock& state, std::span<const SnapshotGroup> groups) {
  std::vector<std::byte> stream = encode(SnapshotHead{Index{0}, state});
  for (const SnapshotGroup& group : groups) {
    const std::vector<std::byte> head = encode_head(group);
    stream.insert(stream.end(), head.begin(), head.end());
    for (const SnapshotEntry& entry : group.entries) {
      const PageImage page = testing::image_of(entry.is_run() ? 0 : entry.page.value);
      stream.insert(stream.end(), page.bytes().begin(), page.bytes().end());
    }
  }
  const std::vector<std::byte> end = encode_end(groups.size(), stream.size() + kSnapshotEndBytes);
  stream.insert(stream.end(), end.begin(), end.end());
  return stream;
}

RC_GTEST_PROP(SnapshotProperty, ForgedGroupsAreRefused, ()) {
  Random random(*rc::gen::arbitrary<std::uint64_t>());
  sim::SimFiles disk{Random(2)};
  Store follower{disk};
  Superblock state;
  state.last = {Term{1}, Index{5}};
  state.digest = StateDigest(random.next());
  const std::uint64_t count = random.below(2) == 0 ? 6 : kPageNumberMax;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    state.databases.push_back({DatabaseId{id}, "d" + std::to_string(id), *PageSize::of(512), PageCount{count}});
  }
  const auto number = [&]() -> std::uint64_t {
    switch (random.below(4)) {
      case 0: return random.next();
      case 1: return kPageNumberMax - random.below(3);
      default: return random.below(8);
    }
  };
  std::vector<SnapshotGroup> groups(1 + random.below(4));
  for (SnapshotGroup& group : groups) {
    group.database = DatabaseId{1 + random.below(4)};
    for (std::uint64_t i = 0; i <= random.below(5); ++i) {
      SnapshotEntry entry{.page = PageNumber{number()}, .entry = {}, .zeros = PageCount{number()}};
      if (random.below(2) == 0) {
        if (entry.page == PageNumber{0}) entry.page = PageNumber{1};
        entry.entry.hash = hash_page(testing::image_of(entry.page.value).bytes());
      }
      group.entries.push_back(entry);
    }
  }
  SnapshotSink sink = open_sink(disk);
  const SnapshotId id{state.last, Index{0}, NodeId{1}};
  RC_ASSERT(stage(sink, id, forged(state, groups)).has_value());
  RC_ASSERT(sink.install(*follower, id).error().kind == ErrorKind::kCorrupt);
  RC_ASSERT(follower->applied() == LogId{});
}

}  // namespace
}  // namespace quorate::sqlite
