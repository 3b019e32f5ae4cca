#include "transport/frame_reader.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "consensus/assert.hpp"
#include "transport/peer_limits.hpp"

namespace quorate::transport {

std::span<std::byte> FrameReader::prepare() {
  if (bytes_.size() - end_ < kPeerReadBytes / 2) make_room();
  return std::span(bytes_).subspan(end_);
}

void FrameReader::make_room() {
  const std::size_t unread = end_ - begin_;
  if (begin_ != 0) std::memmove(bytes_.data(), bytes_.data() + begin_, unread);
  begin_ = 0;
  end_ = unread;
  const std::size_t wanted = std::max(kPeerReadBytes, unread + std::max(unread, kPeerReadBytes / 2));
  const bool is_wasteful = bytes_.size() > 4 * wanted;  // a large frame is behind us
  if (bytes_.size() < wanted || is_wasteful) {
    bytes_.resize(wanted);
    if (is_wasteful) bytes_.shrink_to_fit();
  }
}

void FrameReader::commit(std::size_t received) {
  QUORATE_ASSERT(received <= bytes_.size() - end_);
  end_ += received;
}

Result<std::optional<Frame>> FrameReader::next(std::size_t body_bytes_max) {
  const std::span<const std::byte> unread = std::span<const std::byte>(bytes_).subspan(begin_, end_ - begin_);
  if (unread.size() < wire::kFrameHeaderBytes) return std::nullopt;
  const auto header = wire::parse_frame_header(unread.first<wire::kFrameHeaderBytes>(), cluster_);
  if (!header) return tl::unexpected(header.error());
  if (header->body_bytes > body_bytes_max)
    return fail(ErrorKind::kCorrupt, "a frame of " + std::to_string(header->body_bytes) + " bytes, where at most " +
                                         std::to_string(body_bytes_max) + " may be");
  const std::size_t frame_bytes = wire::kFrameHeaderBytes + header->body_bytes;
  if (unread.size() < frame_bytes) return std::nullopt;
  const std::span<const std::byte> body = unread.subspan(wire::kFrameHeaderBytes, header->body_bytes);
  if (const auto verified = wire::verify_frame(*header, body); !verified) return tl::unexpected(verified.error());
  begin_ += frame_bytes;
  if (begin_ == end_) begin_ = end_ = 0;  // the body's bytes stay where they are until more is received
  return Frame{header->type, body};
}

}  // namespace quorate::transport
