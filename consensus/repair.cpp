// Entries whose bodies were lost to corruption on the own disk. Their ids are known, so the node still knows how
// complete its log is and may vote; but it does not campaign, acknowledge or apply past the hole, and asks every peer
// for the bodies, with or without a leader (Protocol-Aware Recovery, FAST 2018).
#include <algorithm>

#include "consensus/configuration_codec.hpp"
#include "consensus/core.hpp"
#include "consensus/output.hpp"

namespace quorate {

namespace {

/// The read by which a node asks how much is committed; the driver numbers its own from 1.
constexpr ReadId kPromisesRead{0};

}  // namespace

bool Core::is_damaged(Index index) const { return std::ranges::binary_search(damaged_, index, {}, &LogId::index); }

void Core::fetch_damaged(Output& out) {
  next_fetch_ = now_ + options_.election_timeout;
  FetchRequest request;
  request.ids.assign(damaged_.begin(),
                     damaged_.begin() + static_cast<std::ptrdiff_t>(std::min(damaged_.size(), kFetchIdsMax)));
  for (const auto* half : {&configuration().members, &configuration().outgoing}) {
    for (const Member& member : *half) {
      if (member.id != options_.id && member.kind != MemberKind::kWitness) out.send(make(member.id, request));
    }
  }
}

/// An id names one entry for ever (Raft 5.3), so whoever has it may supply it, committed or not.
void Core::on(const Message& message, FetchRequest& request, Output& out) {
  FetchResponse response;
  std::size_t bytes = 0;
  for (const LogId& id : request.ids) {
    if (id.index <= log_.base().index || !log_.matches(id) || log_.at(id.index).payload.is_absent()) continue;
    const Entry& entry = log_.at(id.index);
    bytes += entry_cost_bytes(entry);
    if (!response.entries.empty() && bytes > kAppendBytesMax) break;
    response.entries.push_back(entry);
  }
  if (!response.entries.empty()) out.send(answer(message, std::move(response)));
}

void Core::on(const Message&, FetchResponse& response, Output& out) {
  const std::size_t before = damaged_.size();
  for (const Entry& entry : response.entries) {
    if (!log_.contains(entry.index) || !log_.matches(entry.id())) continue;
    repair_entry(entry, out);
  }
  if (damaged_.size() == before) return;
  mark(Mark::kDamagedFetched);
  if (!damaged_.empty()) fetch_damaged(out);
}

/// A node that may have lost entries which it acknowledged votes again once it has everything that was committed before
/// it came back. It learns how much that is from a leader which confirms its office afterwards, and without this node's
/// word: what it might have forgotten must not help a deposed leader to look like one.
void Core::ask_for_promises(Output& out) { out.send(make(leader(), ReadIndexRequest{kPromisesRead})); }

bool Core::takes_for_promises(const Message& message, const ReadIndexResponse& response) {
  if (response.read != kPromisesRead) return false;
  const bool confirmed = message.from == leader() && response.index > Index{};
  if (!may_vote_ && confirmed && damaged_.empty() && commit_ >= response.index) {
    mark(Mark::kPromisesRestored);
    may_vote_ = true;
  }
  return true;
}

/// Puts the body in its place if it was missing there; `entry` is in the log.
void Core::repair_entry(const Entry& entry, Output& out) {
  if (!is_damaged(entry.index) || entry.payload.is_absent()) return;
  if (leader() != kNoNode) mark(Mark::kDamagedRepairedByLeader);
  log_.repair(entry);
  out.batch.repairs.push_back(entry);
  std::erase_if(damaged_, [&](const LogId& id) { return id.index == entry.index; });
  if (entry.kind != EntryKind::kConfiguration) return;
  auto configuration = decode_configuration(entry.payload.bytes());
  if (!configuration) {
    fatal("entry " + std::to_string(entry.index.value) +
              " holds no valid configuration: " + configuration.error().message,
          out);
    return;
  }
  const auto after = std::ranges::upper_bound(configurations_, entry.index, {}, &PlacedConfiguration::index);
  const bool is_latest = after == configurations_.end();
  configurations_.insert(after, {entry.index, std::move(*configuration)});
  if (is_latest) out.emit(effect::ConfigurationChanged{this->configuration()});
}

}  // namespace quorate
