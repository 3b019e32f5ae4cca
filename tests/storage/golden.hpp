// Compares bytes with the hexadecimal file tests/golden/<name>.hex. Include gtest first.
#pragma once

#include <cctype>
#include <cstddef>
#include <fstream>
#include <span>
#include <sstream>
#include <string>

namespace quorate::testing {

/// Sixteen bytes to a line.
inline std::string to_hex(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = std::to_integer<unsigned>(bytes[i]);
    text += {kDigits[byte >> 4], kDigits[byte & 15], i % 16 == 15 || i + 1 == bytes.size() ? '\n' : ' '};
  }
  return text;
}

/// Fails with the actual bytes, ready to become the file if the change of format is meant.
inline void expect_golden(const std::string& name, std::span<const std::byte> bytes) {
  const std::string path = std::string(QUORATE_SOURCE_DIR) + "/tests/golden/" + name + ".hex";
  std::ifstream file(path);
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(expected.str(), to_hex(bytes)) << "differs from " << path;
}

}  // namespace quorate::testing
