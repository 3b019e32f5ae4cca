#include "server/commands/bench.hpp"

#include <cstdlib>
#include <ostream>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace quorate {

namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

double in_ms(std::chrono::nanoseconds latency) { return Milliseconds(latency).count(); }

void print(std::ostream& out, const char* what, const bench::LoadResult& result, const bench::Histogram& histogram) {
  if (histogram.count() == 0) return;
  out << fmt::format(
      "{:<7}{:>9.0f}/s   p50 {:>7.3f}   p90 {:>7.3f}   p99 {:>7.3f}   p99.9 {:>7.3f}   max {:>7.3f} ms\n", what,
      result.per_second(histogram), in_ms(histogram.quantile(0.5)), in_ms(histogram.quantile(0.9)),
      in_ms(histogram.quantile(0.99)), in_ms(histogram.quantile(0.999)), in_ms(histogram.max()));
}

boost::json::object describe(const bench::LoadResult& result, const bench::Histogram& histogram) {
  return {{"count", histogram.count()},
          {"per_second", result.per_second(histogram)},
          {"p50_ms", in_ms(histogram.quantile(0.5))},
          {"p90_ms", in_ms(histogram.quantile(0.9))},
          {"p99_ms", in_ms(histogram.quantile(0.99))},
          {"p999_ms", in_ms(histogram.quantile(0.999))},
          {"max_ms", in_ms(histogram.max())}};
}

}  // namespace

void describe_bench_options(CLI::App& app, BenchCommand& command) {
  bench::LoadOptions& load = command.load;
  app.footer(
      "Every connection sends its next request when an answer has come (a closed loop). Rows go to a table \"bench\",\n"
      "which is created if need be.\n\n"
      "  quorate bench --host 127.0.0.1:4001 --connections 64 --writes 100\n"
      "  quorate bench --writes 0 --level linearizable --json");
  app.add_option("--host", command.hosts, "Node, as host:port or URL; more than one: connections are spread over them")
      ->delimiter(',');
  client::describe_client_flags(app, command.client, client::FlagNames::kLongOnly);
  app.add_option("-c,--connections", load.connections, "Connections")->check(CLI::Range(1U, 20000U));
  app.add_option("--pipeline", load.pipeline, "Requests under way on each connection")->check(CLI::Range(1U, 1000U));
  app.add_option("-d,--seconds", command.seconds, "How long to measure")->check(CLI::Range(0.1, 86400.0));
  app.add_option("--warm-up", command.warm_up_seconds, "How long to run before measuring, in seconds")
      ->check(CLI::Range(0.0, 3600.0));
  app.add_option("-w,--writes", load.write_percent, "Share of writes, in percent; the rest are point reads")
      ->check(CLI::Range(0U, 100U));
  app.add_option("--row-bytes", load.row_bytes, "Size of the text that a row holds")->check(CLI::Range(0U, 1U << 20));
  app.add_option("--rows", load.rows, "Rows that there are to read")->check(CLI::Range(1U, 100'000'000U));
  app.add_option("--level", load.level, "Read consistency level")
      ->check(CLI::IsMember({"none", "weak", "linearizable", "strong", "auto"}));
  app.add_option("--path", load.path,
                 "Send everything to this path instead, to measure what the server does without work");
  app.add_option("--method", load.method, "Method to use with --path")->check(CLI::IsMember({"GET", "POST"}));
  app.add_option("--seed", load.seed, "Seed of the choice of rows");
  app.add_flag("--skip-prepare", command.skip_prepare, "The table and its rows are there already");
  app.add_flag("--json", command.json, "Print the result as JSON");
}

cli::ExitCode run_bench(BenchCommand command, std::ostream& out, std::ostream& err) {
  bench::LoadOptions& load = command.load;
  load.duration = std::chrono::milliseconds(static_cast<std::int64_t>(command.seconds * 1000));
  load.warm_up = std::chrono::milliseconds(static_cast<std::int64_t>(command.warm_up_seconds * 1000));
  const char* const user = std::getenv("QUORATE_USER");
  auto reachable = client::resolve(command.client, command.hosts, user != nullptr ? user : "");
  if (!reachable) {
    err << "quorate bench: " << reachable.error().message << '\n';
    return cli::ExitCode::kUsage;
  }
  load.client = std::move(*reachable);
  if (!command.skip_prepare && load.path.empty()) {
    if (auto prepared = bench::prepare(load); !prepared) {
      err << "quorate bench: " << prepared.error().message << '\n';
      return cli::ExitCode::kFailure;
    }
  }
  const bool live = isatty(STDERR_FILENO) != 0;
  const auto result = bench::run_load(load, [&](std::uint64_t seconds, std::uint64_t answers) {
    if (live) err << fmt::format("\r{:>4} s  {:>8}/s ", seconds, answers) << std::flush;
  });
  if (live) err << "\r                      \r";
  if (!result) {
    err << "quorate bench: " << result.error().message << '\n';
    return cli::ExitCode::kFailure;
  }
  if (command.json) {
    boost::json::object errors;
    for (const auto& [what, count] : result->errors) errors[what] = count;
    out << boost::json::serialize(boost::json::object{{"connections", load.connections},
                                                      {"pipeline", load.pipeline},
                                                      {"seconds", command.seconds},
                                                      {"writes", describe(*result, result->writes)},
                                                      {"reads", describe(*result, result->reads)},
                                                      {"errors", errors}})
        << '\n';
  } else {
    print(out, "writes", *result, result->writes);
    print(out, "reads", *result, result->reads);
    for (const auto& [what, count] : result->errors) out << fmt::format("errors {:>9}     {}\n", count, what);
  }
  const bool answered = result->writes.count() + result->reads.count() > 0;
  return answered && result->errors.empty() ? cli::ExitCode::kSuccess : cli::ExitCode::kFailure;
}

}  // namespace quorate
