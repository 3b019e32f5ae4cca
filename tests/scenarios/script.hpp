// The text of a scenario as statements: what a file says, not yet what it means. See docs/scenarios.md for the
// language. Values only; everything that is wrong with a text is reported as ScriptError with the place and what was
// expected.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::scenario {

/// What is wrong, or what was expected and what was found, as `file:line: text`.
class ScriptError : public std::runtime_error {
 public:
  ScriptError(const std::string& file, std::size_t line, const std::string& text)
      : std::runtime_error(file + ":" + std::to_string(line) + ": " + text) {}
};

/// A failure that does not know yet where it happened; whoever executes statements adds file and line.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One line: a verb, and words that belong to it. A word has no blanks outside of (), [] and "".
struct Statement {
  std::size_t line = 0;
  std::string verb;
  std::vector<std::string> words;
};

struct Script {
  std::string file;
  std::vector<Statement> statements;

  /// Whether any statement has this word.
  [[nodiscard]] bool needs(std::string_view word) const;
};

/// One script per combination of the values that the text's `vary` lines name, with `$name` replaced by the value; the
/// name of each is the file's with the values in brackets.
[[nodiscard]] std::vector<Script> parse_script(const std::string& file, std::string_view text);

/// The words of a statement, taken one by one: what is left in the end was not understood.
class Words {
 public:
  explicit Words(const Statement& statement);

  /// The next word that is no option; Failure if there is none.
  std::string take(std::string_view expected);
  [[nodiscard]] bool has_next() const { return next_ < plain_.size(); }
  /// All remaining words that are no options.
  std::vector<std::string> take_all();
  /// The value of `name=value`, or `fallback`.
  std::string option(const std::string& name, std::string fallback);
  [[nodiscard]] bool has_option(const std::string& name) const { return options_.contains(name); }
  /// All remaining options.
  std::map<std::string, std::string> take_options();
  /// Fails if anything is left.
  void finish() const;

 private:
  std::vector<std::string> plain_;
  std::size_t next_ = 0;
  std::map<std::string, std::string> options_;
};

/// An assertion: `name(argument,argument)=value`, with any of = != < <= > >=.
struct Assertion {
  std::string name;
  std::vector<std::string> arguments;
  std::string comparison;
  std::string value;
  std::string text;  ///< as written
};
[[nodiscard]] Assertion parse_assertion(const std::string& word);

/// Splits at `separator` where it is not inside of (), [] or "".
[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);
/// A whole number; Failure otherwise.
[[nodiscard]] std::uint64_t parse_number(std::string_view text);

}  // namespace quorate::scenario
