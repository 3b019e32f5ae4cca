#include "tests/scenarios/notation.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>
#include <variant>

#include "tests/scenarios/script.hpp"

namespace quorate::scenario {
namespace {

constexpr std::uint64_t kLivesMax = 100;

constexpr std::array<const char*, std::variant_size_v<MessageBody>> kKinds{
    "PV",    "PVR", "RV",  "RVR", "AE",  "ACK", "NAK",   "HB",     "HBR",
    "OFFER", "IS",  "ISR", "RI",  "RIR", "TN",  "FETCH", "FETCHED"};

std::string text_of(Vote vote) { return vote == Vote::kGranted ? "granted" : "refused"; }

/// Adds what a kind of message has beyond the envelope.
struct AddFields {
  std::map<std::string, std::string>& fields;

  void operator()(const PreVoteRequest& body) { fields["last"] = scenario::text_of(body.last); }
  void operator()(const PreVoteResponse& body) { fields["vote"] = text_of(body.vote); }
  void operator()(const VoteRequest& body) {
    fields["last"] = scenario::text_of(body.last);
    fields["campaign"] = body.kind == CampaignKind::kTransfer ? "transfer" : "timeout";
  }
  void operator()(const VoteResponse& body) { fields["vote"] = text_of(body.vote); }
  void operator()(const AppendRequest& body) {
    fields["prev"] = scenario::text_of(body.previous);
    fields["commit"] = std::to_string(body.commit.value);
    fields["count"] = std::to_string(body.entries.size());
    fields["last"] = scenario::text_of(body.entries.empty() ? body.previous : body.entries.back().id());
  }
  void operator()(const AppendAccepted& body) { fields["match"] = scenario::text_of(body.match); }
  void operator()(const AppendRejected& body) {
    fields["prev"] = scenario::text_of(body.previous);
    fields["hint"] = scenario::text_of(body.hint);
  }
  void operator()(const Heartbeat& body) {
    fields["commit"] = std::to_string(body.commit.value);
    fields["round"] = std::to_string(body.round);
  }
  void operator()(const HeartbeatResponse& body) { fields["round"] = std::to_string(body.round); }
  void operator()(const SnapshotOffer& body) { fields["last"] = scenario::text_of(body.last); }
  void operator()(const SnapshotChunk& body) {
    fields["last"] = scenario::text_of(body.id.last);
    fields["offset"] = std::to_string(body.offset);
    fields["final"] = body.is_last != 0 ? "yes" : "no";
  }
  void operator()(const SnapshotProgress& body) {
    fields["last"] = scenario::text_of(body.id.last);
    fields["offset"] = std::to_string(body.next_offset);
    fields["applied"] = scenario::text_of(body.applied);
  }
  void operator()(const ReadIndexRequest&) {}
  void operator()(const ReadIndexResponse& body) { fields["index"] = std::to_string(body.index.value); }
  void operator()(const TimeoutNow&) {}
  void operator()(const FetchRequest& body) { fields["count"] = std::to_string(body.ids.size()); }
  void operator()(const FetchResponse& body) { fields["count"] = std::to_string(body.entries.size()); }
};

std::string text_of(const std::vector<Member>& half) {
  std::string text;
  for (const Member& member : half) {
    text += text.empty() ? "(" : " ";
    text += std::to_string(member.id.value);
    if (member.kind == MemberKind::kLearner) text += 'L';
    if (member.kind == MemberKind::kWitness) text += 'W';
    if (member.priority != 1) text += "p" + std::to_string(member.priority);
    const std::uint64_t life = member.incarnation.value - incarnation_of(member.id).value + 1;
    if (life != 1) text += "#" + std::to_string(life);
  }
  return text.empty() ? "()" : text + ")";
}

std::vector<Member> parse_half(std::string_view text) {
  std::vector<Member> half;
  for (const std::string& member : parse_list(text)) half.push_back(parse_member(member));
  std::ranges::sort(half, {}, &Member::id);
  return half;
}

/// The digits at the front of `text`, which are removed from it.
std::uint64_t take_number(std::string_view& text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::uint64_t number = parse_number(text.substr(0, digits));
  text.remove_prefix(digits);
  return number;
}

}  // namespace

std::string text_of(LogId id) { return std::to_string(id.index.value) + "@" + std::to_string(id.term.value); }

std::string text_of(const Log& log) {
  std::string text = log.base().index == Index{} ? "[" : "[" + text_of(log.base()) + "|";
  for (Index index = log.first_index(); index <= log.last().index; ++index) {
    if (text != "[") text += ' ';
    text += std::to_string(log.at(index).term.value);
    if (log.at(index).payload.is_absent()) text += '?';
  }
  return text + "]";
}

std::string text_of(const Configuration& configuration) {
  const std::string members = text_of(configuration.members);
  return configuration.is_joint() ? members + "&&" + text_of(configuration.outgoing) : members;
}

std::string text_of(Progress::State state) {
  switch (state) {
    case Progress::State::kProbe: return "probe";
    case Progress::State::kReplicate: return "replicate";
    case Progress::State::kSnapshot: return "snapshot";
  }
  QUORATE_ASSERT(false);
}

std::string text_of(const Message& message) {
  std::string text =
      kind_of(message.body) + " " + std::to_string(message.from.value) + "->" + std::to_string(message.to.value);
  for (const auto& [name, value] : fields_of(message)) text += " " + name + "=" + value;
  return text;
}

std::string word_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone: return "none";
    case Refusal::kNotLeader: return "not-leader";
    case Refusal::kOverloaded: return "overloaded";
    case Refusal::kTooLarge: return "too-large";
    case Refusal::kOverwritten: return "overwritten";
    case Refusal::kStaleEpoch: return "stale-epoch";
    case Refusal::kTransferring: return "transferring";
    case Refusal::kChangePending: return "change-pending";
    case Refusal::kNotYetCommitted: return "not-yet-committed";
    case Refusal::kNotCaughtUp: return "not-caught-up";
    case Refusal::kInvalid: return "invalid";
    case Refusal::kNoQuorum: return "no-quorum";
    case Refusal::kTimedOut: return "timed-out";
    case Refusal::kStopped: return "stopped";
  }
  QUORATE_ASSERT(false);
}

