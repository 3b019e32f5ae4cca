// ExactlyOnce<App> gives an application client sessions: a request that carries its session and its number is executed
// once, however often and at however many leaders the client repeats it, and every repetition gets the first answer
// (thesis 6.3). It is an Application itself, whose commands are envelopes around the inner one's:
//
//   command    u8 kind 0                                                  open a session
//              u8 kind 1 | u64 session                                    close it
//              u8 kind 2 | u64 session | u64 sequence | u64 first open | body    execute the body once
//   reply      u8 SessionStatus | kOpened: u64 session; kExecuted: the inner application's reply; else nothing
//
// Little endian. A request of session 0 is executed as often as it is committed: for what may be repeated safely.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/application.hpp"
#include "consensus/fingerprint.hpp"
#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "consensus/sessions.hpp"

namespace quorate {

enum class SessionStatus : std::uint8_t {
  kExecuted = 0,  ///< now or earlier; the reply follows
  kOpened = 1,    ///< the session follows
  kClosed = 2,
  kNoSession = 3,     ///< expired, evicted, closed or never opened: open another one; earlier requests may be executed
  kReplyNotKept = 4,  ///< executed before; the reply was too large to keep
  kForgotten = 5,     ///< executed before, or never to be; the client said that it waits for it no more
  kTooFarAhead = 6,   ///< not executed: too many requests are open
  kMalformed = 7,     ///< not executed: these bytes are no command
};
[[nodiscard]] const char* describe(SessionStatus status);

struct OpenSession {};
struct CloseSession {
  SessionId session;
};
struct Execute {
  RequestId request;
  std::span<const std::byte> body;  ///< not owned
};
using SessionCommand = std::variant<OpenSession, CloseSession, Execute>;

struct SessionReply {
  SessionStatus status = SessionStatus::kMalformed;
  SessionId session;                ///< of kOpened
  std::span<const std::byte> body;  ///< of kExecuted; not owned
};

[[nodiscard]] Payload encode(const SessionCommand& command);
[[nodiscard]] Payload encode(const SessionReply& reply);
/// Nothing if the bytes are no command. A body refers to `bytes`.
[[nodiscard]] std::optional<SessionCommand> decode_session_command(std::span<const std::byte> bytes);
/// The body refers to `bytes`.
[[nodiscard]] Result<SessionReply> decode_session_reply(std::span<const std::byte> bytes);

/// What the engine writes in front of the inner state: the size of the table, then the table.
void save_sessions(const SessionTable& sessions, std::vector<std::byte>& out);
/// Reads the table and returns what follows it.
[[nodiscard]] Result<std::span<const std::byte>> load_sessions(std::span<const std::byte> bytes,
                                                               SessionTable& sessions);

template <Application App>
class ExactlyOnce {
 public:
  ExactlyOnce() = default;
  explicit ExactlyOnce(App application, const SessionLimits& limits = {})
      : sessions_(limits), application_(std::move(application)) {}

  Payload apply(std::span<const std::byte> bytes, LogTime now) {
    const std::optional<SessionCommand> command = decode_session_command(bytes);
    if (!command) return encode(SessionReply{SessionStatus::kMalformed, {}, {}});
    return std::visit([this, now](const auto& one) { return this->carry_out(one, now); }, *command);
  }

  void save(std::vector<std::byte>& out) const {
    save_sessions(sessions_, out);
    application_.save(out);
  }
  [[nodiscard]] Result<void> load(std::span<const std::byte> bytes) {
    const Result<std::span<const std::byte>> rest = load_sessions(bytes, sessions_);
    if (!rest) return tl::unexpected(rest.error());
    return application_.load(*rest);
  }
  [[nodiscard]] std::uint64_t digest() const { return fingerprint(application_.digest(), sessions_.digest()); }

  [[nodiscard]] const App& application() const { return application_; }
  [[nodiscard]] const SessionTable& sessions() const { return sessions_; }

  friend bool operator==(const ExactlyOnce&, const ExactlyOnce&) = default;

 private:
  Payload carry_out(const OpenSession&, LogTime now) {
    return encode(SessionReply{SessionStatus::kOpened, sessions_.open(now), {}});
  }
  Payload carry_out(const CloseSession& close, LogTime now) {
    const bool was_open = sessions_.close(close.session, now);
    return encode(SessionReply{was_open ? SessionStatus::kClosed : SessionStatus::kNoSession, {}, {}});
  }
  Payload carry_out(const Execute& execute, LogTime now) {
    if (execute.request.session == SessionId{}) return executed(application_.apply(execute.body, now));
    const SessionTable::Lookup before = sessions_.admit(execute.request, now);
    switch (before.verdict) {
      case SessionTable::Verdict::kNew: break;
      case SessionTable::Verdict::kExecuted: return executed(before.reply);
      case SessionTable::Verdict::kReplyNotKept: return refused(SessionStatus::kReplyNotKept);
      case SessionTable::Verdict::kForgotten: return refused(SessionStatus::kForgotten);
      case SessionTable::Verdict::kTooFarAhead: return refused(SessionStatus::kTooFarAhead);
      case SessionTable::Verdict::kNoSession: return refused(SessionStatus::kNoSession);
    }
    const Payload reply = application_.apply(execute.body, now);
    sessions_.record(execute.request, reply);
    return executed(reply);
  }

  static Payload executed(const Payload& reply) {
    return encode(SessionReply{SessionStatus::kExecuted, {}, reply.bytes()});
  }
  static Payload refused(SessionStatus status) { return encode(SessionReply{status, {}, {}}); }

  SessionTable sessions_;
  App application_;
};

}  // namespace quorate
