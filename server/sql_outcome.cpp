#include "server/sql_outcome.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "consensus/wire/record.hpp"
#include "statemachine/sqlite/request_codec.hpp"

namespace quorate::server {

namespace {

/// Raised when the rest of an encoding changes.
constexpr std::uint8_t kFormat = 1;

std::size_t bytes_of(const sqlite::Value& value) {
  if (const auto* const text = std::get_if<std::string>(&value)) return sizeof(value) + text->size();
  if (const auto* const blob = std::get_if<sqlite::Blob>(&value)) return sizeof(value) + blob->size();
  return sizeof(value);
}

/// As it travels. Enumerations are checked by whoever reads it.
struct SqlRequestOnTheWire {
  std::uint8_t format = kFormat;
  std::uint8_t level = 0;
  std::uint64_t timeout_ms = 0;
  std::uint64_t min_index = 0;
  std::string idempotency_key;
  Payload sql;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(format, level, timeout_ms, min_index, idempotency_key, sql);
  }
};
struct SqlOutcomeOnTheWire {
  std::uint8_t format = kFormat;
  std::uint8_t kind = 0;
  std::string error;
  std::uint64_t log_index = 0;
  std::uint64_t state_index = 0;
  Payload response;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(format, kind, error, log_index, state_index, response);
  }
};

tl::unexpected<Error> sent_by_nobody() { return fail(ErrorKind::kCorrupt, "SQL that no node has sent"); }

}  // namespace

std::string SqlOutcome::error() const {
  if (!is_done()) return end.error.empty() ? "it failed" : end.error;
  for (const sqlite::StatementResult& result : results)
    if (result.kind == sqlite::StatementResult::Kind::kError) return result.error.message;
  return {};
}

void CollectedResults::executed(std::int64_t last_insert_id, std::int64_t rows_affected, Duration elapsed) {
  results_.push_back({.kind = sqlite::StatementResult::Kind::kChanges,
                      .last_insert_rowid = last_insert_id,
                      .rows_affected = rows_affected,
                      .elapsed = elapsed});
}

void CollectedResults::failed(std::string_view error, Duration elapsed) {
  results_.push_back(
      {.kind = sqlite::StatementResult::Kind::kError, .error = {.message = std::string(error)}, .elapsed = elapsed});
}

void CollectedResults::begin_rows(std::span<const sqlite::ColumnDescription> columns) {
  results_.push_back(
      {.kind = sqlite::StatementResult::Kind::kRows, .columns = {columns.begin(), columns.end()}, .elapsed = {}});
}

Flow CollectedResults::row(std::span<const sqlite::Value> values) {
  std::size_t bytes = sizeof(std::vector<sqlite::Value>);
  for (const sqlite::Value& value : values) bytes += bytes_of(value);
  is_full_ = is_full_ || bytes > bytes_left_;
  if (is_full_) return Flow::kStop;
  bytes_left_ -= bytes;
  results_.back().rows.emplace_back(values.begin(), values.end());
  return Flow::kContinue;
}

void CollectedResults::end_rows(Duration elapsed) { results_.back().elapsed = elapsed; }

void CollectedResults::rows_failed(std::string_view error, Duration elapsed) {
  results_.pop_back();
  failed(is_full_ ? "the result is too large to be collected" : error, elapsed);
}

Payload encode(const SqlRequest& request) {
  using Milliseconds = std::chrono::milliseconds;
  SqlRequestOnTheWire wired{.level = static_cast<std::uint8_t>(request.options.level),
                            .timeout_ms = static_cast<std::uint64_t>(
                                std::chrono::duration_cast<Milliseconds>(request.options.timeout).count()),
                            .min_index = request.options.min_index.value,
                            .idempotency_key = request.options.idempotency_key,
                            .sql = sqlite::encode(request.sql)};
  return wire::write_record(wired);
}

Result<SqlRequest> decode_sql_request(std::span<const std::byte> bytes) {
  constexpr std::uint64_t kTimeoutMsMax = std::chrono::milliseconds(std::chrono::hours(24)).count();
  const auto wired = wire::read_record<SqlRequestOnTheWire>(bytes, kFormat);
  if (!wired) return tl::unexpected(wired.error());
  if (wired->level > static_cast<std::uint8_t>(ReadLevel::kStrong) || wired->timeout_ms > kTimeoutMsMax)
    return sent_by_nobody();
  auto sql = sqlite::decode_request(wired->sql.bytes());
  if (!sql) return tl::unexpected(sql.error());
  SqlRequest request{.sql = std::move(*sql)};
  request.options.level = static_cast<ReadLevel>(wired->level);
  request.options.timeout = std::chrono::milliseconds(wired->timeout_ms);
  request.options.min_index = Index{wired->min_index};
  request.options.idempotency_key = wired->idempotency_key;
  return request;
}

Payload encode(const SqlOutcome& outcome) {
  sqlite::Response response;
  response.results = outcome.results;
  SqlOutcomeOnTheWire wired{.kind = static_cast<std::uint8_t>(outcome.end.kind),
                            .error = outcome.end.error,
                            .log_index = outcome.end.log_index.value,
                            .state_index = outcome.end.state_index.value,
                            .response = sqlite::encode(response)};
  return wire::write_record(wired);
}

Result<SqlOutcome> decode_sql_outcome(std::span<const std::byte> bytes) {
  const auto wired = wire::read_record<SqlOutcomeOnTheWire>(bytes, kFormat);
  if (!wired) return tl::unexpected(wired.error());
  if (wired->kind > static_cast<std::uint8_t>(SqlEnd::Kind::kUnknown)) return sent_by_nobody();
  auto response = sqlite::decode_response(wired->response.bytes());
  if (!response) return tl::unexpected(response.error());
  return SqlOutcome{.end = {.kind = static_cast<SqlEnd::Kind>(wired->kind),
                            .error = wired->error,
                            .log_index = Index{wired->log_index},
                            .state_index = Index{wired->state_index}},
                    .results = std::move(response->results)};
}

}  // namespace quorate::server
