// The session table against a model that forgets nothing it need not, and ExactlyOnce over logs full of repetitions
// (thesis 6.3; pitfalls I2, I3).
#include "consensus/sessions.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "consensus/exactly_once.hpp"

namespace quorate {
namespace {

using Verdict = SessionTable::Verdict;

constexpr SessionLimits kTight{.sessions_max = 3, .open_requests_max = 3, .reply_bytes_max = 4, .idle_ms_max = 10};

RequestId request(SessionId session, std::uint64_t sequence, std::uint64_t first_open = 1) {
  return {session, Sequence{sequence}, Sequence{first_open}};
}

std::vector<std::byte> saved(const auto& state) {
  std::vector<std::byte> bytes;
  state.save(bytes);
  return bytes;
}

// --- the table, by example -------------------------------------------------------------------------------------------

TEST(SessionTable, AnswersARepetitionFromMemory) {
  SessionTable table;
  const SessionId session = table.open(LogTime{1});
  EXPECT_EQ(table.admit(request(session, 1), LogTime{2}).verdict, Verdict::kNew);
  table.record(request(session, 1), Payload::copy_of("one"));
  const SessionTable::Lookup again = table.admit(request(session, 1), LogTime{3});
  EXPECT_EQ(again.verdict, Verdict::kExecuted);
  EXPECT_EQ(again.reply.text(), "one");
}

TEST(SessionTable, TakesRequestsOutOfOrderWithinTheWindow) {
  SessionTable table(kTight);
  const SessionId session = table.open(LogTime{1});
  table.record(request(session, 3), Payload::copy_of("c"));
  EXPECT_EQ(table.admit(request(session, 1), LogTime{2}).verdict, Verdict::kNew);
  EXPECT_EQ(table.admit(request(session, 4), LogTime{2}).verdict, Verdict::kTooFarAhead);
  EXPECT_EQ(table.admit(request(session, 4, 2), LogTime{2}).verdict, Verdict::kNew);
  EXPECT_EQ(table.admit(request(session, 3, 2), LogTime{2}).reply.text(), "c");
}

TEST(SessionTable, ForgetsWhatTheClientHasAndNeverExecutesItAgain) {
  SessionTable table;
  const SessionId session = table.open(LogTime{1});
  table.record(request(session, 1), Payload::copy_of("one"));
  EXPECT_EQ(table.admit(request(session, 2, 2), LogTime{1}).verdict, Verdict::kNew);
  EXPECT_EQ(table.admit(request(session, 1), LogTime{1}).verdict, Verdict::kForgotten);
  // The overtaken request above said that 1 is still open; that does not bring it back.
  EXPECT_EQ(table.find(request(session, 1)).verdict, Verdict::kForgotten);
}

TEST(SessionTable, RemembersThatALargeReplyWasGiven) {
  SessionTable table(kTight);
  const SessionId session = table.open(LogTime{1});
  table.record(request(session, 1), Payload::copy_of("four"));
  table.record(request(session, 2), Payload::copy_of("five5"));
  EXPECT_EQ(table.find(request(session, 1)).verdict, Verdict::kExecuted);
  EXPECT_EQ(table.find(request(session, 2)).verdict, Verdict::kReplyNotKept);
}

TEST(SessionTable, EvictsTheLeastRecentlyUsedSession) {
  SessionTable table(kTight);
  const SessionId first = table.open(LogTime{1});
  const SessionId second = table.open(LogTime{1});
  const SessionId third = table.open(LogTime{1});
  EXPECT_EQ(table.admit(request(first, 1), LogTime{1}).verdict, Verdict::kNew);
  const SessionId fourth = table.open(LogTime{1});
  EXPECT_EQ(table.size(), 3U);
  EXPECT_EQ(table.find(request(second, 1)).verdict, Verdict::kNoSession);
  for (const SessionId kept : {first, third, fourth}) EXPECT_EQ(table.find(request(kept, 1)).verdict, Verdict::kNew);
}

TEST(SessionTable, LooksUpWithoutCountingAsAUse) {
  SessionTable table(kTight);
  const SessionId first = table.open(LogTime{1});
  table.open(LogTime{1});
  table.open(LogTime{1});
  EXPECT_EQ(table.find(request(first, 1)).verdict, Verdict::kNew);
  table.open(LogTime{1});
  EXPECT_EQ(table.find(request(first, 1)).verdict, Verdict::kNoSession);
}

TEST(SessionTable, ExpiresByLogTimeOnly) {
  SessionTable table(kTight);
  const SessionId session = table.open(LogTime{100});
  EXPECT_EQ(table.admit(request(session, 1), LogTime{110}).verdict, Verdict::kNew);
  EXPECT_EQ(table.admit(request(session, 1), LogTime{120}).verdict, Verdict::kNew);
  EXPECT_EQ(table.admit(request(session, 1), LogTime{131}).verdict, Verdict::kNoSession);
  EXPECT_EQ(table.size(), 0U);
}

TEST(SessionTable, NeverGivesAnIdTwice) {
  SessionTable table(kTight);
  const SessionId closed = table.open(LogTime{1});
  EXPECT_TRUE(table.close(closed, LogTime{1}));
  EXPECT_FALSE(table.close(closed, LogTime{1}));
  EXPECT_GT(table.open(LogTime{1}), closed);
}

TEST(SessionTable, ShowsAnotherLimitInItsDigest) {
  SessionLimits other = kTight;
  ++other.idle_ms_max;
  EXPECT_NE(SessionTable(kTight).digest(), SessionTable(other).digest());
}

TEST(SessionTable, RefusesBytesThatNoTableSaved) {
  SessionTable table(kTight);
  const SessionId session = table.open(LogTime{1});
  table.record(request(session, 1), Payload::copy_of("x"));
  table.record(request(session, 2), Payload::copy_of("y"));
  const std::vector<std::byte> whole = saved(table);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(SessionTable().load(std::span(whole).first(size))) << size;
  }
  constexpr std::size_t kVersionBytes = 1;
  constexpr std::size_t kSessionsMaxAt = kVersionBytes;
  constexpr std::size_t kLastOpenedAt = kVersionBytes + 4 * 8;
  constexpr std::size_t kLastUseAt = kLastOpenedAt + 8;
  for (const std::size_t at : {std::size_t{0}, kSessionsMaxAt, kLastOpenedAt, kLastUseAt}) {
    std::vector<std::byte> forged = whole;
    forged[at] = std::byte{0};
    EXPECT_FALSE(SessionTable().load(forged)) << at;
  }
}

// --- the table against a model ---------------------------------------------------------------------------------------

/// The same rules in the plainest words: a list of sessions in the order of their last use, searched from end to end.
class SessionModel {
 public:
  explicit SessionModel(const SessionLimits& limits) : limits_(limits) {}

