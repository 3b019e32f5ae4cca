#include "server/shell/dot_commands.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <ostream>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include "server/shell/words.hpp"

namespace quorate::shell {

namespace {

struct Command {
  std::string_view name;
  std::string_view arguments;
  std::string_view help;
  std::size_t arguments_max;
  Verdict (DotCommands::*run)(const DotCommands::Arguments&);
};

constexpr std::array kCommands = {
    Command{".blobarray", "[on|off]", "Show BLOBs as arrays of bytes", 1, &DotCommands::blob_array},
    Command{".changes", "[on|off]", "Report how many rows a write affected", 1, &DotCommands::changes},
    Command{".consistency", "[none|weak|linearizable|strong|auto]", "Show or set the read consistency level", 1,
            &DotCommands::consistency},
    Command{".exit", "", "Leave the shell; an open transaction is rolled back", 0, &DotCommands::exit},
    Command{".forcewrites", "[on|off]", "Send all statements as writes", 1, &DotCommands::force_writes},
    Command{".headers", "[on|off]", "Show names of columns", 1, &DotCommands::headers},
    Command{".help", "", "Show this list", 0, &DotCommands::print_help},
    Command{".indexes", "", "Show the names of all indexes", 0, &DotCommands::indexes},
    Command{".leader", "", "Show the leader", 0, &DotCommands::leader},
    Command{".mode", "[column|table|csv|json|line]", "Show or set how rows are printed", 1, &DotCommands::mode},
    Command{".nodes", "[all]", "Show the cluster's nodes, with \"all\" read replicas too", 1, &DotCommands::nodes},
    Command{".output", "[FILE]", "Send results to a file; without a name, to the screen again", 1,
            &DotCommands::output},
    Command{".quit", "", "Leave the shell; an open transaction is rolled back", 0, &DotCommands::exit},
    Command{".read", "FILE", "Run the statements and commands of a file", 1, &DotCommands::read},
    Command{".ready", "", "Show whether the node is ready", 0, &DotCommands::ready},
    Command{".remove", "NODE", "Remove a node from the cluster", 1, &DotCommands::remove},
    Command{".schema", "", "Show the statements that created all tables, indexes, views and triggers", 0,
            &DotCommands::schema},
    Command{".show", "", "Show the shell's settings", 0, &DotCommands::show},
    Command{".status", "", "Show the node's status", 0, &DotCommands::status},
    Command{".stepdown", "[NODE]", "Make the leader hand over, to a node or to the best one", 1,
            &DotCommands::step_down},
    Command{".tables", "", "Show the names of all tables and views", 0, &DotCommands::tables},
    Command{".timer", "[on|off]", "Show how long statements took", 1, &DotCommands::timer},
};

const char* on_or_off(bool value) { return value ? "on" : "off"; }

}  // namespace

Verdict DotCommands::run(std::string_view line) {
  Arguments words = split(line);
  const auto command = std::ranges::find(kCommands, words.front(), &Command::name);
  if (command == kCommands.end())
    return session.complain("unknown command " + words.front() + "; enter .help for a list");
  words.erase(words.begin());
  if (words.size() > command->arguments_max) {
    return session.complain("usage: " + std::string(command->name) + " " + std::string(command->arguments));
  }
  return (this->*command->run)(words);
}

Verdict DotCommands::toggle(bool& setting, const Arguments& arguments, const char* what) {
  if (arguments.empty()) {
    session.out() << what << ": " << on_or_off(setting) << '\n';
    return Verdict::kGoOn;
  }
  if (arguments[0] != "on" && arguments[0] != "off")
    return session.complain("\"" + arguments[0] + "\" is neither on nor off");
  setting = arguments[0] == "on";
  return Verdict::kGoOn;
}

Verdict DotCommands::timer(const Arguments& arguments) { return toggle(session.settings_.timer, arguments, "timer"); }
Verdict DotCommands::changes(const Arguments& arguments) {
  return toggle(session.settings_.changes, arguments, "changes");
}
Verdict DotCommands::force_writes(const Arguments& arguments) {
  return toggle(session.settings_.force_writes, arguments, "forcewrites");
}
Verdict DotCommands::blob_array(const Arguments& arguments) {
  return toggle(session.settings_.blob_array, arguments, "blobarray");
}

Verdict DotCommands::headers(const Arguments& arguments) {
  bool shown = session.settings_.headers == Headers::kShown;
  const Verdict verdict = toggle(shown, arguments, "headers");
  session.settings_.headers = shown ? Headers::kShown : Headers::kHidden;
  return verdict;
}

Verdict DotCommands::mode(const Arguments& arguments) {
  if (arguments.empty()) {
    session.out() << "mode: " << name_of(session.settings_.mode) << '\n';
    return Verdict::kGoOn;
  }
  const auto chosen = mode_named(arguments[0]);
  if (!chosen) return session.complain("\"" + arguments[0] + "\" is no mode: choose column, table, csv, json or line");
  session.settings_.mode = *chosen;
  return Verdict::kGoOn;
}

Verdict DotCommands::consistency(const Arguments& arguments) {
  static constexpr std::array<std::string_view, 5> kLevels = {"none", "weak", "linearizable", "strong", "auto"};
  if (arguments.empty()) {
    session.out() << "consistency: " << session.settings_.level << '\n';
    return Verdict::kGoOn;
  }
  if (std::ranges::find(kLevels, arguments[0]) == kLevels.end()) {
    return session.complain("\"" + arguments[0] + "\" is no level: choose none, weak, linearizable, strong or auto");
  }
  session.settings_.level = arguments[0];
  return Verdict::kGoOn;
}

Verdict DotCommands::output(const Arguments& arguments) {
  session.file_.reset();
  if (arguments.empty() || arguments[0] == "stdout") return Verdict::kGoOn;
  session.file_.emplace(arguments[0]);
  if (*session.file_) return Verdict::kGoOn;
  session.file_.reset();
  return session.complain("cannot write to " + arguments[0]);
}

Verdict DotCommands::read(const Arguments& arguments) {
  if (arguments.empty()) return session.complain("usage: .read FILE");
  std::ifstream file(arguments[0]);
  if (!file) return session.complain("cannot read " + arguments[0]);
  return session.run_script(file);
}

Verdict DotCommands::show(const Arguments&) {
  const Settings& settings = session.settings_;
  session.out() << "blobarray: " << on_or_off(settings.blob_array) << "\nchanges: " << on_or_off(settings.changes)
                << "\nconsistency: " << settings.level << "\nforcewrites: " << on_or_off(settings.force_writes)
                << "\nheaders: " << on_or_off(settings.headers == Headers::kShown)
                << "\nmode: " << name_of(settings.mode) << "\ntimer: " << on_or_off(settings.timer)
                << "\nhost: " << session.client_.host() << '\n';
  return Verdict::kGoOn;
}

Verdict DotCommands::print_names(const std::string& sql) {
  const auto rows = session.query(sql);
  if (!rows) return Verdict::kFailed;
  for (const auto& row : rows->rows) session.out() << row.front().text << '\n';
  return Verdict::kGoOn;
}

Verdict DotCommands::tables(const Arguments&) {
  return print_names(
      "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER "
      "BY 1");
}
Verdict DotCommands::indexes(const Arguments&) {
  return print_names("SELECT name FROM sqlite_schema WHERE type = 'index' ORDER BY 1");
}
Verdict DotCommands::schema(const Arguments&) {
  return print_names("SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid");
}

Verdict DotCommands::print_answer(const client::HttpRequest& request) {
  const auto body = session.ask(request);
  if (!body) return Verdict::kFailed;
  session.out() << *body << (body->ends_with('\n') || body->empty() ? "" : "\n");
  return Verdict::kGoOn;
}

Verdict DotCommands::status(const Arguments&) { return print_answer({"GET", "/status?pretty", {}}); }
Verdict DotCommands::leader(const Arguments&) { return print_answer({"GET", "/leader?pretty", {}}); }
Verdict DotCommands::ready(const Arguments&) { return print_answer({"GET", "/readyz", {}}); }
Verdict DotCommands::nodes(const Arguments& arguments) {
  if (!arguments.empty() && arguments[0] != "all") return session.complain("usage: .nodes [all]");
  return print_answer({"GET", arguments.empty() ? "/nodes?pretty&ver=2" : "/nodes?pretty&ver=2&nonvoters", {}});
}

Verdict DotCommands::remove(const Arguments& arguments) {
  if (arguments.empty()) return session.complain("usage: .remove NODE");
  return print_answer(
      {"DELETE", "/remove", "{\"id\":" + boost::json::serialize(boost::json::string(arguments[0])) + "}"});
}

Verdict DotCommands::step_down(const Arguments& arguments) {
  const std::string body = arguments.empty()
                               ? std::string("{}")
                               : "{\"id\":" + boost::json::serialize(boost::json::string(arguments[0])) + "}";
  return print_answer({"POST", "/leader?wait", body});
}

Verdict DotCommands::print_help(const Arguments&) {
  session.out() << help();
  return Verdict::kGoOn;
}

Verdict DotCommands::exit(const Arguments&) { return Verdict::kExit; }

std::string help() {
  std::size_t width = 0;
  for (const Command& command : kCommands) width = std::max(width, command.name.size() + 1 + command.arguments.size());
  std::string text;
  for (const Command& command : kCommands) {
    std::string usage = std::string(command.name) + ' ' + std::string(command.arguments);
    usage.resize(width + 2, ' ');
    text += usage + std::string(command.help) + '\n';
  }
  return text;
}

}  // namespace quorate::shell
