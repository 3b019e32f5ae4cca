// What the cluster as a whole has ever done: who led which term, which entries were made, which were committed, what
// applying them gave. Told the facts one by one, it checks each against all earlier ones, at a cost that does not grow
// with the history, and names the property that a fact breaks:
//
//   U1 election safety       at most one leader per term (Raft 5.2)
//   U2 log matching          an id names one entry, with one predecessor; by induction one whole prefix (Raft 5.3)
//   U3 commit stability      the entry committed at an index never changes
//   U4 leader completeness   a leader's log holds all that was committed in earlier terms (Raft 5.4.3)
//   U5 state machine safety  the same commands are applied everywhere, in order, once, with the same results
//
// It knows nothing about nodes beyond their ids, and nothing about time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "consensus/entry.hpp"
#include "consensus/log.hpp"
#include "consensus/types.hpp"

namespace quorate::sim {

/// A property that does not hold.
struct Violation {
  std::string property;  ///< "U1 election safety"
  std::string text;      ///< what was seen, by whom, and what it contradicts
};
using Verdict = std::optional<Violation>;

class Ledger {
 public:
  /// `node` became leader of `term`, with this log.
  [[nodiscard]] Verdict elected(NodeId node, Term term, const Log& log);
  /// `node` has put `entry` into its log, behind an entry of term `previous`.
  [[nodiscard]] Verdict appended(NodeId node, const Entry& entry, Term previous);
  /// `node`, in term `term`, knows that this entry is committed. Indexes must come without gaps from each node.
  [[nodiscard]] Verdict committed(NodeId node, LogId entry, Term term);
  /// `node` has applied the entry, and this is what it gave.
  [[nodiscard]] Verdict applied(NodeId node, const Entry& entry, const Payload& result);
  /// The digest of the state of `node` after `index` was applied.
  [[nodiscard]] Verdict digested(NodeId node, Index index, std::uint64_t digest);

  /// The last index that anybody knew to be committed.
  [[nodiscard]] Index last_committed() const { return Index{committed_.size()}; }
  [[nodiscard]] Term term_of_committed(Index index) const { return committed_[index.value - 1].term; }
  [[nodiscard]] std::uint64_t elections() const { return leaders_.size(); }
  [[nodiscard]] Term highest_term() const { return leaders_.empty() ? Term{} : leaders_.rbegin()->first; }

 private:
  struct Made {
    Term previous;
    std::uint64_t hash = 0;
    bool has_body = false;  ///< known from a node that holds the body, not only the id
  };
  /// The entries of one term are contiguous: one leader made them, one after the other.
  struct MadeInTerm {
    Index first;
    std::vector<Made> entries;
  };
  struct Committed {
    Term term;    ///< of the entry
    Term during;  ///< the term in which it was first known to be committed
    std::uint64_t result = 0;
    NodeId applied_first;  ///< kNoNode: by nobody yet
  };

  [[nodiscard]] Verdict match(NodeId node, const Entry& entry, const Made& known, const Made& seen) const;

  std::map<Term, NodeId> leaders_;
  std::map<Term, MadeInTerm> made_;
  MadeInTerm* made_last_ = nullptr;  ///< the term asked for last, which is nearly always the one asked for next
  Term made_last_term_;
  std::vector<Committed> committed_;
  std::map<Index, std::uint64_t> digests_;
};

}  // namespace quorate::sim
