#include "server/http/go_text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <utility>

#include "consensus/assert.hpp"

namespace quorate::http {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t nanoseconds;
};
/// Longer names before those they begin with. The micro sign exists twice in Unicode.
constexpr std::array kUnits = {
    Unit{"ns", 1},         Unit{"us", 1'000},        Unit{"\u00B5s", 1'000},    Unit{"\u03BCs", 1'000},
    Unit{"ms", 1'000'000}, Unit{"s", 1'000'000'000}, Unit{"m", 60'000'000'000}, Unit{"h", 3'600'000'000'000},
};
constexpr auto kNanosecondsMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

std::optional<std::uint64_t> take_unit(std::string_view& text) {
  const std::size_t end = text.find_first_of(".0123456789");
  const std::string_view name = text.substr(0, end);
  for (const Unit& unit : kUnits)
    if (unit.name == name) return text.remove_prefix(name.size()), unit.nanoseconds;
  return std::nullopt;
}

/// Digits behind the decimal point that can make a difference of a nanosecond.
constexpr std::size_t kFractionDigitsMax = 15;

std::uint64_t fraction_of(std::uint64_t unit, std::string_view digits) {
  double numerator = 0;
  double denominator = 1;
  for (const char digit : digits.substr(0, kFractionDigitsMax)) {
    numerator = numerator * 10 + (digit - '0');
    denominator *= 10;
  }
  return static_cast<std::uint64_t>(numerator * (static_cast<double>(unit) / denominator));
}

/// One "1.5h" of a duration, in nanoseconds.
std::optional<std::uint64_t> take_term(std::string_view& text) {
  std::uint64_t whole = 0;
  const auto integer = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (integer.ec == std::errc::result_out_of_range) return std::nullopt;
  const auto whole_digits = static_cast<std::size_t>(integer.ptr - text.data());
  text.remove_prefix(whole_digits);

  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = text.substr(0, text.find_first_not_of("0123456789"));
    text.remove_prefix(fraction.size());
  }
  if (whole_digits == 0 && fraction.empty()) return std::nullopt;

  const std::optional<std::uint64_t> unit = take_unit(text);
  if (!unit || whole > kNanosecondsMax / *unit) return std::nullopt;
  const std::uint64_t total = whole * *unit + fraction_of(*unit, fraction);
  return total <= kNanosecondsMax ? std::optional(total) : std::nullopt;
}

/// In units of 10^digits nanoseconds, without trailing zeros.
void append_decimal(std::string& out, std::uint64_t nanoseconds, int digits) {
  std::uint64_t scale = 1;
  for (int i = 0; i < digits; ++i) scale *= 10;
  out += std::to_string(nanoseconds / scale);
  std::uint64_t rest = nanoseconds % scale;
  if (rest == 0) return;
  out += '.';
  for (scale /= 10; rest != 0; rest %= scale, scale /= 10) out += static_cast<char>('0' + rest / scale);
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return Duration::zero();
  if (text.empty()) return std::nullopt;
  std::uint64_t total = 0;
  while (!text.empty()) {
    const std::optional<std::uint64_t> term = take_term(text);
    if (!term || *term > kNanosecondsMax - total) return std::nullopt;
    total += *term;
  }
  const auto nanoseconds = static_cast<std::int64_t>(total);
  return Duration(is_negative ? -nanoseconds : nanoseconds);
}

std::string format_duration(Duration duration) {
  if (duration == Duration::zero()) return "0s";
  std::string out = duration < Duration::zero() ? "-" : "";
  // Negated as unsigned, so that the smallest value has an opposite.
  const auto signed_count = static_cast<std::uint64_t>(duration.count());
  const std::uint64_t nanoseconds = duration < Duration::zero() ? 0 - signed_count : signed_count;
  if (nanoseconds < 1'000) {
    append_decimal(out, nanoseconds, 0);
    return out + "ns";
  }
  if (nanoseconds < 1'000'000) {
    append_decimal(out, nanoseconds, 3);
    return out + "\u00B5s";
  }
  if (nanoseconds < 1'000'000'000) {
    append_decimal(out, nanoseconds, 6);
    return out + "ms";
  }
  const std::uint64_t minutes = nanoseconds / 60'000'000'000;
  if (minutes >= 60) out += std::to_string(minutes / 60) + "h";
  if (minutes > 0) out += std::to_string(minutes % 60) + "m";
  append_decimal(out, nanoseconds % 60'000'000'000, 9);
  return out + "s";
}

void append_float(std::string& out, double number) {
  QUORATE_ASSERT(std::isfinite(number));
  char text[32];
  // The shortest digits, as d.ddde+xx; where the point goes is decided here, since the standard's fixed notation writes
  // large numbers exactly and not shortly.
  const auto end = std::to_chars(std::begin(text), std::end(text), number, std::chars_format::scientific).ptr;
  std::string_view scientific(text, static_cast<std::size_t>(end - text));
  const double magnitude = std::abs(number);
  const std::size_t e = scientific.find('e');
  std::string_view mantissa = scientific.substr(0, e);
  const int exponent = std::atoi(std::string(scientific.substr(e + 1)).c_str());
  if (number != 0 && (magnitude < 1e-6 || magnitude >= 1e21)) {
    out += mantissa;
    out += exponent < 0 ? "e-" : "e+";
    out += std::to_string(std::abs(exponent));
    return;
  }
  if (mantissa.starts_with('-')) {
    out += '-';
    mantissa.remove_prefix(1);
  }
  std::string digits(1, mantissa[0]);
  if (mantissa.size() > 2) digits += mantissa.substr(2);
  const int point = exponent + 1;  // where the decimal point stands among the digits
  if (point <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-point), '0');
    out += digits;
  } else if (static_cast<std::size_t>(point) >= digits.size()) {
    out += digits;
    out.append(static_cast<std::size_t>(point) - digits.size(), '0');
  } else {
    out += digits.substr(0, static_cast<std::size_t>(point));
    out += '.';
    out += digits.substr(static_cast<std::size_t>(point));
  }
}

}  // namespace quorate::http
