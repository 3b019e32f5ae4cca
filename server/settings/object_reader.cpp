#include "server/settings/detail/object_reader.hpp"

#include <algorithm>
#include <utility>

#include <boost/json/parser.hpp>

#include "server/http/go_text.hpp"

namespace quorate::settings {

namespace json = boost::json;

namespace {

/// ":line:column" of a place in a text.
std::string place_in(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto line = 1 + std::ranges::count(before, '\n');
  const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1: the first line
  return ":" + std::to_string(line) + ":" + std::to_string(at - line_begin + 1);
}

}  // namespace

Result<json::value> parse_json(std::string_view text, const std::string& file) {
  json::parser parser;
  json::error_code error;
  const std::size_t used = parser.write_some(text.data(), text.size(), error);
  if (error)
    return fail(ErrorKind::kInvalidArgument, file + place_in(text, used) + ": no JSON (" + error.message() + ")");
  const std::size_t stray = text.find_first_not_of(" \t\r\n", used);
  if (stray != std::string_view::npos)
    return fail(ErrorKind::kInvalidArgument, file + place_in(text, stray) + ": something follows the end of the JSON");
  return parser.release();
}

ObjectReader::ObjectReader(const json::value& value, std::string where, Complaint& complaint)
    : object_(value.if_object()), where_(std::move(where)), complaint_(&complaint) {
  if (object_ == nullptr) complaint_->add(where_, "it is no object ({...})");
}

const json::value* ObjectReader::find(std::string_view key) const {
  return object_ == nullptr ? nullptr : object_->if_contains(key);
}

const json::value* ObjectReader::take(std::string_view key) {
  known_.emplace(key);
  return find(key);
}

const json::value* ObjectReader::demand(std::string_view key) {
  const json::value* const value = take(key);
  if (value == nullptr) complain(key, "is missing");
  return value;
}

std::string ObjectReader::text(std::string_view key) {
  const json::value* const value = demand(key);
  if (value == nullptr) return {};
  if (value->is_string() && !value->get_string().empty()) return std::string(value->get_string());
  complain(key, "must be a text that is not empty");
  return {};
}

bool ObjectReader::flag(std::string_view key, bool fallback) {
  const json::value* const value = take(key);
  if (value == nullptr) return fallback;
  if (value->is_bool()) return value->get_bool();
  complain(key, "must be true or false");
  return fallback;
}

std::int64_t ObjectReader::integer(std::string_view key) {
  const json::value* const value = demand(key);
  if (value == nullptr) return 0;
  if (value->is_int64()) return value->get_int64();
  complain(key, "must be a whole number");
  return 0;
}

Duration ObjectReader::duration(std::string_view key, std::optional<Duration> fallback) {
  const json::value* const value = fallback ? take(key) : demand(key);
  if (value == nullptr) return fallback.value_or(Duration::zero());
  if (value->is_int64() && value->get_int64() > 0) return std::chrono::nanoseconds(value->get_int64());
  if (value->is_string()) {
    const auto parsed = http::parse_duration(value->get_string());
    if (parsed && *parsed > Duration::zero()) return *parsed;
  }
  complain(key,
           "must be a duration like \"30s\", \"5m\" or \"24h\", or a number of nanoseconds, and more than nothing");
  return fallback.value_or(Duration::zero());
}

ObjectReader ObjectReader::object(std::string_view key) {
  static const json::value kNothing = json::object();
  const json::value* const value = demand(key);
  return {value == nullptr ? kNothing : *value, where_ + ", \"" + std::string(key) + "\"", *complaint_};
}

void ObjectReader::complain(std::string_view key, const std::string& what) {
  complaint_->add(where_, "\"" + std::string(key) + "\" " + what);
}

void ObjectReader::end() {
  if (object_ == nullptr) return;
  for (const auto& [key, value] : *object_) {
    if (known_.contains(std::string_view(key))) continue;
    std::string expected;
    for (const std::string& name : known_) expected += (expected.empty() ? "" : ", ") + name;
    complaint_->add(where_, "unknown key \"" + std::string(key) + "\"; known are " + expected);
  }
}

}  // namespace quorate::settings
