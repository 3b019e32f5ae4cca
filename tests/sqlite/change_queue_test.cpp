// The queue of changes in its pages: what goes in comes out, in order, whatever is dropped in between.
#include "statemachine/sqlite/change_queue.hpp"

#include <deque>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "consensus/random.hpp"
#include "statemachine/sqlite/change_buffer.hpp"
#include "statemachine/sqlite/value_codec.hpp"
#include "tests/sqlite/change_harness.hpp"

namespace quorate::sqlite {
namespace {

std::vector<std::byte> group_of(ChangeIndex index, std::size_t blob_bytes) {
  ChangeBuffer buffer(SIZE_MAX);
  ByteWriter body;
  body.fixed(index.value);
  put_blob(body, std::vector<std::byte>(blob_bytes, std::byte{7}));
  const std::size_t table = buffer.add_table(std::make_shared<const ChangedTable>(
      ChangedTable{.database = "main", .name = "t", .has_row_ids = true, .columns = {"b"}}));
  buffer.add(table, ChangeKind::kInsert, body.bytes());
  buffer.end_group();
  std::vector<std::byte> bytes;
  buffer.visit(index, 1234, [&](std::span<const std::byte> group) { bytes.assign(group.begin(), group.end()); });
  return bytes;
}

class Queue {
 public:
  Queue() { store_->begin_epoch(Epoch{1}); }

  void append(const std::vector<std::size_t>& sizes) {
    const Pin head = store_->pin(PinKind::kHead);
    Result<ChangeAppender> appender = ChangeAppender::open(*store_, head);
    ASSERT_TRUE(appender.has_value());
    for (const std::size_t size : sizes) {
      ASSERT_TRUE(appender->append(group_of(appender->next(), size)).has_value());
    }
    seal(head, appender->finish());
  }
  void drop(const ChangePosition& until) {
    const Pin head = store_->pin(PinKind::kHead);
    Result<std::optional<DatabaseWrite>> write = drop_changes(*store_, head, until);
    ASSERT_TRUE(write.has_value()) << write.error().message;
    if (*write) seal(head, std::move(**write));
  }
  ChangeBatch read(const ChangePosition& from, std::size_t groups = SIZE_MAX) {
    const Pin pin = store_->pin(PinKind::kApplied);
    Result<ChangeBatch> batch = read_changes(*store_, pin, from, {.groups = groups, .bytes = SIZE_MAX});
    EXPECT_TRUE(batch.has_value()) << batch.error().message;
    return batch ? std::move(*batch) : ChangeBatch{};
  }
  ChangeQueueState state() { return *change_queue_state(*store_, store_->pin(PinKind::kApplied)); }

 private:
  void seal(const Pin& head, DatabaseWrite write) {
    std::vector<DatabaseWrite> writes;
    writes.push_back(std::move(write));
    const Result<SealedVersion> sealed = store_->seal(head, std::move(writes), codec_);
    ASSERT_TRUE(sealed.has_value()) << sealed.error().message;
    store_->commit(sealed->name, store_.next_entry());
  }

