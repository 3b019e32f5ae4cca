// The gzip reader: what the writer makes comes back, in pieces of any size and in bounded memory; members behind one
// another, headers with names; and damage anywhere is found.
#include "server/http/gzip_reader.hpp"

#include <algorithm>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "consensus/random.hpp"
#include "server/http/gzip.hpp"

namespace quorate::http {
namespace {

std::string packed(std::string_view plain) {
  GzipWriter writer;
  std::string out = writer.write(plain);
  return out + writer.finish();
}

/// The whole stream, handed over `in_max` bytes at a time, `out_max` bytes asked for at a time.
Result<std::string> unpacked(std::string_view stream, std::size_t in_max = 1000, std::size_t out_max = 1000) {
  GzipReader reader;
  std::string out;
  while (!stream.empty()) {
    const std::string_view piece = stream.substr(0, in_max);
    const std::size_t before = out.size();
    const auto used = reader.read(piece, out_max, out);
    if (!used) return tl::unexpected(used.error());
    EXPECT_LE(out.size(), before + out_max);
    EXPECT_TRUE(*used == piece.size() || out.size() == before + out_max);
    stream.remove_prefix(*used);
  }
  for (std::size_t before = out.size() + 1; before != out.size();) {
    before = out.size();
    if (const auto used = reader.read({}, out_max, out); !used) return tl::unexpected(used.error());
  }
  if (!reader.is_whole()) return fail(ErrorKind::kCorrupt, "cut off");
  return out;
}

std::string text_of(std::size_t bytes, std::uint64_t seed) {
  Random random(seed);
  std::string text(bytes, 'x');
  for (std::size_t i = 0; i < bytes; i += 1 + random.below(20)) text[i] = static_cast<char>(random.next());
  return text;
}

RC_GTEST_PROP(GzipReaderProperty, WhatWasWrittenComesBack, ()) {
  const auto plain = text_of(*rc::gen::inRange(0, 200'000), *rc::gen::arbitrary<std::uint64_t>());
  const auto in_max = *rc::gen::inRange<std::size_t>(1, 70'000);
  const auto out_max = *rc::gen::inRange<std::size_t>(1, 70'000);
  const auto out = unpacked(packed(plain), in_max, out_max);
  RC_ASSERT(out.has_value());
  const bool is_equal = *out == plain;  // too much to be printed
  RC_ASSERT(is_equal);
}

TEST(GzipReader, AFewBytesThatStandForManyComeOutInPieces) {
  const std::string plain(5'000'000, 'a');
  const std::string stream = packed(plain);
  ASSERT_LT(stream.size(), 50'000U);
  EXPECT_TRUE(unpacked(stream, stream.size(), 4096).value() == plain);
}

TEST(GzipReader, MembersFollowOneAnother) {
  EXPECT_EQ(unpacked(packed("one, ") + packed("") + packed("two")).value(), "one, two");
  EXPECT_FALSE(unpacked(packed("one") + "and what is no member"));
}

TEST(GzipReader, HeadersMayHoldMore) {
  const std::string stream = packed("content");
  const std::string head("\x1f\x8b\x08\x1e\0\0\0\0\0\x03", 10);
  const std::string with_all = head + std::string("\x03\0abc", 5) + std::string("name\0", 5) +
                               std::string("comment\0", 8) + "cs" + stream.substr(10);
  EXPECT_EQ(unpacked(with_all).value(), "content");
  EXPECT_EQ(unpacked(with_all, 1, 1).value(), "content");
  std::string endless = head;
  endless[3] = 8;
  EXPECT_FALSE(unpacked(endless + std::string(200'000, 'n')));
  for (const std::size_t place : {0U, 1U, 2U}) {
    std::string wrong = stream;
    wrong[place] = '\x55';
    EXPECT_FALSE(unpacked(wrong)) << place;
  }
  std::string reserved = stream;
  reserved[3] = '\x40';
  EXPECT_FALSE(unpacked(reserved));
}

TEST(GzipReader, DamageAndCutsAreFound) {
  const std::string plain = text_of(5000, 1);
  const std::string stream = packed(plain);
  for (std::size_t size = 0; size < stream.size(); size += 7)
    EXPECT_FALSE(unpacked(std::string_view(stream).substr(0, size))) << size;
  for (std::size_t place = 10; place < stream.size(); place += 11) {
    std::string wrong = stream;
    wrong[place] = static_cast<char>(wrong[place] ^ 0x10);
    const auto out = unpacked(wrong);
    // There are bits that mean nothing, the length of a code that is never used for instance.
    EXPECT_TRUE(!out || *out == plain) << place;
  }
}

TEST(GzipReader, LooksLikeGzip) {
  EXPECT_TRUE(looks_like_gzip(packed("x")));
  EXPECT_FALSE(looks_like_gzip("SQLite format 3"));
  EXPECT_FALSE(looks_like_gzip("\x1f"));
}

}  // namespace
}  // namespace quorate::http
