#include "transport/frame_reader.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "transport/peer_limits.hpp"

namespace quorate::transport {
namespace {

constexpr ClusterId kCluster{7};

std::vector<std::byte> frame(std::size_t body_bytes, ClusterId cluster = kCluster) {
  const std::vector<std::byte> body(body_bytes, std::byte{0xAB});
  std::vector<std::byte> bytes;
  wire::append_frame(cluster, wire::FrameType::kCall, body, {}, bytes);
  return bytes;
}

void give(FrameReader& reader, std::span<const std::byte> bytes) {
  const auto room = reader.prepare();
  ASSERT_GE(room.size(), bytes.size());
  std::ranges::copy(bytes, room.begin());
  reader.commit(bytes.size());
}

TEST(FrameReaderTest, WaitsForTheWholeFrame) {
  FrameReader reader(kCluster);
  const auto bytes = frame(10);
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    give(reader, std::span(bytes).subspan(i, 1));
    const auto next = reader.next();
    ASSERT_TRUE(next);
    ASSERT_FALSE(*next) << "after " << i + 1 << " bytes";
  }
  give(reader, std::span(bytes).last(1));
  const auto next = reader.next();
  ASSERT_TRUE(next && *next);
  EXPECT_EQ((*next)->body.size(), 10U);
}

RC_GTEST_PROP(FrameReaderTest, CutsWhateverArrivesIntoTheFramesThatWereSent, ()) {
  const auto sizes = *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, 200'000));
  std::vector<std::byte> sent;
  for (const std::size_t size : sizes) {
    const auto one = frame(size);
    sent.insert(sent.end(), one.begin(), one.end());
  }
  FrameReader reader(kCluster);
  std::vector<std::size_t> received;
  for (std::size_t at = 0; at < sent.size();) {
    const auto room = reader.prepare();
    const auto most = std::min(room.size(), sent.size() - at);
    const std::size_t size = *rc::gen::inRange<std::size_t>(1, most + 1);
    std::copy_n(sent.begin() + static_cast<std::ptrdiff_t>(at), size, room.begin());
    reader.commit(size);
    at += size;
    while (true) {
      const auto next = reader.next();
      RC_ASSERT(next.has_value());
      if (!*next) break;
      received.push_back((*next)->body.size());
    }
  }
  RC_ASSERT(received == sizes);
}

TEST(FrameReaderTest, AllocatesForWhatCameNotForWhatIsAnnounced) {
  FrameReader reader(kCluster);
  const auto large = frame(wire::kFrameBodyBytesMax);
  give(reader, std::span(large).first(wire::kFrameHeaderBytes));
  const auto next = reader.next();
  ASSERT_TRUE(next);
  EXPECT_FALSE(*next);
  EXPECT_LE(reader.prepare().size(), 2 * kPeerReadBytes);
}

TEST(FrameReaderTest, RefusesWhatIsNoFrameOfThisCluster) {
  const auto refuses = [](std::vector<std::byte> bytes, ErrorKind kind) {
    FrameReader reader(kCluster);
    give(reader, bytes);
    const auto next = reader.next();
    ASSERT_FALSE(next);
    EXPECT_EQ(next.error().kind, kind);
  };
  auto bytes = frame(10);
  bytes[0] ^= std::byte{1};
  refuses(bytes, ErrorKind::kCorrupt);
  bytes = frame(10);
  bytes.back() ^= std::byte{1};
  refuses(bytes, ErrorKind::kCorrupt);
  refuses(frame(10, ClusterId{8}), ErrorKind::kInvalidArgument);
}

TEST(FrameReaderTest, RefusesAFrameThatIsTooLargeForNow) {
  FrameReader reader(kCluster);
  give(reader, frame(11));
  EXPECT_FALSE(reader.next(10));
  FrameReader fitting(kCluster);
  give(fitting, frame(10));
  EXPECT_TRUE(fitting.next(10));
}

}  // namespace
}  // namespace quorate::transport
