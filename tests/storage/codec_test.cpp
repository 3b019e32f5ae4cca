#include "consensus/wire/codec.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "consensus/configuration_codec.hpp"
#include "consensus/wire/frame.hpp"
#include "tests/storage/generators.hpp"
#include "tests/storage/golden.hpp"

namespace quorate::wire {
namespace {

using quorate::testing::random_bytes;
using quorate::testing::random_message;

constexpr ClusterId kCluster{0x1122334455667788};

std::vector<std::byte> encoded(const Message& message) {
  std::vector<std::byte> bytes;
  encode(message, bytes);
  return bytes;
}

Message with(MessageBody body) {
  return {NodeId{1}, NodeId{2}, Incarnation{0xa1}, Incarnation{0xa2}, Generation{3},
          Term{4},   Boot{5},   Boot{6},           std::move(body)};
}

/// One message of every kind, with a different number in every field.
std::vector<MessageBody> samples() {
  const LogId first{Term{0x11}, Index{0x12}};
  const LogId second{Term{0x21}, Index{0x22}};
  const SnapshotId snapshot{first, Index{0x31}, NodeId{0x32}};
  const Entry command{Term{0x11}, Index{0x13}, EntryKind::kCommand, LogTime{0x41}, Payload::copy_of("body")};
  const Entry bodiless{Term{0x11}, Index{0x14}, EntryKind::kNoop, LogTime{0x42}, Payload::absent()};
  return {PreVoteRequest{first},
          PreVoteResponse{Vote::kGranted},
          VoteRequest{first, CampaignKind::kTransfer},
          VoteResponse{Vote::kGranted},
          AppendRequest{first, Index{0x23}, {command, bodiless}},
          AppendAccepted{first},
          AppendRejected{first, second},
          Heartbeat{Index{0x24}, 0x51, -0x52},
          HeartbeatResponse{0x53, 0x54},
          SnapshotOffer{first},
          SnapshotChunk{snapshot, 0x61, Payload::copy_of("chunk"), 1},
          SnapshotProgress{snapshot, 0x62, second},
          ReadIndexRequest{ReadId{0x71}},
          ReadIndexResponse{ReadId{0x72}, Index{0x73}},
          TimeoutNow{},
          FetchRequest{{first, second}},
          FetchResponse{{command}}};
}

// A change of these bytes is a change of the format: raise kWireVersion, then write the files anew.
TEST(Codec, BytesOfEveryMessageAreAsAgreed) {
  ASSERT_EQ(samples().size(), std::variant_size_v<MessageBody>);
  for (const MessageBody& body : samples()) {
    std::vector<std::byte> frame;
    append_frame(kCluster, with(body), frame);
    quorate::testing::expect_golden(std::string("wire/") + name_of(body), frame);
  }
  std::vector<std::byte> frame;
  append_frame(kCluster, Hello{NodeId{1}, NodeId{2}, Incarnation{0xa1}, Boot{5}, 7, "host:4002"}, frame);
  quorate::testing::expect_golden("wire/Hello", frame);
}

TEST(Codec, BytesOfAConfigurationAreAsAgreed) {
  const Configuration configuration{Generation{3},
                                    {{NodeId{1}, Incarnation{0xa1}, MemberKind::kVoter, 1, "one:4001"},
                                     {NodeId{2}, Incarnation{0xa2}, MemberKind::kWitness, 0, "two:4001"}},
                                    {{NodeId{1}, Incarnation{0xa1}, MemberKind::kVoter, 1, "one:4001"}}};
  quorate::testing::expect_golden("wire/Configuration", encode(configuration).bytes());
  EXPECT_EQ(decode_configuration(encode(configuration).bytes()), configuration);
}

TEST(Codec, LimitsAreEnforcedByTheReader) {
  FetchRequest request;
  request.ids.resize(kFetchIdsMax);
  EXPECT_TRUE(decode_message(encoded(with(request))));
  request.ids.resize(kFetchIdsMax + 1);
  EXPECT_FALSE(decode_message(encoded(with(request))));

  EXPECT_FALSE(decode_message(encoded(with(SnapshotChunk{{}, 0, Payload::absent(), 0}))));
  EXPECT_FALSE(decode_message(encoded(with(SnapshotChunk{{}, 0, Payload{}, 2}))));
}

RC_GTEST_PROP(CodecProperty, MessagesSurviveTheRoundTrip, ()) {
  const Message message = random_message();
  RC_TAG(std::string(name_of(message.body)));
  const auto back = decode_message(encoded(message));
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == message);
}

RC_GTEST_PROP(CodecProperty, ConfigurationsSurviveTheRoundTrip, ()) {
  const Configuration configuration = quorate::testing::random_configuration();
  const auto back = decode_configuration(encode(configuration).bytes());
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == configuration);
}

