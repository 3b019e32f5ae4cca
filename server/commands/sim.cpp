#include "server/commands/sim.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <ostream>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "sim/checker/history_io.hpp"
#include "sim/coverage.hpp"
#include "sim/nemesis.hpp"
#include "sim/run.hpp"
#include "sim/shrink.hpp"
#include "sim/subjects.hpp"
#include "sim/timeline.hpp"

namespace quorate {
namespace {

using cli::ExitCode;
using sim::Plan;
using sim::RunReport;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMissingShownMax = 12;

struct SeedRange {
  std::uint64_t first = 1;
  std::uint64_t last = 1;

  [[nodiscard]] std::uint64_t count() const { return last - first + 1; }
};

/// The seed that this thread runs, for the last words of a process that a broken assertion ends.
thread_local std::uint64_t seed_under_way = 0;

/// Called on the thread that aborts.
void name_the_seed(int) {
  std::array<char, 64> text{"quorate sim: that was seed "};
  char* end = std::to_chars(text.data() + std::strlen(text.data()), text.data() + text.size() - 1, seed_under_way).ptr;
  *end++ = '\n';
  [[maybe_unused]] const ssize_t written =
      ::write(STDERR_FILENO, text.data(), static_cast<std::size_t>(end - text.data()));
}

/// "7" or "1..1000".
Result<SeedRange> parse_seeds(std::string_view text) {
  const auto bad = [&] {
    return fail(ErrorKind::kInvalidArgument,
                "--seeds: expected a seed or a range such as 1..1000, not \"" + std::string(text) + "\"");
  };
  const auto number = [](std::string_view digits, std::uint64_t& value) {
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return problem == std::errc{} && end == digits.data() + digits.size();
  };
  SeedRange seeds;
  const std::size_t dots = text.find("..");
  if (!number(text.substr(0, dots), seeds.first)) return bad();
  seeds.last = seeds.first;
  if (dots != std::string_view::npos && !number(text.substr(dots + 2), seeds.last)) return bad();
  if (seeds.last < seeds.first || seeds.count() == 0) return bad();
  return seeds;
}

/// What the command line comes to.
struct Job {
  const sim::Subject* subject = nullptr;
  SeedRange seeds;
  sim::NemesisOptions nemesis;
  sim::RunOptions run;

  [[nodiscard]] Plan plan(std::uint64_t seed) const { return sim::draw_plan(seed, *subject, nemesis); }
};

Result<Job> make_job(const SimCommand& command) {
  Job job;
  auto subject = sim::subject_named(command.app);
  if (!subject) return fail(ErrorKind::kInvalidArgument, "--app: " + subject.error().message);
  auto seeds = parse_seeds(command.seeds);
  if (!seeds) return tl::unexpected(seeds.error());
  auto faults = sim::FaultSelection::parse(command.faults);
  if (!faults) return fail(ErrorKind::kInvalidArgument, "--faults: " + faults.error().message);
  job.subject = *subject;
  job.seeds = *seeds;
  job.nemesis.voters = command.nodes;
  job.nemesis.duration = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(command.duration_seconds));
  job.nemesis.faults = *faults;
  job.run.budget = command.beyond_budget ? sim::Budget::kBeyond : sim::Budget::kWithin;
  return job;
}

/// The command that does one run again.
std::string replay_command(const SimCommand& command, std::uint64_t seed) {
  std::string text = fmt::format("quorate sim --app {} --seeds {}", command.app, seed);
  if (command.nodes) text += fmt::format(" --nodes {}", *command.nodes);
  text += fmt::format(" --faults {} --duration {}s", command.faults, command.duration_seconds);
  if (command.beyond_budget) text += " --beyond-budget";
  return text;
}

const char* name_of(RunReport::Result result) {
  switch (result) {
    case RunReport::Result::kPassed: return "passed";
    case RunReport::Result::kViolation: return "violation";
    case RunReport::Result::kStalled: return "stall";
    case RunReport::Result::kUndecided: return "undecided";
  }
  return "?";
}

/// The lines that say how it goes: over each other on a terminal, one every few seconds elsewhere.
class Progress {
 public:
  Progress(std::ostream& err, std::uint64_t seeds)
      : err_(err), seeds_(seeds), is_terminal_(isatty(STDERR_FILENO) == 1) {}

