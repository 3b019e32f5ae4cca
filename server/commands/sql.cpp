#include "server/commands/sql.hpp"

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <iostream>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "server/client/http_client.hpp"
#include "server/shell/repl.hpp"
#include "server/shell/session.hpp"

namespace quorate {

namespace {

/// "http://a:4001,b:4001": the first one and others to try.
std::vector<std::string> hosts_in(const std::string& text) {
  std::vector<std::string> hosts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    hosts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return hosts;
}

}  // namespace

void describe_sql_options(CLI::App& app, SqlCommand& command) {
  app.footer(
      "Without statements, reads them from the terminal or from what is piped in; .help lists the shell's own "
      "commands.\n"
      "RQLITE_HOST=http://host:port,... names the nodes to connect to, too; -H takes a URL as well. The exit code is "
      "1\n"
      "if a statement failed.\n\n"
      "  quorate sql -p 4001 \"SELECT * FROM t\"\n"
      "  quorate sql -a 127.0.0.1:4003,127.0.0.1:4005 < statements.sql");
  app.add_option("-H,--host", command.host, "Host of the node")->capture_default_str();
  app.add_option("-p,--port", command.port, "HTTP port of the node")
      ->check(CLI::Range(1U, 65535U))
      ->capture_default_str();
  app.add_option("-a,--alternatives", command.alternatives, "Other nodes to try, host:port each")->delimiter(',');
  client::describe_client_flags(app, command.client, client::FlagNames::kShortToo);
  app.add_option("-t,--http-timeout", command.client.timeout_seconds, "How long to wait for an answer, in seconds")
      ->capture_default_str();
  app.add_option("-m,--mode", command.mode, "How to print rows")
      ->check(CLI::IsMember({"column", "table", "csv", "json", "line"}))
      ->capture_default_str();
  app.add_option("-l,--level", command.level, "Read consistency level")
      ->check(CLI::IsMember({"none", "weak", "linearizable", "strong", "auto"}))
      ->capture_default_str();
  app.add_option("SQL", command.statements, "Statements to run instead");
}

cli::ExitCode run_sql(SqlCommand command, std::ostream& out, std::ostream& err) {
  std::setlocale(LC_CTYPE, "");
  std::vector<std::string> hosts;
  if (const char* url = std::getenv("RQLITE_HOST");
      url != nullptr && command.host == "127.0.0.1" && command.port == 4001) {
    hosts = hosts_in(url);
  } else {
    const bool is_url = command.host.find("://") != std::string::npos;
    hosts.push_back(is_url ? command.host : command.host + ":" + std::to_string(command.port));
  }
  hosts.insert(hosts.end(), command.alternatives.begin(), command.alternatives.end());
  const char* const user = std::getenv("QUORATE_USER");
  auto options = client::resolve(command.client, hosts, user != nullptr ? user : "");
  if (!options) {
    err << "quorate sql: " << options.error().message << '\n';
    return cli::ExitCode::kUsage;
  }
  client::HttpClient client(std::move(*options));
  shell::Settings settings;
  settings.mode = *shell::mode_named(command.mode);
  settings.level = command.level;
  shell::Session session(client, settings, out, err);

  shell::Verdict verdict = shell::Verdict::kGoOn;
  if (!command.statements.empty()) {
    for (const std::string& statement : command.statements) {
      if (verdict != shell::Verdict::kGoOn) break;
      verdict = statement.starts_with('.') ? session.run_command(statement) : session.run_sql(statement);
    }
  } else if (isatty(STDIN_FILENO) != 0) {
    const auto version = session.connect();
    if (!version) {
      err << "quorate sql: " << version.error().message
          << "\nIs a node running there? Name another one with -H and -p.\n";
      return cli::ExitCode::kFailure;
    }
    out << "Connected to " << client.host() << ", version " << *version << ". Enter .help for help.\n";
    const char* home = std::getenv("HOME");
    shell::run_interactive(session, home == nullptr ? std::string() : std::string(home) + "/.quorate_history");
  } else {
    verdict = session.run_script(std::cin);
  }
  session.close();
  return verdict == shell::Verdict::kFailed ? cli::ExitCode::kFailure : cli::ExitCode::kSuccess;
}

}  // namespace quorate
