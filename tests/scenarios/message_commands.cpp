// What a scenario may do to messages, and what it may say about the state: the rest of the commands.
#include <algorithm>
#include <utility>

#include "tests/scenarios/interpreter.hpp"
#include "tests/scenarios/notation.hpp"

namespace quorate::scenario {
namespace {

/// A bit per corruption, spread over header and body of the frames.
constexpr std::size_t kCorruptionStride = 37;

AppendRequest forged_append(LogId previous, Words& words) {
  AppendRequest request{previous, Index{parse_number(words.option("commit", "0"))}, {}};
  Index index = previous.index;
  for (const std::string& term : parse_counted_list(words.option("entries", "()"))) {
    ++index;
    Entry entry{Term{parse_number(term)}, index, EntryKind::kCommand, LogTime{}, {}};
    const std::string text = text_of(entry.id());  // as in given logs
    entry.payload = encode(SessionCommand{Execute{{}, std::as_bytes(std::span(text))}});
    request.entries.push_back(std::move(entry));
  }
  return request;
}

Vote parse_vote(const std::string& text) {
  if (text != "granted" && text != "refused") throw Failure("expected vote=granted or vote=refused");
  return text == "granted" ? Vote::kGranted : Vote::kRefused;
}

}  // namespace

void Interpreter::do_deliver(Words& words) {
  const std::vector<Link> links = take_links(words);
  const std::string which = words.option("n", "all");
  const bool last = which == "last";
  const std::size_t count = which == "all" ? SIZE_MAX : last ? 1 : parse_number(which);
  std::vector<Message> messages = cluster_->network().take(links, take_filter(words), count, last);
  if (messages.empty()) throw Failure("there is no such message on the way");
  for (Message& message : messages) cluster_->deliver(std::move(message));
}

void Interpreter::do_drop(Words& words) {
  const std::vector<Link> links = take_links(words);
  const std::string which = words.option("n", "all");
  const std::size_t count = which == "all" ? SIZE_MAX : parse_number(which);
  static_cast<void>(cluster_->network().take(links, take_filter(words), count, false));
}

void Interpreter::do_dup(Words& words) {
  const std::vector<Link> links = take_links(words);
  cluster_->network().duplicate(links, take_filter(words));
}

void Interpreter::do_hold(Words& words) {
  const std::vector<Link> links = take_links(words);
  const std::string kind = words.take("a kind of message");
  if (words.take("as <name>") != "as") throw Failure("expected: hold <link> <kind> as <name>");
  const std::string name = words.take("a name");
  std::vector<Message> messages = cluster_->network().take(links, {kind, words.take_options()}, SIZE_MAX, false);
  if (messages.empty()) throw Failure("there is no such message on the way");
  if (!held_.emplace(name, std::move(messages)).second) throw Failure("'" + name + "' is held already");
}

void Interpreter::do_release(Words& words) {
  const std::string name = words.take("the name of held messages");
  const auto found = held_.find(name);
  if (found == held_.end()) throw Failure("nothing is held as '" + name + "'");
  for (const Message& message : found->second) cluster_->deliver(message);
}

/// Every frame on these links has one bit turned over; whoever receives it closes the connection.
void Interpreter::do_corrupt(Words& words) {
  const std::vector<Link> links = take_links(words);
  const std::vector<Message> messages = cluster_->network().take(links, take_filter(words), SIZE_MAX, false);
  if (messages.empty()) throw Failure("there is no such message on the way");
  for (const Message& message : messages) {
    if (corrupted(message, corruptions_++ * kCorruptionStride)) throw Failure("a damaged frame passed for a message");
    for (const auto& [node, peer] : {std::pair{message.to, message.from}, std::pair{message.from, message.to}}) {
      if (!cluster_->server(node).is_up()) continue;
      cluster_->server(node).node().peer_disconnected(peer);
      cluster_->settle(node);
    }
  }
}

void Interpreter::do_forge(Words& words) {
  const std::vector<Link> links = take_links(words);
  const std::string kind = words.take("a kind of message");
  if (links.size() != 1) throw Failure("expected one link: 1->2");
  cluster_->deliver(forged(links.front(), kind, words));
}

Message Interpreter::forged(Link link, const std::string& kind, Words& words) const {
  const auto number = [&](const char* name) { return parse_number(words.option(name, "0")); };
  const auto id = [&](const char* name) { return parse_log_id(words.option(name, "0@0")); };
  Message message;
  message.from = link.from;
  message.to = link.to;
  message.from_incarnation = cluster_->server(link.from).disk.incarnation();
  message.to_incarnation = cluster_->server(link.to).disk.incarnation();
  message.generation = Generation{number("generation")};
  message.term = Term{number("term")};
  message.boot = Boot{parse_number(words.option("boot", "1"))};
  message.echo = Boot{number("echo")};
  if (kind == "AE") {
    message.body = forged_append(id("prev"), words);
  } else if (kind == "HB") {
    message.body = Heartbeat{Index{number("commit")}, number("round"), 0};
  } else if (kind == "HBR") {
    message.body = HeartbeatResponse{number("round"), 0};
  } else if (kind == "RV") {
    message.body = VoteRequest{id("last"), words.option("campaign", "timeout") == "transfer" ? CampaignKind::kTransfer
                                                                                             : CampaignKind::kTimeout};
  } else if (kind == "RVR") {
    message.body = VoteResponse{parse_vote(words.option("vote", "granted"))};
  } else if (kind == "PV") {
    message.body = PreVoteRequest{id("last")};
  } else if (kind == "PVR") {
    message.body = PreVoteResponse{parse_vote(words.option("vote", "granted"))};
  } else if (kind == "ACK") {
    message.body = AppendAccepted{id("match")};
  } else if (kind == "NAK") {
    message.body = AppendRejected{id("prev"), id("hint")};
  } else if (kind == "TN") {
    message.body = TimeoutNow{};
  } else {
    throw Failure("expected AE, HB, HBR, RV, RVR, PV, PVR, ACK, NAK or TN, not '" + kind + "'");
  }
  return message;
}

/// `cut 1-2`, `cut 1->2`, `cut 3`: all of its links.
void Interpreter::do_cut(Words& words) {
  for (const std::string& word : words.take_all()) {
    const std::string links = word.find('-') == std::string::npos ? word + "-*" : word;
    for (const Link link : parse_links(links, cluster_->nodes())) cluster_->network().cut(link);
  }
}

void Interpreter::do_heal(Words& words) {
  if (!words.has_next()) return cluster_->network().heal_all();
  for (const std::string& word : words.take_all()) {
    const std::string links = word.find('-') == std::string::npos ? word + "-*" : word;
    for (const Link link : parse_links(links, cluster_->nodes())) cluster_->network().heal(link);
  }
}

void Interpreter::do_disconnect(Words& words) {
  for (const Link link : take_links(words)) {
    if (!cluster_->server(link.to).is_up()) continue;
    cluster_->server(link.to).node().peer_disconnected(link.from);
    cluster_->settle(link.to);
  }
}

void Interpreter::do_listen(Words&) { cluster_->network().forget(); }

void Interpreter::do_expect(const Statement& statement) {
  if (statement.words.empty()) throw Failure("expected name(arguments)=value");
  for (const std::string& word : statement.words) {
    const Assertion assertion = parse_assertion(word);
    if (assertion.name == "fatal" && assertion.value == "yes")
      fatal_expected_.insert(parse_node(assertion.arguments.at(0)));
    if (const std::string problem = problem_with(assertion); !problem.empty()) throw Failure(problem);
  }
}

/// `await <assertions> within <duration>`: lets time pass until all of them hold.
void Interpreter::do_await(const Statement& statement) {
  const std::vector<std::string>& words = statement.words;
  if (words.size() < 3 || words[words.size() - 2] != "within") {
    throw Failure("expected: await name(arguments)=value within <duration>");
  }
  std::vector<Assertion> assertions;
  for (std::size_t at = 0; at + 2 < words.size(); ++at) assertions.push_back(parse_assertion(words[at]));
  std::string problem;
  const auto all_hold = [&] {
    for (const Assertion& assertion : assertions) {
      problem = problem_with(assertion);
      if (!problem.empty()) return false;
    }
    return true;
  };
  if (!cluster_->run_until(all_hold, duration(words.back())))
    throw Failure(problem + ", and not within " + words.back());
}

}  // namespace quorate::scenario
