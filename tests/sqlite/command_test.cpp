// The bytes of the SQLite application's entries, of requests and of responses.
#include "statemachine/sqlite/command.hpp"

#include <cctype>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "consensus/random.hpp"
#include "statemachine/sqlite/outcomes.hpp"
#include "statemachine/sqlite/part_buffer.hpp"
#include "statemachine/sqlite/request_codec.hpp"

namespace quorate::sqlite {
namespace {

const BundleName kName{Epoch{3}, 8};

Payload bytes_of(std::size_t size) {
  return Payload::build(size, [](std::span<std::byte> out) { std::ranges::fill(out, std::byte{7}); });
}

/// Every way of cutting and bending the bytes must be refused or parsed, and never read beyond them.
template <class Parse>
void bend(const Payload& good, Parse parse) {
  Random random(5);
  const std::vector<std::byte> bytes(good.bytes().begin(), good.bytes().end());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(parse(cut).has_value());
  }
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::byte> bent = bytes;
    for (std::uint64_t i = random.below(3) + 1; i > 0; --i) {
      bent[random.below(bent.size())] = static_cast<std::byte>(random.next());
    }
    static_cast<void>(parse(bent));
  }
}

TEST(CommandTest, ASmallBundleIsOneEntry) {
  BundleWriter writer(kName);
  writer.add_delta(bytes_of(100));
  writer.add_delta(bytes_of(0));
  writer.add_outcome({"key", 17, 4, bytes_of(5).bytes()});
  writer.add_outcome({"other", 18, 5, std::nullopt});
  const std::vector<Payload> parts = writer.finish();
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_LT(parts[0].size(), 100 + 60U);
  const Result<BundlePart> part = parse_bundle_part(parts[0].bytes());
  ASSERT_TRUE(part.has_value());
  EXPECT_EQ(part->name, kName);
  EXPECT_TRUE(part->is_last);
  ASSERT_EQ(part->deltas.size(), 2U);
  EXPECT_EQ(part->deltas[0].size(), 100U);
  ASSERT_EQ(part->outcomes.size(), 2U);
  EXPECT_EQ(part->outcomes[0].key, "key");
  EXPECT_EQ(part->outcomes[0].position, 4U);
  EXPECT_EQ(part->outcomes[0].response->size(), 5U);
  EXPECT_EQ(part->outcomes[1].fingerprint, 18U);
  EXPECT_FALSE(part->outcomes[1].response.has_value());
}

TEST(CommandTest, TheDocumentedExampleIsWhatIsWritten) {
  const std::vector<std::byte> delta{std::byte{0xaa}, std::byte{0xbb}, std::byte{0xcc}};
  const std::vector<std::byte> response{std::byte{1}, std::byte{2}};
  BundleWriter writer(kName);
  writer.add_delta(Payload::copy_of(delta));
  writer.add_outcome({"k1", 17, 4, response});
  std::string hex;
  const Payload bytes = writer.finish().front();
  for (const std::byte byte : bytes.bytes()) hex += fmt::format("{:02x}", byte);

  std::ifstream page(std::string(QUORATE_SOURCE_DIR) + "/docs/formats/bundles.md");
  std::string digits;
  for (char c; page.get(c);) {
    if (std::isxdigit(static_cast<unsigned char>(c)) != 0) digits += c;
  }
  EXPECT_NE(digits.find(hex), std::string::npos) << "docs/formats/bundles.md shows other bytes than " << hex;
}

TEST(CommandTest, ABundleWithoutRecordsIsAnEntry) {
  const std::vector<Payload> parts = BundleWriter(kName).finish();
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_TRUE(parse_bundle_part(parts[0].bytes())->is_last);
}

TEST(CommandTest, ALargeBundleIsCutBetweenRecords) {
  BundleWriter writer(kName, 1000);
  for (int i = 0; i < 50; ++i) writer.add_delta(bytes_of(300));
  writer.add_delta(bytes_of(5000));
  const std::vector<Payload> parts = writer.finish();
  EXPECT_GT(parts.size(), 10U);
  std::size_t deltas = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Result<BundlePart> part = parse_bundle_part(parts[i].bytes());
    ASSERT_TRUE(part.has_value());
    EXPECT_EQ(part->number, i);
    EXPECT_EQ(part->is_last, i + 1 == parts.size());
    deltas += part->deltas.size();
  }
  EXPECT_EQ(deltas, 51U);
}

TEST(CommandTest, HostileBytesAreRefused) {
  BundleWriter writer(kName);
  writer.add_delta(bytes_of(20));
  writer.add_outcome({"key", 17, 4, bytes_of(5).bytes()});
  const Payload good = writer.finish().front();
  bend(good, parse_bundle_part);
  std::vector<std::byte> later(good.bytes().begin(), good.bytes().end());
  later[0] = std::byte{2};
  EXPECT_EQ(parse_bundle_part(later).error().kind, ErrorKind::kUnsupported);
}

