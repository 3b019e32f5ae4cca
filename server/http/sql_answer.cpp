#include "server/http/sql_answer.hpp"

#include <utility>

#include "consensus/assert.hpp"
#include "server/http/responses.hpp"

namespace quorate::http {

using server::Flow;
using server::SqlEnd;

SqlAnswer::SqlAnswer(Responder responder, SqlAnswerOptions options)
    : options_(std::move(options)), responder_(std::move(responder)), writer_(options_.style) {
  writer_.begin();
}

SqlAnswer::~SqlAnswer() = default;

void SqlAnswer::executed(std::int64_t last_insert_id, std::int64_t rows_affected, Duration elapsed) {
  writer_.executed(last_insert_id, rows_affected, elapsed);
}

void SqlAnswer::failed(std::string_view error, Duration elapsed) { writer_.failed(error, elapsed); }

void SqlAnswer::begin_rows(std::span<const sqlite::ColumnDescription> columns) { writer_.begin_rows(columns); }

void SqlAnswer::end_rows(Duration elapsed) { writer_.end_rows(elapsed); }

void SqlAnswer::rows_failed(std::string_view error, Duration elapsed) { writer_.rows_failed(error, elapsed); }

Flow SqlAnswer::row(std::span<const sqlite::Value> values) {
  writer_.row(values);
  if (writer_.buffered_bytes() < kStreamChunkBytes) return Flow::kContinue;
  const std::scoped_lock lock(mutex_);
  if (is_client_gone_) return Flow::kStop;
  if (is_sending_) return Flow::kPause;
  if (!stream_) {
    stream_.emplace(responder_->stream(head()));
    responder_.reset();
  }
  send_chunk();
  return Flow::kContinue;
}

/// With the mutex held: the stream never calls back from within write().
void SqlAnswer::send_chunk() {
  is_sending_ = true;
  stream_->write(writer_.take(), [self = shared_from_this()](StreamState state) { self->on_ready(state); });
}

void SqlAnswer::resume_with(std::function<void(Flow)> go_on) {
  Flow flow = Flow::kContinue;
  {
    const std::scoped_lock lock(mutex_);
    if (is_sending_ && !is_client_gone_) {
      go_on_ = std::move(go_on);
      return;
    }
    if (is_client_gone_)
      flow = Flow::kStop;
    else
      send_chunk();
  }
  go_on(flow);
}

void SqlAnswer::on_ready(StreamState state) {
  std::function<void(Flow)> go_on;
  Flow flow = Flow::kContinue;
  {
    const std::scoped_lock lock(mutex_);
    is_sending_ = false;
    is_client_gone_ = state == StreamState::kGone;
    go_on = std::exchange(go_on_, nullptr);
    if (is_client_gone_)
      flow = Flow::kStop;
    else if (go_on)
      send_chunk();
  }
  if (go_on) go_on(flow);
}

Response SqlAnswer::head() const {
  Response response = json(Status::kOk, {});
  if (!options_.served_by.empty()) response.header("X-Rqlite-Served-By", options_.served_by);
  return response;
}

void SqlAnswer::finish(const SqlEnd& end, Instant now) {
  const std::scoped_lock lock(mutex_);
  if (end.kind == SqlEnd::Kind::kDone) {
    const bool shows_index = options_.log_index == SqlAnswerOptions::LogIndex::kShown;
    writer_.end({.error = {}, .elapsed = now - options_.begun, .raft_index = shows_index ? end.log_index : Index{}});
  }
  if (stream_) {
    if (end.kind == SqlEnd::Kind::kDone) stream_->finish(writer_.take());
    stream_.reset();  // not finished, it is cut
    return;
  }
  QUORATE_ASSERT(responder_.has_value());
  Response response = end.kind == SqlEnd::Kind::kDone ? head() : request_error(end);
  if (end.kind == SqlEnd::Kind::kDone) {
    response.body = writer_.take();
    if (end.state_index != Index{}) response.header("Quorate-Index", std::to_string(end.state_index.value));
  }
  responder_->send(std::move(response));
  responder_.reset();
}

Responder SqlAnswer::give_up() {
  QUORATE_ASSERT(responder_.has_value());
  Responder responder = std::move(*responder_);
  responder_.reset();
  return responder;
}

}  // namespace quorate::http
