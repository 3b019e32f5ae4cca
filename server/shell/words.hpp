// Small looks at a piece of SQL or at a dot-command's line; no parser.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quorate::shell {

/// Nothing but white space.
[[nodiscard]] bool is_blank(std::string_view text);
/// The first and second words behind white space and comments, in capitals.
[[nodiscard]] std::string first_word(std::string_view sql);
[[nodiscard]] std::string second_word(std::string_view sql);
/// A command line cut at white space; quotes keep it together.
[[nodiscard]] std::vector<std::string> split(std::string_view line);

}  // namespace quorate::shell
