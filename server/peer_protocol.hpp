// What the nodes ask each other as applications, besides replicating: who are you, take me in, am I still a member, and
// requests for the leader: a client's over HTTP, or a program's with values (sql_outcome.hpp). One byte says which; the
// rest is encoded like everything between nodes. Whoever belongs to no cluster may make no requests.
//
// Decoding takes any bytes whatever. Values and pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "server/member_address.hpp"

namespace quorate::server {

enum class PeerRequestKind : std::uint8_t {
  kForwarded = 1,
  kDescribe = 2,
  kJoin = 3,
  kMembership = 4,
  kSql = 5,
  kPage = 6,
  kJoinAs = 7,
};

/// What a node takes itself for.
enum class Standing : std::uint8_t {
  kUnknown,  ///< its version does not say
  kFollower,
  kCandidate,
  kLeader,
};

/// What a node says of itself.
struct NodeDescription {
  std::string name;
  std::string address;  ///< for nodes
  std::string api_url;  ///< for clients
  std::string version;
  ClusterId cluster;           ///< 0: it belongs to none yet
  NodeId leader;               ///< whom it takes for the leader
  std::string leader_address;  ///< without a cluster: of the node that it expects to begin one; empty: none
  Index commit;
  Index applied;
  bool is_ready = false;  ///< it has applied what it had when it started, and serves
  Term term;
  Standing standing = Standing::kUnknown;

  friend bool operator==(const NodeDescription&, const NodeDescription&) = default;
};

struct JoinRequest {
  std::string name;
  std::string address;
  Incarnation incarnation;
  bool is_read_replica = false;
  FeatureLevel feature_level = kFirstFeatureLevel;

  friend bool operator==(const JoinRequest&, const JoinRequest&) = default;
};

struct JoinAnswer {
  enum class Kind : std::uint8_t {
    kAccepted,   ///< it is a member, as it wished
    kNotLeader,  ///< ask `leader`
    kNotNow,     ///< ask again later
    kRefused,    ///< asking again will not help
  };
  Kind kind = Kind::kNotNow;
  std::string error;
  std::string leader_address;  ///< empty: not known
  NodeId leader;

  friend bool operator==(const JoinAnswer&, const JoinAnswer&) = default;
};

/// Of somebody who says who lets it in.
struct JoinAsRequest {
  std::string user;
  std::string password;
  JoinRequest join;

  friend bool operator==(const JoinAsRequest&, const JoinAsRequest&) = default;
};

/// Of somebody whom no leader speaks to.
struct MembershipQuestion {
  std::string name;
  Incarnation incarnation;

  friend bool operator==(const MembershipQuestion&, const MembershipQuestion&) = default;
};
enum class MembershipVerdict : std::uint8_t {
  kNotLeader,  ///< who was asked cannot tell
  kMember,
  kNoMember,  ///< it was removed, or another node has taken its place; that is committed
};

struct PeerRequest {
  PeerRequestKind kind;
  std::span<const std::byte> body;
};
/// Nothing if this build knows no such request.
[[nodiscard]] std::optional<PeerRequest> parse_peer_request(std::span<const std::byte> bytes);

/// Whether it is about what is in the cluster.
[[nodiscard]] constexpr bool is_for_members(PeerRequestKind kind) {
  return kind == PeerRequestKind::kForwarded || kind == PeerRequestKind::kSql || kind == PeerRequestKind::kPage;
}

[[nodiscard]] Payload forwarded_request(const Payload& request);
[[nodiscard]] Payload sql_request(const Payload& request);
/// For a page that is damaged here (statemachine/sqlite/scrub.hpp).
[[nodiscard]] Payload page_request(const Payload& request);
/// Asks for the newest form of a description; older versions answer in the first one, which lacks term and standing.
[[nodiscard]] Payload describe_request();
[[nodiscard]] Payload encode(const JoinRequest& request);
[[nodiscard]] Payload encode(const JoinAsRequest& request);
[[nodiscard]] Payload encode(const JoinAnswer& answer);
/// In the form that the body of the request asks for.
[[nodiscard]] Payload encode(const NodeDescription& description, std::span<const std::byte> asked);
[[nodiscard]] Payload encode(const MembershipQuestion& question);
[[nodiscard]] Payload encode(MembershipVerdict verdict);

[[nodiscard]] Result<JoinRequest> decode_join_request(std::span<const std::byte> body);
[[nodiscard]] Result<JoinAsRequest> decode_join_as_request(std::span<const std::byte> body);
[[nodiscard]] Result<JoinAnswer> decode_join_answer(std::span<const std::byte> bytes);
[[nodiscard]] Result<NodeDescription> decode_description(std::span<const std::byte> bytes);
[[nodiscard]] Result<MembershipQuestion> decode_membership_question(std::span<const std::byte> body);
[[nodiscard]] Result<MembershipVerdict> decode_membership_verdict(std::span<const std::byte> bytes);

}  // namespace quorate::server