  void update(std::uint64_t done, std::uint64_t failures, const sim::SuiteCoverage& coverage) {
    const Clock::time_point now = Clock::now();
    if (now < next_) return;
    next_ = now + (is_terminal_ ? std::chrono::milliseconds(200) : std::chrono::seconds(10));
    const double elapsed = std::chrono::duration<double>(now - begin_).count();
    err_ << fmt::format("{}{}/{} seeds, {:.1f}/s, coverage {}/{}, {} failed{}", is_terminal_ ? "\r" : "", done, seeds_,
                        static_cast<double>(done) / elapsed, coverage.reached(), sim::SuiteCoverage::reachable(),
                        failures, is_terminal_ ? "   " : "\n")
         << std::flush;
    is_line_open_ = is_terminal_;
  }
  /// Makes room for a line of another kind.
  void clear() {
    if (is_line_open_) err_ << "\r\033[K" << std::flush;
    is_line_open_ = false;
  }
  [[nodiscard]] double elapsed() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

 private:
  std::ostream& err_;
  std::uint64_t seeds_;
  bool is_terminal_;
  bool is_line_open_ = false;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point next_ = begin_ + std::chrono::milliseconds(500);
};

/// The sum of many runs.
struct Tally {
  std::uint64_t done = 0;
  std::uint64_t events = 0;
  double simulated_seconds = 0;
  sim::SuiteCoverage coverage;
  std::map<std::uint64_t, RunReport::Result> failures;  ///< by seed

  void add(std::uint64_t seed, const RunReport& report) {
    ++done;
    events += report.events;
    simulated_seconds += std::chrono::duration<double>(report.simulated).count();
    coverage.add(report);
    if (!report.passed()) failures.emplace(seed, report.result);
  }
};

/// Runs all seeds, on as many threads as asked for. Each run is by itself; only what it came to is shared.
class Campaign {
 public:
  Campaign(const SimCommand& command, const Job& job, std::ostream& out, std::ostream& err)
      : command_(command), job_(job), out_(out), progress_(err, job.seeds.count()), next_(job.seeds.first) {}

  Tally run() {
    std::signal(SIGABRT, name_the_seed);
    {
      std::vector<std::jthread> workers;
      for (std::uint64_t number = 1; number < command_.jobs; ++number) workers.emplace_back([this] { work(); });
      work();
    }
    progress_.clear();
    return std::move(tally_);
  }
  [[nodiscard]] double elapsed() const { return progress_.elapsed(); }

 private:
  void work() {
    while (const std::optional<std::uint64_t> seed = take_seed()) {
      seed_under_way = *seed;
      const RunReport report = sim::run(job_.plan(*seed), *job_.subject, job_.run);
      const std::scoped_lock lock(mutex_);
      tally_.add(*seed, report);
      if (!report.passed()) {
        progress_.clear();
        out_ << fmt::format("FAILED seed {}: {}: {}\n  again: {}\n", *seed, name_of(report.result),
                            report.violation.property, replay_command(command_, *seed))
             << std::flush;
      }
      progress_.update(tally_.done, tally_.failures.size(), tally_.coverage);
    }
  }
  std::optional<std::uint64_t> take_seed() {
    const std::scoped_lock lock(mutex_);
    if (is_over_) return std::nullopt;
    is_over_ = next_ == job_.seeds.last;
    return next_++;
  }

