#include "sim/trace.hpp"

#include <string>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace quorate::sim {

namespace {

enum Tag : std::uint64_t { kNote, kLaunch, kEnd, kStep, kApply, kMessage };

std::string quoted(std::string_view text) {
  return boost::json::serialize(boost::json::string(boost::json::string_view(text.data(), text.size())));
}

std::string show(LogId id) { return fmt::format("[{},{}]", id.term.value, id.index.value); }

const char* name_of(const EventBody& body) {
  static constexpr std::array<const char*, std::variant_size_v<EventBody>> kNames{"tick",
                                                                                  "received",
                                                                                  "propose",
                                                                                  "read",
                                                                                  "change-membership",
                                                                                  "abort-change",
                                                                                  "transfer",
                                                                                  "persisted",
                                                                                  "applied",
                                                                                  "checkpointed",
                                                                                  "snapshot-opened",
                                                                                  "snapshot-read",
                                                                                  "snapshot-unavailable",
                                                                                  "snapshot-staged",
                                                                                  "snapshot-installed",
                                                                                  "snapshot-rejected",
                                                                                  "peer-disconnected"};
  return kNames[body.index()];
}

/// What a message says, beyond its envelope.
struct HashBody {
  Hasher& hash;

  void operator()(const PreVoteRequest& request) const { hash.add(request.last); }
  void operator()(const PreVoteResponse& response) const { hash.add(static_cast<std::uint64_t>(response.vote)); }
  void operator()(const VoteRequest& request) const { hash.add(request.last); }
  void operator()(const VoteResponse& response) const { hash.add(static_cast<std::uint64_t>(response.vote)); }
  void operator()(const AppendRequest& request) const {
    hash.add(request.previous);
    hash.add(request.commit);
    hash.add(std::uint64_t{request.entries.size()});
  }
  void operator()(const AppendAccepted& accepted) const { hash.add(accepted.match); }
  void operator()(const AppendRejected& rejected) const {
    hash.add(rejected.previous);
    hash.add(rejected.hint);
  }
  void operator()(const Heartbeat& heartbeat) const {
    hash.add(heartbeat.commit);
    hash.add(heartbeat.round);
  }
  void operator()(const HeartbeatResponse& response) const { hash.add(response.round); }
  void operator()(const SnapshotOffer& offer) const { hash.add(offer.last); }
  void operator()(const SnapshotChunk& chunk) const {
    hash.add(chunk.id.last);
    hash.add(chunk.offset);
    hash.add(chunk.bytes.bytes());
  }
  void operator()(const SnapshotProgress& progress) const {
    hash.add(progress.applied);
    hash.add(progress.next_offset);
  }
  void operator()(const ReadIndexRequest& request) const { hash.add(request.read); }
  void operator()(const ReadIndexResponse& response) const { hash.add(response.index); }
  void operator()(const TimeoutNow&) const {}
  void operator()(const FetchRequest& request) const { hash.add(std::uint64_t{request.ids.size()}); }
  void operator()(const FetchResponse& response) const { hash.add(std::uint64_t{response.entries.size()}); }
};

/// The configurations that came into force in a step.
std::string configurations_of(const Effects& effects) {
  std::string text;
  for (const Effect& effect : effects) {
    const auto* changed = std::get_if<effect::ConfigurationChanged>(&effect);
    if (changed == nullptr) continue;
    text += fmt::format(R"(,"configuration":"{}")", describe(changed->configuration));
  }
  return text;
}

std::string entries_of(const MessageBody& body) {
  const auto* append = std::get_if<AppendRequest>(&body);
  if (append == nullptr) return {};
  return fmt::format(R"(,"previous":{},"entries":{},"commit":{})", show(append->previous), append->entries.size(),
                     append->commit.value);
}

}  // namespace

void Trace::begin(std::uint64_t tag, NodeId node) {
  hash_.add(tag << 32 | node.value);
  hash_.add(static_cast<std::uint64_t>(world_.now().time_since_epoch().count()));
}

