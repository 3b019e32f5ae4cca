// Turns the results of one request into one HTTP answer: in one piece if it is small, as a stream of bounded memory if
// it is not. Answers that fail before anything was sent have a status that says so; a stream that fails is cut, so that
// the client sees that something is missing.
//
// Threads: results may come from any thread, one call at a time; finish() is called on the loop after the last of them.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/database.hpp"
#include "server/http/json_rows.hpp"
#include "transport/http_handler.hpp"

namespace quorate::http {

/// Beyond this an answer is streamed.
inline constexpr std::size_t kStreamChunkBytes = std::size_t{64} << 10;

struct SqlAnswerOptions {
  ResultsStyle style;
  enum class LogIndex : std::uint8_t { kOmitted, kShown } log_index = LogIndex::kOmitted;
  /// Who served it: host:port.
  std::string served_by;
  Instant begun;
};

class SqlAnswer final : public server::ResultSink, public std::enable_shared_from_this<SqlAnswer> {
 public:
  SqlAnswer(Responder responder, SqlAnswerOptions options);
  ~SqlAnswer() override;

  void finish(const server::SqlEnd& end, Instant now);
  /// Gives the duty to answer back; possible as long as nothing was sent.
  [[nodiscard]] Responder give_up();
  [[nodiscard]] bool may_give_up() const { return responder_.has_value(); }

  void executed(std::int64_t last_insert_id, std::int64_t rows_affected, Duration elapsed) override;
  void failed(std::string_view error, Duration elapsed) override;
  void begin_rows(std::span<const sqlite::ColumnDescription> columns) override;
  server::Flow row(std::span<const sqlite::Value> values) override;
  void resume_with(std::function<void(server::Flow)> go_on) override;
  void end_rows(Duration elapsed) override;
  void rows_failed(std::string_view error, Duration elapsed) override;

 private:
  [[nodiscard]] Response head() const;
  void send_chunk();
  void on_ready(StreamState state);

  SqlAnswerOptions options_;
  std::optional<Responder> responder_;  ///< until the answer, or its stream, has begun
  ResultsWriter writer_;

  // What the thread that gives results and the loop share. The writer changes hands with them: while the former waits
  // in resume_with(), the latter sends what there is.
  std::mutex mutex_;
  std::optional<ResponseStream> stream_;
  bool is_sending_ = false;
  bool is_client_gone_ = false;
  std::function<void(server::Flow)> go_on_;
};

}  // namespace quorate::http
