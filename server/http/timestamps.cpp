#include "server/http/timestamps.hpp"

#include <chrono>
#include <cstddef>

#include <fmt/format.h>

namespace quorate::http {

namespace {

using std::chrono::days;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr std::string_view kZeroTime = "0001-01-01T00:00:00Z";
constexpr std::int64_t kMillisecondsBeyond = 1'000'000'000'000;
constexpr std::size_t kFractionDigitsMax = 9;

/// Splitting seconds and nanoseconds keeps every year of a 64-bit number of seconds within the arithmetic.
struct UtcTime {
  std::int64_t seconds = 0;
  std::int64_t nanosecond = 0;
};

std::int64_t floor_divide(std::int64_t value, std::int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

std::optional<std::string> format(const UtcTime& time) {
  constexpr std::int64_t kSecondsPerDay = 86'400;
  constexpr std::int64_t kDaysMax = 4'000'000;  // about eleven thousand years either way
  const std::int64_t day = floor_divide(time.seconds, kSecondsPerDay);
  if (day < -kDaysMax || day > kDaysMax) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::sys_days(days(day))};
  const int year = static_cast<int>(date.year());
  if (year < 0 || year > 9999) return std::nullopt;
  const std::chrono::hh_mm_ss clock{seconds(time.seconds - day * kSecondsPerDay)};
  std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", year, static_cast<unsigned>(date.month()),
                                static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(),
                                clock.seconds().count());
  if (time.nanosecond != 0) {
    std::string fraction = fmt::format(".{:09}", time.nanosecond);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    out += fraction;
  }
  return out + 'Z';
}

/// Reads fields off the front of a text; the first that is missing makes it fail for good.
class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : rest_(text) {}

  int number(std::size_t digits, int least, int most) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const char c = i < rest_.size() ? rest_[i] : '\0';
      if (c < '0' || c > '9') return fail();
      value = value * 10 + (c - '0');
    }
    rest_.remove_prefix(digits);
    return value < least || value > most ? fail() : value;
  }
  /// One of `characters`, which is returned.
  char one_of(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) return static_cast<char>(fail());
    const char found = rest_.front();
    rest_.remove_prefix(1);
    return found;
  }
  [[nodiscard]] bool at(char c) const { return rest_.starts_with(c); }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] bool failed() const { return failed_; }
  /// The digits of a fraction, as nanoseconds.
  std::int64_t fraction() {
    std::int64_t value = 0;
    std::size_t digits = 0;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      if (digits < kFractionDigitsMax) value = value * 10 + (rest_.front() - '0');
      ++digits;
      rest_.remove_prefix(1);
    }
    if (digits == 0) return fail();
    for (; digits < kFractionDigitsMax; ++digits) value *= 10;
    return value;
  }

 private:
  int fail() {
    failed_ = true;
    rest_ = {};
    return 0;
  }

  std::string_view rest_;
  bool failed_ = false;
};

std::optional<UtcTime> parse(std::string_view text) {
  if (text.ends_with('Z')) text.remove_suffix(1);
  FieldReader read(text);
  const int year = read.number(4, 0, 9999);
  read.one_of("-");
  const int month = read.number(2, 1, 12);
  read.one_of("-");
  const int day = read.number(2, 1, 31);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (read.failed() || !date.ok()) return std::nullopt;
  UtcTime time{.seconds = seconds(std::chrono::sys_days(date).time_since_epoch()).count()};
  if (read.at_end()) return time;

  read.one_of(" T");
  time.seconds += read.number(2, 0, 23) * 3600;
  read.one_of(":");
  time.seconds += read.number(2, 0, 59) * 60;
  if (read.at(':')) {
    read.one_of(":");
    time.seconds += read.number(2, 0, 59);
    if (read.at('.')) {
      read.one_of(".");
      time.nanosecond = read.fraction();
    }
  }
  if (!read.failed() && !read.at_end()) {
    const int sign = read.one_of("+-") == '-' ? 1 : -1;  // east of Greenwich it is later than UTC
    const int hours = read.number(2, 0, 23);
    read.one_of(":");
    time.seconds += sign * (hours * 3600 + read.number(2, 0, 59) * 60);
  }
  if (read.failed() || !read.at_end()) return std::nullopt;
  return time;
}

}  // namespace

std::string timestamp_of_text(std::string_view text) {
  const std::optional<UtcTime> time = parse(text);
  return time ? format(*time).value_or(std::string(kZeroTime)) : std::string(kZeroTime);
}

std::optional<std::string> timestamp_of_number(std::int64_t number) {
  const bool is_in_milliseconds = number > kMillisecondsBeyond || number < -kMillisecondsBeyond;
  if (!is_in_milliseconds) return format({.seconds = number});
  const std::int64_t whole = floor_divide(number, 1000);
  return format({.seconds = whole, .nanosecond = (number % 1000 + 1000) % 1000 * 1'000'000});
}

}  // namespace quorate::http
