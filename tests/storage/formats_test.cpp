// The pages under docs/formats/ show bytes; these are the bytes that the code writes, and it reads them back.
#include <cctype>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "consensus/storage/identity_file.hpp"
#include "consensus/storage/log_scanner.hpp"
#include "consensus/wire/frame.hpp"
#include "tests/storage/golden.hpp"
#include "tests/storage/wal_workload.hpp"

namespace quorate::storage {
namespace {

using quorate::testing::LogModel;
using quorate::testing::model_of;
using quorate::testing::SimWal;
using quorate::testing::to_hex;

/// The bytes of the block that begins with the line "```hex <name>". Whatever follows a '|' on a line is a remark.
std::vector<std::byte> shown(const std::string& page, const std::string& name) {
  std::ifstream file(std::string(QUORATE_SOURCE_DIR) + "/docs/formats/" + page);
  std::vector<std::byte> bytes;
  std::string line;
  while (std::getline(file, line) && line != "```hex " + name) {}
  while (std::getline(file, line) && line != "```") {
    std::istringstream words(line.substr(0, line.find('|')));
    for (std::string word; words >> word;) bytes.push_back(static_cast<std::byte>(std::stoi(word, nullptr, 16)));
  }
  EXPECT_FALSE(bytes.empty()) << page << " shows no " << name;
  return bytes;
}

/// The log that docs/formats/wal.md tells about.
class ExampleLog : public ::testing::Test {
 protected:
  ExampleLog() {
    auto wal = std::move(SimWal::open(disk, kOptions).value().wal);
    const PersistBatch batch{
        .hard_state = HardState{Term{2}, NodeId{3}, Index{}},
        .entries = {{Term{2}, Index{1}, EntryKind::kCommand, LogTime{7}, Payload::copy_of("hello")}}};
    EXPECT_TRUE(wal.append(batch));
    EXPECT_TRUE(wal.commit());
    EXPECT_TRUE(wal.mark());
    disk.crash(sim::CrashPolicy::kKeepAll);
  }
  [[nodiscard]] std::vector<std::byte> stored(const std::string& file, std::size_t offset, std::size_t count) const {
    const auto bytes = disk.durable_bytes("log/" + file).subspan(offset, count);
    return {bytes.begin(), bytes.end()};
  }

  static constexpr const char* kSegment = "log-0000000000000001";
  const WalOptions kOptions{.cluster = ClusterId{0xc1},
                            .node = NodeId{1},
                            .entropy = 42,
                            .segment_bytes = 16384,
                            .reserve_bytes = 4096,
                            .block_bytes = 512};
  sim::SimFiles disk{Random(1)};
};

TEST_F(ExampleLog, IsWrittenAsThePageShows) {
  EXPECT_EQ(to_hex(shown("wal.md", "identity")), to_hex(stored("identity", kIdentitySlotStride, kIdentitySlotBytes)));
  EXPECT_EQ(to_hex(shown("wal.md", "segment")), to_hex(stored(kSegment, 0, kSegmentHeaderBytes)));
  EXPECT_EQ(to_hex(shown("wal.md", "group")), to_hex(stored(kSegment, 1024, kGroupHeaderBytes + 2 * kItemBytes + 5)));
}

// Put together from the page alone: the group that is shown, and the blocks around it as the page describes them.
TEST_F(ExampleLog, IsReadFromWhatThePageShows) {
  const auto slot = shown("wal.md", "identity");
  ASSERT_EQ(slot.size(), kIdentitySlotBytes);
  const auto identity = decode_identity(std::span<const std::byte, kIdentitySlotBytes>(slot));
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->cluster, kOptions.cluster);
  EXPECT_EQ(identity->node, kOptions.node);
  EXPECT_EQ(identity->boot, Boot{1});

  std::vector<std::byte> segment(16384);
  std::ranges::copy(shown("wal.md", "segment"), segment.begin());
  std::ranges::copy(stored(kSegment, 512, 512), segment.begin() + 512);
  std::ranges::copy(shown("wal.md", "group"), segment.begin() + 1024);
  LogScanner scanner(*identity);
  static_cast<void>(scanner.add(SegmentNumber{1}, segment));
  const ScannedLog log = std::move(scanner).finish();
  EXPECT_EQ(model_of(log.recovered), model_of(SimWal::open(disk, kOptions).value().recovered));
  ASSERT_EQ(log.recovered.entries.size(), 1U);
  EXPECT_EQ(log.recovered.entries[0].payload.text(), "hello");
}

TEST(ExampleFrame, IsReadFromWhatThePageShows) {
  const auto frame = shown("wire.md", "frame");
  ASSERT_GT(frame.size(), wire::kFrameHeaderBytes);
  const auto header =
      wire::parse_frame_header(std::span(frame).first<wire::kFrameHeaderBytes>(), ClusterId{0x1122334455667788});
  ASSERT_TRUE(header) << header.error().message;
  const auto body = std::span(frame).subspan(wire::kFrameHeaderBytes);
  ASSERT_TRUE(wire::verify_frame(*header, body));
  const auto message = wire::decode_message(body);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->from, NodeId{1});
  EXPECT_EQ(message->term, Term{4});
  const auto* request = std::get_if<VoteRequest>(&message->body);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(*request, (VoteRequest{{Term{0x11}, Index{0x12}}, CampaignKind::kTransfer}));
  quorate::testing::expect_golden("wire/VoteRequest", frame);
}

}  // namespace
}  // namespace quorate::storage
