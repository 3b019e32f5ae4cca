#include "transport/send_queue.hpp"

#include <algorithm>
#include <string>
#include <variant>

#include <gtest/gtest.h>

#include "consensus/wire/codec.hpp"
#include "transport/frame_reader.hpp"
#include "transport/peer_limits.hpp"

namespace quorate::transport {
namespace {

constexpr ClusterId kCluster{7};

Message message(MessageBody body) {
  return {.from = NodeId{1}, .to = NodeId{2}, .term = Term{3}, .body = std::move(body)};
}
Message heartbeat(std::uint64_t round) { return message(Heartbeat{.round = round}); }
Message append(std::uint64_t index, std::size_t bytes) {
  AppendRequest request{.previous = {Term{3}, Index{index}}};
  request.entries.push_back(
      {.term = Term{3}, .index = Index{index + 1}, .payload = Payload::copy_of(std::string(bytes, 'x'))});
  return message(std::move(request));
}

/// What the receiver would see: "H5" for heartbeat 5, "A9" for entries behind 9, "C" for a piece of a call, "R" of an
/// answer.
std::string sent_by(SendQueue& queue) {
  std::vector<std::byte> bytes;
  queue.fill(bytes);
  FrameReader reader(kCluster);
  std::string text;
  while (true) {
    const auto frame = reader.next();
    EXPECT_TRUE(frame) << frame.error().message;
    if (frame && *frame) {
      if (!text.empty()) text += ' ';
      if ((*frame)->type == wire::FrameType::kCall) text += 'C';
      if ((*frame)->type == wire::FrameType::kReply) text += 'R';
      if ((*frame)->type != wire::FrameType::kMessage) continue;
      const Message received = wire::decode_message((*frame)->body).value();
      if (const auto* beat = std::get_if<Heartbeat>(&received.body)) text += "H" + std::to_string(beat->round);
      if (const auto* request = std::get_if<AppendRequest>(&received.body))
        text += "A" + std::to_string(request->previous.index.value);
      continue;
    }
    if (bytes.empty()) return text;
    const auto room = reader.prepare();
    const std::size_t size = std::min(room.size(), bytes.size());
    std::copy_n(bytes.begin(), size, room.begin());
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    reader.commit(size);
  }
}

TEST(SendQueueTest, WhatIsUrgentGoesFirst) {
  SendQueue queue(kCluster);
  queue.push(append(0, 100));
  queue.push(heartbeat(1));
  ASSERT_TRUE(queue.push_call(CallDirection::kRequest, CallId{1}, CallVerdict::kServed, Payload::copy_of("hello")));
  queue.push(append(1, 100));
  queue.push(heartbeat(2));
  EXPECT_EQ(sent_by(queue), "H1 H2 C A0 A1");
  EXPECT_TRUE(queue.empty());
}

TEST(SendQueueTest, AHeartbeatWaitsForOneBatchOfBulkAtMost) {
  SendQueue queue(kCluster);
  for (std::uint64_t i = 0; i < 8; ++i) queue.push(append(i, kWriteBatchBytes / 2));
  EXPECT_EQ(sent_by(queue), "A0 A1");
  queue.push(heartbeat(1));
  EXPECT_EQ(sent_by(queue), "H1 A2 A3");
}

TEST(SendQueueTest, SmallAppendsDoNotOvertakeLargeOnes) {
  SendQueue queue(kCluster);
  queue.push(append(0, 100'000));
  queue.push(message(AppendRequest{.previous = {Term{3}, Index{1}}}));
  EXPECT_EQ(sent_by(queue), "A0 A1");
}

TEST(SendQueueTest, CallsAndBulkTakeTurns) {
  SendQueue queue(kCluster);
  const Payload large = Payload::copy_of(std::string(3 * kCallPieceBytes, 'c'));
  ASSERT_TRUE(queue.push_call(CallDirection::kReply, CallId{1}, CallVerdict::kServed, large));
  queue.push(append(0, 10));
  queue.push(append(1, 10));
  EXPECT_EQ(sent_by(queue), "R A0 R A1 R");
}

TEST(SendQueueTest, DropsTheOldestBulkWhenItIsFull) {
  SendQueue queue(kCluster);
  constexpr std::size_t kBytes = std::size_t{8} << 20;
  constexpr std::size_t kFit = kBulkQueuedBytesMax / (kBytes + 128);
  for (std::uint64_t i = 0; i < kFit + 2; ++i) queue.push(append(i, kBytes));
  EXPECT_EQ(queue.dropped().bulk, 2U);
  EXPECT_EQ(sent_by(queue), "A2");
}

TEST(SendQueueTest, DropsTheOldestUrgentWhenItIsFull) {
  SendQueue queue(kCluster);
  for (std::uint64_t i = 0; i < kUrgentQueuedMax + 3; ++i) queue.push(heartbeat(i));
  EXPECT_EQ(queue.dropped().urgent, 3U);
  EXPECT_TRUE(sent_by(queue).starts_with("H3 H4 "));
}

TEST(SendQueueTest, RefusesCallsWhenItIsFull) {
  SendQueue queue(kCluster);
  const Payload largest = Payload::copy_of(std::string(kCallBytesMax, 'c'));
  ASSERT_TRUE(queue.push_call(CallDirection::kRequest, CallId{1}, CallVerdict::kServed, largest));
  EXPECT_FALSE(queue.push_call(CallDirection::kRequest, CallId{2}, CallVerdict::kServed, largest));
  EXPECT_TRUE(queue.remove_call(CallId{1}));
  EXPECT_TRUE(queue.push_call(CallDirection::kRequest, CallId{3}, CallVerdict::kServed, largest));
}

TEST(SendQueueTest, KnowsWhetherACallHasBegun) {
  SendQueue queue(kCluster);
  const Payload large = Payload::copy_of(std::string(2 * kWriteBatchBytes, 'c'));
  ASSERT_TRUE(queue.push_call(CallDirection::kRequest, CallId{1}, CallVerdict::kServed, large));
  ASSERT_TRUE(queue.push_call(CallDirection::kRequest, CallId{2}, CallVerdict::kServed, Payload()));
  std::vector<std::byte> out;
  queue.fill(out);
  EXPECT_FALSE(queue.remove_call(CallId{1})) << "its first pieces are on their way";
  EXPECT_TRUE(queue.remove_call(CallId{2}));
  EXPECT_FALSE(queue.remove_call(CallId{2}));
}

TEST(CallAssemblerTest, PutsPiecesTogether) {
  CallAssembler assembler;
  const std::string first = "hello ", second = "world";
  const auto bytes = [](const std::string& text) { return std::as_bytes(std::span(text)); };
  EXPECT_FALSE(assembler.add({CallId{1}, PieceEnd::kMore, CallVerdict::kServed, bytes(first)}).value());
  const auto whole = assembler.add({CallId{1}, PieceEnd::kLast, CallVerdict::kServed, bytes(second)}).value();
  ASSERT_TRUE(whole);
  EXPECT_EQ(Payload::copy_of(whole->bytes).text(), "hello world");
  EXPECT_TRUE(assembler.add({CallId{2}, PieceEnd::kLast, CallVerdict::kServed, {}}).value());
}

TEST(CallAssemblerTest, RefusesMixedAndOversizedCalls) {
  const std::vector<std::byte> piece(kCallBytesMax / 2 + 1);
  CallAssembler mixed;
  ASSERT_TRUE(mixed.add({CallId{1}, PieceEnd::kMore, CallVerdict::kServed, {}}));
  EXPECT_FALSE(mixed.add({CallId{2}, PieceEnd::kMore, CallVerdict::kServed, {}}));
  CallAssembler oversized;
  ASSERT_TRUE(oversized.add({CallId{1}, PieceEnd::kMore, CallVerdict::kServed, piece}));
  EXPECT_FALSE(oversized.add({CallId{1}, PieceEnd::kMore, CallVerdict::kServed, piece}));
}

TEST(CallPieceTest, ParsesWhatItWrites) {
  for (const PieceEnd end : {PieceEnd::kMore, PieceEnd::kLast})
    for (const CallVerdict verdict : {CallVerdict::kServed, CallVerdict::kRefused}) {
      const auto header = piece_header({.call = CallId{0x1122334455667788}, .end = end, .verdict = verdict});
      EXPECT_EQ(std::to_integer<int>(header[0]), 0x88) << "little endian";
      const auto parsed = parse_piece(header);
      ASSERT_TRUE(parsed);
      EXPECT_EQ(parsed->call, CallId{0x1122334455667788});
      EXPECT_EQ(parsed->end, end);
      EXPECT_EQ(parsed->verdict, verdict);
    }
  std::vector<std::byte> malformed(kCallPieceHeaderBytes);
  malformed[8] = std::byte{4};
  EXPECT_FALSE(parse_piece(malformed));
  EXPECT_FALSE(parse_piece(std::span(malformed).first(kCallPieceHeaderBytes - 1)));
}

}  // namespace
}  // namespace quorate::transport
