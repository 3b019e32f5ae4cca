// Every limit of the in-memory applications. They are part of the applications' meaning: what exceeds one is refused in
// the same way on every replica, so changing a limit is changing the format of the log.
#pragma once

#include <cstddef>

#include "consensus/limits.hpp"

namespace quorate {

/// Operations, and conditions, of one transaction.
inline constexpr std::size_t kTransactionOperationsMax = 64;
inline constexpr std::size_t kKeyBytesMax = 1024;
inline constexpr std::size_t kValueBytesMax = std::size_t{64} << 10;
/// Elements of one list.
inline constexpr std::size_t kListElementsMax = 8192;
/// The whole state: it is written out in one go, within a small part of an election timeout.
inline constexpr std::size_t kStateBytesMax = std::size_t{256} << 20;

static_assert(kTransactionOperationsMax * kValueBytesMax < kEntryBytesMax, "a reply with every value fits a frame");
static_assert(kTransactionOperationsMax * kListElementsMax * 8 < kEntryBytesMax,
              "a reply with every list fits a frame");

}  // namespace quorate
