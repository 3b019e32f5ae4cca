#include "sim/timeline.hpp"

#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace quorate::sim {

namespace {

/// A JSON text within a script element must not look like the element's end.
std::string quoted(std::string_view text) {
  const std::string json =
      boost::json::serialize(boost::json::string(boost::json::string_view(text.data(), text.size())));
  std::string safe;
  for (const char letter : json) {
    if (letter == '/' && !safe.empty() && safe.back() == '<') safe += '\\';
    safe += letter;
  }
  return safe;
}

std::string list(NodeSet nodes) {
  std::string text;
  for (const NodeId node : nodes) text += fmt::format("{}{}", text.empty() ? "" : ",", node.value);
  return "[" + text + "]";
}

template <class Range, class Write>
void write_list(std::string& out, const char* name, const Range& range, Write&& write) {
  out += fmt::format(",\n\"{}\":[", name);
  bool is_first = true;
  for (const auto& each : range) {
    if (!is_first) out += ",\n";
    is_first = false;
    write(each);
  }
  out += "]";
}

template <std::size_t... kAt>
std::vector<const char*> message_kinds(std::index_sequence<kAt...>) {
  return {name_of(MessageBody(std::in_place_index<kAt>))...};
}

}  // namespace

void Timeline::attach(Cluster& cluster) {
  cluster_ = &cluster;
  nodes_ = cluster.roster().all();
  states_.assign(cluster.roster().all().size() + 1, {});
  cluster.add_observer(*this);
}

void Timeline::finish() {
  end_us_ = now_us();
  cluster_ = nullptr;
}

void Timeline::set_state(NodeId node, State state) {
  std::vector<State>& states = states_[node.value];
  if (!states.empty() && states.back().looks_like(state)) return;
  state.at_us = now_us();
  // Many steps at one moment are one change to the eye.
  if (!states.empty() && states.back().at_us == state.at_us) {
    states.back() = std::move(state);
  } else {
    states.push_back(std::move(state));
  }
}

void Timeline::on_launch(NodeId node, const Recovered&, const Core& core) {
  set_state(node, {.kind = static_cast<State::Kind>(core.role()),
                   .term = core.term(),
                   .commit = core.commit(),
                   .last = core.log().last().index});
}

void Timeline::on_end(NodeId node, const std::string& reason) {
  set_state(node, {.kind = reason.empty() ? State::Kind::kDown : State::Kind::kStopped, .note = reason});
}

void Timeline::on_step(NodeId node, const Event&, const Core& core, const Effects&) {
  set_state(node, {.kind = static_cast<State::Kind>(core.role()),
                   .term = core.term(),
                   .commit = core.commit(),
                   .last = core.log().last().index});
}

void Timeline::on_message(MessageId id, Fate fate, const Message& message) {
  if (fate == Fate::kSent) {
    if (messages_.size() >= kTimelineMessagesMax) {
      ++left_out_;
      return;
    }
    under_way_[id.value] = messages_.size();
    messages_.push_back({.sent_us = now_us(),
                         .ended_us = -1,
                         .from = message.from,
                         .to = message.to,
                         .kind = static_cast<std::uint8_t>(message.body.index()),
                         .fate = Fate::kSent,
                         .term = message.term});
    return;
  }
  const auto found = under_way_.find(id.value);
  if (found == under_way_.end()) return;
  Drawn& drawn = messages_[found->second];
  drawn.ended_us = now_us();
  drawn.fate = fate;
  if (fate != Fate::kJammed && fate != Fate::kReordered && fate != Fate::kDuplicated) under_way_.erase(found);
}

void Timeline::note(const Fault& fault, FaultRunner::Stage stage) {
  if (stage != FaultRunner::Stage::kBegun) return;
  shades_.push_back(
      {.begin_us = now_us(), .end_us = microseconds(fault.until()), .nodes = nodes_of(fault), .text = describe(fault)});
}

void Timeline::note(const OperationReport& report, std::string text, std::string reply) {
  calls_.push_back({report, std::move(text), std::move(reply)});
}

std::string Timeline::render(std::string_view title, std::string_view verdict) const {
  std::string data = fmt::format("{{\"title\":{},\n\"verdict\":{},\n\"end\":{},\n\"left_out\":{},\n\"nodes\":{}",
                                 quoted(title), quoted(verdict), end_us_, left_out_, list(nodes_));
  write_list(data, "kinds", message_kinds(std::make_index_sequence<std::variant_size_v<MessageBody>>{}),
             [&](const char* name) { data += quoted(name); });
  write_list(data, "states", nodes_, [&](NodeId node) {
    data += "[";
    for (std::size_t at = 0; at < states_[node.value].size(); ++at) {
      const State& state = states_[node.value][at];
      data += fmt::format("{}[{},{},{},{},{},{}]", at == 0 ? "" : ",", state.at_us, static_cast<int>(state.kind),
                          state.term.value, state.commit.value, state.last.value, quoted(state.note));
    }
    data += "]";
  });
  write_list(data, "messages", messages_, [&](const Drawn& message) {
    data += fmt::format("[{},{},{},{},{},\"{}\",{}]", message.sent_us, message.ended_us, message.from.value,
                        message.to.value, message.kind, name_of(message.fate), message.term.value);
  });
  write_list(data, "faults", shades_, [&](const Shade& shade) {
    data += fmt::format("[{},{},{},{}]", shade.begin_us, shade.end_us, list(shade.nodes), quoted(shade.text));
  });
  write_list(data, "operations", calls_, [&](const Call& call) {
    data +=
        fmt::format("[{},{},{},{},{},\"{}\",{},{}]", call.report.operation.client, microseconds(call.report.invoked),
                    microseconds(call.report.ended), quoted(call.text), quoted(call.reply),
                    checker::name_of(call.report.outcome), call.report.node.value, call.report.attempts);
  });
  data += "}";
  return std::string(detail::kTimelineHead) + data + std::string(detail::kTimelineTail);
}

}  // namespace quorate::sim
