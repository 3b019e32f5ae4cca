// What every application promises (consensus/application.hpp), checked for each of them, bare and with sessions around
// it: hostile bytes change nothing and are answered alike, encodings round trip, replicas agree, damaged states are
// refused or mean something.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "statemachine/kv.hpp"
#include "statemachine/list_append.hpp"
#include "statemachine/register.hpp"
#include "tests/statemachine/application_testing.hpp"

namespace quorate {
namespace {

using testing::execute;
using testing::saved;

static_assert(Application<ExactlyOnce<Register>>);
static_assert(Application<ExactlyOnce<KeyValue>>);
static_assert(Application<ExactlyOnce<ListAppend>>);

template <class App>
typename App::Command arbitrary_command();

template <>
Register::Command arbitrary_command<Register>() {
  const auto small = rc::gen::inRange<Register::Value>(-2, 3);
  switch (*rc::gen::inRange(0, 3)) {
    case 0: return Register::read();
    case 1: return Register::write(*small);
    default:
      return Register::compare_and_set({*rc::gen::element<std::optional<Register::Value>>(std::nullopt, 0, 1), *small});
  }
}

template <>
KeyValue::Command arbitrary_command<KeyValue>() {
  const auto key = rc::gen::element<std::string>("a", "b");
  switch (*rc::gen::inRange(0, 4)) {
    case 0: return KeyValue::single(KeyValue::get(*key));
    case 1: return KeyValue::single(KeyValue::remove(*key));
    case 2: return KeyValue::single(KeyValue::append({*key, *key}));
    default: return {{{*key, *key}}, {KeyValue::put({*key, *key}), KeyValue::compare_and_set({*key, "c"}, *key)}};
  }
}

template <>
ListAppend::Command arbitrary_command<ListAppend>() {
  const ListAppend::Key key{*rc::gen::inRange<std::uint64_t>(0, 3)};
  return {{ListAppend::read(key), ListAppend::append(key, *rc::gen::inRange<std::int64_t>(0, 9))}};
}

template <class App>
App arbitrary_application() {
  App application;
  const int commands = *rc::gen::inRange(0, 20);
  for (int at = 0; at < commands; ++at) execute(application, arbitrary_command<App>());
  return application;
}

std::vector<std::byte> damaged(std::vector<std::byte> bytes) {
  switch (*rc::gen::inRange(0, 3)) {
    case 0:
      if (bytes.empty()) break;
      bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] ^= std::byte{*rc::gen::inRange<std::uint8_t>(1, 255)};
      break;
    case 1: bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 1)); break;
    default: bytes.push_back(std::byte{*rc::gen::arbitrary<std::uint8_t>()});
  }
  return bytes;
}

template <class App>
class ApplicationContract : public ::testing::Test {};
using Applications = ::testing::Types<Register, KeyValue, ListAppend>;
TYPED_TEST_SUITE(ApplicationContract, Applications);

TYPED_TEST(ApplicationContract, CommandsAndRepliesRoundTrip) {
  EXPECT_TRUE(rc::check([] {
    TypeParam application = arbitrary_application<TypeParam>();
    const auto command = arbitrary_command<TypeParam>();
    RC_ASSERT(TypeParam::decode_command(TypeParam::encode(command).bytes()) == command);
    const Payload reply = application.apply(TypeParam::encode(command).bytes(), LogTime{});
    const auto decoded = TypeParam::decode_reply(reply.bytes());
    RC_ASSERT(decoded.has_value());
    RC_ASSERT(TypeParam::encode(*decoded) == reply);
  }));
}

TYPED_TEST(ApplicationContract, BytesThatAreNoCommandChangeNothing) {  // pitfall I6
  EXPECT_TRUE(rc::check([] {
    TypeParam application = arbitrary_application<TypeParam>();
    const TypeParam before = application;
    const auto bytes = *rc::gen::arbitrary<std::vector<std::uint8_t>>();
    RC_PRE(!TypeParam::decode_command(std::as_bytes(std::span(bytes))));
    const Payload reply = application.apply(std::as_bytes(std::span(bytes)), LogTime{});
    const auto decoded = TypeParam::decode_reply(reply.bytes());
    RC_ASSERT(decoded.has_value());
    RC_ASSERT(decoded->status == TypeParam::Status::kMalformed);
    RC_ASSERT(application == before);
  }));
}

TYPED_TEST(ApplicationContract, DamagedCommandsAreAnsweredAlikeByEqualReplicas) {
  EXPECT_TRUE(rc::check([] {
    TypeParam one = arbitrary_application<TypeParam>();
    TypeParam other = testing::reloaded(one);
    const Payload command = TypeParam::encode(arbitrary_command<TypeParam>());
    const std::vector<std::byte> bytes = damaged({command.bytes().begin(), command.bytes().end()});
    RC_ASSERT(one.apply(bytes, LogTime{}) == other.apply(bytes, LogTime{}));
    RC_ASSERT(one == other);
    RC_ASSERT(one.digest() == other.digest());
  }));
}

TYPED_TEST(ApplicationContract, DamagedStatesAreRefusedOrMeanWhatTheySay) {
  EXPECT_TRUE(rc::check([] {
    const std::vector<std::byte> bytes = damaged(saved(arbitrary_application<TypeParam>()));
    TypeParam loaded;
    const bool is_accepted = loaded.load(bytes).has_value();
    RC_CLASSIFY(is_accepted, "accepted");
    if (is_accepted) RC_ASSERT(saved(loaded) == bytes);
  }));
}

TYPED_TEST(ApplicationContract, DifferentStatesHaveDifferentDigests) {
  EXPECT_TRUE(rc::check([] {
    const TypeParam one = arbitrary_application<TypeParam>();
    const TypeParam other = arbitrary_application<TypeParam>();
    RC_CLASSIFY(one == other, "equal");
    RC_ASSERT((one == other) == (one.digest() == other.digest()));
    RC_ASSERT((one == other) == (saved(one) == saved(other)));
  }));
}

}  // namespace
}  // namespace quorate
