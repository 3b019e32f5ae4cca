// The file that is restored from: as it is or packed, in pieces, and what is no such file.
#include "server/backups/restore_source.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/http/gzip.hpp"
#include "tests/scratch_directory.hpp"

namespace quorate::server {
namespace {

using ::testing::HasSubstr;

class RestoreSourceTest : public ::testing::Test {
 protected:
  void write(const std::string& content) const { std::ofstream(path_, std::ios::binary) << content; }
  [[nodiscard]] Result<std::string> read_all() const {
    auto source = RestoreSource::open(path_);
    if (!source) return tl::unexpected(source.error());
    std::string all;
    for (;;) {
      const auto piece = source->next();
      if (!piece) return tl::unexpected(piece.error());
      if (piece->empty()) return all;
      EXPECT_LE(piece->size(), std::size_t{256} << 10);
      all += *piece;
    }
  }

  quorate::testing::ScratchDirectory scratch_;
  std::string path_ = scratch_.path() + "/file";
};

std::string packed(std::string_view plain) {
  http::GzipWriter writer;
  std::string out = writer.write(plain);
  return out + writer.finish();
}

TEST_F(RestoreSourceTest, FilesOfAnySizeAsTheyAreOrPacked) {
  for (const std::size_t bytes : {1U, 2U, 1000U, 262'144U, 262'145U, 3'000'000U}) {
    std::string content(bytes, 'x');
    for (std::size_t i = 0; i < bytes; i += 97) content[i] = static_cast<char>(i);
    write(content);
    EXPECT_TRUE(read_all().value() == content) << bytes;
    write(packed(content));
    EXPECT_TRUE(read_all().value() == content) << bytes;
  }
}

TEST_F(RestoreSourceTest, MuchInAFewBytesComesInPieces) {
  const std::string content(20'000'000, 'x');
  write(packed(content));
  EXPECT_TRUE(read_all().value() == content);
}

TEST_F(RestoreSourceTest, WhatIsNoSuchFile) {
  EXPECT_EQ(read_all().error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(read_all().error().message, HasSubstr(path_));
  write("");
  EXPECT_THAT(read_all().error().message, HasSubstr("is empty"));
  const std::string whole = packed(std::string(1'000'000, 'x') + "y");
  write(whole.substr(0, whole.size() - 3));
  EXPECT_THAT(read_all().error().message, HasSubstr("ends too early"));
  std::string damaged = whole;
  damaged[damaged.size() - 6] ^= 1;
  write(damaged);
  EXPECT_EQ(read_all().error().kind, ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace quorate::server
