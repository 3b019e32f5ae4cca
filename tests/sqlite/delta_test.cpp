#include "statemachine/sqlite/delta.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace quorate::sqlite {
namespace {

using Bytes = std::vector<std::byte>;

Bytes page_of(std::uint8_t value, std::size_t size = 512) { return Bytes(size, std::byte{value}); }

DeltaSection section_of(std::uint64_t id, std::uint64_t pages) {
  return {.database = DatabaseId{id}, .page_size = *PageSize::of(512), .page_count_after = PageCount{pages}};
}

void add(DeltaWriter& writer, std::uint64_t page, std::uint64_t before, const Bytes& previous, const Bytes& current) {
  const ChangedPage changed{PageNumber{page}, PageHash{before}, previous, current};
  writer.add_pages(std::span(&changed, 1));
}

/// The example of docs/formats/pages.md: creates database "main" with one page, changes one byte of page 2 of
/// database 7.
Payload example() {
  PageCodec codec;
  DeltaWriter writer(codec);
  DeltaSection created = section_of(1, 1);
  created.fate = DatabaseFate::kCreated;
  created.name = "main";
  writer.begin_section(created);
  Bytes first(512);
  first[3] = std::byte{0x21};
  add(writer, 1, 0, Bytes(512), first);
  writer.begin_section(section_of(7, 300));
  Bytes second = page_of(9);
  second[511] = std::byte{8};
  add(writer, 200, 0x1122334455667788, page_of(9), second);
  return writer.finish(StateDigest(0x0102030405060708)).front();
}

std::string hex(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::byte byte : bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

TEST(Delta, HasTheBytesThatTheFormatPageShows) {
  EXPECT_EQ(hex(example().bytes()),
            "0101"  // format 1, last part
            "01"
            "01"
            "09"
            "01"  // database 1, created, 2^9 bytes a page, 1 page
            "04"
            "6d61696e"  // "main"
            "01"
            "02"
            "00000000"  // page 1, changes, hash before
            "03"
            "030221"  // three bytes: skip 3, one byte as it is, 0x21
            "00"      // end of the section
            "07"
            "00"
            "09"
            "ac02"  // database 7, existing, 2^9, 300 pages
            "c801"
            "02"
            "88776655"  // page 200, changes, hash before
            "04"
            "ff030208"  // skip 511, one byte as it is, 0x08
            "00"
            "00"                  // end of the section, of the sections
            "0807060504030201");  // digest after
  std::ifstream page(std::string(QUORATE_SOURCE_DIR) + "/docs/formats/pages.md");
  std::stringstream text;
  text << page.rdbuf();
  std::string digits;
  for (char c : text.str()) {
    if (std::string_view(" \n").find(c) == std::string_view::npos) digits += c;
  }
  EXPECT_NE(digits.find(hex(example().bytes())), std::string::npos) << "docs/formats/pages.md shows other bytes";
}

TEST(Delta, IsParsedAsItWasWritten) {
  const Payload bytes = example();
  const Result<DeltaPart> part = parse_delta_part(bytes.bytes());
  ASSERT_TRUE(part.has_value()) << part.error().message;
  EXPECT_TRUE(part->is_last);
  EXPECT_EQ(part->digest_after, StateDigest(0x0102030405060708));
  ASSERT_EQ(part->sections.size(), 2U);
  EXPECT_EQ(part->sections[0].header.name, "main");
  EXPECT_EQ(part->sections[0].header.fate, DatabaseFate::kCreated);
  EXPECT_EQ(part->sections[1].header, section_of(7, 300));
  ASSERT_EQ(part->sections[1].pages.size(), 1U);
  EXPECT_EQ(part->sections[1].pages[0].page, PageNumber{200});
  EXPECT_EQ(part->sections[1].pages[0].hash_before, 0x55667788U);
}

TEST(Delta, IsCutIntoPartsBetweenPages) {
  PageCodec codec;
  DeltaWriter writer(codec, 100);
  writer.begin_section(section_of(1, 60));
  for (std::uint64_t page = 1; page <= 50; ++page) {
    Bytes current = page_of(0);
    for (std::size_t i = 0; i < 50; ++i) current[i * 10] = static_cast<std::byte>(page);
    add(writer, page, page, page_of(0), current);
  }
  const std::vector<Payload> parts = writer.finish(StateDigest(5));
  EXPECT_GT(parts.size(), 10U) << "a few pages fill a part of 100 bytes";

  std::uint64_t next = 1;
  for (const Payload& bytes : parts) {
    const Result<DeltaPart> part = parse_delta_part(bytes.bytes());
    ASSERT_TRUE(part.has_value());
    EXPECT_EQ(part->is_last, &bytes == &parts.back());
    ASSERT_EQ(part->sections.size(), 1U);
    EXPECT_EQ(part->sections[0].header, section_of(1, 60));
    for (const DeltaPage& page : part->sections[0].pages) EXPECT_EQ(page.page, PageNumber{next++});
  }
  EXPECT_EQ(next, 51U);
}

TEST(Delta, EveryTruncationIsRefused) {
  const Payload bytes = example();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(parse_delta_part(bytes.bytes().first(size)).has_value()) << "the first " << size << " bytes";
  }
  Bytes longer(bytes.bytes().begin(), bytes.bytes().end());
  longer.push_back(std::byte{0});
  EXPECT_FALSE(parse_delta_part(longer).has_value()) << "a trailing byte";
}

TEST(Delta, AnotherFormatIsUnsupportedRatherThanCorrupt) {
  const Payload honest = example();
  Bytes bytes(honest.bytes().begin(), honest.bytes().end());
  bytes[0] = std::byte{2};
  const Result<DeltaPart> part = parse_delta_part(bytes);
  ASSERT_FALSE(part.has_value());
  EXPECT_EQ(part.error().kind, ErrorKind::kUnsupported);
}

RC_GTEST_PROP(Delta, SurvivesHostileBytes, ()) {
  const Payload honest = example();
  Bytes bytes(honest.bytes().begin(), honest.bytes().end());
  const auto flips = *rc::gen::inRange(1, 6);
  for (int i = 0; i < flips; ++i) {
    bytes[*rc::gen::inRange<std::size_t>(1, bytes.size())] =
        static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
  }
  const Result<DeltaPart> part = parse_delta_part(bytes);
  if (!part) return;
  for (const DeltaPart::Section& section : part->sections) {
    RC_ASSERT(section.header.database > DatabaseId{});
    PageNumber last{};
    for (const DeltaPage& page : section.pages) {
      RC_ASSERT(page.page > last);
      RC_ASSERT(page.page.value <= section.header.page_count_after.value);
      RC_ASSERT(page.body.size() <= section.header.page_size.bytes());
      last = page.page;
    }
  }
}

TEST(DatabaseName, IsPlain) {
  for (const char* name : {"main", "a", "Sales-2024.db", "_x"}) {
    EXPECT_TRUE(is_database_name(name)) << name;
    EXPECT_TRUE(is_hidden_name(hidden_name(name))) << name;
    EXPECT_FALSE(is_database_name(hidden_name(name))) << name;
    EXPECT_EQ(name_behind(hidden_name(name)), name);
  }
  for (const char* name : {"", ".hidden", "-x", "a/b", "a b", "file:x", "ü", "a\n"}) {
    EXPECT_FALSE(is_database_name(name)) << name;
    EXPECT_FALSE(is_hidden_name(hidden_name(name))) << name;
  }
  EXPECT_TRUE(is_database_name(std::string(kDatabaseNameBytesMax, 'a')));
  EXPECT_FALSE(is_database_name(std::string(kDatabaseNameBytesMax + 1, 'a')));
}

}  // namespace
}  // namespace quorate::sqlite
