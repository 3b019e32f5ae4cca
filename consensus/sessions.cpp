#include "consensus/sessions.hpp"

#include <algorithm>
#include <utility>

#include "consensus/assert.hpp"
#include "consensus/fingerprint.hpp"
#include "consensus/wire/archive.hpp"

namespace quorate {
namespace {

constexpr std::uint8_t kVersion = 1;
/// Of one saved session: its id, use, time and first open request, and an empty list of replies.
constexpr std::size_t kSessionBytesMin = 4 * 8 + 4;
/// Of one saved reply: its sequence, and an empty body.
constexpr std::size_t kReplyBytesMin = 8 + 4;

std::uint64_t term_of(const SessionLimits& limits) {
  std::uint64_t term = fingerprint(limits.sessions_max, 0);
  term = fingerprint(limits.open_requests_max, term);
  term = fingerprint(limits.reply_bytes_max, term);
  return fingerprint(limits.idle_ms_max, term);
}

std::uint64_t term_of(SessionId id, Sequence sequence, const Payload& reply) {
  const std::uint64_t place = fingerprint(sequence.value, ~id.value);
  return reply.is_absent() ? place : fingerprint(reply.bytes(), place);
}

bool are_possible(const SessionLimits& limits) { return limits.sessions_max > 0 && limits.open_requests_max > 0; }

}  // namespace

std::uint64_t SessionTable::term_of(SessionId id, const Session& session) {
  std::uint64_t term = fingerprint(id.value, session.last_use.value);
  term = fingerprint(session.last_time.value, term);
  return fingerprint(session.first_open.value, term);
}

SessionTable::SessionTable(const SessionLimits& limits) : limits_(limits), digest_(quorate::term_of(limits)) {
  QUORATE_ASSERT(are_possible(limits));
}

SessionId SessionTable::open(LogTime now) {
  expire(now);
  if (sessions_.size() == limits_.sessions_max) forget(by_use_.begin()->second);
  const SessionId id{++last_opened_.value};
  insert(id, {Use{++last_use_.value}, now, Sequence{1}, {}});
  return id;
}

SessionTable::Lookup SessionTable::admit(const RequestId& request, LogTime now) {
  QUORATE_ASSERT(request.first_open <= request.sequence);
  expire(now);
  const auto found = sessions_.find(request.session);
  if (found == sessions_.end()) return {Verdict::kNoSession, {}};
  Session& session = found->second;
  use(request.session, session, now);
  forget_answered(request.session, session, request.first_open);
  return look_up(session, request.sequence);
}

void SessionTable::record(const RequestId& request, Payload reply) {
  const auto found = sessions_.find(request.session);
  QUORATE_ASSERT(found != sessions_.end());
  QUORATE_ASSERT(look_up(found->second, request.sequence).verdict == Verdict::kNew);
  if (reply.size() > limits_.reply_bytes_max) reply = Payload::absent();
  add_reply(request.session, found->second, request.sequence, std::move(reply));
}

bool SessionTable::close(SessionId session, LogTime now) {
  expire(now);
  if (!sessions_.contains(session)) return false;
  forget(session);
  return true;
}

SessionTable::Lookup SessionTable::find(const RequestId& request) const {
  const auto found = sessions_.find(request.session);
  if (found == sessions_.end()) return {Verdict::kNoSession, {}};
  return look_up(found->second, request.sequence);
}

SessionTable::Lookup SessionTable::look_up(const Session& session, Sequence sequence) const {
  if (sequence < session.first_open) return {Verdict::kForgotten, {}};
  if (sequence.value - session.first_open.value >= limits_.open_requests_max) return {Verdict::kTooFarAhead, {}};
  const auto found = session.replies.find(sequence);
  if (found == session.replies.end()) return {Verdict::kNew, {}};
  if (found->second.is_absent()) return {Verdict::kReplyNotKept, {}};
  return {Verdict::kExecuted, found->second};
}

void SessionTable::expire(LogTime now) {
  while (!by_use_.empty()) {
    const SessionId idlest = by_use_.begin()->second;
    const LogTime last_time = sessions_.find(idlest)->second.last_time;
    if (now <= last_time || now.value - last_time.value <= limits_.idle_ms_max) return;
    forget(idlest);
  }
}

void SessionTable::insert(SessionId id, Session session) {
  digest_ += term_of(id, session);
  for (const auto& [sequence, reply] : session.replies) digest_ += quorate::term_of(id, sequence, reply);
  by_use_.emplace(session.last_use, id);
  sessions_.emplace(id, std::move(session));
}

void SessionTable::forget(SessionId id) {
  const auto at = sessions_.find(id);
  digest_ -= term_of(id, at->second);
  for (const auto& [sequence, reply] : at->second.replies) digest_ -= quorate::term_of(id, sequence, reply);
  by_use_.erase(at->second.last_use);
  sessions_.erase(at);
}

void SessionTable::use(SessionId id, Session& session, LogTime now) {
  digest_ -= term_of(id, session);
  auto place = by_use_.extract(session.last_use);
  session.last_use = Use{++last_use_.value};
  session.last_time = now;
  place.key() = session.last_use;
  by_use_.insert(by_use_.end(), std::move(place));
  digest_ += term_of(id, session);
}

void SessionTable::forget_answered(SessionId id, Session& session, Sequence first_open) {
  if (first_open <= session.first_open) return;  // an old request, overtaken by a newer one
  digest_ -= term_of(id, session);
  session.first_open = first_open;
  digest_ += term_of(id, session);
  while (!session.replies.empty() && session.replies.begin()->first < first_open) {
    const auto answered = session.replies.begin();
    digest_ -= quorate::term_of(id, answered->first, answered->second);
    session.replies.erase(answered);
  }
}

void SessionTable::add_reply(SessionId id, Session& session, Sequence sequence, Payload reply) {
  digest_ += quorate::term_of(id, sequence, reply);
  session.replies.emplace(sequence, std::move(reply));
}

void SessionTable::save(std::vector<std::byte>& out) const {
  wire::WireWriter writer(out);
  writer(kVersion, limits_.sessions_max, limits_.open_requests_max, limits_.reply_bytes_max, limits_.idle_ms_max);
  writer(last_opened_, last_use_);
  writer.put_count(sessions_.size());
  for (const auto& [id, session] : sessions_) {
    writer(id, session.last_use, session.last_time, session.first_open);
    writer.put_count(session.replies.size());
    for (const auto& [sequence, reply] : session.replies) writer(sequence, reply);
  }
}

Result<void> SessionTable::load(std::span<const std::byte> bytes) {
  // Every element has bytes of its own, so that the size of the input bounds their number.
  wire::WireReader reader(bytes, {.elements_max = bytes.size()});
  if (reader.take<std::uint8_t>() != kVersion) return fail(ErrorKind::kUnsupported, "sessions of an unknown version");
  SessionLimits limits;
  reader(limits.sessions_max, limits.open_requests_max, limits.reply_bytes_max, limits.idle_ms_max);
  if (!are_possible(limits)) return fail(ErrorKind::kCorrupt, "sessions: impossible limits");
  *this = SessionTable(limits);
  reader(last_opened_, last_use_);

  const std::size_t count = reader.take_count(kSessionBytesMin, limits.sessions_max);
  for (std::size_t at = 0; at < count && reader.ok(); ++at) {
    SessionId id;
    Session session;
    reader(id, session.last_use, session.last_time, session.first_open);
    const std::size_t replies = reader.take_count(kReplyBytesMin, limits.open_requests_max);
    for (std::size_t nth = 0; nth < replies; ++nth) {
      Sequence sequence;
      Payload reply;
      reader(sequence, reply);
      if (!session.replies.empty() && sequence <= session.replies.rbegin()->first)
        reader.refuse("replies out of order");
      session.replies.emplace_hint(session.replies.end(), sequence, std::move(reply));
    }
    const bool is_in_order = sessions_.empty() || sessions_.rbegin()->first < id;
    if (!is_in_order || !is_possible(id, session)) reader.refuse("an impossible session");
    if (reader.ok()) insert(id, std::move(session));
  }
  if (Result<void> read = reader.finish(); !read) return fail(ErrorKind::kCorrupt, "sessions: " + read.error().message);
  return {};
}

bool SessionTable::is_possible(SessionId id, const Session& session) const {
  const auto is_kept = [&](const std::pair<const Sequence, Payload>& reply) {
    return reply.first >= session.first_open &&
           reply.first.value - session.first_open.value < limits_.open_requests_max &&
           reply.second.size() <= limits_.reply_bytes_max;
  };
  if (id.value == 0 || id > last_opened_) return false;
  if (session.last_use.value == 0 || session.last_use > last_use_ || by_use_.contains(session.last_use)) return false;
  return session.first_open.value > 0 && std::ranges::all_of(session.replies, is_kept);
}

}  // namespace quorate