TEST(PartBufferTest, CollectsOneBundleAndForgetsOrphans) {
  BundleWriter writer(kName, 100);
  for (int i = 0; i < 3; ++i) writer.add_delta(bytes_of(150));
  const std::vector<Payload> parts = writer.finish();
  ASSERT_GE(parts.size(), 3U);
  const auto part = [&](std::size_t i) { return *parse_bundle_part(parts[i].bytes()); };
  PartBuffer buffer;
  EXPECT_EQ(buffer.digest(), 0U);
  ASSERT_TRUE(buffer.add(Term{1}, part(0), parts[0]).has_value());
  EXPECT_FALSE(buffer.add(Term{1}, part(2), parts[2]).has_value()) << "part 1 is missing";
  ASSERT_TRUE(buffer.add(Term{1}, part(1), parts[1]).has_value());

  ByteWriter saved;
  buffer.save(saved);
  PartBuffer loaded;
  ByteReader in(saved.bytes());
  ASSERT_TRUE(loaded.load(in));
  EXPECT_TRUE(in.finished());
  EXPECT_EQ(loaded.digest(), buffer.digest());

  EXPECT_FALSE(buffer.add(Term{2}, part(2), parts[2]).has_value()) << "another term's bundle of the same name";
  EXPECT_TRUE(buffer.empty());
  ASSERT_TRUE(loaded.add(Term{2}, part(0), parts[0]).has_value());
  EXPECT_EQ(loaded.take().size(), 1U);
  EXPECT_EQ(loaded.digest(), 0U);
}

TEST(OutcomeTableTest, ForgetsByAgeAndByNumber) {
  OutcomeTable table({.outcomes_max = 3, .age_ms_max = 100});
  const auto add = [&](const char* key, std::uint64_t index, std::uint64_t time) {
    table.record(key, {1, Index{index}, 0, LogTime{time}, Payload::copy_of("x")});
  };
  add("a", 1, 10);
  const std::uint64_t one = table.digest();
  add("b", 2, 20);
  add("b", 3, 20);
  EXPECT_EQ(table.find("b")->index, Index{2}) << "the first outcome stays";
  add("c", 4, 30);
  add("d", 5, 40);
  EXPECT_EQ(table.find("a"), nullptr);
  table.expire(LogTime{120});
  EXPECT_NE(table.find("b"), nullptr);
  table.expire(LogTime{131});
  EXPECT_EQ(table.size(), 1U);
  table.expire(LogTime{1000});
  EXPECT_EQ(table.digest(), 0U);
  add("a", 1, 10);
  EXPECT_EQ(table.digest(), one);

  ByteWriter saved;
  table.save(saved);
  OutcomeTable loaded;
  ByteReader in(saved.bytes());
  ASSERT_TRUE(loaded.load(in));
  EXPECT_EQ(loaded.digest(), one);
  EXPECT_EQ(*loaded.find("a"), *table.find("a"));
}

TEST(RequestCodecTest, RequestsComeBackAsTheyWere) {
  Request request;
  request.kind = RequestKind::kMixed;
  request.atomicity = Atomicity::kTransaction;
  request.statements.push_back({"SELECT ?, ?, ?, ?, ?", std::vector<Value>{std::monostate{}, std::int64_t{-1}, 0.5,
                                                                           std::string("x"), Blob{std::byte{9}}}});
  request.statements.push_back({"SELECT :a", std::vector<std::pair<std::string, Value>>{{"a", std::string("y")}}});
  const Payload bytes = encode(request);
  const Result<Request> decoded = decode_request(bytes.bytes());
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(encode(*decoded), bytes);
  EXPECT_EQ(decoded->statements[1].parameters, request.statements[1].parameters);
  bend(bytes, decode_request);
}

TEST(RequestCodecTest, ResponsesComeBackAsTheyWere) {
  Response response;
  StatementResult rows{.kind = StatementResult::Kind::kRows, .columns = {{"c", "INTEGER", "t"}, {"d", "", ""}}};
  rows.rows = {{std::int64_t{1}, std::string("a")}, {std::monostate{}, 2.5}};
  response.results.push_back(rows);
  response.results.push_back({.kind = StatementResult::Kind::kChanges, .last_insert_rowid = -5, .rows_affected = 7});
  response.results.push_back(
      {.kind = StatementResult::Kind::kError, .error = {SqlErrorKind::kSql, 1555, "UNIQUE constraint failed: t.a"}});
  response.error = SqlError{SqlErrorKind::kTimeout, 9, "too long"};
  const Payload bytes = encode(response);
  const Result<Response> decoded = decode_response(bytes.bytes());
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(encode(*decoded), bytes);
  EXPECT_EQ(decoded->results[0].rows, rows.rows);
  EXPECT_EQ(decoded->results[1].last_insert_rowid, -5);
  EXPECT_EQ(decoded->error, response.error);
  bend(bytes, decode_response);
}

}  // namespace
}  // namespace quorate::sqlite
