#include "server/cli/go_flags.hpp"

#include <string_view>

namespace quorate::cli {

namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// A letter and more than one: "-v" is a short option everywhere.
bool has_one_dash(std::string_view argument) {
  return argument.size() > 2 && argument[0] == '-' && is_letter(argument[1]) && argument[2] != '=';
}

}  // namespace

std::vector<std::string> with_two_dashes(std::span<const std::string> arguments) {
  std::vector<std::string> result;
  result.reserve(arguments.size());
  bool are_options_over = false;
  for (const std::string& argument : arguments) {
    are_options_over = are_options_over || argument == "--";
    result.push_back(!are_options_over && has_one_dash(argument) ? "-" + argument : argument);
  }
  return result;
}

}  // namespace quorate::cli
