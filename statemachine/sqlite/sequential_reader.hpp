// Reads a file from the front to the back through a buffer. One thread; the file outlives the reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/storage/any_file_system.hpp"

namespace quorate::sqlite {

class SequentialReader {
 public:
  explicit SequentialReader(const storage::AnyFile& file) : file_(&file) {}

  /// Fills `into`. False at the end of the file, or if it ends within.
  Result<bool> read(std::span<std::byte> into);
  /// How much has been handed out.
  [[nodiscard]] std::uint64_t offset() const { return offset_ - (buffer_.size() - position_); }

 private:
  const storage::AnyFile* file_;
  std::vector<std::byte> buffer_;
  std::size_t position_ = 0;  ///< in the buffer
  std::uint64_t offset_ = 0;  ///< in the file, of the buffer's end
};

}  // namespace quorate::sqlite