  sim::SimFiles disk_{Random(1)};
  testing::Store store_{disk_, {}};
  PageCodec codec_;
};

std::size_t blob_bytes(const ChangeGroup& group) { return std::get<Blob>(group.changes.at(0).after.at(0)).size(); }

TEST(ChangeQueue, BeginsEmpty) {
  Queue queue;
  EXPECT_EQ(queue.state().length(), 0U);
  EXPECT_TRUE(queue.read({}).groups.empty());
  queue.drop({.page = PageNumber{7}, .offset = 3, .index = ChangeIndex{1}});
  EXPECT_EQ(queue.state().next, ChangeIndex{1});
}

TEST(ChangeQueue, PagesAreUsedAgainAndGivenBack) {
  Queue queue;
  for (int i = 0; i < 50; ++i) {
    queue.append({3000, 3000, 3000});
    // One always stays behind.
    const ChangeBatch batch = queue.read({}, static_cast<std::size_t>(queue.state().length() - 1));
    queue.drop(batch.after);
    EXPECT_EQ(queue.state().length(), 1U);
    EXPECT_LE(queue.state().pages.value, 8U);
  }
  queue.drop(queue.read({}).after);
  EXPECT_EQ(queue.state().length(), 0U);
  EXPECT_EQ(queue.state().pages.value, 1U);
  EXPECT_EQ(queue.state().next, ChangeIndex{151}) << "numbers are not";
}

TEST(ChangeQueue, WhatWasNeverThereCannotBeDropped) {
  Queue queue;
  queue.append({1});
  sim::SimFiles unused{Random(1)};
  EXPECT_EQ(queue.state().next, ChangeIndex{2});
  const ChangeBatch all = queue.read({});
  EXPECT_EQ(all.after.index, ChangeIndex{2});
  EXPECT_TRUE(queue.read(all.after).groups.empty());
}

RC_GTEST_PROP(ChangeQueueProperty, FirstInFirstOut, ()) {
  Random random(*rc::gen::arbitrary<std::uint64_t>());
  const auto steps = *rc::gen::inRange(1, 60);
  Queue queue;
  std::deque<std::size_t> model;
  std::uint64_t first = 1;
  ChangePosition reader;  // of somebody who goes on where it was
  for (int i = 0; i < steps; ++i) {
    if (random.below(3) != 0) {
      std::vector<std::size_t> sizes(1 + random.below(4));
      for (std::size_t& size : sizes) size = random.below(random.below(5) == 0 ? 20'000 : 500);
      queue.append(sizes);
      model.insert(model.end(), sizes.begin(), sizes.end());
    }
    const ChangeBatch batch = queue.read(reader, 1 + random.below(6));
    std::uint64_t index = std::max(reader.index.value, first);
    for (const ChangeGroup& group : batch.groups) {
      RC_ASSERT(group.index.value == index);
      RC_ASSERT(blob_bytes(group) == model.at(index - first));
      ++index;
    }
    RC_ASSERT(batch.after.index.value == index);
    reader = batch.after;
    if (random.below(3) == 0) {
      queue.drop(reader);
      while (first < reader.index.value) {
        model.pop_front();
        ++first;
      }
    }
    RC_ASSERT(queue.state().length() == model.size());
    RC_ASSERT(queue.state().head.index.value == first);
    const ChangeBatch all = queue.read({});
    RC_ASSERT(all.groups.size() == model.size());
  }
}

// --- A group as it is kept ---

TEST(ChangeGroupCodec, IsWhatTheDocumentSays) {
  ByteWriter out;
  put_group_head(out, {.index = ChangeIndex{300}, .unix_time_ms = 0x0102, .replaced_database = {}, .tables = {}});
  out.varint(1);
  put_table(out, {.database = "main", .name = "t", .has_row_ids = true, .columns = {"a"}});
  out.varint(1);
  ByteWriter body;
  body.fixed(std::uint64_t{5});
  put_integer(body, 9);
  put_change_head(out, 0, ChangeKind::kInsert, body.size());
  out.raw(body.bytes());
  std::string hex;
  for (const std::byte byte : out.bytes()) hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  EXPECT_EQ(hex,
            "ac02"
            "0201000000000000"
            "00"
            "01"
            "046d61696e"
            "0174"
            "01"
            "01"
            "0161"
            "01"
            "00"
            "01"
            "11"
            "0500000000000000"
            "01"
            "0900000000000000");
  const Result<ChangeGroup> group = parse_change_group(out.bytes());
  ASSERT_TRUE(group.has_value());
  EXPECT_EQ(testing::text_of(std::vector{*group}), "300: +t[5](9)");
}

RC_GTEST_PROP(ChangeGroupCodecProperty, DamagedBytesAreNoGroupOrAnother, (std::vector<std::uint8_t> noise)) {
  std::vector<std::byte> bytes = group_of(ChangeIndex{1}, 20);
  for (std::size_t i = 0; i + 1 < noise.size(); i += 2) {
    bytes[noise[i] % bytes.size()] = static_cast<std::byte>(noise[i + 1]);
  }
  bytes.resize(bytes.size() - (noise.empty() ? 0 : noise[0] % 3));
  if (const Result<ChangeGroup> group = parse_change_group(bytes)) {
    for (const RowChange& change : group->changes) RC_ASSERT(change.table < group->tables.size());
  }
}

}  // namespace
}  // namespace quorate::sqlite
