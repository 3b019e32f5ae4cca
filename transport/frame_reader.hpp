// Cuts what a peer sends into verified frames. The memory it takes grows with what has arrived, never with what a
// header announces: at most twice the bytes received and kPeerReadBytes, and no frame beyond the caller's bound is
// begun.
//
// No I/O. Loop thread only.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/wire/frame.hpp"

namespace quorate::transport {

struct Frame {
  wire::FrameType type;
  std::span<const std::byte> body;  ///< until the next call of the reader
};

class FrameReader {
 public:
  explicit FrameReader(ClusterId cluster) : cluster_(cluster) {}

  /// Frames of this cluster only, from now on.
  void expect(ClusterId cluster) { cluster_ = cluster; }

  /// Room for what arrives next; then commit() says how much it was.
  [[nodiscard]] std::span<std::byte> prepare();
  void commit(std::size_t received);

  /// The next complete frame, if there is one. An error is final: what follows cannot be told apart any more.
  [[nodiscard]] Result<std::optional<Frame>> next(std::size_t body_bytes_max = wire::kFrameBodyBytesMax);

 private:
  void make_room();

  ClusterId cluster_;
  std::vector<std::byte> bytes_;
  std::size_t begin_ = 0;  ///< of what is not consumed
  std::size_t end_ = 0;
};

}  // namespace quorate::transport
