// The text format of Prometheus (0.0.4), and the HTTP interface's own figures in it. Other rooms write theirs into the
// same text. MetricsText is a value under construction: one thread.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/types.hpp"
#include "transport/http_handler.hpp"
#include "transport/http_message.hpp"

namespace quorate::http {

class MetricsText {
 public:
  using Labels = std::vector<std::pair<std::string_view, std::string>>;

  /// Begins a family; its samples follow.
  MetricsText& counter(std::string_view name, std::string_view help) { return family(name, help, "counter"); }
  MetricsText& gauge(std::string_view name, std::string_view help) { return family(name, help, "gauge"); }
  MetricsText& histogram(std::string_view name, std::string_view help) { return family(name, help, "histogram"); }
  MetricsText& sample(std::uint64_t value, const Labels& labels = {}) {
    return sample_of("", labels, std::to_string(value));
  }
  MetricsText& sample(double value, const Labels& labels = {});
  /// A sample of a histogram: "_bucket", "_sum" or "_count".
  MetricsText& part(std::string_view suffix, const Labels& labels, double value);

  [[nodiscard]] std::string& text() { return text_; }

 private:
  MetricsText& family(std::string_view name, std::string_view help, std::string_view type);
  MetricsText& sample_of(std::string_view suffix, const Labels& labels, std::string_view value);

  std::string text_;
  std::string name_;
};

/// How often something took how long. Buckets double from 100 microseconds to about 26 seconds. Any thread.
class DurationHistogram {
 public:
  void add(Duration duration);
  void write(MetricsText& metrics, const MetricsText::Labels& labels) const;

 private:
  static constexpr std::size_t kBuckets = 19;
  static constexpr Duration kFirst = std::chrono::microseconds(100);

  std::array<std::atomic<std::uint64_t>, kBuckets + 1> counts_{};  ///< the last one: longer than all
  std::atomic<Duration::rep> sum_ns_{0};
};

/// Requests by what was asked for and how it was answered. Answers may be counted on any thread.
class RequestMetrics final : public AnswerObserver {
 public:
  /// Tags of answers are positions in `endpoints`.
  RequestMetrics(std::vector<std::string> endpoints, std::function<Instant()> now);

  void answered(std::size_t tag, Status status, Instant begun) override;
  void write(MetricsText& metrics) const;
  /// How many requests to an endpoint were answered, well or not.
  [[nodiscard]] std::uint64_t count_of(std::string_view endpoint) const;

 private:
  struct Endpoint {
    std::array<std::atomic<std::uint64_t>, std::size(kStatuses)> answers{};
    DurationHistogram durations;
  };
  std::vector<std::string> names_;
  std::unique_ptr<Endpoint[]> endpoints_;
  std::function<Instant()> now_;
};

}  // namespace quorate::http