  SessionId open(LogTime now) {
    expire(now);
    if (sessions_.size() == limits_.sessions_max) sessions_.erase(sessions_.begin());
    sessions_.push_back({SessionId{++opened_}, now, 1, {}});
    return sessions_.back().id;
  }

  bool close(SessionId id, LogTime now) {
    expire(now);
    return std::erase_if(sessions_, [id](const Session& session) { return session.id == id; }) > 0;
  }

  SessionTable::Lookup admit(const RequestId& asked, LogTime now) {
    expire(now);
    const auto found = std::ranges::find(sessions_, asked.session, &Session::id);
    if (found == sessions_.end()) return {Verdict::kNoSession, {}};
    std::rotate(found, found + 1, sessions_.end());
    Session& session = sessions_.back();
    session.last_time = now;
    session.first_open = std::max(session.first_open, asked.first_open.value);
    const std::uint64_t sequence = asked.sequence.value;
    if (sequence < session.first_open) return {Verdict::kForgotten, {}};
    if (sequence >= session.first_open + limits_.open_requests_max) return {Verdict::kTooFarAhead, {}};
    const auto reply = session.replies.find(sequence);
    if (reply == session.replies.end()) return {Verdict::kNew, {}};
    if (reply->second.size() > limits_.reply_bytes_max) return {Verdict::kReplyNotKept, {}};
    return {Verdict::kExecuted, Payload::copy_of(reply->second)};
  }

  void record(const RequestId& asked, const std::string& reply) {
    std::ranges::find(sessions_, asked.session, &Session::id)->replies[asked.sequence.value] = reply;
  }

  [[nodiscard]] std::size_t size() const { return sessions_.size(); }

 private:
  struct Session {
    SessionId id;
    LogTime last_time;
    std::uint64_t first_open;
    std::map<std::uint64_t, std::string> replies;
  };

  void expire(LogTime now) {
    std::erase_if(sessions_,
                  [&](const Session& session) { return now.value - session.last_time.value > limits_.idle_ms_max; });
  }

