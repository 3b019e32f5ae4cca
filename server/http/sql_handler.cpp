#include "server/http/sql_handler.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http/body.hpp"
#include "server/http/go_text.hpp"
#include "server/http/responses.hpp"
#include "transport/http_message.hpp"

namespace quorate::http {

using server::Freshness;
using server::ReadLevel;
using server::SqlEnd;
using server::SqlOptions;
using server::SqlRequest;
using sqlite::Atomicity;
using sqlite::RequestKind;
using sqlite::SqlStatement;

namespace {

/// The query string of a GET, the body as one text, or the body as JSON.
Result<std::vector<SqlStatement>> statements_of(RequestKind kind, Exchange& exchange) {
  const auto one = [](std::string sql) { return std::vector{SqlStatement{.sql = std::move(sql), .parameters = {}}}; };
  if (exchange.request.method == Method::kGet) return one(*exchange.parameters.query);
  const bool is_text = exchange.request.header("Content-Type").value_or("").starts_with("text/plain");
  if (is_text && kind != RequestKind::kMixed) return one(std::move(exchange.request.body));
  return parse_statements(exchange.request.body);
}

SqlOptions options_of(const Parameters& parameters, std::string idempotency_key) {
  SqlOptions options;
  options.level = parameters.level;
  if (parameters.freshness) {
    const auto measure =
        parameters.has(Flag::kFreshnessStrict) ? Freshness::Measure::kSinceAppended : Freshness::Measure::kSinceContact;
    options.freshness = Freshness{*parameters.freshness, measure};
  }
  options.timeout = parameters.timeout;
  options.linearizable_timeout = parameters.linearizable_timeout;
  options.min_index = parameters.min_index;
  options.idempotency_key = std::move(idempotency_key);
  options.transaction = parameters.transaction;
  return options;
}

ResultsStyle style_of(const Parameters& parameters) {
  return {.layout = parameters.has(Flag::kPretty) ? JsonLayout::kPretty : JsonLayout::kCompact,
          .rows = parameters.has(Flag::kAssociative) ? RowForm::kObjects : RowForm::kArrays,
          .blobs = parameters.has(Flag::kBlobArray) ? BlobForm::kByteArray : BlobForm::kBase64,
          .names = parameters.has(Flag::kQualifyColumns) ? ColumnNames::kQualified : ColumnNames::kPlain,
          .timings = parameters.has(Flag::kTimings) ? Timings::kShown : Timings::kOmitted};
}

/// "PRAGMA journal_mode = ..." and its kin, which clients expect to be told of in one particular way. Only what stands
/// at the beginning: wherever else it stands, SQLite's parser finds it, and the statement fails.
bool is_disallowed_pragma(std::string_view sql) {
  const auto skip_blanks = [&sql] { sql.remove_prefix(std::min(sql.find_first_not_of(" \t\r\n"), sql.size())); };
  const auto take_word = [&sql] {
    const auto is_in_word = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    const auto end = std::ranges::find_if_not(sql, is_in_word);
    const std::string_view word = sql.substr(0, static_cast<std::size_t>(end - sql.begin()));
    sql.remove_prefix(word.size());
    return word;
  };
  skip_blanks();
  if (!equal_ignoring_case(take_word(), "PRAGMA")) return false;
  skip_blanks();
  std::string_view name = take_word();
  if (sql.starts_with('.')) {
    sql.remove_prefix(1);
    name = take_word();
  }
  if (equal_ignoring_case(name, "wal_checkpoint")) return true;
  skip_blanks();
  static constexpr std::string_view kSettings[] = {"journal_mode", "wal_autocheckpoint", "synchronous", "query_only"};
  const auto is_name = [name](std::string_view setting) { return equal_ignoring_case(setting, name); };
  return sql.starts_with('=') && std::ranges::any_of(kSettings, is_name);
}

bool is_disallowed(const SqlStatement& statement) { return is_disallowed_pragma(statement.sql); }

constexpr const char* kDisallowedPragma = R"({"results":[],"error":"disallowed pragma"})";

/// Of a queued write nobody wants the results, but the first error is nothing to keep quiet about.
class QueuedResults final : public server::ResultSink {
 public:
  void executed(std::int64_t, std::int64_t, Duration) override {}
  void failed(std::string_view error, Duration) override { note(error); }
  void begin_rows(std::span<const sqlite::ColumnDescription>) override {}
  server::Flow row(std::span<const sqlite::Value>) override { return server::Flow::kContinue; }
  void resume_with(std::function<void(server::Flow)> go_on) override { go_on(server::Flow::kContinue); }
  void end_rows(Duration) override {}
  void rows_failed(std::string_view error, Duration) override { note(error); }

  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  void note(std::string_view error) {
    if (error_.empty()) error_ = error;
  }
  std::string error_;
};

/// What to do if it turns out that only the leader can serve a request: kept only where that can happen.
struct Fallback {
  Payload request;
  Parameters parameters;
};

/// Between two looks at who has waited for too long.
constexpr Duration kWatchPause = std::chrono::milliseconds(50);

}  // namespace

/// A client of a queued write: answered once, by whatever comes first.
class SqlHandler::QueuedAnswer {
 public:
  QueuedAnswer(Exchange& exchange, std::string served_by, std::uint64_t number)
      : responder_(std::move(exchange.responder)),
        style_(style_of(exchange.parameters)),
        served_by_(std::move(served_by)),
        begun_(exchange.begun),
        number_(number) {}

