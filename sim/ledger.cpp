#include "sim/ledger.hpp"

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "consensus/fingerprint.hpp"
#include "consensus/random.hpp"

namespace quorate::sim {

namespace {

std::string show(LogId id) { return fmt::format("({},t{})", id.index.value, id.term.value); }

std::uint64_t body_hash(const Entry& entry) {
  return fingerprint(entry.payload.bytes(), mix_bits(entry.time.value) + static_cast<std::uint64_t>(entry.kind));
}

}  // namespace

Verdict Ledger::elected(NodeId node, Term term, const Log& log) {
  const auto [at, is_new] = leaders_.emplace(term, node);
  if (!is_new && at->second != node) {
    return Violation{"U1 election safety",
                     fmt::format("n{} leads term {}, which n{} led before", node.value, term.value, at->second.value)};
  }
  // The last entry that was committed in an earlier term stands for all before it, by log matching.
  Index last = last_committed();
  while (last > Index{} && committed_[last.value - 1].during >= term) last = last - 1;
  if (last > log.base().index && !log.matches({term_of_committed(last), last})) {
    return Violation{"U4 leader completeness",
                     fmt::format("n{} leads term {} without the committed entry {}; its log ends with {}", node.value,
                                 term.value, show({term_of_committed(last), last}), show(log.last()))};
  }
  return std::nullopt;
}

Verdict Ledger::appended(NodeId node, const Entry& entry, Term previous) {
  if (made_last_ == nullptr || made_last_term_ != entry.term) {
    made_last_ = &made_.try_emplace(entry.term, MadeInTerm{entry.index, {}}).first->second;
    made_last_term_ = entry.term;
  }
  MadeInTerm& term = *made_last_;
  const Made seen{previous, entry.payload.is_absent() ? 0 : body_hash(entry), !entry.payload.is_absent()};
  const Index next = term.first + term.entries.size();
  if (entry.index == next) {
    term.entries.push_back(seen);
    return std::nullopt;
  }
  if (entry.index < term.first || entry.index > next) {
    return Violation{"U2 log matching",
                     fmt::format("n{} appended {}, but the leader of that term made entries {}..{} only", node.value,
                                 show(entry.id()), term.first.value, next.value - 1)};
  }
  Made& known = term.entries[entry.index - term.first];
  if (known.previous != seen.previous || (known.has_body && seen.has_body && known.hash != seen.hash)) {
    return match(node, entry, known, seen);
  }
  if (!known.has_body) known = seen;
  return std::nullopt;
}

Verdict Ledger::match(NodeId node, const Entry& entry, const Made& known, const Made& seen) const {
  if (known.previous != seen.previous) {
    return Violation{"U2 log matching",
                     fmt::format("n{} appended {} behind an entry of term {}; elsewhere it follows one of term {}",
                                 node.value, show(entry.id()), seen.previous.value, known.previous.value)};
  }
  return Violation{"U2 log matching", fmt::format("n{} appended {} with another body than it has elsewhere", node.value,
                                                  show(entry.id()))};
}

Verdict Ledger::committed(NodeId node, LogId entry, Term term) {
  QUORATE_ASSERT(entry.index > Index{});
  const Index next = last_committed() + 1;
  if (entry.index == next) {
    committed_.push_back({.term = entry.term, .during = term});
    return std::nullopt;
  }
  if (entry.index > next) {
    return Violation{"U3 commit stability", fmt::format("n{} takes {} for committed, but nobody has committed {}",
                                                        node.value, show(entry), next.value)};
  }
  if (term_of_committed(entry.index) != entry.term) {
    return Violation{"U3 commit stability",
                     fmt::format("n{} takes {} for committed, where {} was committed before", node.value, show(entry),
                                 show({term_of_committed(entry.index), entry.index}))};
  }
  return std::nullopt;
}

Verdict Ledger::applied(NodeId node, const Entry& entry, const Payload& result) {
  if (entry.index > last_committed() || term_of_committed(entry.index) != entry.term) {
    return Violation{"U5 state machine safety",
                     fmt::format("n{} applied {}, which is not committed", node.value, show(entry.id()))};
  }
  Committed& known = committed_[entry.index.value - 1];
  const std::uint64_t hash = fingerprint(result.bytes());
  if (known.applied_first == kNoNode) {
    known.result = hash;
    known.applied_first = node;
  } else if (known.result != hash) {
    return Violation{"U5 state machine safety", fmt::format("applying {} gave n{} another result than n{}",
                                                            show(entry.id()), node.value, known.applied_first.value)};
  }
  return std::nullopt;
}

Verdict Ledger::digested(NodeId node, Index index, std::uint64_t digest) {
  const auto [at, is_new] = digests_.emplace(index, digest);
  if (!is_new && at->second != digest) {
    return Violation{
        "U5 state machine safety",
        fmt::format("the state of n{} after index {} is not that of other nodes", node.value, index.value)};
  }
  return std::nullopt;
}

}  // namespace quorate::sim