  SessionLimits limits_;
  std::vector<Session> sessions_;
  std::uint64_t opened_ = 0;
};

/// Mostly one of the sessions opened last, so that most requests meet one that is alive; sometimes any, or none.
SessionId arbitrary_session(std::uint64_t opened) {
  const auto back = *rc::gen::weightedElement<std::uint64_t>({{6, 0}, {4, 1}, {3, 2}, {1, 3}, {1, 4}});
  return SessionId{opened > back ? opened - back : 0};
}

RequestId arbitrary_request(std::uint64_t opened) {
  const auto sequence = *rc::gen::inRange<std::uint64_t>(1, 7);
  const auto first_open =
      std::min(sequence, *rc::gen::weightedElement<std::uint64_t>({{8, 1}, {3, 2}, {2, 3}, {1, 5}}));
  return {arbitrary_session(opened), Sequence{sequence}, Sequence{first_open}};
}

LogTime arbitrary_time_after(LogTime now) {
  return LogTime{now.value + *rc::gen::weightedElement<std::uint64_t>({{30, 0}, {10, 1}, {1, 8}})};
}

RC_GTEST_PROP(SessionTableProperty, BehavesLikeTheModel, ()) {
  SessionTable table(kTight);
  SessionModel model(kTight);
  LogTime now;
  std::uint64_t opened = 0;
  std::map<Verdict, int> seen;
  const int steps = *rc::gen::inRange(20, 150);
  for (int step = 0; step < steps; ++step) {
    now = arbitrary_time_after(now);
    switch (*rc::gen::weightedElement<int>({{2, 0}, {1, 1}, {9, 2}})) {
      case 0:
        RC_ASSERT(table.open(now) == model.open(now));
        ++opened;
        break;
      case 1: {
        const SessionId session = arbitrary_session(opened);
        RC_ASSERT(table.close(session, now) == model.close(session, now));
        break;
      }
      default: {
        const RequestId asked = arbitrary_request(opened);
        const SessionTable::Lookup found = table.admit(asked, now);
        const SessionTable::Lookup expected = model.admit(asked, now);
        RC_ASSERT(found.verdict == expected.verdict);
        RC_ASSERT(found.reply == expected.reply);
        RC_ASSERT(table.find(asked).verdict == found.verdict);
        ++seen[found.verdict];
        if (found.verdict == Verdict::kNew) {
          const std::string reply(*rc::gen::inRange<std::size_t>(0, 7), static_cast<char>('a' + step % 26));
          table.record(asked, Payload::copy_of(reply));
          model.record(asked, reply);
        }
      }
    }
    RC_ASSERT(table.size() == model.size());
  }
  RC_CLASSIFY(seen.contains(Verdict::kExecuted), "repeated");
  RC_CLASSIFY(seen.contains(Verdict::kReplyNotKept), "not kept");
  RC_CLASSIFY(seen.size() == 6, "every verdict");
  SessionTable restored;
  RC_ASSERT(restored.load(saved(table)).has_value());
  RC_ASSERT(restored == table);
  RC_ASSERT(restored.digest() == table.digest());  // kept up to date on one side, computed anew on the other
}

RC_GTEST_PROP(SessionTableProperty, DamagedBytesAreRefusedOrMeanATable, (std::vector<std::uint8_t> tail)) {
  SessionTable table(kTight);
  const SessionId session = table.open(LogTime{1});
  table.record(request(session, 1), Payload::copy_of("x"));
  std::vector<std::byte> bytes = saved(table);
  const auto cut = *rc::gen::inRange<std::size_t>(1, bytes.size());
  bytes.resize(cut);
  const auto hostile = std::as_bytes(std::span(tail));
  bytes.insert(bytes.end(), hostile.begin(), hostile.end());
  SessionTable loaded;
  if (loaded.load(bytes)) RC_ASSERT(saved(loaded) == bytes);
}

// --- ExactlyOnce -----------------------------------------------------------------------------------------------------

/// Remembers every execution, so that a second one shows. The reply says how many there were before.
class Journal {
 public:
  Payload apply(std::span<const std::byte> command, LogTime) {
    executed_.emplace_back(reinterpret_cast<const char*>(command.data()), command.size());
    return Payload::copy_of(std::to_string(executed_.size() - 1));
  }
  void save(std::vector<std::byte>& out) const {
    for (const std::string& one : executed_) {
      const auto line = std::as_bytes(std::span(one));
      out.insert(out.end(), line.begin(), line.end());
      out.push_back(std::byte{'\n'});
    }
  }
  Result<void> load(std::span<const std::byte> bytes) {
    executed_.clear();
    std::string line;
    for (const std::byte one : bytes) {
      if (one != std::byte{'\n'})
        line.push_back(static_cast<char>(one));
      else
        executed_.push_back(std::exchange(line, {}));
    }
    return {};
  }
  [[nodiscard]] std::uint64_t digest() const { return fingerprint(std::span<const std::byte>(saved(*this))); }
  [[nodiscard]] const std::vector<std::string>& executed() const { return executed_; }

