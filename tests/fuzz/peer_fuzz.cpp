// Any bytes, cut anywhere, as what a peer sends: frames, messages, pieces of calls. The first byte chooses how they are
// cut; the checksums are made right where the input has a frame's magic, so that what is behind them is reached.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "consensus/assert.hpp"
#include "consensus/wire/codec.hpp"
#include "consensus/wire/frame.hpp"
#include "transport/call_pieces.hpp"
#include "transport/frame_reader.hpp"
#include "transport/peer_limits.hpp"

using namespace quorate;
using namespace quorate::transport;

namespace {

constexpr ClusterId kCluster{1};

/// Whatever is in the input becomes the body of a frame of the type that its first byte names.
std::vector<std::byte> framed(std::span<const std::byte> input) {
  std::vector<std::byte> frames;
  while (!input.empty()) {
    const auto choice = std::to_integer<unsigned>(input[0]);
    const std::size_t size = std::min<std::size_t>(input.size() - 1, choice >> 2);
    wire::append_frame(kCluster, static_cast<wire::FrameType>(choice % 4), input.subspan(1, size), {}, frames);
    input = input.subspan(1 + size);
  }
  return frames;
}

void receive(std::span<const std::byte> bytes, std::size_t piece) {
  FrameReader reader(kCluster);
  CallAssembler calls;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const auto now = bytes.subspan(at, std::min(piece, bytes.size() - at));
    const auto room = reader.prepare();
    QUORATE_ASSERT(room.size() >= now.size());
    QUORATE_ASSERT(room.size() <= 2 * (bytes.size() + kPeerReadBytes));
    std::ranges::copy(now, room.begin());
    reader.commit(now.size());
    while (true) {
      const auto frame = reader.next();
      if (!frame) return;
      if (!*frame) break;
      const auto body = (*frame)->body;
      if ((*frame)->type == wire::FrameType::kHello) static_cast<void>(wire::decode_hello(body));
      if ((*frame)->type == wire::FrameType::kMessage) static_cast<void>(wire::decode_message(body));
      if ((*frame)->type == wire::FrameType::kCall || (*frame)->type == wire::FrameType::kReply) {
        const auto parsed = parse_piece(body);
        if (!parsed || !calls.add(*parsed)) return;
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = 1 + data[0] % 128;
  const auto input = std::as_bytes(std::span(data + 1, size - 1));
  receive(input, piece);
  receive(framed(input), piece);
  return 0;
}
