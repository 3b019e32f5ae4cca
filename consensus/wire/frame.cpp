#include "consensus/wire/frame.hpp"

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "consensus/wire/crc32c.hpp"
#include "consensus/wire/little_endian.hpp"

namespace quorate::wire {
namespace {

constexpr std::uint32_t kMagic = 0x46545251;  // "QRTF"
constexpr std::size_t kChecksumOffset = 12;
constexpr std::size_t kClusterOffset = 16;

std::uint32_t checksum(std::span<const std::byte, kFrameHeaderBytes> header, std::span<const std::byte> body) {
  return masked(crc32c(body, crc32c(header.subspan<kClusterOffset>(), crc32c(header.first<kChecksumOffset>()))));
}

void store_header(const FrameHeader& header, std::span<std::byte, kFrameHeaderBytes> out) {
  store_little_endian(&out[0], kMagic);
  store_little_endian(&out[4], kWireVersion);
  store_little_endian(&out[6], static_cast<std::uint16_t>(header.type));
  store_little_endian(&out[8], header.body_bytes);
  store_little_endian(&out[kChecksumOffset], header.checksum);
  store_little_endian(&out[kClusterOffset], header.cluster.value);
}

template <class AppendBody>
void append(FrameType type, ClusterId cluster, std::vector<std::byte>& out, const AppendBody& append_body) {
  const std::size_t start = out.size();
  out.resize(start + kFrameHeaderBytes);
  append_body();
  const std::size_t body_bytes = out.size() - start - kFrameHeaderBytes;
  QUORATE_ASSERT(body_bytes <= kFrameBodyBytesMax);
  FrameHeader header{type, static_cast<std::uint32_t>(body_bytes), 0, cluster};
  const std::span<std::byte, kFrameHeaderBytes> header_bytes(out.data() + start, kFrameHeaderBytes);
  store_header(header, header_bytes);
  store_little_endian(&header_bytes[kChecksumOffset],
                      checksum(header_bytes, std::span(out).subspan(start + kFrameHeaderBytes)));
}

}  // namespace

void append_frame(ClusterId cluster, const Hello& hello, std::vector<std::byte>& out) {
  append(FrameType::kHello, cluster, out, [&] { encode(hello, out); });
}
void append_frame(ClusterId cluster, const Message& message, std::vector<std::byte>& out) {
  append(FrameType::kMessage, cluster, out, [&] { encode(message, out); });
}
void append_frame(ClusterId cluster, FrameType type, std::span<const std::byte> head, std::span<const std::byte> rest,
                  std::vector<std::byte>& out) {
  append(type, cluster, out, [&] {
    out.insert(out.end(), head.begin(), head.end());
    out.insert(out.end(), rest.begin(), rest.end());
  });
}

Result<FrameHeader> parse_frame_header(std::span<const std::byte, kFrameHeaderBytes> header, ClusterId expected) {
  if (load_little_endian<std::uint32_t>(&header[0]) != kMagic) {
    return fail(ErrorKind::kCorrupt, "not a frame of this protocol; is the peer a quorate node, on its node port?");
  }
  const auto version = load_little_endian<std::uint16_t>(&header[4]);
  if (version != kWireVersion) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("the peer speaks wire version {}, this node {}; upgrade the older of the two", version,
                            kWireVersion));
  }
  const auto type = load_little_endian<std::uint16_t>(&header[6]);
  if (type > static_cast<std::uint16_t>(FrameType::kReply)) {
    return fail(ErrorKind::kCorrupt, fmt::format("frame of unknown type {}", type));
  }
  const FrameHeader parsed{static_cast<FrameType>(type), load_little_endian<std::uint32_t>(&header[8]),
                           load_little_endian<std::uint32_t>(&header[kChecksumOffset]),
                           ClusterId{load_little_endian<std::uint64_t>(&header[kClusterOffset])}};
  if (parsed.body_bytes > kFrameBodyBytesMax) {
    return fail(ErrorKind::kCorrupt, fmt::format("frame with a body of {} bytes, more than the {} allowed",
                                                 parsed.body_bytes, kFrameBodyBytesMax));
  }
  if (parsed.cluster != expected) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("the peer belongs to cluster {:016x}, this node to {:016x}",
                                                         parsed.cluster.value, expected.value));
  }
  return parsed;
}

Result<void> verify_frame(const FrameHeader& header, std::span<const std::byte> body) {
  QUORATE_ASSERT(body.size() == header.body_bytes);
  std::array<std::byte, kFrameHeaderBytes> bytes{};
  store_header(header, bytes);
  if (checksum(bytes, body) != header.checksum) return fail(ErrorKind::kCorrupt, "frame checksum does not match");
  return {};
}

}  // namespace quorate::wire
