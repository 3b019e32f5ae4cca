#include "server/cdc/feed_options.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json/parser.hpp>
#include <boost/json/value.hpp>

#include "server/cdc/table_filter.hpp"
#include "server/http/go_text.hpp"

namespace quorate::cdc {

namespace json = boost::json;

namespace {

constexpr std::size_t kServiceIdBytesMax = 256;
constexpr std::int64_t kBatchGroupsMax = 10'000;
constexpr std::int64_t kRetriesMax = 1'000'000'000;
constexpr Duration kShortest = std::chrono::milliseconds(1);
constexpr Duration kLongest = std::chrono::hours(24);
constexpr Duration kTimeoutMax = std::chrono::hours(1);

constexpr std::array kKeys = {"endpoint",
                              "service_id",
                              "row_ids_only",
                              "table_filter",
                              "tls",
                              "max_batch_size",
                              "max_batch_delay",
                              "transmit_timeout",
                              "high_watermark_interval",
                              "transmit_max_retries",
                              "transmit_retry_policy",
                              "transmit_min_backoff",
                              "transmit_max_backoff"};
constexpr std::array kTlsKeys = {"ca_cert_file", "cert_file", "key_file", "insecure_skip_verify", "server_name"};

tl::unexpected<Error> refuse(std::string message) { return fail(ErrorKind::kInvalidArgument, std::move(message)); }

template <std::size_t N>
std::string list_of(const std::array<const char*, N>& names) {
  std::string list;
  for (const char* name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

/// The members of one object, by name; the first thing that is wrong is remembered.
class Fields {
 public:
  explicit Fields(const json::object& object) : object_(object) {}

  template <std::size_t N>
  void must_be_among(const std::array<const char*, N>& known) {
    for (const auto& [key, value] : object_) {
      if (std::ranges::find(known, std::string_view(key)) == known.end())
        complain("unknown key \"" + std::string(key) + "\"; known are " + list_of(known));
    }
  }

  void text(const char* key, std::string& into) {
    const json::value* const value = find(key);
    if (value == nullptr) return;
    if (!value->is_string()) return complain(std::string(key) + " must be a text");
    into = std::string(value->get_string());
  }
  void flag(const char* key, bool& into) {
    const json::value* const value = find(key);
    if (value == nullptr) return;
    if (!value->is_bool()) return complain(std::string(key) + " must be true or false");
    into = value->get_bool();
  }
  struct Range {
    std::int64_t least;
    std::int64_t most;
  };
  std::optional<std::int64_t> number(const char* key, Range range) {
    const json::value* const value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_int64() || value->get_int64() < range.least || value->get_int64() > range.most) {
      complain(std::string(key) + " must be a whole number from " + std::to_string(range.least) + " to " +
               std::to_string(range.most));
      return std::nullopt;
    }
    return value->get_int64();
  }
  /// "200ms", or nanoseconds as a number.
  void duration(const char* key, Duration& into, Duration most) {
    const json::value* const value = find(key);
    if (value == nullptr) return;
    std::optional<Duration> read;
    if (value->is_string()) read = http::parse_duration(std::string_view(value->get_string()));
    if (value->is_int64()) read = std::chrono::nanoseconds(value->get_int64());
    if (!read || *read < kShortest || *read > most) {
      return complain(std::string(key) + " must be a duration from " + http::format_duration(kShortest) + " to " +
                      http::format_duration(most) + ", written like \"200ms\" or as a number of nanoseconds");
    }
    into = *read;
  }
  void retry_policy(const char* key, RetryPolicy& into) {
    const json::value* const value = find(key);
    if (value == nullptr) return;
    const bool is_linear = *value == json::value("linear") || *value == json::value(0);
    const bool is_exponential = *value == json::value("exponential") || *value == json::value(1);
    if (!is_linear && !is_exponential) return complain(std::string(key) + R"( must be "linear" or "exponential")");
    into = is_linear ? RetryPolicy::kLinear : RetryPolicy::kExponential;
  }

  /// Nothing if it is not there, or null.
  [[nodiscard]] const json::value* find(const char* key) const {
    const json::value* const value = object_.if_contains(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }
  void complain(std::string what) {
    if (problem_.empty()) problem_ = std::move(what);
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  const json::object& object_;
  std::string problem_;
};

void read_tls(Fields& fields, FeedOptions& options) {
  const json::value* const value = fields.find("tls");
  if (value == nullptr) return;
  if (!value->is_object()) return fields.complain("tls must be an object");
  Fields tls(value->get_object());
  tls.must_be_among(kTlsKeys);
  tls.text("ca_cert_file", options.tls.authorities);
  tls.text("cert_file", options.tls.certificate);
  tls.text("key_file", options.tls.key);
  tls.flag("insecure_skip_verify", options.tls.trusts_anybody);
  tls.text("server_name", options.tls.server_name);
  if (options.tls.certificate.empty() != options.tls.key.empty())
    tls.complain("cert_file and key_file belong together; name both or none");
  if (!tls.problem().empty()) fields.complain("tls: " + tls.problem());
}

void read_fields(Fields& fields, FeedOptions& options) {
  fields.must_be_among(kKeys);
  fields.text("service_id", options.service_id);
  if (options.service_id.size() > kServiceIdBytesMax)
    fields.complain("service_id has at most " + std::to_string(kServiceIdBytesMax) + " bytes");
  fields.flag("row_ids_only", options.row_ids_only);
  fields.text("table_filter", options.table_filter);
  read_tls(fields, options);
  if (const auto size = fields.number("max_batch_size", {1, kBatchGroupsMax}))
    options.batch_groups_max = static_cast<std::size_t>(*size);
  fields.duration("max_batch_delay", options.batch_delay_max, kTimeoutMax);
  fields.duration("high_watermark_interval", options.high_watermark_interval, kTimeoutMax);
  fields.duration("transmit_timeout", options.transmit_timeout, kTimeoutMax);
  if (const auto retries = fields.number("transmit_max_retries", {0, kRetriesMax}))
    options.retries_max = static_cast<std::uint64_t>(*retries);
  fields.retry_policy("transmit_retry_policy", options.retry_policy);
  fields.duration("transmit_min_backoff", options.backoff_min, kLongest);
  fields.duration("transmit_max_backoff", options.backoff_max, kLongest);
  if (fields.find("transmit_max_backoff") == nullptr)
    options.backoff_max = std::max(options.backoff_min, options.backoff_max);
  if (options.backoff_min > options.backoff_max)
    fields.complain("transmit_min_backoff is longer than transmit_max_backoff");
}

Result<FeedOptions> check(FeedOptions options) {
  if (auto filter = TableFilter::compile(options.table_filter); !filter)
    return refuse("table_filter: " + filter.error().message);
  return options;
}

Result<FeedOptions> parse_json(const std::string& text) {
  json::error_code error;
  json::parser parser;
  parser.write(text, error);
  if (error) return refuse("it is no JSON: " + error.message());
  const json::value value = parser.release();
  if (!value.is_object()) return refuse(R"(it is no object; expected is {"endpoint": "...", ...})");
  FeedOptions options;
  Fields fields(value.get_object());
  read_fields(fields, options);
  std::string endpoint;
  fields.text("endpoint", endpoint);
  if (!fields.problem().empty()) return refuse(fields.problem());
  if (endpoint.empty()) return refuse("there is no endpoint");
  Result<Endpoint> parsed = parse_endpoint(endpoint);
  if (!parsed) return refuse("endpoint: " + parsed.error().message);
  options.endpoint = std::move(*parsed);
  if (fields.find("tls") != nullptr && options.endpoint.kind != Endpoint::Kind::kHttps)
    return refuse("tls is of no use without an endpoint that begins with https://");
  return check(std::move(options));
}

}  // namespace

Result<FeedOptions> parse_feed_options(std::string_view text, const std::string& file,
                                       const settings::Environment& environment) {
  const Result<std::string> complete = settings::with_variables(text, file, environment);
  if (!complete) return tl::unexpected(complete.error());
  Result<FeedOptions> options = parse_json(*complete);
  if (!options) return refuse(file + ": " + options.error().message);
  return options;
}

Result<FeedOptions> read_feed_options(const std::string& flag) {
  if (!looks_like_endpoint(flag)) {
    const Result<std::string> text = settings::read_settings(flag);
    if (!text) return refuse(text.error().message + "; name a file, an endpoint (http://...), or stdout");
    return parse_feed_options(*text, flag, settings::process_environment());
  }
  Result<Endpoint> endpoint = parse_endpoint(flag);
  if (!endpoint) return tl::unexpected(endpoint.error());
  FeedOptions options;
  options.endpoint = std::move(*endpoint);
  return options;
}

}  // namespace quorate::cdc