  void send(const std::string& error, Instant now) {
    ResultsWriter writer(style_);
    writer.begin();
    writer.end({.error = error, .elapsed = now - begun_, .sequence_number = number_});
    Response response = json(Status::kOk, writer.take());
    response.header("X-Rqlite-Served-By", served_by_);
    give(std::move(response));
  }
  void give(Response response) {
    if (!std::exchange(is_answered_, true)) responder_.send(std::move(response));
  }
  [[nodiscard]] bool is_answered() const { return is_answered_; }

 private:
  Responder responder_;
  ResultsStyle style_;
  std::string served_by_;
  Instant begun_;
  std::uint64_t number_;
  bool is_answered_ = false;
};

void SqlHandler::execute(Exchange exchange) {
  // With a key of its own a write takes effect once, which only its own request can see to.
  const bool has_key = exchange.request.header("Idempotency-Key").has_value();
  const bool is_queued = exchange.parameters.has(Flag::kQueue) && exchange.parameters.transaction.empty();
  if (is_queued && !has_key && queue_ != nullptr) return enqueue(std::move(exchange));
  serve(RequestKind::kExecute, std::move(exchange));
}

void SqlHandler::query(Exchange exchange) {
  const bool asks_nothing = exchange.request.method == Method::kGet && !exchange.parameters.query;
  if (asks_nothing) return exchange.responder.send(json(Status::kOk, R"({"results":[]})"));
  serve(RequestKind::kQuery, std::move(exchange));
}

void SqlHandler::request(Exchange exchange) { serve(RequestKind::kMixed, std::move(exchange)); }

void SqlHandler::show_rewritten(Exchange exchange) {
  const auto refuse = [&](std::string_view why) { exchange.responder.send(text_error(Status::kBadRequest, why)); };
  if (exchange.request.method == Method::kGet && !exchange.parameters.query) return refuse("query not specified");
  const auto statements = statements_of(RequestKind::kMixed, exchange);
  if (!statements) return refuse(statements.error().message);
  JsonWriter json(style_of(exchange.parameters).layout);
  json.begin_object().key("results").begin_array();
  for (const SqlStatement& statement : *statements)
    json.begin_object().key("original").string(statement.sql).key("rewritten").string(statement.sql).end_object();
  json.end_array();
  if (exchange.parameters.has(Flag::kTimings))
    json.key("time").number(std::chrono::duration<double>(context_.now() - exchange.begun).count());
  json.end_object();
  exchange.responder.send(http::json(Status::kOk, std::move(json.buffer())));
}

void SqlHandler::count_statements(RequestKind kind, std::size_t statements) const {
  HttpCounts& counts = *context_.counts;
  switch (kind) {
    case RequestKind::kExecute: counts.execute_statements += statements; break;
    case RequestKind::kQuery: counts.query_statements += statements; break;
    case RequestKind::kMixed: counts.request_statements += statements; break;
  }
}

bool SqlHandler::may_run_here(RequestKind kind, const Parameters& parameters) const {
  if (cluster_.is_leader()) return true;
  if (kind == RequestKind::kExecute || !parameters.transaction.empty()) return false;
  switch (parameters.level) {
    case ReadLevel::kNone:
    case ReadLevel::kLinearizable: return true;  // the latter asks the leader for an index, not for the rows
    case ReadLevel::kAuto: return !cluster_.is_voter();
    case ReadLevel::kWeak:
    case ReadLevel::kStrong: return false;
  }
  return false;
}

void SqlHandler::serve(RequestKind kind, Exchange exchange) {
  if (!may_run_here(kind, exchange.parameters)) return leader_.take(std::move(exchange));
  const auto refuse = [&](std::string_view why) { exchange.responder.send(text_error(Status::kBadRequest, why)); };
  const std::string_view key = exchange.request.header("Idempotency-Key").value_or("");
  if (key.size() > kIdempotencyKeyBytesMax) return refuse("Idempotency-Key is too long");
  SqlRequest request{.options = options_of(exchange.parameters, std::string(key))};
  request.sql.kind = kind;
  request.sql.atomicity = exchange.parameters.has(Flag::kTransaction) ? Atomicity::kTransaction : Atomicity::kEach;
  request.sql.time_max = exchange.parameters.statement_timeout;
  if (request.options.level == ReadLevel::kAuto)
    request.options.level = cluster_.is_voter() ? ReadLevel::kWeak : ReadLevel::kNone;

  // Among the statements of a mixed request may be one that writes; only the database can tell.
  std::shared_ptr<const Fallback> fallback;
  if (kind == RequestKind::kMixed && !cluster_.is_leader())
    fallback = std::make_shared<const Fallback>(
        Fallback{encode_request(exchange.request, context_.vouching), exchange.parameters});

  auto statements = statements_of(kind, exchange);
  if (!statements) return refuse(statements.error().message);
  request.sql.statements = std::move(*statements);
  count_statements(kind, request.sql.statements.size());
  if (std::ranges::any_of(request.sql.statements, is_disallowed))
    return exchange.responder.send(json(Status::kOk, kDisallowedPragma));
  if (kind == RequestKind::kExecute && exchange.parameters.has(Flag::kQueue))
    return run_queued(std::move(request), std::move(exchange));

  const auto log_index = exchange.parameters.has(Flag::kRaftIndex) ? SqlAnswerOptions::LogIndex::kShown
                                                                   : SqlAnswerOptions::LogIndex::kOmitted;
  const auto stop = std::make_shared<std::atomic<bool>>(false);
  request.sql.stop = stop;
  exchange.responder.on_client_gone([stop] { stop->store(true, std::memory_order_relaxed); });
  auto answer = std::make_shared<SqlAnswer>(std::move(exchange.responder),
                                            SqlAnswerOptions{.style = style_of(exchange.parameters),
                                                             .log_index = log_index,
                                                             .served_by = served_by(context_, exchange.origin),
                                                             .begun = exchange.begun});
  database_.run(std::move(request), answer, [this, answer, fallback](const SqlEnd& end) {
    const bool must_go_on = end.kind == SqlEnd::Kind::kNotLeader && fallback != nullptr && answer->may_give_up();
    if (must_go_on) return leader_.forward(fallback->request, fallback->parameters, answer->give_up());
    answer->finish(end, context_.now());
  });
}

/// Whatever is wrong with a request is said before it is queued; afterwards only SQLite can say something.
void SqlHandler::enqueue(Exchange exchange) {
  auto statements = statements_of(RequestKind::kExecute, exchange);
  if (!statements) return exchange.responder.send(text_error(Status::kBadRequest, statements.error().message));
  if (std::ranges::any_of(*statements, is_disallowed))
    return exchange.responder.send(json(Status::kOk, kDisallowedPragma));
  if (!exchange.parameters.has(Flag::kNoLeader) && !cluster_.has_leader())
    return exchange.responder.send(leader_.no_leader());
  count_statements(RequestKind::kExecute, statements->size());
  ++context_.counts->queued_requests;
  const bool is_transaction = exchange.parameters.has(Flag::kTransaction);
  const auto answer =
      std::make_shared<QueuedAnswer>(exchange, served_by(context_, exchange.origin), next_sequence_number_++);
  server::QueuedWrite write{.statements = std::move(*statements),
                            .atomicity = is_transaction ? Atomicity::kTransaction : Atomicity::kEach};
  if (exchange.parameters.has(Flag::kWait)) {
    ++context_.counts->queued_waits;
    const auto place = waiting_.emplace(context_.now() + exchange.parameters.timeout, answer);
    write.executed = [this, answer, place](const std::string& error) {
      if (answer->is_answered()) return;  // and has left the list
      waiting_.erase(place);
      answer->send(error, context_.now());
    };
    if (!std::exchange(is_watching_, true)) context_.after(kWatchPause, [this] { watch_waiting(); });
  } else {
    write.acknowledge = [this, answer] { answer->send({}, context_.now()); };
  }
  if (queue_->add(std::move(write)) == server::WriteQueue::Taken::kYes) return;
  std::erase_if(waiting_, [&answer](const auto& waiting) { return waiting.second == answer; });
  answer->give(request_error({.kind = SqlEnd::Kind::kRefused, .error = "too many writes are queued already"}));
}

/// Whoever does not want to wait any longer is told so; the write stays in the queue.
void SqlHandler::watch_waiting() {
  while (!waiting_.empty() && waiting_.begin()->first <= context_.now()) {
    const auto answer = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    ++context_.counts->queued_wait_timeouts;
    answer->give(text_error(Status::kRequestTimeout, "queue wait timeout"));
  }
  is_watching_ = !waiting_.empty();
  if (is_watching_) context_.after(kWatchPause, [this] { watch_waiting(); });
}

/// Acknowledged when it is committed, which is more than clients of queued writes expect; the number says which it was.
void SqlHandler::run_queued(SqlRequest request, Exchange exchange) {
  ++context_.counts->queued_requests;
  auto results = std::make_shared<QueuedResults>();
  auto responder = std::make_shared<Responder>(std::move(exchange.responder));
  const ResultsStyle style = style_of(exchange.parameters);
  database_.run(std::move(request), results,
                [this, results, responder, style, served_by = served_by(context_, exchange.origin),
                 begun = exchange.begun, number = next_sequence_number_++](const SqlEnd& end) {
                  if (end.kind != SqlEnd::Kind::kDone) return responder->send(request_error(end));
                  ResultsWriter writer(style);
                  writer.begin();
                  writer.end({.error = results->error(), .elapsed = context_.now() - begun, .sequence_number = number});
                  Response response = json(Status::kOk, writer.take());
                  response.header("X-Rqlite-Served-By", served_by);
                  responder->send(std::move(response));
                });
}

void SqlHandler::begin(Exchange exchange) {
  if (!cluster_.is_leader()) return leader_.take(std::move(exchange));
  auto responder = std::make_shared<Responder>(std::move(exchange.responder));
  database_.begin(exchange.parameters.timeout, [responder](const server::TransactionBegun& begun) {
    if (begun.end.kind != SqlEnd::Kind::kDone) return responder->send(request_error(begun.end));
    JsonWriter writer(JsonLayout::kCompact);
    writer.begin_object().key("transaction").string(begun.token);
    writer.key("idle_timeout").string(format_duration(begun.idle_timeout));
    writer.key("total_timeout").string(format_duration(begun.total_timeout)).end_object();
    responder->send(json(Status::kOk, std::move(writer.buffer())));
  });
}

void SqlHandler::end(server::TransactionEnd how, Exchange exchange) {
  if (exchange.parameters.transaction.empty())
    return exchange.responder.send(text_error(Status::kBadRequest, "tx is required: the token that /db/begin gave"));
  if (!cluster_.is_leader()) return leader_.take(std::move(exchange));
  auto answer = std::make_shared<SqlAnswer>(std::move(exchange.responder),
                                            SqlAnswerOptions{.style = style_of(exchange.parameters),
                                                             .served_by = served_by(context_, exchange.origin),
                                                             .begun = exchange.begun});
  database_.end(exchange.parameters.transaction, how, exchange.parameters.timeout,
                [this, answer](const SqlEnd& end) { answer->finish(end, context_.now()); });
}

}  // namespace quorate::http
