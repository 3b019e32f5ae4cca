// SRV answers as they come over the network. What a real server says is asked in tests/e2e/test_discovery.py.
#include "server/discovery/dns_resolver.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace quorate::discovery {
namespace {

using Bytes = std::vector<unsigned char>;

void add_number(Bytes& bytes, unsigned number) {
  bytes.push_back(static_cast<unsigned char>(number >> 8));
  bytes.push_back(static_cast<unsigned char>(number));
}

void add_name(Bytes& bytes, const std::vector<std::string>& labels) {
  for (const std::string& label : labels) {
    bytes.push_back(static_cast<unsigned char>(label.size()));
    bytes.insert(bytes.end(), label.begin(), label.end());
  }
  bytes.push_back(0);
}

/// One question, and records for it (RFC 1035 4.1, RFC 2782).
Bytes answer_with(const std::vector<ServiceRecord>& records) {
  const std::vector<std::string> asked{"_q", "_tcp", "test"};
  Bytes bytes;
  for (const unsigned number : {0x1234U, 0x8180U, 1U, static_cast<unsigned>(records.size()), 0U, 0U})
    add_number(bytes, number);
  add_name(bytes, asked);
  add_number(bytes, 33);
  add_number(bytes, 1);
  for (const ServiceRecord& record : records) {
    add_number(bytes, 0xC00C);  // the name that was asked
    for (const unsigned number : {33U, 1U, 0U, 60U}) add_number(bytes, number);
    Bytes data;
    for (const unsigned number : {1U, 1U, unsigned{record.port}}) add_number(data, number);
    add_name(data, record.target.empty() ? std::vector<std::string>() : std::vector<std::string>{record.target});
    add_number(bytes, static_cast<unsigned>(data.size()));
    bytes.insert(bytes.end(), data.begin(), data.end());
  }
  return bytes;
}

TEST(ServiceRecords, AreReadInTheirOrder) {
  const std::vector<ServiceRecord> records{{"n1", 4002}, {"n2", 4004}};
  const auto read = parse_service_records(answer_with(records));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, records);
}

TEST(ServiceRecords, TheRootMeansNone) {
  const auto read = parse_service_records(answer_with({{"", 1}}));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::kNotFound);
}

TEST(ServiceRecords, AreBounded) {
  EXPECT_FALSE(parse_service_records(answer_with(std::vector<ServiceRecord>(kDnsRecordsMax + 1, {"n", 1}))));
  EXPECT_FALSE(parse_service_records(Bytes(70'000)));
}

TEST(ServiceRecords, CutAnswersAreNone) {
  const Bytes whole = answer_with({{"n1", 4002}});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parse_service_records(std::span(whole).first(size))) << size;
}

}  // namespace
}  // namespace quorate::discovery
