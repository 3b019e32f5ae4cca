#include "statemachine/sqlite/sequential_reader.hpp"

#include <algorithm>
#include <cstring>

namespace quorate::sqlite {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

}  // namespace

Result<bool> SequentialReader::read(std::span<std::byte> into) {
  for (std::size_t done = 0; done < into.size();) {
    if (position_ == buffer_.size()) {
      buffer_.resize(kBufferBytes);
      position_ = 0;
      const Result<std::size_t> read = file_->read(offset_, buffer_);
      buffer_.resize(read.value_or(0));
      if (!read) return tl::unexpected(read.error());
      if (*read == 0) return false;
      offset_ += *read;
    }
    const std::size_t count = std::min(into.size() - done, buffer_.size() - position_);
    std::memcpy(into.data() + done, buffer_.data() + position_, count);
    position_ += count;
    done += count;
  }
  return true;
}

}  // namespace quorate::sqlite