  const SimCommand& command_;
  const Job& job_;
  std::ostream& out_;
  std::mutex mutex_;
  Progress progress_;
  std::uint64_t next_;
  bool is_over_ = false;
  Tally tally_;
};

Result<void> write_file(const std::string& name, const std::function<void(std::ostream&)>& write) {
  std::ofstream file(name, std::ios::binary | std::ios::trunc);
  if (file) write(file);
  file.close();
  if (!file) return fail(ErrorKind::kIo, name + ": cannot be written");
  return {};
}

std::string describe(const RunReport& report) {
  return fmt::format(
      "{}: {} events, {:.1f} s simulated, {} elections, {} entries, {} membership changes; operations: {} ok, {} "
      "refused, "
      "{} unknown; trace {:016x}",
      report.passed() ? "passed" : "FAILED", report.events, std::chrono::duration<double>(report.simulated).count(),
      report.elections, report.committed, report.membership_changes, report.operations.ok, report.operations.refused,
      report.operations.unknown, report.trace_hash);
}

/// Does one run and writes down what was asked for of it.
Result<RunReport> show(const SimCommand& command, const Plan& plan, const sim::Subject& subject,
                       sim::RunOptions options, std::ostream& out) {
  sim::Timeline timeline;
  if (!command.timeline.empty()) options.timeline = &timeline;
  std::ofstream trace;
  if (!command.trace.empty()) {
    trace.open(command.trace, std::ios::binary | std::ios::trunc);
    options.trace = [&trace](std::string_view line) { trace << line << '\n'; };
  }
  RunReport report = sim::run(plan, subject, options);
  trace.close();
  if (!command.trace.empty() && !trace) return fail(ErrorKind::kIo, command.trace + ": cannot be written");
  const std::string verdict =
      report.passed() ? std::string() : report.violation.property + ": " + report.violation.text;
  if (!command.timeline.empty()) {
    const std::string title = fmt::format("{}, seed {}", plan.application, plan.seed);
    auto written = write_file(command.timeline, [&](std::ostream& file) { file << timeline.render(title, verdict); });
    if (!written) return tl::unexpected(written.error());
  }
  if (!command.history.empty()) {
    auto written =
        write_file(command.history, [&](std::ostream& file) { write_history(report.workload->history(), file); });
    if (!written) return tl::unexpected(written.error());
  }
  if (!command.save_schedule.empty()) {
    auto written = write_file(command.save_schedule, [&](std::ostream& file) { file << sim::to_json(plan); });
    if (!written) return tl::unexpected(written.error());
  }
  out << fmt::format("seed {} {}\n", plan.seed, describe(report));
  for (const sim::Fault& fault : plan.faults) out << "  " << sim::describe(fault) << '\n';
  if (!report.passed()) out << verdict << '\n';
  return report;
}

Plan shrink(const Plan& plan, const Job& job, std::ostream& out, std::ostream& err) {
  sim::ShrinkOptions options;
  options.run = job.run;
  Clock::time_point next = Clock::now();
  options.progress = [&](const Plan& smaller, std::uint64_t runs) {
    if (Clock::now() < next) return;
    next = Clock::now() + std::chrono::seconds(2);
    err << fmt::format("shrinking: {} runs, {} faults and {} operations left\n", runs, smaller.faults.size(),
                       smaller.operations.size())
        << std::flush;
  };
  sim::Shrunk shrunk = sim::shrink(plan, *job.subject, options);
  out << fmt::format("shrunk from {} to {} faults and from {} to {} operations, in {} runs\n", plan.faults.size(),
                     shrunk.plan.faults.size(), plan.operations.size(), shrunk.plan.operations.size(), shrunk.runs);
  return std::move(shrunk.plan);
}

bool wants_files(const SimCommand& command) {
  return !command.timeline.empty() || !command.history.empty() || !command.trace.empty() ||
         !command.save_schedule.empty();
}

ExitCode exit_code_of(RunReport::Result result) {
  switch (result) {
    case RunReport::Result::kPassed: return ExitCode::kSuccess;
    case RunReport::Result::kViolation:
    case RunReport::Result::kStalled: return ExitCode::kFailure;
    case RunReport::Result::kUndecided: return ExitCode::kUndecided;
  }
  return ExitCode::kFailure;
}

ExitCode complain(std::ostream& err, const Error& error) {
  err << "quorate sim: " << error.message << '\n';
  return ExitCode::kUsage;
}

ExitCode replay(SimCommand command, std::ostream& out, std::ostream& err) {
  std::ifstream file(command.schedule, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return complain(err, {ErrorKind::kNotFound, command.schedule + ": cannot be read"});
  auto plan = sim::plan_from_json(text.str());
  if (!plan) return complain(err, {ErrorKind::kInvalidArgument, command.schedule + ": " + plan.error().message});
  command.app = plan->application;
  auto job = make_job(command);
  if (!job) return complain(err, job.error());
  if (auto fits = sim::validate(*plan, *job->subject); !fits) {
    return complain(err, {ErrorKind::kInvalidArgument, command.schedule + ": " + fits.error().message});
  }
  if (command.shrink && !sim::run(*plan, *job->subject, job->run).passed()) *plan = shrink(*plan, *job, out, err);
  const auto report = show(command, *plan, *job->subject, job->run, out);
  return report ? exit_code_of(report->result) : complain(err, report.error());
}

bool report_coverage(const SimCommand& command, const Job& job, const Tally& tally, std::ostream& out) {
  const std::vector<std::string> missing = tally.coverage.missing(job.nemesis.faults);
  if (missing.empty()) return true;
  out << fmt::format("{}never reached ({}):", command.require_coverage ? "FAILED: " : "", missing.size());
  for (std::size_t at = 0; at < std::min(missing.size(), kMissingShownMax); ++at) {
    out << (at == 0 ? " " : "; ") << missing[at];
  }
  out << (missing.size() > kMissingShownMax ? "; ...\n" : "\n");
  return !command.require_coverage;
}

ExitCode run_seeds(const SimCommand& command, const Job& job, std::ostream& out, std::ostream& err) {
  Campaign campaign(command, job, out, err);
  const Tally tally = campaign.run();
  out << fmt::format(
      "{} seeds of {} in {:.1f} s ({:.1f}/s): {:.0f} s simulated, {} events ({:.0f}/s), coverage {}/{}, {} failed\n",
      tally.done, command.app, campaign.elapsed(), static_cast<double>(tally.done) / campaign.elapsed(),
      tally.simulated_seconds, tally.events, static_cast<double>(tally.events) / campaign.elapsed(),
      tally.coverage.reached(), sim::SuiteCoverage::reachable(), tally.failures.size());
  const bool is_covered = report_coverage(command, job, tally, out);

  ExitCode code = is_covered ? ExitCode::kSuccess : ExitCode::kFailure;
  for (const auto& [seed, result] : tally.failures) {
    if (code != ExitCode::kFailure) code = exit_code_of(result);
  }
  if (tally.failures.empty() && !wants_files(command)) return code;
  // Shown in full: the first that failed, or simply the first.
  Plan plan = job.plan(tally.failures.empty() ? job.seeds.first : tally.failures.begin()->first);
  if (command.shrink && !tally.failures.empty()) plan = shrink(plan, job, out, err);
  const auto report = show(command, plan, *job.subject, job.run, out);
  return report ? code : complain(err, report.error());
}

std::string names_of_all_faults() {
  std::string names;
  for (std::size_t kind = 0; kind < sim::kFaultKinds; ++kind) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", sim::name_of_fault(kind));
  }
  return names;
}

}  // namespace

