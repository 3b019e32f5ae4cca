// A gzip stream (RFC 1952), read piece by piece: any number of members, each with its checksum. What comes out of a
// call is bounded by the caller, however much a few bytes stand for. Takes any bytes whatever. Not thread-safe; keep it
// on one thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "consensus/result.hpp"

namespace quorate::http {

/// What a member may have in front of its data: names and comments.
inline constexpr std::size_t kGzipHeaderBytesMax = std::size_t{64} << 10;

/// Whether a file that begins so is a gzip stream. Two bytes are enough.
[[nodiscard]] bool looks_like_gzip(std::string_view beginning);

class GzipReader {
 public:
  GzipReader();
  ~GzipReader();
  GzipReader(GzipReader&&) noexcept;
  GzipReader& operator=(GzipReader&&) = delete;

  /// Goes on with `in`, and appends at most `bytes_max` (which is not 0) to `out`. How much of `in` was used: all of
  /// it, unless `out` is full. kCorrupt: this is no gzip stream, or not what was written; nothing is to be called then.
  [[nodiscard]] Result<std::size_t> read(std::string_view in, std::size_t bytes_max, std::string& out);
  /// Everything has come that was begun.
  [[nodiscard]] bool is_whole() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quorate::http
