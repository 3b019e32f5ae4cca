#include "consensus/recovery.hpp"

#include <algorithm>

#include "consensus/configuration_codec.hpp"
#include "consensus/core.hpp"

namespace quorate {

namespace {

/// What this node takes for the configuration in force: that of the last configuration entry it has.
Result<Configuration> configuration_in_force(const std::vector<Entry>& entries, const CheckpointContext& applied) {
  for (auto entry = entries.rbegin(); entry != entries.rend() && entry->index > applied.last.index; ++entry) {
    if (entry->kind == EntryKind::kConfiguration) return decode_configuration(entry->payload.bytes());
  }
  return applied.configuration;
}

}  // namespace

Result<Recovery> plan_recovery(NodeId survivor, const Recovered& recovered, const CheckpointContext& applied,
                               const std::optional<std::string>& new_address) {
  if (auto fits = Core::validate_recovered(recovered, applied); !fits) return tl::unexpected(fits.error());
  Recovery recovery;
  RecoveryReport& report = recovery.report;
  std::vector<Entry> kept = recovered.entries;
  if (!recovered.damaged.empty() && recovered.damaged.front().index > applied.last.index) {
    const Index hole = recovered.damaged.front().index;
    std::erase_if(kept, [&](const Entry& entry) { return entry.index >= hole; });
    report.given_up = recovered.entries.size() - kept.size();
    recovery.batch.truncate_after = hole - 1;
  }
  const LogId end_of_log = kept.empty() ? recovered.base : kept.back().id();
  report.last = std::max(end_of_log, applied.last);
  if (report.last != end_of_log) recovery.batch.reset_to = applied.last;

  const Result<Configuration> before = configuration_in_force(kept, applied);
  if (!before) return tl::unexpected(before.error());
  const Member* self = before->find(survivor);
  if (self == nullptr || self->kind != MemberKind::kVoter) {
    return fail(ErrorKind::kInvalidArgument, "node " + std::to_string(survivor.value) +
                                                 " was not a voter with a copy of the data: recover another survivor");
  }
  Configuration after{Generation{before->generation.value + 1}, {*self}, {}};
  if (new_address) after.members.front().address = *new_address;

  report.survivor = survivor;
  report.generation_before = before->generation;
  report.generation = after.generation;
  for (const auto* half : {&before->members, &before->outgoing}) {
    for (const Member& member : *half) {
      const bool known =
          std::ranges::any_of(report.left_behind, [&](const Member& one) { return one.id == member.id; });
      if (member.id != survivor && !known) report.left_behind.push_back(member);
    }
  }
  report.known_committed = std::min(std::max(recovered.hard_state.commit, applied.last.index), report.last.index);
  report.adopted = report.last.index - report.known_committed;

  // A term that nobody has seen: whatever the old cluster still has in flight is older.
  const Term term = std::max(recovered.hard_state.term, report.last.term) + 1;
  const LogTime time = kept.empty() ? applied.time : kept.back().time;
  recovery.batch.hard_state = HardState{term, kNoNode, report.known_committed};
  recovery.batch.entries.push_back({term, report.last.index + 1, EntryKind::kConfiguration, time, encode(after)});
  return recovery;
}

std::string RecoveryReport::describe() const {
  const auto number = [](auto value) { return std::to_string(value.value); };
  std::string text = "node " + number(survivor) + " goes on alone in generation " + number(generation) + " (was " +
                     number(generation_before) + "), with its log up to entry " + number(last.index) + " of term " +
                     number(last.term) + ".\n";
  text += std::to_string(adopted) + " entries behind " + number(known_committed) +
          " were not known to be committed and count as committed now.\n";
  if (given_up > 0)
    text += std::to_string(given_up) + " entries were given up, because they or entries before them are damaged.\n";
  for (const Member& member : left_behind) {
    text += "node " + number(member.id) + (member.address.empty() ? "" : " (" + member.address + ")") +
            " is left behind: wipe its directory and let it join again.\n";
  }
  text += "Writes that were acknowledged by nodes that are gone, and are not in this log, are lost.\n";
  return text;
}

}  // namespace quorate
