// What the readers of histories share, and the readers themselves; history_io.hpp is the way in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "sim/checker/history_io.hpp"

namespace quorate::checker {

/// Where in which file.
struct Place {
  std::string_view file;
  std::size_t line = 1;

  [[nodiscard]] tl::unexpected<Error> expected(const std::string& what) const {
    return fail(ErrorKind::kInvalidArgument, std::string(file) + ':' + std::to_string(line) + ": expected " + what);
  }
};

/// The lines of a text, one by one, without their ends.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  std::optional<std::string_view> next() {
    if (rest_.empty()) return std::nullopt;
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    ++number_;
    return line;
  }
  /// Of the line given last, from 1.
  [[nodiscard]] std::size_t number() const { return number_; }

 private:
  std::string_view rest_;
  std::size_t number_ = 0;
};

[[nodiscard]] Result<History> read_json_lines(std::string_view text, std::string_view file);
[[nodiscard]] Result<History> read_edn(std::string_view text, std::string_view file, const JepsenMeaning& meaning);
[[nodiscard]] Result<History> read_jepsen_log(std::string_view text, std::string_view file,
                                              const JepsenMeaning& meaning);

}  // namespace quorate::checker