std::string kind_of(const MessageBody& body) { return kKinds[body.index()]; }

bool is_kind(const MessageBody& body, const std::string& word) {
  const std::string kind = kind_of(body);
  if (word == "*" || word == kind) return true;
  if (word == "AER") return kind == "ACK" || kind == "NAK";
  if (std::ranges::find(kKinds, word) == kKinds.end()) throw Failure("expected a kind of message, not '" + word + "'");
  return false;
}

std::map<std::string, std::string> fields_of(const Message& message) {
  std::map<std::string, std::string> fields{{"term", std::to_string(message.term.value)}};
  std::visit(AddFields{fields}, message.body);
  return fields;
}

NodeId parse_node(std::string_view text) {
  const NodeId node{parse_number(text)};
  if (node == kNoNode) throw Failure("servers are numbered from 1");
  return node;
}

LogId parse_log_id(std::string_view text) {
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos) throw Failure("expected index@term, not '" + std::string(text) + "'");
  return {Term{parse_number(text.substr(at + 1))}, Index{parse_number(text.substr(0, at))}};
}

Configuration parse_configuration(std::string_view text) {
  const std::size_t joint = text.find("&&");
  Configuration configuration;
  configuration.members = parse_half(text.substr(0, joint));
  if (joint != std::string_view::npos) configuration.outgoing = parse_half(text.substr(joint + 2));
  return configuration;
}

Member parse_member(std::string_view text) {
  Member member;
  const std::string whole(text);
  member.id = NodeId{take_number(text)};
  if (text.starts_with('L')) member.kind = MemberKind::kLearner;
  if (text.starts_with('W')) member.kind = MemberKind::kWitness;
  if (member.kind != MemberKind::kVoter) text.remove_prefix(1);
  if (text.starts_with('p')) {
    text.remove_prefix(1);
    member.priority = static_cast<std::uint32_t>(take_number(text));
  }
  std::uint64_t life = 1;
  if (text.starts_with('#')) {
    text.remove_prefix(1);
    life = take_number(text);
  }
  if (!text.empty()) throw Failure("expected a member: id[L|W][p<priority>][#<life>], not '" + whole + "'");
  member.incarnation = incarnation_of(member.id, life);
  return member;
}

std::vector<std::string> parse_list(std::string_view text) {
  const bool bracketed =
      text.size() >= 2 && ((text.front() == '(' && text.back() == ')') || (text.front() == '[' && text.back() == ']'));
  if (!bracketed) throw Failure("expected a list in brackets, not '" + std::string(text) + "'");
  std::vector<std::string> list = split(text.substr(1, text.size() - 2), ' ');
  std::erase(list, "");
  return list;
}

std::vector<std::string> parse_counted_list(std::string_view text) {
  std::vector<std::string> list;
  for (const std::string& word : parse_list(text)) {
    const std::size_t star = word.find('*');
    const std::uint64_t count = star == std::string::npos ? 1 : parse_number(word.substr(star + 1));
    list.insert(list.end(), count, word.substr(0, star));
  }
  return list;
}

Duration parse_duration(std::string_view text, Duration election_timeout, Duration heartbeat_interval) {
  const std::string whole(text);
  char* rest = nullptr;
  const double count = std::strtod(whole.c_str(), &rest);
  const std::string unit(rest);
  const std::map<std::string, Duration> units{{"us", std::chrono::microseconds(1)},
                                              {"ms", std::chrono::milliseconds(1)},
                                              {"s", std::chrono::seconds(1)},
                                              {"h", std::chrono::hours(1)},
                                              {"T", election_timeout},
                                              {"HB", heartbeat_interval}};
  const auto found = units.find(unit);
  if (rest == whole.c_str() || found == units.end()) {
    throw Failure("expected a duration such as 300ms, 2s, 1.5T or 1HB, not '" + whole + "'");
  }
  return Duration{static_cast<Duration::rep>(count * static_cast<double>(found->second.count()))};
}

Incarnation incarnation_of(NodeId node, std::uint64_t life) {
  if (life == 0 || life >= kLivesMax) throw Failure("a server has fewer than " + std::to_string(kLivesMax) + " lives");
  return Incarnation{node.value * kLivesMax + life};
}

}  // namespace quorate::scenario
