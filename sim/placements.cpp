#include "sim/placements.hpp"

#include "consensus/exactly_once.hpp"

namespace quorate::sim {

std::optional<Index> Placements::find(SessionId session, Sequence sequence) const {
  const auto found = placed_.find({session, sequence});
  return found == placed_.end() ? std::nullopt : std::optional(found->second);
}

void Placements::on_apply(NodeId, const Entry& entry, const Payload& result, std::optional<std::uint64_t>) {
  if (entry.index <= seen_ || entry.kind != EntryKind::kCommand) return;
  // A witness has neither the body nor an answer.
  const Result<SessionReply> reply = decode_session_reply(result.bytes());
  if (entry.payload.is_absent() || !reply) return;
  seen_ = entry.index;
  const std::optional<SessionCommand> command = decode_session_command(entry.payload.bytes());
  const Execute* execute = command ? std::get_if<Execute>(&*command) : nullptr;
  if (execute == nullptr || reply->status != SessionStatus::kExecuted) return;
  // Repetitions are answered the same, behind the first.
  placed_.try_emplace({execute->request.session, execute->request.sequence}, entry.index);
}

}  // namespace quorate::sim
