#include "server/http/metrics.hpp"

#include <algorithm>
#include <cmath>

#include "consensus/assert.hpp"
#include "server/http/go_text.hpp"

namespace quorate::http {

namespace {

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Inf" : "+Inf";
  std::string out;
  append_float(out, value);
  return out;
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
}

}  // namespace

MetricsText& MetricsText::family(std::string_view name, std::string_view help, std::string_view type) {
  name_ = name;
  text_.append("# HELP ").append(name).append(" ").append(help).append("\n");
  text_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
  return *this;
}

MetricsText& MetricsText::sample(double value, const Labels& labels) { return sample_of("", labels, number(value)); }

MetricsText& MetricsText::part(std::string_view suffix, const Labels& labels, double value) {
  return sample_of(suffix, labels, number(value));
}

MetricsText& MetricsText::sample_of(std::string_view suffix, const Labels& labels, std::string_view value) {
  text_.append(name_).append(suffix);
  char separator = '{';
  for (const auto& [name, label] : labels) {
    text_ += separator;
    text_.append(name).append("=\"");
    append_escaped(text_, label);
    text_ += '"';
    separator = ',';
  }
  if (!labels.empty()) text_ += '}';
  text_.append(" ").append(value).append("\n");
  return *this;
}

void DurationHistogram::add(Duration duration) {
  std::size_t bucket = 0;
  for (Duration limit = kFirst; bucket < kBuckets && duration > limit; limit *= 2) ++bucket;
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(duration.count(), std::memory_order_relaxed);
}

void DurationHistogram::write(MetricsText& metrics, const MetricsText::Labels& labels) const {
  MetricsText::Labels with_limit = labels;
  with_limit.emplace_back("le", "");
  std::uint64_t up_to = 0;
  double limit_seconds = std::chrono::duration<double>(kFirst).count();
  for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket, limit_seconds *= 2) {
    up_to += counts_[bucket].load(std::memory_order_relaxed);
    with_limit.back().second = number(bucket < kBuckets ? limit_seconds : INFINITY);
    metrics.part("_bucket", with_limit, static_cast<double>(up_to));
  }
  const Duration sum(sum_ns_.load(std::memory_order_relaxed));
  metrics.part("_sum", labels, std::chrono::duration<double>(sum).count());
  metrics.part("_count", labels, static_cast<double>(up_to));
}

RequestMetrics::RequestMetrics(std::vector<std::string> endpoints, std::function<Instant()> now)
    : names_(std::move(endpoints)), endpoints_(std::make_unique<Endpoint[]>(names_.size())), now_(std::move(now)) {}

void RequestMetrics::answered(std::size_t tag, Status status, Instant begun) {
  QUORATE_ASSERT(tag < names_.size());
  const auto position = static_cast<std::size_t>(std::ranges::find(kStatuses, status) - std::begin(kStatuses));
  QUORATE_ASSERT(position < std::size(kStatuses));
  endpoints_[tag].answers[position].fetch_add(1, std::memory_order_relaxed);
  endpoints_[tag].durations.add(now_() - begun);
}

std::uint64_t RequestMetrics::count_of(std::string_view endpoint) const {
  const auto name = std::ranges::find(names_, endpoint);
  QUORATE_ASSERT(name != names_.end());
  std::uint64_t count = 0;
  for (const auto& answers : endpoints_[static_cast<std::size_t>(name - names_.begin())].answers)
    count += answers.load(std::memory_order_relaxed);
  return count;
}

void RequestMetrics::write(MetricsText& metrics) const {
  metrics.counter("quorate_http_requests_total", "HTTP requests answered.");
  for (std::size_t tag = 0; tag < names_.size(); ++tag)
    for (std::size_t i = 0; i < std::size(kStatuses); ++i)
      if (const auto count = endpoints_[tag].answers[i].load(std::memory_order_relaxed); count != 0)
        metrics.sample(count,
                       {{"endpoint", names_[tag]}, {"status", std::to_string(static_cast<unsigned>(kStatuses[i]))}});
  metrics.histogram("quorate_http_request_seconds", "From the arrival of a request to its answer.");
  for (std::size_t tag = 0; tag < names_.size(); ++tag)
    endpoints_[tag].durations.write(metrics, {{"endpoint", names_[tag]}});
}

}  // namespace quorate::http
