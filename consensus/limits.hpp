// Every limit of the engine that has a name, and the relations that must hold between them. Limits that an operator
// sets are in CoreOptions; these are the ceilings that nothing may exceed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quorate {

/// Members of one half of a configuration, learners included.
inline constexpr std::size_t kMembersMax = 32;
/// One entry's body. Larger transactions are split by the application.
inline constexpr std::size_t kEntryBytesMax = std::size_t{8} << 20;
/// Entries of one AppendRequest together, unless a single entry is larger.
inline constexpr std::size_t kAppendBytesMax = std::size_t{1} << 20;
/// Entries in one AppendRequest.
inline constexpr std::size_t kAppendEntriesMax = 4096;
/// One chunk of a snapshot.
inline constexpr std::size_t kSnapshotChunkBytesMax = std::size_t{1} << 20;
/// A whole frame between two nodes, header included.
inline constexpr std::size_t kFrameBytesMax = std::size_t{16} << 20;
/// Ids asked for in one FetchRequest.
inline constexpr std::size_t kFetchIdsMax = 64;
/// Reads waiting for one leadership confirmation; more are refused as overloaded.
inline constexpr std::size_t kReadsPendingMax = std::size_t{1} << 16;
/// Length of a member's address.
inline constexpr std::size_t kAddressBytesMax = 512;

static_assert(kEntryBytesMax + (std::size_t{1} << 20) < kFrameBytesMax, "an entry of the largest size fits a frame");
static_assert(kAppendBytesMax <= kEntryBytesMax, "a batch is never larger than what a single entry may be");
static_assert(kSnapshotChunkBytesMax < kFrameBytesMax, "a chunk fits a frame");

}  // namespace quorate
