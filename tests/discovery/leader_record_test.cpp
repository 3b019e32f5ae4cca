// What stands under the key: both forms, those of others, and what is none.
#include "server/discovery/leader_record.hpp"

#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace quorate::discovery {
namespace {

const LeaderRecord kRecord{.id = "a", .api_addr = "http://h:4001", .addr = "h:4002"};

TEST(LeaderRecord, IsWhatOthersWriteToo) {
  EXPECT_EQ(encode(kRecord), R"({"id":"a","api_addr":"http://h:4001","addr":"h:4002"})");
  EXPECT_EQ(decode_leader_record(R"({"addr":"h:4002","id":"a","api_addr":"http://h:4001","more":[1]})"), kRecord);
}

TEST(LeaderRecord, ClaimsAreMarked) {
  LeaderRecord claim = kRecord;
  claim.is_founding = true;
  EXPECT_EQ(decode_leader_record(encode(claim)), claim);
  EXPECT_NE(encode(claim), encode(kRecord));
}

TEST(LeaderRecord, AnythingElseIsNone) {
  for (const std::string text : {"", "x", "[]", "{}", R"({"id":"","addr":"h:1"})", R"({"id":"a"})",
                                 R"({"id":"a","addr":"h"})", R"({"id":"a","addr":":1"})", R"({"id":1,"addr":"h:1"})"})
    EXPECT_FALSE(decode_leader_record(text)) << text;
  EXPECT_FALSE(decode_leader_record("{\"id\":\"" + std::string(kRecordBytesMax, 'a') + "\",\"addr\":\"h:1\"}"));
}

RC_GTEST_PROP(LeaderRecord, AnyNameSurvives, (const std::string& name)) {
  RC_PRE(!name.empty());
  LeaderRecord record = kRecord;
  for (const char c : name) record.id += static_cast<char>(c & 0x7f);
  RC_ASSERT(decode_leader_record(encode(record)) == record);
}

}  // namespace
}  // namespace quorate::discovery
