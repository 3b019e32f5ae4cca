#include "server/cli/parse.hpp"

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "server/cli/suggestion.hpp"

namespace quorate::cli {
namespace {

/// "--jobs UINT in [1 - 64] (default 2)" instead of "--jobs UINT:UINT in [1 - 64]=2".
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kColumnWidth); }

  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0) return "";  // a flag
    const std::string type = option->get_type_name();
    std::string text = " " + type.substr(type.find(':') + 1);
    if (option->get_expected_max() == CLI::detail::expected_max_vector_size) text += " ...";
    if (option->get_required()) text += " (required)";
    if (!option->get_default_str().empty()) text += " (default " + option->get_default_str() + ")";
    return text;
  }

 private:
  static constexpr std::size_t kColumnWidth = 44;
};

/// The command the user got to before the mistake, and how it is called.
struct Place {
  const CLI::App* command;
  std::string name;
};

Place place_of_mistake(const CLI::App& app) {
  Place place{&app, app.get_name()};
  while (!place.command->get_subcommands().empty()) {
    place.command = place.command->get_subcommands().front();
    place.name += " " + place.command->get_name();
  }
  return place;
}

std::vector<std::string> names_in(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const CLI::App* subcommand : command.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(subcommand->get_name());
  }
  return names;
}

/// A word that was not expected, and what was probably meant by it.
std::string explain_unexpected(const std::string& word, const CLI::App& command) {
  const std::string name = word.substr(0, word.find('='));
  std::string text = (name.starts_with('-') ? "unknown option " : "unexpected argument ") + name;
  if (const auto meant = closest(name, names_in(command))) text += "; did you mean " + *meant + "?";
  return text;
}

}  // namespace

void make_help_readable(CLI::App& app) {
  app.formatter(std::make_shared<HelpFormatter>());
  app.option_defaults()->always_capture_default();
}

std::optional<ExitCode> parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::Success& request) {  // --help, --version
    app.exit(request);
    return ExitCode::kSuccess;
  } catch (const CLI::ParseError& error) {
    const auto [command, name] = place_of_mistake(app);
    const std::vector<std::string> unexpected = app.remaining(true);
    const std::string what = unexpected.empty() ? error.what() : explain_unexpected(unexpected.front(), *command);
    std::fprintf(stderr, "%s: %s\nTry: %s --help\n", name.c_str(), what.c_str(), name.c_str());
    return ExitCode::kUsage;
  }
}

}  // namespace quorate::cli
