// What all command lines have in common: how help looks, how they are parsed, and how the user is told in one line what
// is wrong with one.
#pragma once

#include <optional>

#include "server/cli/exit_code.hpp"

namespace CLI {
class App;
}

namespace quorate::cli {

/// Makes help of `app`, and of all subcommands that are added to it later, show what an option takes and its default.
void make_help_readable(CLI::App& app);

/// Parses the command line into what `app` was told to fill in. Nothing when the chosen command is to run; otherwise
/// help or a complaint was printed, and the process ends with the code returned.
[[nodiscard]] std::optional<ExitCode> parse(CLI::App& app, int argc, char** argv);

}  // namespace quorate::cli
