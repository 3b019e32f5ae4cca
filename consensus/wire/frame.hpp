// The envelope of everything on a connection between nodes: 24 bytes, then a body. Parsing is without I/O: a receiver
// reads kFrameHeaderBytes, learns the body's length (bounded before a single byte of it is read or allocated), reads
// the body and checks the whole. Pure functions, any thread.
//
//   offset  size
//   0       4     magic "QRTF"
//   4       2     wire version
//   6       2     type
//   8       4     length of the body
//   12      4     CRC-32C, masked, over bytes 0-11, bytes 16-23 and the body
//   16      8     cluster id
//   24      -     body
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "consensus/limits.hpp"
#include "consensus/message.hpp"
#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "consensus/wire/codec.hpp"

namespace quorate::wire {

inline constexpr std::size_t kFrameHeaderBytes = 24;
inline constexpr std::size_t kFrameBodyBytesMax = kFrameBytesMax - kFrameHeaderBytes;

enum class FrameType : std::uint16_t {
  kHello = 0,  ///< the first frame in each direction, and only that
  kMessage = 1,
  kCall = 2,   ///< a piece of a request from application to application; the body is the transport's
  kReply = 3,  ///< a piece of the answer to one
};

struct FrameHeader {
  FrameType type = FrameType::kMessage;
  std::uint32_t body_bytes = 0;
  std::uint32_t checksum = 0;
  ClusterId cluster;

  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

/// Appends a whole frame. A message whose encoding is larger than a frame may be is a programmer's error: the limits of
/// what goes into a message are the core's.
void append_frame(ClusterId cluster, const Hello& hello, std::vector<std::byte>& out);
void append_frame(ClusterId cluster, const Message& message, std::vector<std::byte>& out);
/// Around a body that is encoded already, given in two pieces.
void append_frame(ClusterId cluster, FrameType type, std::span<const std::byte> head, std::span<const std::byte> rest,
                  std::vector<std::byte>& out);

/// kCorrupt: not a frame; kUnsupported: another wire version; kInvalidArgument: a frame of another cluster. In each
/// case the connection is of no use any more.
[[nodiscard]] Result<FrameHeader> parse_frame_header(std::span<const std::byte, kFrameHeaderBytes> header,
                                                     ClusterId expected);

/// Whether header and body are what was sent.
[[nodiscard]] Result<void> verify_frame(const FrameHeader& header, std::span<const std::byte> body);

}  // namespace quorate::wire
