#include "server/commands/check.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <ostream>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "sim/checker/edn.hpp"
#include "sim/checker/explanation.hpp"
#include "sim/checker/history_io.hpp"
#include "sim/checker/linearizability.hpp"
#include "sim/checker/log_order.hpp"

namespace quorate {
namespace {

using checker::AnyModel;
using checker::History;
using checker::HistoryFormat;
using checker::JepsenMeaning;
using checker::LogOrder;
using checker::Report;
using checker::Verdict;
using cli::ExitCode;
using WallClock = std::chrono::steady_clock;

constexpr std::size_t kKeysShownMax = 10;

const std::map<std::string, HistoryFormat> kFormats{
    {"jsonl", HistoryFormat::kJsonLines}, {"edn", HistoryFormat::kEdn}, {"jepsen-log", HistoryFormat::kJepsenLog}};
const std::map<std::string, JepsenMeaning::Failed> kFailed{{"did-not-happen", JepsenMeaning::Failed::kDidNotHappen},
                                                           {"observed", JepsenMeaning::Failed::kObserved}};
const std::map<std::string, JepsenMeaning::NilRead> kNilRead{{"nil", JepsenMeaning::NilRead::kSawNil},
                                                             {"unknown", JepsenMeaning::NilRead::kUnknown}};

template <class T>
std::vector<std::string> names(const std::map<std::string, T>& known) {
  std::vector<std::string> names;
  for (const auto& [name, value] : known) names.push_back(name);
  return names;
}

/// The name's meaning in the table, or what is usual. Which names there are was checked with the options.
template <class T>
T chosen(const std::map<std::string, T>& known, const std::optional<std::string>& name, T usual) {
  return name ? known.at(*name) : usual;
}

Result<std::string> read_file(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  if (!file) return fail(ErrorKind::kNotFound, name + ": cannot be opened");
  std::string text;
  constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
  while (file && text.size() <= checker::kHistoryBytesMax) {
    const std::size_t before = text.size();
    text.resize(before + kChunkBytes);
    file.read(text.data() + before, static_cast<std::streamsize>(kChunkBytes));
    text.resize(before + static_cast<std::size_t>(file.gcount()));
  }
  if (file.bad()) return fail(ErrorKind::kIo, name + ": cannot be read");
  return text;
}

Result<checker::Value> parse_value(const std::string& text) {
  checker::EdnReader reader(text);
  const auto form = reader.next();
  const auto rest = reader.next();
  if (!form || !rest || !form->has_value() || rest->has_value()) {
    return fail(ErrorKind::kInvalidArgument, "--initial: expected one value, such as nil, 0, \"text\" or [1 2]");
  }
  const std::optional<checker::Value> value = checker::to_value(**form);
  return value ? *value : checker::Value{text};
}

/// Registers in Jepsen's histories begin with what is usual there, if nothing else is said.
Result<AnyModel> choose_model(const CheckCommand& command, HistoryFormat format) {
  if (command.initial) {
    const Result<checker::Value> initial = parse_value(*command.initial);
    if (!initial) return tl::unexpected(initial.error());
    return checker::model_named(command.model, *initial);
  }
  const bool is_register = command.model == "register" || command.model == "cas-register";
  return checker::model_named(command.model,
                              is_register ? std::optional(checker::usual_initial_value(format)) : std::nullopt);
}

struct Input {
  History history;
  AnyModel model;
  checker::TimeUnit unit;
  bool has_log_indexes;
};

Result<Input> read_input(const CheckCommand& command) {
  const Result<std::string> text = read_file(command.file);
  if (!text) return tl::unexpected(text.error());
  Result<HistoryFormat> format = command.format == "auto" ? checker::detect_format(*text, command.file)
                                                          : Result<HistoryFormat>(kFormats.at(command.format));
  if (!format) return tl::unexpected(format.error());
  Result<AnyModel> model = choose_model(command, *format);
  if (!model) return tl::unexpected(model.error());
  const JepsenMeaning usual = checker::usual_meaning(*format);
  Result<History> history =
      checker::read_history(*text, command.file, *format,
                            {.failed = chosen(kFailed, command.failed, usual.failed),
                             .nil_read = chosen(kNilRead, command.nil_read, usual.nil_read),
                             .keys = command.independent_keys ? JepsenMeaning::Keys::kTuples : usual.keys});
  if (!history) return tl::unexpected(history.error());
  if (history->size() == 0) {
    return fail(ErrorKind::kInvalidArgument, command.file + ": holds no operations, so that there is nothing to judge");
  }
  bool has_log_indexes = false;
  for (std::size_t operation = 0; operation < history->size(); ++operation) {
    has_log_indexes = has_log_indexes || (*history)[operation].log_index.has_value();
  }
  const bool has_times = *format == HistoryFormat::kJsonLines;
  return Input{*std::move(history), *std::move(model),
               has_times ? checker::TimeUnit::kNanoseconds : checker::TimeUnit::kEvents, has_log_indexes};
}

std::string what_ran_out(const Report& report, const CheckCommand& command) {
  switch (report.exhausted) {
    case checker::Exhausted::kMemory: return fmt::format("{} MiB of memory", command.memory_bytes >> 20);
    case checker::Exhausted::kTime: return fmt::format("{} seconds", command.timeout_seconds);
    case checker::Exhausted::kSteps:
    case checker::Exhausted::kNothing: break;
  }
  return "the steps allowed";
}

std::string keys_of(const History& history, const Report& report) {
  std::string keys;
  const std::size_t shown = std::min(kKeysShownMax, report.undecided.size());
  for (std::size_t at = 0; at < shown; ++at) {
    keys += (at == 0 ? "" : ", ") + checker::to_text(history.values()[report.undecided[at]]);
  }
  if (shown < report.undecided.size()) keys += fmt::format(" and {} more", report.undecided.size() - shown);
  return keys;
}

/// What the two checkers say. The search is spared where the log is proof enough.
struct Opinion {
  std::optional<LogOrder> log;  ///< if the history has log indexes
  std::optional<Report> search;
};

Result<Opinion> form_opinion(const CheckCommand& command, const Input& input, WallClock::time_point begin) {
  Opinion opinion;
  if (input.has_log_indexes) {
    Result<LogOrder> log = checker::check_log_order(input.history, input.model);
    if (!log) return tl::unexpected(log.error());
    opinion.log = *std::move(log);
    if (opinion.log->answer == LogOrder::Answer::kConfirms) return opinion;
  }
  const std::chrono::duration<double> timeout(command.timeout_seconds);
  Result<Report> search = checker::check(
      input.history, input.model,
      {.memory_bytes_max = command.memory_bytes, .is_time_up = [&] { return WallClock::now() - begin > timeout; }});
  if (!search) return tl::unexpected(search.error());
  opinion.search = *std::move(search);
  return opinion;
}

ExitCode print_report(const CheckCommand& command, const Input& input, const Report& report, std::string_view effort,
                      std::ostream& out) {
  switch (report.verdict) {
    case Verdict::kLinearizable: out << command.file << ": linearizable " << effort; return ExitCode::kSuccess;
    case Verdict::kNotLinearizable:
      out << command.file << ": NOT LINEARIZABLE " << effort << '\n'
          << checker::explain(input.history, *report.violation, input.unit);
      return ExitCode::kFailure;
    case Verdict::kUnknown: break;
  }
  out << command.file << ": UNKNOWN " << effort << "  " << what_ran_out(report, command) << " did not suffice for "
      << keys_of(input.history, report)
      << ". This is no pass: raise --timeout or --memory, or record\n"
         "  fewer operations of unknown outcome.\n";
  return ExitCode::kUndecided;
}

ExitCode print_opinion(const CheckCommand& command, const Input& input, const Opinion& opinion,
                       WallClock::duration taken, std::ostream& out) {
  const std::string size = fmt::format("{}, {} operations", command.model, input.history.size());
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(taken).count();
  if (!opinion.search) {
    out << fmt::format("{}: linearizable, in the order of its log ({}, {} ms)\n", command.file, size, milliseconds);
    return ExitCode::kSuccess;
  }
  const Report& report = *opinion.search;
  const std::string effort = fmt::format("({} in {} independent parts, {} steps, {} ms)\n", size, report.partitions,
                                         report.steps, milliseconds);
  const ExitCode code = print_report(command, input, report, effort, out);
  if (!opinion.log) return code;
  if (opinion.log->answer == LogOrder::Answer::kSilent) {
    out << "The log indexes prove nothing: " << opinion.log->reason << ".\n";
    return code;
  }
  out << "THE LOG INDEXES ARE WRONG: " << opinion.log->reason << ".\n";
  return ExitCode::kFailure;
}

}  // namespace

void describe_check_options(CLI::App& app, CheckCommand& command) {
  app.footer(
      "A history is linearizable if each operation can be given an instant between its invocation and its return so\n"
      "that one correct object answers as recorded. docs/histories.md describes the format and the models.\n\n"
      "  quorate check history.jsonl --model kv\n"
      "  quorate check history.edn --model cas-register --initial nil\n"
      "  quorate check jepsen.log --model register --timeout 10m\n\n"
      "Exit code: 0 linearizable, 1 not linearizable, 2 the command or the file makes no sense, 3 the limits did not\n"
      "suffice to tell, which is no pass.");
  app.add_option("file", command.file, "The history")->required()->type_name("FILE");
  app.add_option("-m,--model", command.model, "What the objects are: " + checker::model_names())
      ->required()
      ->type_name("MODEL");
  std::vector<std::string> formats = names(kFormats);
  formats.insert(formats.begin(), "auto");
  app.add_option("-f,--format", command.format, "How the file is written; auto looks at it")
      ->check(CLI::IsMember(formats));
  app.add_option("--initial", command.initial,
                 "What registers and entries hold at first (default nil; 0 for registers in EDN)")
      ->type_name("VALUE");
  app.add_option("--failed", command.failed, "What a failed cas of a Jepsen history means (default: as usual there)")
      ->check(CLI::IsMember(names(kFailed)));
  app.add_option("--nil-read", command.nil_read, "What reading nil means in a Jepsen history (default: as usual there)")
      ->check(CLI::IsMember(names(kNilRead)));
  app.add_flag("--independent-keys", command.independent_keys, "Values of a Jepsen history are [key value]");
  CLI::AsNumberWithUnit seconds(std::map<std::string, double>{{"s", 1}, {"m", 60}, {"h", 3600}});
  app.add_option("--timeout", command.timeout_seconds, "How long to search: 60s, 10m, 1h")
      ->transform(seconds.description(""))
      ->check(CLI::Validator(CLI::PositiveNumber).description(""))
      ->type_name("TIME")
      ->default_str("60s");
  CLI::AsSizeValue bytes(false);
  app.add_option("--memory", command.memory_bytes, "How much the search may remember: 512MiB, 2GiB")
      ->transform(bytes.description(""))
      ->type_name("SIZE")
      ->default_str("2GiB");
}

ExitCode run_check(CheckCommand command, std::ostream& out, std::ostream& err) {
  const WallClock::time_point begin = WallClock::now();
  const Result<Input> input = read_input(command);
  if (!input) {
    err << "quorate check: " << input.error().message << '\n';
    return ExitCode::kUsage;
  }
  const Result<Opinion> opinion = form_opinion(command, *input, begin);
  if (!opinion) {
    err << "quorate check: " << command.file << ": " << opinion.error().message << '\n';
    return ExitCode::kUsage;
  }
  return print_opinion(command, *input, *opinion, WallClock::now() - begin, out);
}

}  // namespace quorate