  friend bool operator==(const Journal&, const Journal&) = default;

 private:
  std::vector<std::string> executed_;
};

using OnceJournal = ExactlyOnce<Journal>;
static_assert(Application<Journal>);
static_assert(Application<OnceJournal>, "sessions can be put around any application, themselves included");

SessionStatus status_of(const Payload& reply) {
  const Result<SessionReply> decoded = decode_session_reply(reply.bytes());
  EXPECT_TRUE(decoded.has_value());
  return decoded ? decoded->status : SessionStatus::kMalformed;
}

Payload execute(const RequestId& id, std::string_view body) {
  return encode(SessionCommand(Execute{id, std::as_bytes(std::span(body))}));
}

TEST(ExactlyOnce, ExecutesARequestOnceAndRepeatsTheFirstAnswer) {
  OnceJournal machine;
  const Payload opened = machine.apply(encode(SessionCommand(OpenSession{})).bytes(), LogTime{1});
  const SessionId session = decode_session_reply(opened.bytes())->session;
  const Payload command = execute(request(session, 1), "x");
  const Payload first = machine.apply(command.bytes(), LogTime{2});
  EXPECT_EQ(first.text(), std::string_view("\0"
                                           "0",
                                           2));
  EXPECT_EQ(machine.apply(command.bytes(), LogTime{3}), first);
  EXPECT_EQ(machine.application().executed(), std::vector<std::string>{"x"});
}

TEST(ExactlyOnce, ExecutesWithoutASessionAsOftenAsAsked) {
  OnceJournal machine;
  const Payload command = execute(request(SessionId{}, 1), "x");
  EXPECT_EQ(status_of(machine.apply(command.bytes(), LogTime{1})), SessionStatus::kExecuted);
  EXPECT_EQ(status_of(machine.apply(command.bytes(), LogTime{1})), SessionStatus::kExecuted);
  EXPECT_EQ(machine.application().executed().size(), 2U);
}

TEST(ExactlyOnce, NeverExecutesForASessionThatIsGone) {  // pitfall I2
  OnceJournal machine(Journal{}, kTight);
  const Payload open = encode(SessionCommand(OpenSession{}));
  const Payload command = execute(request(SessionId{1}, 1), "x");
  machine.apply(open.bytes(), LogTime{1});
  EXPECT_EQ(status_of(machine.apply(command.bytes(), LogTime{1})), SessionStatus::kExecuted);
  for (int more = 0; more < 3; ++more) machine.apply(open.bytes(), LogTime{1});
  EXPECT_EQ(status_of(machine.apply(command.bytes(), LogTime{1})), SessionStatus::kNoSession);
  EXPECT_EQ(machine.application().executed().size(), 1U);
}

TEST(ExactlyOnce, RefusesWhatIsNoCommandTheSameWayEverywhere) {  // pitfall I6
  using namespace std::string_view_literals;
  const OnceJournal before;
  for (const std::string_view bytes : {""sv, "\x00x"sv, "\x01"sv, "\x02short"sv, "\x03"sv}) {
    OnceJournal machine;
    EXPECT_EQ(status_of(machine.apply(std::as_bytes(std::span(bytes)), LogTime{1})), SessionStatus::kMalformed);
    EXPECT_EQ(machine, before);
  }
  const Payload reversed = execute(request(SessionId{1}, 1, 2), "x");
  EXPECT_FALSE(decode_session_command(reversed.bytes()));
}

TEST(ExactlyOnce, DecodesOnlyRepliesThatItEncodes) {
  using namespace std::string_view_literals;
  for (const std::string_view bytes : {""sv, "\x01"sv, "\x02x"sv, "\x08"sv}) {
    EXPECT_FALSE(decode_session_reply(std::as_bytes(std::span(bytes)))) << bytes.size();
  }
}

TEST(ExactlyOnce, WritesTheseBytes) {
  using namespace std::string_view_literals;
  EXPECT_EQ(encode(SessionCommand(OpenSession{})).text(), "\0"sv);
  EXPECT_EQ(encode(SessionCommand(CloseSession{SessionId{7}})).text(), "\x01\x07\0\0\0\0\0\0\0"sv);
  EXPECT_EQ(execute({SessionId{7}, Sequence{0x0203}, Sequence{1}}, "x").text(),
            "\x02\x07\0\0\0\0\0\0\0\x03\x02\0\0\0\0\0\0\x01\0\0\0\0\0\0\0x"sv);
  EXPECT_EQ(encode(SessionReply{SessionStatus::kOpened, SessionId{7}, {}}).text(), "\x01\x07\0\0\0\0\0\0\0"sv);
  EXPECT_EQ(encode(SessionReply{SessionStatus::kNoSession, {}, {}}).text(), "\x03"sv);
}

TEST(SessionTable, WritesTheseBytes) {
  using namespace std::string_view_literals;
  SessionTable table(kTight);
  const SessionId session = table.open(LogTime{5});
  table.record(request(session, 1), Payload::copy_of("x"));
  const std::vector<std::byte> bytes = saved(table);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EXPECT_EQ(text,
            "\x01"                                  // version
            "\x03\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0"  // sessions, open requests at most
            "\x04\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0"  // bytes of a reply, idle time at most
            "\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0"  // last session opened, last use
            "\x01\0\0\0"                            // sessions
            "\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0"  // id, last use
            "\x05\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0"  // last time, first open request
            "\x01\0\0\0"                            // replies
            "\x01\0\0\0\0\0\0\0\x01\0\0\0x"sv);
}

struct LoggedCommand {
  Payload bytes;
  LogTime time;
  std::optional<RequestId> request;
};

/// A log as careless clients make it: requests repeated, reordered, sent to sessions that are gone.
std::vector<LoggedCommand> arbitrary_log() {
  std::vector<LoggedCommand> log;
  LogTime now;
  std::uint64_t opened = 0;
  const int length = *rc::gen::inRange(10, 150);
  for (int at = 0; at < length; ++at) {
    now = arbitrary_time_after(now);
    switch (*rc::gen::weightedElement<int>({{2, 0}, {1, 1}, {12, 2}})) {
      case 0:
        log.push_back({encode(SessionCommand(OpenSession{})), now, {}});
        ++opened;
        break;
      case 1: log.push_back({encode(SessionCommand(CloseSession{arbitrary_session(opened)})), now, {}}); break;
      default: {
        const RequestId id = arbitrary_request(opened);
        const std::string body = std::to_string(id.session.value) + "/" + std::to_string(id.sequence.value);
        log.push_back({execute(id, body), now, id});
      }
    }
  }
  return log;
}

RC_GTEST_PROP(ExactlyOnceProperty, NoRequestIsExecutedTwiceOrAnsweredDifferently, ()) {
  OnceJournal machine(Journal{}, kTight);
  std::map<std::pair<SessionId, Sequence>, Payload> answers;
  bool any_repeated = false;
  for (const LoggedCommand& command : arbitrary_log()) {
    const Payload reply = machine.apply(command.bytes.bytes(), command.time);
    if (!command.request || command.request->session == SessionId{}) continue;
    if (status_of(reply) != SessionStatus::kExecuted) continue;
    const auto [first, is_first] =
        answers.emplace(std::pair{command.request->session, command.request->sequence}, reply);
    any_repeated = any_repeated || !is_first;
    RC_ASSERT(first->second == reply);
  }
  RC_CLASSIFY(any_repeated, "repeated");
  std::vector<std::string> executed = machine.application().executed();
  std::erase_if(executed, [](const std::string& body) { return body.starts_with("0/"); });
  std::ranges::sort(executed);
  RC_ASSERT(std::ranges::adjacent_find(executed) == executed.end());
}

RC_GTEST_PROP(ExactlyOnceProperty, SurvivesSnapshotRestartAndReplay, ()) {  // pitfall I3
  const std::vector<LoggedCommand> log = arbitrary_log();
  const auto snapshot_at = *rc::gen::inRange<std::size_t>(0, log.size() + 1);
  OnceJournal whole(Journal{}, kTight);
  std::vector<std::byte> snapshot = saved(whole);
  std::vector<Payload> replies;
  for (std::size_t at = 0; at < log.size(); ++at) {
    if (at == snapshot_at) snapshot = saved(whole);
    replies.push_back(whole.apply(log[at].bytes.bytes(), log[at].time));
  }
  if (snapshot_at == log.size()) snapshot = saved(whole);

  OnceJournal restarted;
  RC_ASSERT(restarted.load(snapshot).has_value());
  for (std::size_t at = snapshot_at; at < log.size(); ++at) {
    RC_ASSERT(restarted.apply(log[at].bytes.bytes(), log[at].time) == replies[at]);
  }
  RC_ASSERT(restarted == whole);
  RC_ASSERT(restarted.digest() == whole.digest());
}

}  // namespace
}  // namespace quorate
