#include "server/peer_protocol.hpp"

#include <algorithm>
#include <utility>

#include "consensus/wire/archive.hpp"

namespace quorate::server {

namespace {

/// Raised when the rest of an encoding changes.
constexpr std::uint8_t kFormat = 1;
/// Of descriptions, which are also asked for where no feature level is known: answered in the form of the question.
constexpr std::uint8_t kDescriptionFormat = 2;
constexpr std::uint8_t kFalse = 0;
constexpr std::uint8_t kTrue = 1;

/// The fields of each, in the order in which they travel. A bool travels as a byte.
template <class Archive>
void fields(Archive& archive, NodeDescription& value) {
  std::uint8_t is_ready = value.is_ready ? kTrue : kFalse;
  archive(value.name, value.address, value.api_url, value.version, value.cluster.value, value.leader.value,
          value.leader_address, value.commit.value, value.applied.value, is_ready);
  value.is_ready = is_ready != kFalse;
}
/// What the second format has more.
template <class Archive>
void later_fields(Archive& archive, NodeDescription& value) {
  auto standing = static_cast<std::uint8_t>(value.standing);
  archive(value.term.value, standing);
  value.standing =
      standing <= static_cast<std::uint8_t>(Standing::kLeader) ? static_cast<Standing>(standing) : Standing::kUnknown;
}
template <class Archive>
void fields(Archive& archive, JoinRequest& value) {
  std::uint8_t is_read_replica = value.is_read_replica ? kTrue : kFalse;
  archive(value.name, value.address, value.incarnation.value, is_read_replica, value.feature_level.value);
  value.is_read_replica = is_read_replica != kFalse;
}
template <class Archive>
void fields(Archive& archive, JoinAsRequest& value) {
  archive(value.user, value.password);
  fields(archive, value.join);
}
template <class Archive>
void fields(Archive& archive, JoinAnswer& value) {
  auto kind = static_cast<std::uint8_t>(value.kind);
  archive(kind, value.error, value.leader_address, value.leader.value);
  value.kind = static_cast<JoinAnswer::Kind>(std::min(kind, static_cast<std::uint8_t>(JoinAnswer::Kind::kRefused)));
}

template <class Archive>
void fields(Archive& archive, MembershipQuestion& value) {
  archive(value.name, value.incarnation.value);
}
template <class Archive>
void fields(Archive& archive, MembershipVerdict& value) {
  auto verdict = static_cast<std::uint8_t>(value);
  archive(verdict);
  value = verdict <= static_cast<std::uint8_t>(MembershipVerdict::kNoMember) ? static_cast<MembershipVerdict>(verdict)
                                                                             : MembershipVerdict::kNotLeader;
}

template <class T>
void write(std::vector<std::byte>& out, T value) {
  wire::WireWriter writer(out);
  std::uint8_t format = kFormat;
  writer(format);
  fields(writer, value);
}

template <class T>
Result<T> read(std::span<const std::byte> bytes) {
  T value;
  std::uint8_t format = 0;
  wire::WireReader reader(bytes);
  reader(format);
  if (reader.ok() && format != kFormat) return fail(ErrorKind::kUnsupported, "the peer runs another version");
  fields(reader, value);
  if (auto complete = reader.finish(); !complete) return tl::unexpected(complete.error());
  return value;
}

Payload marked(PeerRequestKind kind, const Payload& request) {
  return Payload::build(request.size() + 1, [&](std::span<std::byte> out) {
    out.front() = static_cast<std::byte>(kind);
    std::ranges::copy(request.bytes(), out.begin() + 1);
  });
}

std::vector<std::byte> begin(PeerRequestKind kind) { return {static_cast<std::byte>(kind)}; }

}  // namespace

std::optional<PeerRequest> parse_peer_request(std::span<const std::byte> bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto kind = static_cast<PeerRequestKind>(bytes.front());
  if (kind < PeerRequestKind::kForwarded || kind > PeerRequestKind::kJoinAs) return std::nullopt;
  return PeerRequest{kind, bytes.subspan(1)};
}

Payload forwarded_request(const Payload& request) { return marked(PeerRequestKind::kForwarded, request); }
Payload page_request(const Payload& request) { return marked(PeerRequestKind::kPage, request); }
Payload sql_request(const Payload& request) { return marked(PeerRequestKind::kSql, request); }

Payload describe_request() {
  std::vector<std::byte> out = begin(PeerRequestKind::kDescribe);
  out.push_back(static_cast<std::byte>(kDescriptionFormat));
  return Payload::copy_of(out);
}

Payload encode(const JoinRequest& request) {
  std::vector<std::byte> out = begin(PeerRequestKind::kJoin);
  write(out, request);
  return Payload::copy_of(out);
}

Payload encode(const JoinAsRequest& request) {
  std::vector<std::byte> out = begin(PeerRequestKind::kJoinAs);
  write(out, request);
  return Payload::copy_of(out);
}

Payload encode(const JoinAnswer& answer) {
  std::vector<std::byte> out;
  write(out, answer);
  return Payload::copy_of(out);
}

Payload encode(const NodeDescription& description, std::span<const std::byte> asked) {
  std::vector<std::byte> out;
  const bool knows_later_fields = !asked.empty() && asked.front() >= static_cast<std::byte>(kDescriptionFormat);
  NodeDescription value = description;
  std::uint8_t format = knows_later_fields ? kDescriptionFormat : kFormat;
  wire::WireWriter writer(out);
  writer(format);
  fields(writer, value);
  if (knows_later_fields) later_fields(writer, value);
  return Payload::copy_of(out);
}

Payload encode(const MembershipQuestion& question) {
  std::vector<std::byte> out = begin(PeerRequestKind::kMembership);
  write(out, question);
  return Payload::copy_of(out);
}

Payload encode(MembershipVerdict verdict) {
  std::vector<std::byte> out;
  write(out, verdict);
  return Payload::copy_of(out);
}

Result<JoinRequest> decode_join_request(std::span<const std::byte> body) { return read<JoinRequest>(body); }
Result<JoinAsRequest> decode_join_as_request(std::span<const std::byte> body) { return read<JoinAsRequest>(body); }
Result<JoinAnswer> decode_join_answer(std::span<const std::byte> bytes) { return read<JoinAnswer>(bytes); }
Result<NodeDescription> decode_description(std::span<const std::byte> bytes) {
  NodeDescription value;
  std::uint8_t format = 0;
  wire::WireReader reader(bytes);
  reader(format);
  if (reader.ok() && format != kFormat && format != kDescriptionFormat)
    return fail(ErrorKind::kUnsupported, "the peer runs another version");
  fields(reader, value);
  if (format == kDescriptionFormat) later_fields(reader, value);
  if (auto complete = reader.finish(); !complete) return tl::unexpected(complete.error());
  return value;
}
Result<MembershipQuestion> decode_membership_question(std::span<const std::byte> body) {
  return read<MembershipQuestion>(body);
}
Result<MembershipVerdict> decode_membership_verdict(std::span<const std::byte> bytes) {
  return read<MembershipVerdict>(bytes);
}

}  // namespace quorate::server