void describe_sim_options(CLI::App& app, SimCommand& command) {
  app.footer(
      "Each seed is one cluster of real nodes on simulated machines: its size, timing, limits and faults are drawn "
      "from\n"
      "the seed, its clients' history is judged, and the invariants are checked after every event. The same seed is "
      "the\n"
      "same run, for ever. docs/simulator.md explains what is simulated and how to read a timeline.\n\n"
      "  quorate sim --app kv --nodes 5 --seeds 1..1000 --faults all\n"
      "  quorate sim --app register --seeds 17 --timeline run.html\n"
      "  quorate sim --app kv --seeds 17 --shrink --save-schedule small.json\n"
      "  quorate sim --schedule small.json --trace run.jsonl\n\n"
      "Exit code: 0 every run passed, 1 one did not, 2 the command or a file makes no sense, 3 the checker's limits "
      "did\n"
      "not suffice for one, which is no pass.");
  app.add_option("--app", command.app, "What the clusters replicate: register, kv, list_append or sqlite")
      ->type_name("APP")
      ->capture_default_str();
  app.add_option("--nodes", command.nodes, "Voters of each cluster (default: drawn from the seed, 1 to 7)")
      ->check(CLI::Range(1, 9))
      ->type_name("N");
  app.add_option("--seeds", command.seeds, "One seed, or a range")->type_name("A..B")->capture_default_str();
  app.add_option("--faults", command.faults,
                 "all, none, or kinds separated by commas; -kind takes one away: all,-disk-rot. Kinds: " +
                     names_of_all_faults())
      ->type_name("KINDS")
      ->capture_default_str();
  CLI::AsNumberWithUnit seconds(std::map<std::string, double>{{"s", 1}, {"ms", 0.001}, {"m", 60}});
  app.add_option("--duration", command.duration_seconds, "Simulated time under faults: 10s, 500ms, 2m")
      ->transform(seconds.description(""))
      ->check(CLI::Range(0.001, 86400.0).description(""))
      ->type_name("TIME")
      ->default_str("10s");
  app.add_option("--jobs", command.jobs, "Runs at the same time")
      ->check(CLI::Range(1, 256))
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--beyond-budget", command.beyond_budget,
               "Damage more disks than the cluster can survive: it may stop, but must serve nothing wrong");
  app.add_flag("--require-coverage", command.require_coverage,
               "Fail if a rare branch or kind of fault is never reached");
  app.add_flag("--shrink", command.shrink, "Cut the first run that failed down to what it needs to fail");
  app.add_option("--schedule", command.schedule, "Carry out the plan in this file instead of drawing plans from seeds")
      ->type_name("FILE");
  // Of the first run that failed, or else of the first.
  app.add_option("--save-schedule", command.save_schedule, "Write the plan of the first failed (or first) run")
      ->type_name("FILE");
  app.add_option("--timeline", command.timeline, "Draw that run, as one HTML file")->type_name("FILE");
  app.add_option("--history", command.history, "Write what its clients did, for quorate check")->type_name("FILE");
  app.add_option("--trace", command.trace, "Write everything that happened in it, as JSON lines")->type_name("FILE");
}

ExitCode run_sim(SimCommand command, std::ostream& out, std::ostream& err) {
  if (!command.schedule.empty()) return replay(std::move(command), out, err);
  const auto job = make_job(command);
  return job ? run_seeds(command, *job, out, err) : complain(err, job.error());
}

}  // namespace quorate
