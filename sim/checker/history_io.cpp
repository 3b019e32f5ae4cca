#include "sim/checker/history_io.hpp"

#include <algorithm>

#include "consensus/assert.hpp"
#include "sim/checker/history_readers.hpp"

namespace quorate::checker {

JepsenMeaning usual_meaning(HistoryFormat format) {
  if (format != HistoryFormat::kJepsenLog) return {};
  return {.failed = JepsenMeaning::Failed::kObserved, .nil_read = JepsenMeaning::NilRead::kSawNil};
}

Value usual_initial_value(HistoryFormat format) {
  return format == HistoryFormat::kEdn ? Value{std::int64_t{0}} : Value{};
}

Result<HistoryFormat> detect_format(std::string_view text, std::string_view file) {
  if (text.find("jepsen.util - ") != std::string_view::npos) return HistoryFormat::kJepsenLog;
  Lines lines(text);
  while (const std::optional<std::string_view> line = lines.next()) {
    const std::size_t begin = line->find_first_not_of(" \t\r");
    if (begin == std::string_view::npos || (*line)[begin] == ';') continue;
    const std::string_view start = line->substr(begin);
    if (start.front() == '[' || start.front() == '#') return HistoryFormat::kEdn;
    if (start.front() == '{') {
      const std::size_t inner = start.find_first_not_of(" \t\r", 1);
      const bool is_edn = inner != std::string_view::npos && start[inner] == ':';
      return is_edn ? HistoryFormat::kEdn : HistoryFormat::kJsonLines;
    }
    return Place{file, lines.number()}.expected(
        "a JSON object, an EDN map or vector, or lines of a Jepsen log (--format names one of them)");
  }
  return HistoryFormat::kJsonLines;
}

Result<History> read_history(std::string_view text, std::string_view file, HistoryFormat format,
                             const JepsenMeaning& meaning) {
  if (text.size() > kHistoryBytesMax) {
    return fail(ErrorKind::kInvalidArgument, std::string(file) + ": larger than " +
                                                 std::to_string(kHistoryBytesMax >> 30) + " GiB: check it in parts");
  }
  switch (format) {
    case HistoryFormat::kJsonLines: return read_json_lines(text, file);
    case HistoryFormat::kEdn: return read_edn(text, file, meaning);
    case HistoryFormat::kJepsenLog: return read_jepsen_log(text, file, meaning);
  }
  QUORATE_ASSERT(false);
}

}  // namespace quorate::checker
