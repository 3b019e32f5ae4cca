// Received bytes that are not consumed yet, contiguous. Small while a connection has little to say, larger while it
// says much, and small again afterwards: most of ten thousand connections are silent. Loop thread only.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "consensus/assert.hpp"
#include "transport/http_limits.hpp"

namespace quorate::transport::detail {

class ReadBuffer {
 public:
  /// Room to read into.
  [[nodiscard]] std::span<char> prepare() {
    if (capacity_ - used_ < wanted_ / 2) grow(used_ + wanted_);
    return {bytes_.get() + used_, capacity_ - used_};
  }
  void commit(std::size_t received) {
    QUORATE_ASSERT(received <= capacity_ - used_);
    const bool was_filled = received == capacity_ - used_;
    used_ += received;
    if (was_filled && wanted_ < http::kReadBytes) wanted_ *= 4;
  }
  [[nodiscard]] std::string_view unread() const { return {bytes_.get(), used_}; }
  void consume(std::size_t size) {
    QUORATE_ASSERT(size <= used_);
    used_ -= size;
    if (used_ != 0 && size != 0) std::memmove(bytes_.get(), bytes_.get() + size, used_);
  }
  [[nodiscard]] bool is_large() const { return capacity_ > http::kIdleReadBytes; }
  /// The connection has fallen silent: starts over with the smallest buffer. There must be nothing to keep, and nobody
  /// reading into what prepare() gave.
  void shrink() {
    QUORATE_ASSERT(used_ == 0);
    bytes_.reset();
    capacity_ = 0;
    wanted_ = http::kIdleReadBytes;
  }

 private:
  void grow(std::size_t capacity) {
    auto grown = std::make_unique_for_overwrite<char[]>(capacity);
    if (used_ != 0) std::memcpy(grown.get(), bytes_.get(), used_);
    bytes_ = std::move(grown);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
  std::size_t wanted_ = http::kIdleReadBytes;
};

static_assert(http::kReadBytes % http::kIdleReadBytes == 0);

}  // namespace quorate::transport::detail