void Trace::note(std::string_view kind, std::string_view text) {
  begin(kNote, kNoNode);
  hash_.add(text);
  if (sink_) sink_(fmt::format(R"({{"us":{},"what":"{}","text":{}}})", microseconds(world_.now()), kind, quoted(text)));
}

void Trace::on_launch(NodeId node, const Recovered& recovered, const Core& core) {
  begin(kLaunch, node);
  hash_.add(recovered.boot);
  hash_.add(core.log().last());
  hash_.add(core.term());
  if (!sink_) return;
  sink_(fmt::format(R"({{"us":{},"what":"launch","node":{},"boot":{},"incarnation":{},"term":{},"applied":{},)"
                    R"("last":{},"damaged":{}}})",
                    microseconds(world_.now()), node.value, recovered.boot.value, recovered.incarnation.value,
                    core.term().value, core.applied().value, show(core.log().last()), recovered.damaged.size()));
}

void Trace::on_end(NodeId node, const std::string& reason) {
  begin(kEnd, node);
  hash_.add(reason);
  if (!sink_) return;
  sink_(fmt::format(R"({{"us":{},"what":"end","node":{},"reason":{}}})", microseconds(world_.now()), node.value,
                    quoted(reason)));
}

void Trace::on_step(NodeId node, const Event& event, const Core& core, const Effects& effects) {
  begin(kStep, node);
  hash_.add(event.body.index() << 48 | effects.size() << 8 | static_cast<std::uint64_t>(core.role()));
  hash_.add(core.term());
  hash_.add(core.log().last());
  hash_.add(core.commit().value << 32 ^ core.applied().value);
  for (const Effect& effect : effects) {
    const auto* persist = std::get_if<effect::Persist>(&effect);
    if (persist == nullptr) continue;
    for (const Entry& entry : persist->batch.entries) {
      hash_.add(entry.id());
      hash_.add(entry.payload.bytes());
    }
  }
  if (!sink_) return;
  const auto* received = std::get_if<event::Received>(&event.body);
  sink_(fmt::format(R"({{"us":{},"what":"step","node":{},"event":"{}"{},"role":"{}","term":{},)"
                    R"("last":{},"commit":{},"applied":{},"effects":{}{}}})",
                    microseconds(world_.now()), node.value, name_of(event.body),
                    received == nullptr
                        ? std::string()
                        : fmt::format(R"(,"message":"{}","from":{})", quorate::name_of(received->message.body),
                                      received->message.from.value),
                    quorate::name_of(core.role()), core.term().value, show(core.log().last()), core.commit().value,
                    core.applied().value, effects.size(), configurations_of(effects)));
}

void Trace::on_apply(NodeId node, const Entry& entry, const Payload& result, std::optional<std::uint64_t> digest) {
  begin(kApply, node);
  hash_.add(entry.id());
  hash_.add(result.bytes());
  hash_.add(digest.value_or(0));
  if (!sink_) return;
  sink_(fmt::format(R"({{"us":{},"what":"apply","node":{},"entry":{},"digest":"{:016x}"}})", microseconds(world_.now()),
                    node.value, show(entry.id()), digest.value_or(0)));
}

void Trace::on_message(MessageId id, Fate fate, const Message& message) {
  begin(kMessage, message.from);
  hash_.add(id.value << 8 | static_cast<std::uint64_t>(fate));
  // What a message says is hashed once; its later fates refer to it.
  if (fate == Fate::kSent) {
    hash_.add(message.to.value << 32 | message.body.index());
    hash_.add(message.term);
    std::visit(HashBody{hash_}, message.body);
  }
  if (!sink_) return;
  sink_(fmt::format(R"({{"us":{},"what":"{}","id":{},"from":{},"to":{},"message":"{}","term":{}{}}})",
                    microseconds(world_.now()), sim::name_of(fate), id.value, message.from.value, message.to.value,
                    quorate::name_of(message.body), message.term.value, entries_of(message.body)));
}

}  // namespace quorate::sim
