#include "server/slow_statements.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

namespace quorate::server {

/// So many lines a second; the first one after a pause says how many were left out.
class SlowStatements::Limit {
 public:
  /// How many were left out since the last one that may be written; nothing if this one may not.
  std::optional<std::uint64_t> admit(Instant now) {
    const std::lock_guard lock(mutex_);
    if (now - second_begun_ >= std::chrono::seconds(1)) {
      second_begun_ = now;
      written_ = 0;
    }
    if (written_ == kSlowLinesPerSecondMax) {
      ++left_out_;
      return std::nullopt;
    }
    ++written_;
    return std::exchange(left_out_, 0);
  }

 private:
  std::mutex mutex_;
  Instant second_begun_;
  unsigned written_ = 0;
  std::uint64_t left_out_ = 0;
};

struct SlowStatements::Rule {
  Duration threshold;
  std::function<Instant()> now;
  Write write;
  Limit limit;
};

namespace {

/// The beginnings of the texts of a request, as far as they are kept.
class Excerpts {
 public:
  explicit Excerpts(const sqlite::Request& request) : count_(request.statements.size()) {
    std::size_t room = kSlowTextBytesMax;
    for (const sqlite::SqlStatement& statement : request.statements) {
      if (room == 0) return;
      if (statement.sql.empty()) continue;  // it has no result
      texts_.push_back(beginning_of(statement.sql, room));
      room -= std::min(room, statement.sql.size());
    }
  }

  [[nodiscard]] std::string of(std::size_t position) const {
    return position < texts_.size() ? texts_[position] : "(not kept)";
  }
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  /// Not in the middle of a character.
  static std::string beginning_of(const std::string& sql, std::size_t bytes_max) {
    if (sql.size() <= bytes_max) return sql;
    std::size_t end = bytes_max;
    while (end > 0 && (static_cast<unsigned char>(sql[end]) & 0xC0U) == 0x80U) --end;
    return sql.substr(0, end) + "...";
  }

  std::size_t count_;
  std::vector<std::string> texts_;
};

}  // namespace

class SlowStatements::Results final : public ResultSink {
 public:
  Results(std::shared_ptr<Rule> rule, const sqlite::Request& request, std::shared_ptr<ResultSink> sink)
      : rule_(std::move(rule)), excerpts_(request), sink_(std::move(sink)), begun_(rule_->now()) {}

  void executed(std::int64_t last_insert_id, std::int64_t rows_affected, Duration elapsed) override {
    rows_ = static_cast<std::uint64_t>(std::max<std::int64_t>(rows_affected, 0));
    ended(elapsed, {});
    if (sink_) sink_->executed(last_insert_id, rows_affected, elapsed);
  }
  void failed(std::string_view error, Duration elapsed) override {
    ended(elapsed, error);
    if (sink_) sink_->failed(error, elapsed);
  }
  void begin_rows(std::span<const sqlite::ColumnDescription> columns) override {
    if (sink_) sink_->begin_rows(columns);
  }
  Flow row(std::span<const sqlite::Value> values) override {
    ++rows_;
    return sink_ ? sink_->row(values) : Flow::kContinue;
  }
  void resume_with(std::function<void(Flow)> go_on) override {
    if (sink_) return sink_->resume_with(std::move(go_on));
    go_on(Flow::kContinue);
  }
  void end_rows(Duration elapsed) override {
    ended(elapsed, {});
    if (sink_) sink_->end_rows(elapsed);
  }
  void rows_failed(std::string_view error, Duration elapsed) override {
    ended(elapsed, error);
    if (sink_) sink_->rows_failed(error, elapsed);
  }

  /// What failed as a whole has no results, but may have taken all the longer.
  void request_ended(const SqlEnd& end) {
    if (end.kind != SqlEnd::Kind::kDone) ended(rule_->now() - begun_, end.error);
  }

 private:
  void ended(Duration elapsed, std::string_view error) {
    const std::size_t position = position_++;
    const std::uint64_t rows = std::exchange(rows_, 0);
    if (elapsed < rule_->threshold) return;
    const auto left_out = rule_->limit.admit(rule_->now());
    if (!left_out) return;
    rule_->write("slow statement", {{"seconds", std::chrono::duration<double>(elapsed).count()},
                                    {"rows", rows},
                                    {"statement", std::uint64_t{position + 1}},
                                    {"of", std::uint64_t{excerpts_.count()}},
                                    {"sql", excerpts_.of(position)},
                                    {"error", error.empty() ? LogValue::Any() : std::string(error)},
                                    {"left_out_before", *left_out == 0 ? LogValue::Any() : *left_out}});
  }

  const std::shared_ptr<Rule> rule_;
  const Excerpts excerpts_;
  const std::shared_ptr<ResultSink> sink_;
  const Instant begun_;
  std::size_t position_ = 0;
  std::uint64_t rows_ = 0;
};

SlowStatements::SlowStatements(Duration threshold, std::function<Instant()> now, Write write) {
  if (threshold > Duration::zero()) rule_ = std::make_shared<Rule>(threshold, std::move(now), std::move(write));
}

SlowStatements::Watched SlowStatements::watch(const sqlite::Request& request, std::shared_ptr<ResultSink> sink,
                                              SqlDone done) const {
  if (rule_ == nullptr) return {std::move(sink), std::move(done)};
  auto results = std::make_shared<Results>(rule_, request, std::move(sink));
  return {results, [results, done = std::move(done)](SqlEnd end) {
            results->request_ended(end);
            done(std::move(end));
          }};
}

}  // namespace quorate::server
