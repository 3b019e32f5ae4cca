#include "sim/clients.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"

namespace quorate::sim {

namespace {

constexpr std::uint64_t kClientPurpose = 0x636c6965'00000000;
constexpr std::uint64_t kSessionlessEvery = 4;
/// How long a client waits before it asks again after a refusal.
constexpr Duration kBackoffMin = std::chrono::milliseconds(5);
constexpr Duration kBackoffMax = std::chrono::milliseconds(60);
/// One attempt in so many goes to a node that the client does not take for the leader.
constexpr PartsPerMillion kStrayProbability = percent(3);

constexpr std::uint64_t kAlarms = 4;
constexpr unsigned kAlarmBits = 20;
static_assert(kClientsMax * kAlarms <= 1U << kAlarmBits, "an alarm's token holds the client and the kind of alarm");

}  // namespace

Clients::Clients(World& world, Cluster& cluster, const Subject& subject, Workload& workload, const Limits& limits)
    : world_(world), cluster_(cluster), subject_(subject), workload_(workload), limits_(limits) {}

void Clients::add(std::span<const PlannedOperation> operations) {
  for (const PlannedOperation& operation : operations) {
    QUORATE_ASSERT(operation.client < kClientsMax);
    while (clients_.size() <= operation.client) {
      clients_.emplace_back().random = world_.randomness(kClientPurpose + clients_.size());
    }
    clients_[operation.client].plan.push_back(operation);
    ++open_;
  }
  for (Client& client : clients_) {
    if (!client.current) wait_for_next(client);
  }
}

void Clients::cancel_plans() {
  for (Client& client : clients_) {
    open_ -= client.plan.size();
    client.plan.clear();
  }
}

void Clients::wait_for_next(Client& client) {
  if (client.plan.empty()) return;
  set_alarm(client, Alarm::kBegin, std::max(world_.now(), client.plan.front().at));
}

/// A client waits for one thing at a time: each alarm carries the number of the attempt that it belongs to.
void Clients::set_alarm(Client& client, Alarm alarm, WorldTime at) {
  const std::uint64_t which = number_of(client) * kAlarms + static_cast<std::uint64_t>(alarm);
  world_.schedule(at, *this, client.attempt << kAlarmBits | which);
}

void Clients::fire(std::uint64_t token) {
  const std::uint64_t which = token & ((1U << kAlarmBits) - 1);
  Client& client = clients_[which / kAlarms];
  if (client.attempt != token >> kAlarmBits) return;
  switch (static_cast<Alarm>(which % kAlarms)) {
    case Alarm::kBegin:
      if (!client.current && !client.plan.empty()) begin(client);
      break;
    case Alarm::kTimeout: client.target = kNoNode; [[fallthrough]];
    case Alarm::kAttempt:
      if (client.current) attempt(client);
      break;
    case Alarm::kCount: break;
  }
}

void Clients::begin(Client& client) {
  client.current = client.plan.front();
  client.plan.pop_front();
  client.command = workload_.begin(*client.current);
  client.invoked = world_.now();
  client.deadline = world_.now() + limits_.operation_timeout;
  client.attempts = 0;
  client.unsettled = 0;
  if (access(client) == Access::kCommand) {
    // Without a session the number means nothing to the cluster; it tells the placements which command it was.
    client.sequence = uses_sessions(client) ? Sequence{client.sequence.value + 1} : Sequence{client.current->id + 1};
  }
  attempt(client);
}

bool Clients::uses_sessions(const Client& client) const {
  return number_of(client) % kSessionlessEvery != kSessionlessEvery - 1;
}

void Clients::attempt(Client& client) {
  if (world_.now() >= client.deadline) {
    return finish(client, client.unsettled > 0 ? checker::Outcome::kUnknown : checker::Outcome::kRefused, {});
  }
  ++client.attempt;
  ++client.attempts;
  ++counts_.attempts;
  const bool needs_session = access(client) == Access::kCommand && uses_sessions(client);
  client.opening = needs_session && client.session == SessionId{};
  const NodeId node = choose(client);
  client.asked = node;
  set_alarm(client, Alarm::kTimeout, world_.now() + limits_.attempt_timeout);
  if (access(client) == Access::kCommand && !client.opening) {
    if (!uses_sessions(client) && client.unsettled > 0) return finish(client, checker::Outcome::kUnknown, {});
    ++client.unsettled;
  }
  send(client, node);
}

NodeId Clients::choose(Client& client) {
  const std::uint64_t nodes = cluster_.roster().all().size();
  const Access how = access(client);
  if (how == Access::kFollowerRead || how == Access::kStaleRead || client.random.chance(kStrayProbability)) {
    return NodeId{1 + client.random.below(nodes)};
  }
  // Whoever does not know where the leader is asks one after the other.
  return client.target != kNoNode ? client.target : NodeId{1 + client.next_asked++ % nodes};
}

void Clients::send(Client& client, NodeId node) {
  world_.at(world_.now() + limits_.network.draw(client.random),
            [this, number = number_of(client), attempt = client.attempt, node] { call(number, attempt, node); });
}

void Clients::call(std::size_t number, std::uint64_t attempt, NodeId node) {
  Client& client = clients_[number];
  // The request is on its way even if its sender does not wait for it any more; but what it was is forgotten then.
  if (client.attempt != attempt || !client.current) return;
  Host& host = cluster_.host(node);
  if (access(client) == Access::kCommand) {
    Payload command = client.opening ? encode(SessionCommand{OpenSession{}})
                                     : encode(SessionCommand{Execute{{client.session, client.sequence, client.sequence},
                                                                     client.command.bytes()}});
    host.on_strand([this, number, attempt, &host, command = std::move(command)]() mutable {
      host.process()->propose(std::move(command), [this, number, attempt, &host](ProposalResult result) {
        const NodeId leader = host.process()->core().leader();
        answer(number, attempt,
               [this, leader, result = std::move(result)](Client& who) { proposed(who, result, leader); });
      });
      host.end_turn();
    });
    return;
  }
  host.on_strand([this, number, attempt, &host, query = client.command, how = access(client)] {
    const auto reply_with = [this, number, attempt, &host, query](Refusal refusal) {
      Payload reply;
      const Index state = host.process()->state_index();
      if (refusal == Refusal::kNone) {
        Result<Payload> answered = host.process()->query(query.bytes());
        if (answered) reply = std::move(*answered);
        if (!answered) refusal = Refusal::kInvalid;
      }
      answer(number, attempt,
             [this, refusal, state, reply = std::move(reply)](Client& who) { read_done(who, refusal, state, reply); });
    };
    if (how == Access::kStaleRead) return reply_with(Refusal::kNone);
    host.process()->read([reply_with](ReadResult result) { reply_with(result.refusal); });
  });
}

/// Carries an answer back to the client, unless it has turned to something else by then.
void Clients::answer(std::size_t number, std::uint64_t attempt, std::function<void(Client&)> action) {
  Client& client = clients_[number];
  if (client.attempt != attempt) return;
  world_.at(world_.now() + limits_.network.draw(client.random), [this, number, attempt, action = std::move(action)] {
    if (clients_[number].attempt == attempt && clients_[number].current) action(clients_[number]);
  });
}

void Clients::proposed(Client& client, const ProposalResult& result, NodeId leader) {
  if (result.outcome == Outcome::kCommitted) {
    client.target = client.asked;
    return committed(client, result.result);
  }
  client.target = leader == client.asked ? kNoNode : leader;
  if (result.outcome == Outcome::kRefused && !client.opening) --client.unsettled;
  retry(client);
}

void Clients::committed(Client& client, const Payload& result) {
  const Result<SessionReply> reply = decode_session_reply(result.bytes());
  QUORATE_ASSERT(reply.has_value());
  switch (reply->status) {
    case SessionStatus::kOpened:
      client.session = reply->session;
      client.sequence = Sequence{1};
      return attempt(client);
    case SessionStatus::kExecuted: return finish(client, checker::Outcome::kOk, reply->body);
    case SessionStatus::kReplyNotKept: return finish(client, checker::Outcome::kOk, {});
    case SessionStatus::kNoSession:
      // An earlier attempt may have been carried out before the session was forgotten.
      return finish(client, checker::Outcome::kUnknown, {});
    case SessionStatus::kClosed:
    case SessionStatus::kForgotten:
    case SessionStatus::kTooFarAhead:
    case SessionStatus::kMalformed: break;
  }
  cluster_.invariants().report(
      Violation{"a client with one request at a time is never told so",
                fmt::format("client {} was answered: {}", number_of(client), describe(reply->status))});
  finish(client, checker::Outcome::kUnknown, {});
}

void Clients::read_done(Client& client, Refusal refusal, Index state, const Payload& reply) {
  if (refusal != Refusal::kNone) {
    client.target = kNoNode;
    return retry(client);
  }
  if (access(client) == Access::kRead) client.target = client.asked;
  client.read_at = state;
  finish(client, checker::Outcome::kOk, reply.bytes());
}

void Clients::retry(Client& client) {
  ++client.attempt;
  set_alarm(client, Alarm::kAttempt, world_.now() + client.random.between(kBackoffMin, kBackoffMax));
}

void Clients::finish(Client& client, checker::Outcome outcome, Reply reply) {
  const PlannedOperation operation = *std::exchange(client.current, std::nullopt);
  ++client.attempt;
  --open_;
  switch (outcome) {
    case checker::Outcome::kOk: ++counts_.ok; break;
    case checker::Outcome::kRefused: ++counts_.refused; break;
    case checker::Outcome::kUnknown: ++counts_.unknown; break;
  }
  const OperationReport report{operation, client.invoked, world_.now(), outcome, client.asked, client.attempts};
  if (reporter_) reporter_(report, reply);
  const Access how = subject_.kinds[operation.kind].access;
  if (how == Access::kStaleRead) {
    workload_.discard(operation);
  } else {
    checker::Operation recorded;
    recorded.client = checker::ClientId{number_of(client)};
    recorded.invoked = client.invoked.time_since_epoch();
    recorded.returned = world_.now().time_since_epoch();
    recorded.outcome = outcome;
    if (how == Access::kCommand) {
      settled_.push_back({workload_.history().size(), client.session, client.sequence});
    } else if (outcome == checker::Outcome::kOk) {
      recorded.log_index = client.read_at;
    }
    workload_.end(operation, recorded, reply);
  }
  if (outcome == checker::Outcome::kUnknown) client.session = SessionId{};
  wait_for_next(client);
}

void Clients::place_commands(const Placements& placements) {
  for (const Settled& settled : settled_) {
    if (const auto index = placements.find(settled.session, settled.sequence)) workload_.place(settled.number, *index);
  }
}

std::string Clients::describe_open() const {
  std::string text;
  for (const Client& client : clients_) {
    if (!client.current) continue;
    text += fmt::format("  client {} waits for \"{}\" since {} us, {} attempts, last at n{}\n", number_of(client),
                        workload_.describe(*client.current), microseconds(client.invoked), client.attempts,
                        client.asked.value);
  }
  return text;
}

}  // namespace quorate::sim
