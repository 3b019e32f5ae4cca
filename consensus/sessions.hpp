// The memory that makes requests count exactly once (thesis 6.3): which clients there are, which of their requests have
// been executed, and what those were answered. A retry finds the first answer here instead of being executed again.
//
// It is replicated state: every change is made in log order and depends on nothing but the log, so that all replicas
// hold the same table, evict the same sessions, and give the same answers after a snapshot, a restart or a failover. A
// plain value; used by one thread at a time; durable with whatever holds it.
//
// A client numbers its requests from 1 and may have several open at once. With each it says which one is the first that
// it still waits for: answers before that are forgotten. The table is bounded on every side; whoever exceeds a bound is
// told so, and nothing is ever executed twice:
//
//   sessions           the one that was used least recently, in log order, is evicted
//   idle time          a session unused for longer than that, in log time, expires
//   open requests      a request beyond the window is refused; the client may repeat it once earlier ones are answered
//   bytes per answer   of a larger one it is only remembered that the request was executed
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "consensus/entry.hpp"
#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "consensus/types.hpp"

namespace quorate {

/// Given out by the table in log order, never twice. 0 is "no session".
using SessionId = StrongNumber<struct SessionIdTag>;
/// Counts the requests of one session from 1.
using Sequence = StrongNumber<struct SequenceTag>;

struct RequestId {
  SessionId session;
  Sequence sequence;
  /// The first request whose answer the client has not got yet; at most `sequence`.
  Sequence first_open;

  friend auto operator<=>(const RequestId&, const RequestId&) = default;
};

/// Part of the replicated state: must be the same on all replicas, which the digest verifies.
struct SessionLimits {
  std::uint64_t sessions_max = 1024;
  std::uint64_t open_requests_max = 16;
  std::uint64_t reply_bytes_max = 4096;
  std::uint64_t idle_ms_max = 3'600'000;

  friend bool operator==(const SessionLimits&, const SessionLimits&) = default;
};

class SessionTable {
 public:
  enum class Verdict : std::uint8_t {
    kNew,           ///< never executed
    kExecuted,      ///< executed; the reply is here
    kReplyNotKept,  ///< executed; the reply was too large to keep
    kForgotten,     ///< the client said before that it has the answer
    kTooFarAhead,   ///< not executed: beyond the window of open requests
    kNoSession,     ///< closed, evicted, expired or never opened: executed or not, nobody knows any more
  };
  struct Lookup {
    Verdict verdict = Verdict::kNoSession;
    Payload reply;
  };

  explicit SessionTable(const SessionLimits& limits = {});

  /// Opens a session, evicting the least recently used one if there is no room.
  SessionId open(LogTime now);
  /// Looks a request up and counts as a use of its session. kNew obliges the caller to execute it and to record() the
  /// reply before the next call. `request.first_open` must not exceed `request.sequence`.
  Lookup admit(const RequestId& request, LogTime now);
  void record(const RequestId& request, Payload reply);
  /// Forgets a session. False if there is none.
  [[nodiscard]] bool close(SessionId session, LogTime now);

  /// What admit() would find, without counting as a use: for those who look before they propose.
  [[nodiscard]] Lookup find(const RequestId& request) const;

  [[nodiscard]] std::size_t size() const { return sessions_.size(); }
  [[nodiscard]] const SessionLimits& limits() const { return limits_; }
  [[nodiscard]] std::uint64_t digest() const { return digest_; }
  /// Appends the whole table.
  void save(std::vector<std::byte>& out) const;
  /// Becomes what was saved, limits included; kCorrupt if no table can have been like that, and unspecified then.
  [[nodiscard]] Result<void> load(std::span<const std::byte> bytes);

  friend bool operator==(const SessionTable&, const SessionTable&) = default;

 private:
  /// Counts uses of all sessions: the order of eviction.
  using Use = StrongNumber<struct UseTag>;

  struct Session {
    Use last_use;
    LogTime last_time;
    Sequence first_open{1};
    std::map<Sequence, Payload> replies;  ///< of executed requests from first_open on; absent: not kept

    friend bool operator==(const Session&, const Session&) = default;
  };
  using Sessions = std::map<SessionId, Session>;

  void expire(LogTime now);
  void insert(SessionId id, Session session);
  void forget(SessionId id);
  void use(SessionId id, Session& session, LogTime now);
  void forget_answered(SessionId id, Session& session, Sequence first_open);
  void add_reply(SessionId id, Session& session, Sequence sequence, Payload reply);
  [[nodiscard]] Lookup look_up(const Session& session, Sequence sequence) const;
  [[nodiscard]] bool is_possible(SessionId id, const Session& session) const;
  [[nodiscard]] static std::uint64_t term_of(SessionId id, const Session& session);

  SessionLimits limits_;
  SessionId last_opened_;
  Use last_use_;
  Sessions sessions_;
  std::map<Use, SessionId> by_use_;  ///< least recently used first; since log time never goes back, longest idle first
  std::uint64_t digest_ = 0;         ///< the sum of one term per session and one per reply
};

}  // namespace quorate
