#include "transport/call_pieces.hpp"

#include <utility>

#include "consensus/wire/little_endian.hpp"

namespace quorate::transport {

namespace {
constexpr unsigned kLastBit = 1;
constexpr unsigned kRefusedBit = 2;
}  // namespace

std::array<std::byte, kCallPieceHeaderBytes> piece_header(const CallPiece& piece) {
  std::array<std::byte, kCallPieceHeaderBytes> header{};
  wire::store_little_endian(header.data(), piece.call.value);
  const unsigned flags =
      (piece.end == PieceEnd::kLast ? kLastBit : 0) | (piece.verdict == CallVerdict::kRefused ? kRefusedBit : 0);
  header[8] = static_cast<std::byte>(flags);
  return header;
}

Result<CallPiece> parse_piece(std::span<const std::byte> body) {
  if (body.size() < kCallPieceHeaderBytes) return fail(ErrorKind::kCorrupt, "a piece of a call without its header");
  const auto flags = std::to_integer<unsigned>(body[8]);
  if (flags > (kLastBit | kRefusedBit)) return fail(ErrorKind::kCorrupt, "a piece of a call with unknown flags");
  return CallPiece{.call = CallId{wire::load_little_endian<std::uint64_t>(body.data())},
                   .end = (flags & kLastBit) != 0 ? PieceEnd::kLast : PieceEnd::kMore,
                   .verdict = (flags & kRefusedBit) != 0 ? CallVerdict::kRefused : CallVerdict::kServed,
                   .bytes = body.subspan(kCallPieceHeaderBytes)};
}

Result<std::optional<WholeCall>> CallAssembler::add(const CallPiece& piece) {
  if (!partial_) partial_ = WholeCall{.call = piece.call, .verdict = piece.verdict};
  if (partial_->call != piece.call) return fail(ErrorKind::kCorrupt, "pieces of two calls are mixed");
  if (partial_->bytes.size() + piece.bytes.size() > bytes_max_)
    return fail(ErrorKind::kCorrupt, "a call larger than calls may be");
  partial_->bytes.insert(partial_->bytes.end(), piece.bytes.begin(), piece.bytes.end());
  if (piece.end == PieceEnd::kMore) return std::nullopt;
  return std::exchange(partial_, std::nullopt);
}

}  // namespace quorate::transport
