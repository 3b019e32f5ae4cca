#include "tests/scenarios/script.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

namespace quorate::scenario {
namespace {

constexpr std::string_view kBlanks = " \t\r";

struct Variation {
  std::string name;
  std::vector<std::string> values;
};

/// Follows brackets and quotes through a text.
class Nesting {
 public:
  void see(char character) {
    if (character == '"') quoted_ = !quoted_;
    if (quoted_) return;
    if (character == '(' || character == '[') ++depth_;
    if (character == ')' || character == ']') --depth_;
  }
  [[nodiscard]] bool is_outside() const { return depth_ == 0 && !quoted_; }
  [[nodiscard]] bool is_quoted() const { return quoted_; }
  [[nodiscard]] bool is_broken() const { return depth_ < 0; }

 private:
  int depth_ = 0;
  bool quoted_ = false;
};

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  Nesting nesting;
  for (const char character : line) {
    if (character == '#' && !nesting.is_quoted() && word.empty()) break;
    nesting.see(character);
    if (nesting.is_broken()) throw Failure("a bracket is closed that was not opened");
    if (nesting.is_outside() && kBlanks.find(character) != std::string_view::npos) {
      if (!word.empty()) words.push_back(std::exchange(word, {}));
    } else {
      word += character;
    }
  }
  if (!nesting.is_outside()) throw Failure("expected the closing bracket or quote of '" + word + "'");
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

/// `k=0..3`, or `mode=keep,drop`.
Variation parse_variation(const std::vector<std::string>& words) {
  const std::size_t equals = words.size() == 1 ? words[0].find('=') : std::string::npos;
  if (equals == std::string::npos || equals == 0) throw Failure("expected: vary name=first..last, or name=value,value");
  Variation variation{words[0].substr(0, equals), {}};
  const std::string values = words[0].substr(equals + 1);
  const std::size_t dots = values.find("..");
  if (dots == std::string::npos) {
    variation.values = split(values, ',');
  } else {
    const std::uint64_t last = parse_number(values.substr(dots + 2));
    for (std::uint64_t value = parse_number(values.substr(0, dots)); value <= last; ++value) {
      variation.values.push_back(std::to_string(value));
    }
  }
  if (variation.values.empty()) throw Failure("there is no value between the ends of '" + values + "'");
  return variation;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

Script with(Script script, const Variation& variation, const std::string& value) {
  script.file += "[" + variation.name + "=" + value + "]";
  for (Statement& statement : script.statements) {
    for (std::string& word : statement.words) replace_all(word, "$" + variation.name, value);
  }
  return script;
}

bool is_option(const std::string& word) {
  const std::size_t name = word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-");
  return name != 0 && name != std::string::npos && word[name] == '=';
}

}  // namespace

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::string part;
  Nesting nesting;
  for (const char character : text) {
    nesting.see(character);
    if (character == separator && nesting.is_outside()) {
      parts.push_back(std::exchange(part, {}));
    } else {
      part += character;
    }
  }
  if (!part.empty() || !parts.empty()) parts.push_back(std::move(part));
  return parts;
}

std::uint64_t parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw Failure("expected a number, not '" + std::string(text) + "'");
  }
  return number;
}

bool Script::needs(std::string_view word) const {
  return std::ranges::any_of(statements, [word](const Statement& statement) {
    return std::ranges::find(statement.words, word) != statement.words.end();
  });
}

std::vector<Script> parse_script(const std::string& file, std::string_view text) {
  std::vector<Script> scripts{{file, {}}};
  std::vector<Variation> variations;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    try {
      std::vector<std::string> words = words_of(line);
      if (words.empty()) continue;
      const std::string verb = words.front();
      words.erase(words.begin());
      if (verb == "vary") {
        variations.push_back(parse_variation(words));
      } else {
        scripts.front().statements.push_back({number, verb, std::move(words)});
      }
    } catch (const Failure& failure) {
      throw ScriptError(file, number, failure.what());
    }
  }
  for (const Variation& variation : variations) {
    std::vector<Script> varied;
    for (const Script& script : scripts) {
      for (const std::string& value : variation.values) varied.push_back(with(script, variation, value));
    }
    scripts = std::move(varied);
  }
  return scripts;
}

Words::Words(const Statement& statement) {
  for (const std::string& word : statement.words) {
    if (is_option(word)) {
      const std::size_t equals = word.find('=');
      if (!options_.emplace(word.substr(0, equals), word.substr(equals + 1)).second) {
        throw Failure("'" + word.substr(0, equals) + "' is given twice");
      }
    } else {
      plain_.push_back(word);
    }
  }
}

std::string Words::take(std::string_view expected) {
  if (!has_next()) throw Failure("expected " + std::string(expected));
  return plain_[next_++];
}

std::vector<std::string> Words::take_all() {
  std::vector<std::string> rest(plain_.begin() + static_cast<std::ptrdiff_t>(next_), plain_.end());
  next_ = plain_.size();
  return rest;
}

std::string Words::option(const std::string& name, std::string fallback) {
  const auto found = options_.extract(name);
  return found.empty() ? std::move(fallback) : found.mapped();
}

std::map<std::string, std::string> Words::take_options() { return std::exchange(options_, {}); }

void Words::finish() const {
  if (has_next()) throw Failure("did not expect '" + plain_[next_] + "' here");
  if (!options_.empty()) throw Failure("did not expect '" + options_.begin()->first + "=' here");
}

Assertion parse_assertion(const std::string& word) {
  const auto malformed = [&] { return Failure("expected name(arguments)=value, not '" + word + "'"); };
  Nesting nesting;
  std::size_t at = 0;
  for (; at < word.size(); ++at) {
    nesting.see(word[at]);
    if (nesting.is_outside() && std::string_view("=!<>").find(word[at]) != std::string_view::npos) break;
  }
  if (at == word.size() || at == 0) throw malformed();
  const std::size_t value = word.find_first_not_of("=!<>", at);
  Assertion assertion;
  assertion.text = word;
  assertion.comparison = word.substr(at, value - at);
  if (value != std::string::npos) assertion.value = word.substr(value);
  const std::set<std::string> comparisons{"=", "!=", "<", "<=", ">", ">="};
  if (!comparisons.contains(assertion.comparison) || assertion.value.empty()) throw malformed();
  const std::string subject = word.substr(0, at);
  const std::size_t open = subject.find('(');
  assertion.name = subject.substr(0, open);
  if (open == std::string::npos) return assertion;
  if (subject.back() != ')' || assertion.name.empty()) throw malformed();
  assertion.arguments = split(std::string_view(subject).substr(open + 1, subject.size() - open - 2), ',');
  return assertion;
}

}  // namespace quorate::scenario