RC_GTEST_PROP(CodecProperty, HostileBytesAreRefusedOrCanonical, ()) {
  auto bytes = encoded(random_message());
  const int damages = *rc::gen::inRange(1, 6);
  for (int i = 0; i < damages; ++i) {
    bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = std::byte{*rc::gen::arbitrary<std::uint8_t>()};
  }
  bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 4));
  const auto back = decode_message(bytes);
  if (back) RC_ASSERT(encoded(*back) == bytes);
}

struct Received {
  Result<FrameHeader> header;
  Result<void> verified;
};
Received receive(std::span<const std::byte> frame) {
  auto header = parse_frame_header(frame.first<kFrameHeaderBytes>(), kCluster);
  Result<void> verified;
  if (header && header->body_bytes == frame.size() - kFrameHeaderBytes) {
    verified = verify_frame(*header, frame.subspan(kFrameHeaderBytes));
  } else if (header) {
    verified = fail(ErrorKind::kCorrupt, "length");
  }
  return {std::move(header), std::move(verified)};
}

RC_GTEST_PROP(FrameProperty, EveryFlippedBitIsFound, ()) {
  const Message message = random_message();
  std::vector<std::byte> frame = random_bytes(10);  // appending leaves what is there alone
  const std::size_t start = frame.size();
  append_frame(kCluster, message, frame);
  frame.erase(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(start));
  const Received intact = receive(frame);
  RC_ASSERT(intact.header.has_value());
  RC_ASSERT(intact.verified.has_value());
  RC_ASSERT(intact.header->type == FrameType::kMessage);
  RC_ASSERT(decode_message(std::span(frame).subspan(kFrameHeaderBytes)) == message);

  frame[*rc::gen::inRange<std::size_t>(0, frame.size())] ^= std::byte{1} << *rc::gen::inRange(0, 8);
  const Received damaged = receive(frame);
  RC_ASSERT(!damaged.header.has_value() || !damaged.verified.has_value());
}

TEST(Frame, SaysWhatIsWrong) {
  std::vector<std::byte> frame;
  append_frame(kCluster, with(TimeoutNow{}), frame);
  const auto parse = [&](std::size_t at, int value, ClusterId cluster) {
    auto bytes = frame;
    bytes[at] = static_cast<std::byte>(value);
    return parse_frame_header(std::span(bytes).first<kFrameHeaderBytes>(), cluster);
  };
  EXPECT_TRUE(parse(0, 'Q', kCluster));
  EXPECT_EQ(parse(0, 'G', kCluster).error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(parse(4, kWireVersion + 1, kCluster).error().kind, ErrorKind::kUnsupported);
  EXPECT_EQ(parse(6, 9, kCluster).error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(parse(11, 1, kCluster).error().kind, ErrorKind::kCorrupt) << "a body beyond the limit";
  EXPECT_EQ(parse(0, 'Q', ClusterId{1}).error().kind, ErrorKind::kInvalidArgument);
}

}  // namespace
}  // namespace quorate::wire
