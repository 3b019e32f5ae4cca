#include "consensus/exactly_once.hpp"

#include <cstring>
#include <string>

#include "consensus/assert.hpp"
#include "consensus/wire/little_endian.hpp"

namespace quorate {
namespace {

enum class CommandKind : std::uint8_t { kOpen = 0, kClose = 1, kExecute = 2 };

constexpr std::size_t kCloseBytes = 1 + 8;
constexpr std::size_t kExecuteHeaderBytes = 1 + 3 * 8;
constexpr std::size_t kOpenedBytes = 1 + 8;
constexpr std::size_t kTableSizeBytes = 8;

std::uint64_t number_at(std::span<const std::byte> bytes, std::size_t at) {
  return wire::load_little_endian<std::uint64_t>(bytes.subspan(at, 8).data());
}
void put_number(std::span<std::byte> bytes, std::size_t at, std::uint64_t number) {
  wire::store_little_endian(bytes.subspan(at, 8).data(), number);
}
void put_tail(std::span<std::byte> bytes, std::size_t at, std::span<const std::byte> tail) {
  if (!tail.empty()) std::memcpy(bytes.data() + at, tail.data(), tail.size());
}

struct Encoder {
  Payload operator()(const OpenSession&) const {
    return Payload::build(1, [](std::span<std::byte> out) { out[0] = std::byte{std::uint8_t(CommandKind::kOpen)}; });
  }
  Payload operator()(const CloseSession& close) const {
    return Payload::build(kCloseBytes, [&](std::span<std::byte> out) {
      out[0] = std::byte{std::uint8_t(CommandKind::kClose)};
      put_number(out, 1, close.session.value);
    });
  }
  Payload operator()(const Execute& execute) const {
    return Payload::build(kExecuteHeaderBytes + execute.body.size(), [&](std::span<std::byte> out) {
      out[0] = std::byte{std::uint8_t(CommandKind::kExecute)};
      put_number(out, 1, execute.request.session.value);
      put_number(out, 9, execute.request.sequence.value);
      put_number(out, 17, execute.request.first_open.value);
      put_tail(out, kExecuteHeaderBytes, execute.body);
    });
  }
};

}  // namespace

Payload encode(const SessionCommand& command) { return std::visit(Encoder{}, command); }

Payload encode(const SessionReply& reply) {
  const std::size_t size = reply.status == SessionStatus::kOpened ? kOpenedBytes : 1 + reply.body.size();
  QUORATE_ASSERT(reply.status == SessionStatus::kExecuted || reply.body.empty());
  return Payload::build(size, [&](std::span<std::byte> out) {
    out[0] = std::byte{static_cast<std::uint8_t>(reply.status)};
    if (reply.status == SessionStatus::kOpened) put_number(out, 1, reply.session.value);
    put_tail(out, 1, reply.body);
  });
}

std::optional<SessionCommand> decode_session_command(std::span<const std::byte> bytes) {
  if (bytes.empty()) return std::nullopt;
  switch (static_cast<CommandKind>(bytes[0])) {
    case CommandKind::kOpen:
      if (bytes.size() != 1) return std::nullopt;
      return OpenSession{};
    case CommandKind::kClose:
      if (bytes.size() != kCloseBytes) return std::nullopt;
      return CloseSession{SessionId{number_at(bytes, 1)}};
    case CommandKind::kExecute: {
      if (bytes.size() < kExecuteHeaderBytes) return std::nullopt;
      const RequestId request{SessionId{number_at(bytes, 1)}, Sequence{number_at(bytes, 9)},
                              Sequence{number_at(bytes, 17)}};
      if (request.first_open > request.sequence) return std::nullopt;
      return Execute{request, bytes.subspan(kExecuteHeaderBytes)};
    }
  }
  return std::nullopt;
}

Result<SessionReply> decode_session_reply(std::span<const std::byte> bytes) {
  if (bytes.empty()) return fail(ErrorKind::kCorrupt, "an empty reply where one with a session status was expected");
  const auto status = static_cast<std::uint8_t>(bytes[0]);
  if (status > static_cast<std::uint8_t>(SessionStatus::kMalformed)) {
    return fail(ErrorKind::kCorrupt, "a reply with the unknown session status " + std::to_string(status));
  }
  SessionReply reply{SessionStatus{status}, {}, {}};
  const bool is_whole = reply.status == SessionStatus::kOpened     ? bytes.size() == kOpenedBytes
                        : reply.status != SessionStatus::kExecuted ? bytes.size() == 1
                                                                   : true;
  if (!is_whole) return fail(ErrorKind::kCorrupt, "a session reply of the wrong size");
  if (reply.status == SessionStatus::kOpened) reply.session = SessionId{number_at(bytes, 1)};
  if (reply.status == SessionStatus::kExecuted) reply.body = bytes.subspan(1);
  return reply;
}

void save_sessions(const SessionTable& sessions, std::vector<std::byte>& out) {
  const std::size_t size_at = out.size();
  out.resize(size_at + kTableSizeBytes);
  sessions.save(out);
  put_number(out, size_at, out.size() - size_at - kTableSizeBytes);
}

Result<std::span<const std::byte>> load_sessions(std::span<const std::byte> bytes, SessionTable& sessions) {
  if (bytes.size() < kTableSizeBytes) return fail(ErrorKind::kCorrupt, "sessions: cut short");
  const std::uint64_t size = number_at(bytes, 0);
  const std::span<const std::byte> rest = bytes.subspan(kTableSizeBytes);
  if (size > rest.size()) return fail(ErrorKind::kCorrupt, "sessions: cut short");
  if (Result<void> loaded = sessions.load(rest.first(size)); !loaded) return tl::unexpected(loaded.error());
  return rest.subspan(size);
}

const char* describe(SessionStatus status) {
  switch (status) {
    case SessionStatus::kExecuted: return "executed";
    case SessionStatus::kOpened: return "the session is open";
    case SessionStatus::kClosed: return "the session is closed";
    case SessionStatus::kNoSession:
      return "the session expired; open another one; earlier requests may have been executed";
    case SessionStatus::kReplyNotKept: return "executed before; the reply was too large to keep";
    case SessionStatus::kForgotten: return "the client said before that it does not wait for this request";
    case SessionStatus::kTooFarAhead: return "not executed: too many requests of the session are open";
    case SessionStatus::kMalformed: return "not executed: not a command";
  }
  QUORATE_ASSERT(false);
}

}  // namespace quorate
