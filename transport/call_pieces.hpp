// Calls: requests from the application of one node to that of another, with one answer each, on the connection that the
// nodes have anyway. They may be larger than a frame, so they travel in pieces:
//
//   offset  size
//   0       8     call id, chosen by the caller, unique on the connection; little endian
//   8       1     bit 0: the last piece; bit 1 (answers only): refused, the call had no effect
//   9       -     bytes
//
// Pieces of one call come in order and without pieces of another call of the same direction between them. No I/O; loop
// thread only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "transport/peer_limits.hpp"

namespace quorate::transport {

using CallId = StrongNumber<struct CallIdTag>;

inline constexpr std::size_t kCallPieceHeaderBytes = 9;

enum class PieceEnd : std::uint8_t { kMore = 0, kLast = 1 };
enum class CallVerdict : std::uint8_t { kServed = 0, kRefused = 1 };

struct CallPiece {
  CallId call;
  PieceEnd end = PieceEnd::kLast;
  CallVerdict verdict = CallVerdict::kServed;
  std::span<const std::byte> bytes;
};

[[nodiscard]] std::array<std::byte, kCallPieceHeaderBytes> piece_header(const CallPiece& piece);
[[nodiscard]] Result<CallPiece> parse_piece(std::span<const std::byte> body);

struct WholeCall {
  CallId call;
  CallVerdict verdict = CallVerdict::kServed;
  std::vector<std::byte> bytes;
};

/// Puts the pieces of one direction of one connection together again.
class CallAssembler {
 public:
  /// No call may be larger than `bytes_max`, from now on.
  void limit(std::size_t bytes_max) { bytes_max_ = bytes_max; }
  /// The whole call, once its last piece is there. An error is final: the peer does not keep to the rules above.
  [[nodiscard]] Result<std::optional<WholeCall>> add(const CallPiece& piece);

 private:
  std::optional<WholeCall> partial_;
  std::size_t bytes_max_ = kCallBytesMax;
};

}  // namespace quorate::transport
