// Answers of etcd's JSON interface, and what only looks like them.
#include "server/discovery/etcd_store.hpp"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "server/security/base64.hpp"

namespace quorate::discovery {
namespace {

/// "-" if there is none.
std::string value_in(std::string_view answer) {
  const auto value = parse_etcd_range(answer);
  if (!value) return value.error().message;
  return value->value_or("-");
}

TEST(EtcdAnswers, OfARange) {
  EXPECT_EQ(value_in(R"({"header":{"revision":"7"}})"), "-");
  EXPECT_EQ(value_in(R"({"header":{},"kvs":[{"key":"a2V5","value":"dmFsdWU="}],"count":"1"})"), "value");
  EXPECT_EQ(value_in(R"({"kvs":[{"key":"a2V5"}]})"), "");
  for (const char* text : {"", "[]", R"({"kvs":{}})", R"({"kvs":[]})", R"({"kvs":[1]})", R"({"kvs":[{},{}]})",
                           R"({"kvs":[{"value":"###"}]})", R"({"kvs":[{"value":7}]})"})
    EXPECT_FALSE(parse_etcd_range(text)) << text;
}

TEST(EtcdAnswers, OfATransaction) {
  EXPECT_EQ(parse_etcd_transaction(R"({"header":{},"succeeded":true,"responses":[{}]})"), true);
  EXPECT_EQ(parse_etcd_transaction(R"({"header":{}})"), false);
  for (const char* text : {"", "{}", "7", R"({"header":{},"succeeded":"yes"})"})
    EXPECT_FALSE(parse_etcd_transaction(text)) << text;
}

TEST(EtcdAnswers, OfALogin) {
  EXPECT_EQ(parse_etcd_token(R"({"header":{},"token":"abc.7"})"), "abc.7");
  for (const char* text : {"{}", R"({"token":7})", R"({"token":""})", R"({"token":"a b"})", R"({"token":"a\r\nX: y"})"})
    EXPECT_FALSE(parse_etcd_token(text)) << text;
}

TEST(Base64, IsThatOfTheStandard) {
  using security::decode_base64;
  using security::encode_base64;
  EXPECT_EQ(encode_base64(""), "");
  EXPECT_EQ(encode_base64("f"), "Zg==");
  EXPECT_EQ(encode_base64("fo"), "Zm8=");
  EXPECT_EQ(encode_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encode_base64("\xff\xfe\xfd"), "//79");
  for (const char* text : {"", "f", "fo", "foo", "foob", "\xff\xff\xff\xff"})
    EXPECT_EQ(decode_base64(encode_base64(text)), text);
}

}  // namespace
}  // namespace quorate::discovery
