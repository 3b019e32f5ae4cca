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
/// ... and of a hidden one.
inline constexpr std::size_t kStoredNameBytesMax = kDatabaseNameBytesMax + 1;
/// One part of a transaction delta is closed once it has grown to this; it may exceed it by one encoded page.
inline constexpr std::size_t kDeltaPartBytes = std::size_t{1} << 20;
/// Parts of one transaction: what a transaction of the largest size can come to.
inline constexpr std::size_t kDeltaPartsMax = 4096;
/// Changed pages of a transaction that are encoded together, and may explain each other.
inline constexpr std::size_t kPagesEncodedTogether = 256;
/// Changes of this size or less are used as they are; only above it is compression worth its time.
inline constexpr std::size_t kChangesBytesCheap = 1024;
/// Interactive sessions of one leader, each of which holds a connection.
inline constexpr std::size_t kInteractiveSessionsMax = 256;
/// Length of an idempotency key.
inline constexpr std::size_t kKeyBytesMax = 256;
/// A response that is larger is not kept for whoever repeats its request.
inline constexpr std::size_t kKeptResponseBytesMax = 4096;
/// Parts of one bundle, which may hold several transactions of the largest size.
inline constexpr std::size_t kBundlePartsMax = 256 * kDeltaPartsMax;
/// A file that is loaded. The disks of the replicas set the limit, well before this one; it keeps numbers sane.
inline constexpr std::uint64_t kLoadBytesMax = std::uint64_t{1} << 44;
/// A group of changes is continued in the next one once it has grown to this; it may exceed it by one change.
inline constexpr std::size_t kChangeGroupBytes = std::size_t{1} << 20;
/// Changes of one transaction that are told, in the form in which they are kept.
inline constexpr std::uint64_t kChangesBytesMax = std::uint64_t{1} << 30;
/// Pages that are handled while the page store's mutex is held once.
inline constexpr std::size_t kPagesPerHold = 256;

static_assert(kDeltaPartBytes + 2 * kPageBytesMax < kEntryBytesMax, "a part with its last page fits an entry");
static_assert(2 * kDeltaPartBytes + 2 * kPageBytesMax + kKeyBytesMax + kKeptResponseBytesMax < kEntryBytesMax,
              "so does a part of a bundle with its last record");

}  // namespace quorate::sqlite
