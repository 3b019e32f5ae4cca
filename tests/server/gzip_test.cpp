// What the gzip writer makes can be read by others: the format's frame, and Beast's reader of what is in it.
#include "server/http/gzip.hpp"

#include <string>

#include <boost/beast/zlib/inflate_stream.hpp>
#include <gtest/gtest.h>

namespace quorate::http {
namespace {

namespace zlib = boost::beast::zlib;

std::string inflated(std::string_view deflated, std::size_t size) {
  zlib::inflate_stream stream;
  std::string out(size + 1, '\0');
  zlib::z_params params;
  params.next_in = deflated.data();
  params.avail_in = deflated.size();
  params.next_out = out.data();
  params.avail_out = out.size();
  boost::beast::error_code error;
  stream.write(params, zlib::Flush::sync, error);
  EXPECT_EQ(error.value(), static_cast<int>(zlib::error::end_of_stream));
  out.resize(out.size() - params.avail_out);
  return out;
}

TEST(GzipWriter, MakesAStreamOfAnyNumberOfPieces) {
  for (const std::size_t pieces : {0U, 1U, 3U, 200U}) {
    GzipWriter writer;
    std::string plain;
    std::string packed;
    for (std::size_t i = 0; i < pieces; ++i) {
      std::string piece(1000 * i, static_cast<char>('a' + i % 26));
      for (std::size_t at = 0; at < piece.size(); at += 7) piece[at] = static_cast<char>(at * i);
      packed += writer.write(piece);
      plain += piece;
    }
    packed += writer.finish();
    ASSERT_GE(packed.size(), 18U);
    EXPECT_EQ(packed.substr(0, 4), std::string("\x1f\x8b\x08\0", 4));
    EXPECT_EQ(inflated(std::string_view(packed).substr(10, packed.size() - 18), plain.size()), plain);
    if (pieces == 200) {
      EXPECT_LT(packed.size(), plain.size() / 2);
    }
  }
}

TEST(GzipWriter, EndsWithChecksumAndSize) {
  GzipWriter writer;
  std::string packed = writer.write("123456789");
  packed += writer.finish();
  EXPECT_EQ(packed.substr(packed.size() - 8), std::string("\x26\x39\xf4\xcb\x09\0\0\0", 8));  // CRC-32's check value
}

}  // namespace
}  // namespace quorate::http
