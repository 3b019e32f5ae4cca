// Marks on rare branches of the protocol: "this was reached". The simulator demands that a run of many seeds reaches
// every one of them, so that a test suite that has stopped testing something is noticed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace quorate {

enum class Mark : std::uint8_t {
  kPreVoteRefusedByLeaderContact,
  kPreVoteTaughtTerm,
  kVoteIgnoredByStickiness,
  kVoteRefusedByLog,
  kVoteRepeated,
  kElectionAfterTransfer,
  kStaleBootIgnored,
  kCampaignPostponedAfterPause,
  kSteppedDownWithoutQuorum,
  kSteppedDownByDisk,
  kAppendConflictTruncated,
  kAppendOverlapSkipped,
  kAppendRejected,
  kProbeAfterLoss,
  kCommitWithoutOwnDisk,
  kOldTermNotCounted,
  kProposalOverwritten,
  kProposalUnknown,
  kProposalOverloaded,
  kEpochEndedByRefusal,
  kJointEntered,
  kJointLeft,
  kJointAborted,
  kConfigurationRolledBack,
  kLeaderRemovedItself,
  kNotCaughtUpRefused,
  kReadWaitedForOwnTerm,
  kReadForwarded,
  kLeaseRead,
  kTransferCompleted,
  kTransferTimedOut,
  kSnapshotStarted,
  kSnapshotResumed,
  kSnapshotInstalled,
  kSnapshotIgnoredAsOld,
  kSnapshotRejected,
  kDamagedFetched,
  kDamagedRepairedByLeader,
  kPromisesRestored,
  kFollowerRestartNoticed,
  kCount,
};

inline constexpr std::size_t kMarkCount = static_cast<std::size_t>(Mark::kCount);

struct Coverage {
  std::array<std::uint64_t, kMarkCount> counts{};

  void hit(Mark mark) { ++counts[static_cast<std::size_t>(mark)]; }
  friend bool operator==(const Coverage&, const Coverage&) = default;
};

[[nodiscard]] const char* name_of(Mark mark);

}  // namespace quorate
