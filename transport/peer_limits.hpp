// Every limit of the links between nodes. What a peer sends, hostile or not, is held in memory only up to these.
#pragma once

#include <chrono>
#include <cstddef>

#include "consensus/limits.hpp"
#include "consensus/types.hpp"

namespace quorate::transport {

/// Messages that wait to be sent to one peer; the oldest are dropped beyond (the protocol repeats what matters).
inline constexpr std::size_t kUrgentQueuedMax = 4096;
inline constexpr std::size_t kBulkQueuedBytesMax = std::size_t{64} << 20;
/// Calls that wait to be sent to one peer, or to be answered by it; further ones are refused.
inline constexpr std::size_t kCallsQueuedBytesMax = std::size_t{128} << 20;
inline constexpr std::size_t kCallsOpenMax = 4096;
/// A whole call or answer, and a piece of one.
inline constexpr std::size_t kCallBytesMax = std::size_t{64} << 20;
inline constexpr std::size_t kCallPieceBytes = std::size_t{64} << 10;
/// Calls of somebody who belongs to no cluster that wait for an answer.
inline constexpr std::size_t kStrangerCallsOpenMax = 4;
/// A whole call of somebody who belongs to no cluster, and may only ask whether it can join one.
inline constexpr std::size_t kStrangerCallBytesMax = std::size_t{64} << 10;
/// Handed to the socket at once: what is urgent waits for no more than this, and for what the kernel holds unsent.
inline constexpr std::size_t kWriteBatchBytes = std::size_t{256} << 10;
inline constexpr int kUnsentBytesInKernelMax = 128 << 10;
/// Bytes read at once.
inline constexpr std::size_t kPeerReadBytes = std::size_t{64} << 10;
/// Connections accepted from nodes, and from whoever has not said yet who it is.
inline constexpr std::size_t kInboundConnectionsMax = 256;
/// The first frame of a connection.
inline constexpr std::size_t kHelloBodyBytesMax = 256 + kAddressBytesMax;

inline constexpr Duration kConnectTimeout = std::chrono::seconds(3);
inline constexpr Duration kHelloTimeout = std::chrono::seconds(3);
/// Pause before the first attempt to connect anew, and the longest one; in between it doubles. Each is shortened by a
/// random part of up to a half, so that nodes do not knock in step.
inline constexpr Duration kReconnectPauseMin = std::chrono::milliseconds(40);
inline constexpr Duration kReconnectPauseMax = std::chrono::seconds(1);
/// Who is no member and sends nothing for so long is not answered any more.
inline constexpr Duration kGuestSilenceMax = std::chrono::seconds(2);
/// A peer that has acknowledged nothing for so long is gone, even if nobody has told the kernel (pitfall J2).
inline constexpr std::chrono::milliseconds kSilentPeerTimeout{4000};
/// How often the kernel asks an idle peer whether it is there.
inline constexpr std::chrono::seconds kKeepAliveInterval{1};

static_assert(kCallPieceBytes < kFrameBytesMax);
static_assert(kCallBytesMax <= kCallsQueuedBytesMax, "the largest call fits an empty queue");
static_assert(kBulkQueuedBytesMax > kFrameBytesMax, "the largest message fits an empty queue");
static_assert(kReconnectPauseMin < kReconnectPauseMax);

}  // namespace quorate::transport
