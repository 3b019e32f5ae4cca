// The end of a request together with its results, as values: for programs that call the database, and on their way
// between nodes. Decoding takes any bytes whatever. Values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "server/database.hpp"
#include "statemachine/sqlite/request.hpp"

namespace quorate::server {

/// What became of a request, with one result for each statement if it is done.
struct SqlOutcome {
  SqlEnd end;
  std::vector<sqlite::StatementResult> results;

  [[nodiscard]] bool is_done() const { return end.kind == SqlEnd::Kind::kDone; }
  /// Why something failed: the request as a whole, or its first statement that did. Empty if nothing failed.
  [[nodiscard]] std::string error() const;
};

/// Keeps all results, up to a number of bytes; beyond it statements fail.
class CollectedResults final : public ResultSink {
 public:
  explicit CollectedResults(std::size_t bytes_max) : bytes_left_(bytes_max) {}

  void executed(std::int64_t last_insert_id, std::int64_t rows_affected, Duration elapsed) override;
  void failed(std::string_view error, Duration elapsed) override;
  void begin_rows(std::span<const sqlite::ColumnDescription> columns) override;
  Flow row(std::span<const sqlite::Value> values) override;
  void resume_with(std::function<void(Flow)> go_on) override { go_on(Flow::kContinue); }
  void end_rows(Duration elapsed) override;
  void rows_failed(std::string_view error, Duration elapsed) override;

  [[nodiscard]] std::vector<sqlite::StatementResult> take() { return std::move(results_); }

 private:
  std::vector<sqlite::StatementResult> results_;
  std::size_t bytes_left_;
  bool is_full_ = false;
};

/// A request for the leader. What it may take of time and memory is the leader's to decide, as far as `timeout` goes.
[[nodiscard]] Payload encode(const SqlRequest& request);
[[nodiscard]] Result<SqlRequest> decode_sql_request(std::span<const std::byte> bytes);
[[nodiscard]] Payload encode(const SqlOutcome& outcome);
[[nodiscard]] Result<SqlOutcome> decode_sql_outcome(std::span<const std::byte> bytes);

}  // namespace quorate::server
