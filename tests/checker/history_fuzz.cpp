// Bytes that claim to be a history, in every notation: they are read or refused with a reason; what is read survives a
// round through our own format, and every model can judge it or say why not.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>

#include "sim/checker/explanation.hpp"
#include "sim/checker/history_io.hpp"
#include "sim/checker/linearizability.hpp"
#include "sim/checker/log_order.hpp"

namespace {

using namespace quorate;
using namespace quorate::checker;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "history_fuzz: %s\n", what);
  std::abort();
}

std::string written(const History& history) {
  std::ostringstream out;
  write_history(history, out);
  return out.str();
}

void judge(const History& history, std::string_view name) {
  const Result<AnyModel> model = model_named(name, std::nullopt);
  require(model.has_value(), "a model is unknown");
  const Result<Report> report = check(history, *model, {.steps_max = 2000, .memory_bytes_max = std::size_t{1} << 20});
  const Result<LogOrder> log = check_log_order(history, *model);
  require(report.has_value() == log.has_value(), "the two checkers differ in what the model knows");
  if (!report) return;
  require((report->verdict == Verdict::kNotLinearizable) == report->violation.has_value(), "a violation is not shown");
  require(log->answer != LogOrder::Answer::kConfirms || report->verdict != Verdict::kNotLinearizable,
          "a log explains what no order does");
  if (report->violation) {
    require(!explain(history, *report->violation, TimeUnit::kEvents).empty(), "a violation is not explained");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(detect_format(text, "input"));
  for (const HistoryFormat format : {HistoryFormat::kJsonLines, HistoryFormat::kEdn, HistoryFormat::kJepsenLog}) {
    const Result<History> history = read_history(text, "input", format, usual_meaning(format));
    if (!history) {
      require(history.error().message.starts_with("input:"), "an error does not name the file");
      continue;
    }
    const Result<History> again = read_history(written(*history), "written", HistoryFormat::kJsonLines, {});
    require(again.has_value(), "what was written cannot be read");
    require(written(*again) == written(*history), "what was read is not what was written");
    for (const char* model : {"register", "cas-register", "kv", "list", "mutex", "set"}) judge(*history, model);
  }
  return 0;
}
