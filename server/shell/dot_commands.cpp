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
    Command{".backup", "FILE", "Write a copy of the database to a SQLite file", 1, &DotCommands::backup},
    Command{".blobarray", "[on|off]", "Show BLOBs as arrays of bytes", 1, &DotCommands::blob_array},
    Command{".boot", "FILE", "Make a SQLite file the database of a node that is alone", 1, &DotCommands::boot},
    Command{".changes", "[on|off]", "Report how many rows a write affected", 1, &DotCommands::changes},
    Command{".consistency", "[none|weak|linearizable|strong|auto]", "Show or set the read consistency level", 1,
            &DotCommands::consistency},
    Command{".dump", "FILE [TABLE,...]", "Write the database, or some tables of it, to a file as SQL text", 2,
            &DotCommands::dump},
    Command{".exit", "", "Leave the shell; an open transaction is rolled back", 0, &DotCommands::exit},
    Command{".expvar", "", "Show the node's counters", 0, &DotCommands::counters},
    Command{".extensions", "", "Show the SQLite extensions that the node has loaded", 0, &DotCommands::extensions},
    Command{".forcewrites", "[on|off]", "Send all statements as writes", 1, &DotCommands::force_writes},
    Command{".headers", "[on|off]", "Show names of columns", 1, &DotCommands::headers},
    Command{".help", "", "Show this list", 0, &DotCommands::print_help},
    Command{".import", "[--header] [--skip N] [--separator C] [--null TEXT] FILE TABLE",
            "Put the rows of a CSV file into a table", 9, &DotCommands::import},
    Command{".indexes", "[TABLE]", "Show the names of all indexes, or of those of a table", 1, &DotCommands::indexes},
    Command{".leader", "", "Show the leader", 0, &DotCommands::leader},
    Command{".mode", "[column|table|csv|json|line]", "Show or set how rows are printed", 1, &DotCommands::mode},
    Command{".nodes", "[all]", "Show the cluster's nodes, with \"all\" read replicas too", 1, &DotCommands::nodes},
    Command{".output", "[FILE]", "Send results to a file; without a name, to the screen again", 1,
            &DotCommands::output},
    Command{".quit", "", "Leave the shell; an open transaction is rolled back", 0, &DotCommands::exit},
    Command{".read", "FILE", "Run the statements and commands of a file", 1, &DotCommands::read},
    Command{".ready", "", "Show whether the node is ready", 0, &DotCommands::ready},
    Command{".reap", "", "Remove what old snapshots have left behind", 0, &DotCommands::reap},
    Command{".remove", "NODE", "Remove a node from the cluster", 1, &DotCommands::remove},
    Command{".restore", "FILE", "Replace the database by a SQLite file, or execute SQL text", 1, &DotCommands::restore},
    Command{".schema", "[TABLE]", "Show the statements that created everything, or a table and what belongs to it", 1,
            &DotCommands::schema},
    Command{".show", "", "Show the shell's settings", 0, &DotCommands::show},
    Command{".snapshot", "[N]", "Take a snapshot now; N is accepted and means nothing here", 1, &DotCommands::snapshot},
    Command{".status", "", "Show the node's status", 0, &DotCommands::status},
    Command{".stepdown", "[NODE]", "Make the leader hand over, to a node or to the best one", 1,
            &DotCommands::step_down},
    Command{".sysdump", "FILE", "Write status, members and counters of all nodes to a file", 1,
            &DotCommands::system_dump},
    Command{".tables", "[PATTERN]", "Show the names of all tables and views, or of those that are LIKE the pattern", 1,
            &DotCommands::tables},
    Command{".timer", "[on|off]", "Show how long statements took", 1, &DotCommands::timer},
};

const Command* command_named(std::string_view name) {
  const auto command = std::ranges::find(kCommands, name, &Command::name);
  return command == kCommands.end() ? nullptr : &*command;
}

/// Of a line that begins with one.
const Command* command_of(std::string_view line) {
  const std::vector<std::string> words = split(line);
  return words.empty() ? nullptr : command_named(words.front());
}

/// Of a command whose arguments do not fit in front of what it does.
constexpr std::size_t kLongArguments = 50;

const char* on_or_off(bool value) { return value ? "on" : "off"; }

}  // namespace

Verdict DotCommands::run(std::string_view line) {
  Arguments words = split(line);
  const Command* const command = command_named(words.front());
  if (command == nullptr) return session.complain("unknown command " + words.front() + "; enter .help for a list");
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
  session.out().flush();
  return Verdict::kGoOn;
}

Verdict DotCommands::tables(const Arguments& arguments) {
  const std::string some = arguments.empty() ? "" : " AND name LIKE " + quoted_text(arguments[0]);
  return print_names(
      "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'" +
      some + " ORDER BY 1");
}

Verdict DotCommands::indexes(const Arguments& arguments) {
  const std::string some = arguments.empty() ? "" : " AND tbl_name = " + quoted_text(arguments[0]) + " COLLATE NOCASE";
  return print_names("SELECT name FROM sqlite_schema WHERE type = 'index'" + some + " ORDER BY 1");
}

Verdict DotCommands::schema(const Arguments& arguments) {
  const std::string some = arguments.empty() ? "" : " AND tbl_name = " + quoted_text(arguments[0]) + " COLLATE NOCASE";
  return print_names("SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL" + some + " ORDER BY rowid");
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
Verdict DotCommands::counters(const Arguments&) { return print_answer({"GET", "/debug/vars", {}}); }
Verdict DotCommands::extensions(const Arguments&) { return print_answer({"GET", "/status?pretty&key=extensions", {}}); }
Verdict DotCommands::reap(const Arguments&) { return print_answer({"POST", "/reap", {}}); }

Verdict DotCommands::snapshot(const Arguments& arguments) {
  const std::string trailing = arguments.empty() ? "" : "?trailing_logs=" + client::percent_encode(arguments[0]);
  return print_answer({"POST", "/snapshot" + trailing, {}});
}

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

std::vector<std::string> commands_beginning_with(std::string_view prefix) {
  std::vector<std::string> names;
  for (const Command& command : kCommands)
    if (command.name.starts_with(prefix)) names.emplace_back(command.name);
  return names;
}

/// Of "[a|b|c]": a, b and c.
std::optional<std::vector<std::string>> choices_of_command(std::string_view line) {
  const Command* const command = command_of(line);
  if (command == nullptr || command->arguments.find('|') == std::string_view::npos) return std::nullopt;
  std::vector<std::string> choices(1);
  for (const char letter : command->arguments.substr(1, command->arguments.size() - 2)) {
    if (letter == '|')
      choices.emplace_back();
    else
      choices.back() += letter;
  }
  return choices;
}

bool wants_file(std::string_view line) {
  const Command* const command = command_of(line);
  if (command == nullptr || command->arguments.find("FILE") == std::string_view::npos) return false;
  const std::vector<std::string> words = split(line);
  return words.size() == 1 || words.back().starts_with("--") || command->run == &DotCommands::import;
}

std::string help() {
  std::size_t width = 0;
  for (const Command& command : kCommands)
    if (command.arguments.size() < kLongArguments)
      width = std::max(width, command.name.size() + 1 + command.arguments.size());
  std::string text;
  for (const Command& command : kCommands) {
    std::string usage = std::string(command.name) + ' ' + std::string(command.arguments);
    if (command.arguments.size() >= kLongArguments)
      text.append(usage).append("\n").append(width + 2, ' ');
    else
      text.append(usage).append(width + 2 - usage.size(), ' ');
    text.append(command.help).append("\n");
  }
  return text;
}

}  // namespace quorate::shell
