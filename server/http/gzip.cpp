#include "server/http/gzip.hpp"

#include <cstdint>

#include <boost/beast/zlib/deflate_stream.hpp>
#include <boost/crc.hpp>

#include "consensus/assert.hpp"

namespace quorate::http {

namespace zlib = boost::beast::zlib;

namespace {

constexpr int kLevel = 1;  // fast: most of what there is to gain is gained there
constexpr int kWindowBits = 15;
constexpr int kMemoryLevel = 8;
constexpr std::size_t kRoomBytes = std::size_t{64} << 10;
/// Deflate, no flags, no time, fastest algorithm, Unix.
constexpr char kHeader[] = {'\x1f', '\x8b', '\x08', 0, 0, 0, 0, 0, 4, 3};

void append_little_endian(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(value >> shift & 0xff));
}

}  // namespace

struct GzipWriter::State {
  zlib::deflate_stream stream;
  boost::crc_32_type checksum;
  std::uint32_t bytes = 0;  ///< modulo 2^32, as the format has it
  bool has_begun = false;

  void deflate(std::string_view in, zlib::Flush flush, std::string& out) {
    zlib::z_params params;
    params.next_in = in.data();
    params.avail_in = in.size();
    std::string room(kRoomBytes, '\0');
    boost::beast::error_code error;
    do {
      params.next_out = room.data();
      params.avail_out = room.size();
      stream.write(params, flush, error);
      out.append(room, 0, room.size() - params.avail_out);
    } while (!error && params.avail_out == 0);
    QUORATE_ASSERT(params.avail_in == 0);
  }
};

GzipWriter::GzipWriter() : state_(std::make_unique<State>()) {
  state_->stream.reset(kLevel, kWindowBits, kMemoryLevel, zlib::Strategy::normal);
}
GzipWriter::~GzipWriter() = default;
GzipWriter::GzipWriter(GzipWriter&&) noexcept = default;

std::string GzipWriter::write(std::string_view bytes) {
  std::string out;
  if (!state_->has_begun) out.assign(kHeader, sizeof(kHeader));
  state_->has_begun = true;
  state_->checksum.process_bytes(bytes.data(), bytes.size());
  state_->bytes += static_cast<std::uint32_t>(bytes.size());
  if (!bytes.empty()) state_->deflate(bytes, zlib::Flush::none, out);
  return out;
}

std::string GzipWriter::finish() {
  std::string out = write({});
  state_->deflate({}, zlib::Flush::finish, out);
  append_little_endian(out, state_->checksum.checksum());
  append_little_endian(out, state_->bytes);
  return out;
}

}  // namespace quorate::http
