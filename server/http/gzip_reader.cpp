#include "server/http/gzip_reader.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

#include <boost/beast/zlib/inflate_stream.hpp>
#include <boost/crc.hpp>

namespace quorate::http {

namespace zlib = boost::beast::zlib;

namespace {

constexpr int kInflateWindowBits = 15;
constexpr std::string_view kMagic = "\x1f\x8b";
constexpr char kDeflate = 8;
constexpr std::size_t kFixedHeaderBytes = 10;
constexpr std::size_t kTrailerBytes = 8;

// Flags of the header.
constexpr unsigned kHasHeaderChecksum = 2;
constexpr unsigned kHasExtraField = 4;
constexpr unsigned kHasName = 8;
constexpr unsigned kHasComment = 16;
constexpr unsigned kReserved = 0xe0;

tl::unexpected<Error> damaged(const std::string& how) { return fail(ErrorKind::kCorrupt, "the gzip stream " + how); }

unsigned byte_at(std::string_view text, std::size_t at) { return static_cast<unsigned char>(text[at]); }

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | byte_at(bytes, i);
  return value;
}

/// The size of the header that `head` begins with; nothing if there must be more of it.
Result<std::optional<std::size_t>> header_size(std::string_view head) {
  const std::optional<std::size_t> more;
  if (!head.starts_with(kMagic.substr(0, head.size()))) return damaged("does not begin like one");
  if (head.size() < kFixedHeaderBytes) return more;
  const unsigned flags = byte_at(head, 3);
  if (head[2] != kDeflate || (flags & kReserved) != 0) return damaged("is of a kind that is not known");
  std::size_t size = kFixedHeaderBytes;
  if ((flags & kHasExtraField) != 0) {
    if (head.size() < size + 2) return more;
    size += 2 + (byte_at(head, size) | byte_at(head, size + 1) << 8);
  }
  for (const unsigned text : {kHasName, kHasComment}) {
    if ((flags & text) == 0) continue;
    const std::size_t end = head.find('\0', size);
    if (end == std::string_view::npos) return more;
    size = end + 1;
  }
  if ((flags & kHasHeaderChecksum) != 0) size += 2;
  return head.size() < size ? more : std::optional(size);
}

}  // namespace

bool looks_like_gzip(std::string_view beginning) { return beginning.starts_with(kMagic); }

struct GzipReader::State {
  enum class Part : std::uint8_t { kHeader, kData, kTrailer } part = Part::kHeader;
  bool has_begun = false;
  std::string frame;  ///< of the header or the trailer, as far as it has come
  zlib::inflate_stream stream;
  boost::crc_32_type checksum;
  std::uint32_t bytes = 0;  ///< modulo 2^32, as the format has it

  Result<std::size_t> read_header(std::string_view in) {
    has_begun = true;
    const std::size_t before = frame.size();
    frame.append(in.substr(0, kGzipHeaderBytesMax - before));
    const auto size = header_size(frame);
    if (!size) return tl::unexpected(size.error());
    const std::size_t taken = frame.size() - before;
    if (!*size && frame.size() == kGzipHeaderBytesMax) return damaged("has a header that is too large");
    if (!*size) return taken;
    frame.clear();
    part = Part::kData;
    stream.reset(kInflateWindowBits);
    checksum.reset();
    bytes = 0;
    return **size - before;
  }

  Result<std::size_t> read_data(std::string_view in, std::size_t bytes_max, std::string& out) {
    const std::size_t before = out.size();
    out.resize(before + bytes_max);
    zlib::z_params params;
    params.next_in = in.data();
    params.avail_in = in.size();
    params.next_out = out.data() + before;
    params.avail_out = bytes_max;
    boost::beast::error_code error;
    stream.write(params, zlib::Flush::none, error);
    const std::size_t made = bytes_max - params.avail_out;
    out.resize(before + made);
    checksum.process_bytes(out.data() + before, made);
    bytes += static_cast<std::uint32_t>(made);
    // By number: every library that Beast is compiled into has a category of its own.
    if (error.value() == static_cast<int>(zlib::error::end_of_stream)) {
      part = Part::kTrailer;
    } else if (error && error.value() != static_cast<int>(zlib::error::need_buffers)) {
      return damaged("is damaged (" + error.message() + ")");
    }
    return in.size() - params.avail_in;
  }

  Result<std::size_t> read_trailer(std::string_view in) {
    const std::size_t taken = std::min(in.size(), kTrailerBytes - frame.size());
    frame.append(in.substr(0, taken));
    if (frame.size() < kTrailerBytes) return taken;
    const std::string_view trailer = frame;
    if (little_endian(trailer) != checksum.checksum() || little_endian(trailer.substr(4)) != bytes)
      return damaged("is damaged: its checksum differs");
    frame.clear();
    part = Part::kHeader;
    return taken;
  }
};

GzipReader::GzipReader() : state_(std::make_unique<State>()) {}
GzipReader::~GzipReader() = default;
GzipReader::GzipReader(GzipReader&&) noexcept = default;

Result<std::size_t> GzipReader::read(std::string_view in, std::size_t bytes_max, std::string& out) {
  std::size_t used = 0;
  const std::size_t full = out.size() + bytes_max;
  while (out.size() < full) {
    const std::string_view rest = in.substr(used);
    // What is left of the data may come out without any more going in.
    if (rest.empty() && state_->part != State::Part::kData) break;
    const std::size_t made = out.size();
    const auto taken = state_->part == State::Part::kHeader ? state_->read_header(rest)
                       : state_->part == State::Part::kData ? state_->read_data(rest, full - out.size(), out)
                                                            : state_->read_trailer(rest);
    if (!taken) return taken;
    used += *taken;
    if (rest.empty() && out.size() == made) break;
  }
  return used;
}

bool GzipReader::is_whole() const {
  return state_->has_begun && state_->part == State::Part::kHeader && state_->frame.empty();
}

}  // namespace quorate::http
