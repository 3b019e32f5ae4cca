// Leadership transfer: thesis 3.10.
#include <algorithm>

#include "consensus/core.hpp"
#include "consensus/output.hpp"

namespace quorate {

/// Voters of the configuration that is coming or is, with the log's bodies; not this node (pitfall H3).
bool Core::may_succeed(NodeId node) const {
  const Member* member = Configuration::find_in(configuration().members, node);
  return node != options_.id && member != nullptr && member->kind == MemberKind::kVoter && member->priority > 0;
}

/// The one of the highest priority, and among those the one with the most of the log.
NodeId Core::best_successor() const {
  NodeId best = kNoNode;
  std::pair<std::uint32_t, Index> best_rank{};
  for (const auto& [peer, progress] : leading()->progress) {
    if (!may_succeed(peer) || now_ - progress.last_contact > options_.election_timeout) continue;
    const std::pair rank{configuration().find(peer)->priority, progress.match};
    if (best != kNoNode && rank <= best_rank) continue;
    best = peer;
    best_rank = rank;
  }
  return best;
}

void Core::handle(event::TransferLeadership& request, Output& out) {
  const auto refuse = [&](Refusal refusal) { out.emit(effect::Reply{request.id, Outcome::kRefused, refusal, {}}); };
  auto* leader = std::get_if<LeaderState>(&role_);
  if (leader == nullptr) return refuse(Refusal::kNotLeader);
  const NodeId target = request.target == kNoNode ? best_successor() : request.target;
  if (!may_succeed(target)) return refuse(Refusal::kInvalid);
  if (leader->transfer && leader->transfer->target == target) return refuse(Refusal::kTransferring);
  if (leader->transfer) abandon_transfer(Refusal::kTransferring, out);  // the later wish counts (pitfall H4)
  leader->transfer = Transfer{request.id, target, now_ + options_.election_timeout, false};
  replicate_to(target, leader->progress.at(target), out);
  continue_transfer(out);
}

/// The target campaigns once it has the whole log, which does not grow meanwhile (pitfall H1).
void Core::continue_transfer(Output& out) {
  auto& leader = std::get<LeaderState>(role_);
  if (!leader.transfer || leader.progress.at(leader.transfer->target).match < log_.last().index) return;
  leader.transfer->requested = true;
  leader.lease_given_away = true;
  out.send(make(leader.transfer->target, TimeoutNow{}));
}

/// Proposals are accepted again (pitfall H2). If the target was asked already it may still win; nothing is lost then.
void Core::abandon_transfer(Refusal refusal, Output& out) {
  auto& leader = std::get<LeaderState>(role_);
  const Outcome outcome = leader.transfer->requested ? Outcome::kUnknown : Outcome::kRefused;
  out.emit(effect::Reply{leader.transfer->proposal, outcome, refusal, {}});
  leader.transfer.reset();
}

void Core::on(const Message& message, TimeoutNow&, Output& out) {
  if (message.from != leader() || !may_campaign()) return;
  campaign(CampaignKind::kTransfer, out);  // neither pre-vote nor stickiness stand in its way (pitfalls H7, H8)
}

}  // namespace quorate
