// Random values of the engine's aggregates, for properties. Include gtest first.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <rapidcheck.h>

#include "consensus/configuration.hpp"
#include "consensus/message.hpp"
#include "consensus/random.hpp"

namespace quorate::testing {

inline std::vector<std::byte> random_bytes(int size_max) {
  const auto numbers = *rc::gen::resize(size_max, rc::gen::arbitrary<std::vector<std::uint8_t>>());
  std::vector<std::byte> bytes(numbers.size());
  std::ranges::transform(numbers, bytes.begin(), [](std::uint8_t number) { return std::byte{number}; });
  return bytes;
}

template <class Number>
Number random_number() {
  return Number{*rc::gen::arbitrary<std::uint64_t>()};
}

inline LogId random_log_id() { return {random_number<Term>(), random_number<Index>()}; }

inline Payload random_payload() {
  return *rc::gen::inRange(0, 8) == 0 ? Payload::absent() : Payload::copy_of(random_bytes(64));
}

inline Entry random_entry(Index index) {
  return {random_number<Term>(), index, static_cast<EntryKind>(*rc::gen::inRange(0, 3)), random_number<LogTime>(),
          random_payload()};
}

/// Valid members of one half; the first may lead.
inline std::vector<Member> random_members(std::uint64_t count) {
  std::vector<Member> members;
  for (std::uint64_t id = 1; id <= count; ++id) {
    const auto address = random_bytes(20);
    members.push_back({NodeId{id}, Incarnation{mix_bits(id)},
                       id == 1 ? MemberKind::kVoter : static_cast<MemberKind>(*rc::gen::inRange(0, 3)),
                       id == 1 ? 1 : *rc::gen::arbitrary<std::uint32_t>(),
                       std::string(reinterpret_cast<const char*>(address.data()), address.size())});
  }
  return members;
}

inline Configuration random_configuration() {
  return {random_number<Generation>(), random_members(*rc::gen::inRange<std::uint64_t>(1, 6)),
          random_members(*rc::gen::inRange<std::uint64_t>(0, 6))};
}

inline SnapshotId random_snapshot_id() { return {random_log_id(), random_number<Index>(), random_number<NodeId>()}; }

inline AppendRequest random_append_request() {
  AppendRequest request{
      {random_number<Term>(), Index{*rc::gen::inRange<std::uint64_t>(0, UINT64_MAX - 20)}}, random_number<Index>(), {}};
  const int count = *rc::gen::inRange(0, 10);
  for (int i = 1; i <= count; ++i) {
    request.entries.push_back(random_entry(request.previous.index + static_cast<std::uint64_t>(i)));
  }
  return request;
}

inline FetchResponse random_fetch_response() {
  FetchResponse response;
  const int count = *rc::gen::inRange(0, 5);
  for (int i = 0; i < count; ++i) response.entries.push_back(random_entry(random_number<Index>()));
  return response;
}

/// One of each kind, by its place in the variant.
inline MessageBody random_body(std::size_t kind) {
  const auto vote = [] { return static_cast<Vote>(*rc::gen::inRange(0, 2)); };
  const auto number = [] { return *rc::gen::arbitrary<std::uint64_t>(); };
  const auto time = [] { return *rc::gen::arbitrary<std::int64_t>(); };
  switch (kind) {
    case 0: return PreVoteRequest{random_log_id()};
    case 1: return PreVoteResponse{vote()};
    case 2: return VoteRequest{random_log_id(), static_cast<CampaignKind>(*rc::gen::inRange(0, 2))};
    case 3: return VoteResponse{vote()};
    case 4: return random_append_request();
    case 5: return AppendAccepted{random_log_id()};
    case 6: return AppendRejected{random_log_id(), random_log_id()};
    case 7: return Heartbeat{random_number<Index>(), number(), time()};
    case 8: return HeartbeatResponse{number(), time()};
    case 9: return SnapshotOffer{random_log_id()};
    case 10:
      return SnapshotChunk{random_snapshot_id(), number(), Payload::copy_of(random_bytes(200)),
                           static_cast<std::uint8_t>(*rc::gen::inRange(0, 2))};
    case 11: return SnapshotProgress{random_snapshot_id(), number(), random_log_id()};
    case 12: return ReadIndexRequest{random_number<ReadId>()};
    case 13: return ReadIndexResponse{random_number<ReadId>(), random_number<Index>()};
    case 14: return TimeoutNow{};
    case 15: return FetchRequest{std::vector<LogId>(*rc::gen::inRange<std::size_t>(0, 9), random_log_id())};
    default: return random_fetch_response();
  }
}

inline Message random_message() {
  return {random_number<NodeId>(),
          random_number<NodeId>(),
          random_number<Incarnation>(),
          random_number<Incarnation>(),
          random_number<Generation>(),
          random_number<Term>(),
          random_number<Boot>(),
          random_number<Boot>(),
          random_body(
              *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::size_t>(0, std::variant_size_v<MessageBody>)))};
}

}  // namespace quorate::testing
