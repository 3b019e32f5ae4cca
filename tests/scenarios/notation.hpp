// How scenarios write the values of the protocol, and how failures print them: one canonical text per value, so that
// what is expected and what is can be compared, and shown, as text.
//
//   entry id        index@term                       5@2
//   log             [index@term| terms]              [1 1 2]   [5@2| 3 3]   damaged bodies: [1 1? 2]
//   configuration   (id[L|W][p<priority>][#<life>])  (1 2 3)   (1 2 4L)&&(1 2 3): joint, the incoming half first
//   duration        number and unit                  300ms  1.5T (election timeouts)  2HB (heartbeat intervals)
//   message         kind from->to and its fields     ACK 2->1 term=3 match=5@3
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/configuration.hpp"
#include "consensus/effect.hpp"
#include "consensus/log.hpp"
#include "consensus/message.hpp"
#include "consensus/progress.hpp"

namespace quorate::scenario {

[[nodiscard]] std::string text_of(LogId id);
[[nodiscard]] std::string text_of(const Log& log);
[[nodiscard]] std::string text_of(const Configuration& configuration);
[[nodiscard]] std::string text_of(Progress::State state);
[[nodiscard]] std::string text_of(const Message& message);
/// One word per refusal: "not-leader".
[[nodiscard]] std::string word_of(Refusal refusal);

/// The short name of a kind of message, as the commands use it: AE, ACK, RV, ...
[[nodiscard]] std::string kind_of(const MessageBody& body);
/// Whether `word` names the kind, or a family of kinds: AER is ACK or NAK, * is every kind. Failure if it names none.
[[nodiscard]] bool is_kind(const MessageBody& body, const std::string& word);
/// The fields of a message that scenarios may ask for: term, vote, match, commit, ...
[[nodiscard]] std::map<std::string, std::string> fields_of(const Message& message);

[[nodiscard]] NodeId parse_node(std::string_view text);
[[nodiscard]] LogId parse_log_id(std::string_view text);
[[nodiscard]] Configuration parse_configuration(std::string_view text);
[[nodiscard]] Member parse_member(std::string_view text);
/// What is written in a pair of brackets or parentheses, split at blanks.
[[nodiscard]] std::vector<std::string> parse_list(std::string_view text);
/// A list in which `element*count` stands for that many of it.
[[nodiscard]] std::vector<std::string> parse_counted_list(std::string_view text);
[[nodiscard]] Duration parse_duration(std::string_view text, Duration election_timeout, Duration heartbeat_interval);

/// The first incarnation of a server; later ones follow by one.
[[nodiscard]] Incarnation incarnation_of(NodeId node, std::uint64_t life = 1);

}  // namespace quorate::scenario
