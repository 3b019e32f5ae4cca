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
/// Whether it is a query: SELECT, VALUES or EXPLAIN, also behind WITH. Others may read, too.
[[nodiscard]] bool reads_only(std::string_view sql);
/// A command line cut at white space; quotes keep it together.
[[nodiscard]] std::vector<std::string> split(std::string_view line);

/// 'text' as SQL has it.
[[nodiscard]] std::string quoted_text(std::string_view text);

/// Whether the text ends with a whole statement, or holds none.
[[nodiscard]] bool is_complete(const std::string& sql);
/// The statements of a text, one by one; the last one may lack its semicolon.
[[nodiscard]] std::vector<std::string> split_statements(const std::string& text);

}  // namespace quorate::shell
