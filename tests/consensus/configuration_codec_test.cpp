// A configuration survives the way through its bytes, and no bytes make an invalid one.
#include "consensus/configuration_codec.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/consensus/arbitrary_configuration.hpp"

namespace quorate {
namespace {

using testing::arbitrary_change;
using testing::arbitrary_stable_configuration;

std::vector<std::byte> bytes_of(const Payload& payload) { return {payload.bytes().begin(), payload.bytes().end()}; }

Configuration arbitrary_configuration() {
  const Configuration current = arbitrary_stable_configuration();
  return configuration_after(current, arbitrary_change(current)).value_or(current);
}

TEST(ConfigurationCodec, WritesTheseBytes) {
  const Configuration configuration{
      Generation{2},
      {{NodeId{7}, Incarnation{0x0102}, MemberKind::kWitness, 0, "a:1"}, {NodeId{8}, {}, {}, 9, ""}},
      {}};
  using namespace std::string_view_literals;
  EXPECT_EQ(encode(configuration).text(),
            "\x01"                // version
            "\x02\0\0\0\0\0\0\0"  // generation
            "\x02\0\0\0"          // members
            "\x07\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0\x02\0\0\0\0\x03\0\0\0"
            "a:1"
            "\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0"
            "\0\0\0\0"sv);  // outgoing
}

TEST(ConfigurationCodec, RefusesAnotherVersion) {
  std::vector<std::byte> bytes = bytes_of(encode({{}, {{NodeId{1}, {}, {}, 1, ""}}, {}}));
  bytes.front() = std::byte{2};
  const Result<Configuration> decoded = decode_configuration(bytes);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(decoded.error().message, ::testing::HasSubstr("version 2"));
}

TEST(ConfigurationCodec, RefusesBytesThatNobodyWrote) {
  const std::vector<std::byte> whole = bytes_of(encode({{}, {{NodeId{1}, {}, {}, 1, "x"}}, {}}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Result<Configuration> cut = decode_configuration(std::span(whole).first(size));
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.error().kind, ErrorKind::kCorrupt) << size;
  }
  std::vector<std::byte> longer = whole;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_configuration(longer));

  // A forged count of members: four billion of them are not there, and are not allocated.
  std::vector<std::byte> forged = whole;
  for (std::size_t at = 9; at < 13; ++at) forged[at] = std::byte{0xff};
  EXPECT_FALSE(decode_configuration(forged));
}

TEST(ConfigurationCodec, RefusesAConfigurationWithoutVoters) {  // pitfall F21
  std::vector<std::byte> bytes = bytes_of(encode({{}, {{NodeId{1}, {}, {}, 1, ""}}, {}}));
  constexpr std::size_t kKindOfFirstMember = 1 + 8 + 4 + 8 + 8;
  bytes[kKindOfFirstMember] = std::byte{static_cast<std::uint8_t>(MemberKind::kLearner)};
  const Result<Configuration> decoded = decode_configuration(bytes);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(decoded.error().message, ::testing::HasSubstr("no voter"));
}

RC_GTEST_PROP(ConfigurationCodecProperty, RoundTrip, ()) {
  const Configuration configuration = arbitrary_configuration();
  RC_CLASSIFY(configuration.is_joint(), "joint");
  const Result<Configuration> decoded = decode_configuration(encode(configuration).bytes());
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == configuration);
}

RC_GTEST_PROP(ConfigurationCodecProperty, DamagedBytesAreRefusedOrMeanAValidConfiguration, ()) {
  std::vector<std::byte> bytes = bytes_of(encode(arbitrary_configuration()));
  const int damages = *rc::gen::inRange(1, 4);
  for (int damage = 0; damage < damages; ++damage) {
    bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] ^= std::byte{*rc::gen::inRange<std::uint8_t>(1, 255)};
  }
  const Result<Configuration> decoded = decode_configuration(bytes);
  RC_CLASSIFY(!decoded, "refused");
  if (decoded) {
    RC_ASSERT(validate(*decoded).has_value());
    RC_ASSERT(bytes_of(encode(*decoded)) == bytes);
  }
}

RC_GTEST_PROP(ConfigurationCodecProperty, HostileBytesAreRefused, (std::vector<std::uint8_t> hostile)) {
  hostile.insert(hostile.begin(), 1);  // past the version
  const Result<Configuration> decoded = decode_configuration(std::as_bytes(std::span(hostile)));
  RC_ASSERT(!decoded.has_value());
}

}  // namespace
}  // namespace quorate
