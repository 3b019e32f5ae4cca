// Every ceiling of the SQLite application that has a name. What an operator may set is in PageStoreOptions and
// ExecutorOptions; these are the bounds that nothing exceeds, whatever arrives from a peer, a client or a disk.
#pragma once

#include <cstddef>
#include <cstdint>

#include "consensus/limits.hpp"

namespace quorate::sqlite {

/// SQLite's own bounds on the size of a page.
inline constexpr std::size_t kPageBytesMin = 512;
inline constexpr std::size_t kPageBytesMax = 65536;
/// Databases of one node. SQLite attaches at most ten to a connection.
inline constexpr std::size_t kDatabasesMax = 64;
/// Length of the name of a database.
inline constexpr std::size_t kDatabaseNameBytesMax = 64;
/// One part of a transaction delta is closed once it has grown to this; it may exceed it by one encoded page.
inline constexpr std::size_t kDeltaPartBytes = std::size_t{1} << 20;
/// Parts of one transaction: what a transaction of the largest size can come to.
inline constexpr std::size_t kDeltaPartsMax = 4096;
/// Changes of this size or less are used as they are; only above it is compression worth its time.
inline constexpr std::size_t kChangesBytesCheap = 1024;
/// Interactive sessions of one leader, each of which holds a connection.
inline constexpr std::size_t kInteractiveSessionsMax = 256;
/// Pages that are handled while the page store's mutex is held once.
inline constexpr std::size_t kPagesPerHold = 256;

static_assert(kDeltaPartBytes + 2 * kPageBytesMax < kEntryBytesMax, "a part with its last page fits an entry");

}  // namespace quorate::sqlite
