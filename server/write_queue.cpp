#include "server/write_queue.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "consensus/assert.hpp"

namespace quorate::server {

using sqlite::Atomicity;
using sqlite::SqlStatement;
using sqlite::StatementResult;

namespace {

/// Of one attempt to have a batch executed; SqlRoute looks for a leader meanwhile.
constexpr Duration kAttemptTimeout = std::chrono::seconds(10);
constexpr Duration kRepeatPause = std::chrono::milliseconds(100);

std::size_t bytes_of(const sqlite::Value& value) {
  if (const auto* const text = std::get_if<std::string>(&value)) return sizeof(value) + text->size();
  if (const auto* const blob = std::get_if<sqlite::Blob>(&value)) return sizeof(value) + blob->size();
  return sizeof(value);
}

std::size_t bytes_of(const SqlStatement& statement) {
  std::size_t bytes = sizeof(statement) + statement.sql.size();
  if (const auto* const values = std::get_if<0>(&statement.parameters))
    for (const auto& value : *values) bytes += bytes_of(value);
  if (const auto* const named = std::get_if<1>(&statement.parameters))
    for (const auto& [name, value] : *named) bytes += name.size() + bytes_of(value);
  return bytes;
}

std::string error_in(const StatementResult& result) {
  if (result.kind != StatementResult::Kind::kError) return {};
  return std::string(client_text(result.error, Ran::kToExecute));
}

}  // namespace

struct WriteQueue::Batch {
  std::vector<Waiting> writes;
  Atomicity atomicity = Atomicity::kEach;
  std::string key;
};

WriteQueue::WriteQueue(const WriteQueueOptions& options, std::uint64_t seed, Run run, After after, Complain complain)
    : options_(options), seed_(seed), run_(std::move(run)), after_(std::move(after)), complain_(std::move(complain)) {}

WriteQueue::Taken WriteQueue::add(QueuedWrite write) {
  // A statement without text has no result.
  std::erase_if(write.statements, [](const SqlStatement& statement) { return statement.sql.empty(); });
  std::size_t bytes = 0;
  for (const SqlStatement& statement : write.statements) bytes += bytes_of(statement);
  if (waiting_.size() >= kQueuedWritesMax || bytes_ + bytes > kQueuedBytesMax) return Taken::kTooMuch;
  ++stats_.taken;
  stats_.statements_taken += write.statements.size();
  bytes_ += bytes;
  waiting_.push_back({std::move(write), bytes});
  acknowledge_what_fits();
  if (waiting_.size() >= options_.batch_size || drained_) {
    send();
  } else if (!is_timed_ && sending_ == nullptr) {
    is_timed_ = true;
    after_(options_.timeout, [this] {
      is_timed_ = false;
      send();
    });
  }
  return Taken::kYes;
}

void WriteQueue::acknowledge_what_fits() {
  while (acknowledged_ < std::min(waiting_.size(), options_.capacity)) {
    const auto acknowledge = std::exchange(waiting_[acknowledged_++].write.acknowledge, nullptr);
    if (acknowledge) acknowledge();
  }
}

/// All that is there, up to the capacity: whoever sends faster than batches are executed gets larger batches.
void WriteQueue::send() {
  if (sending_ != nullptr || waiting_.empty()) return;
  auto batch = std::make_shared<Batch>();
  std::size_t bytes = 0;
  const std::size_t writes_max = std::max(options_.capacity, options_.batch_size);
  while (!waiting_.empty() && batch->writes.size() < writes_max) {
    const Waiting& next = waiting_.front();
    const bool must_be_alone = next.is_alone || next.write.atomicity == Atomicity::kTransaction;
    if (!batch->writes.empty() && (must_be_alone || bytes + next.bytes > kBatchBytesMax)) break;
    bytes += next.bytes;
    if (must_be_alone) batch->atomicity = next.write.atomicity;
    batch->writes.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    if (acknowledged_ > 0) --acknowledged_;
    if (must_be_alone) break;
  }
  bytes_ -= bytes;
  if (options_.in_transactions) batch->atomicity = Atomicity::kTransaction;
  batch->key = fmt::format("queued-{:016x}-{}", seed_, ++stats_.batches);
  sending_ = batch;
  // What was not acknowledged yet has left the queue all the same: now it is certain to be executed.
  for (Waiting& waiting : batch->writes)
    if (const auto acknowledge = std::exchange(waiting.write.acknowledge, nullptr)) acknowledge();
  acknowledge_what_fits();
  attempt(batch);
}

void WriteQueue::attempt(const std::shared_ptr<Batch>& batch) {
  SqlRequest request;
  for (const Waiting& waiting : batch->writes)
    request.sql.statements.insert(request.sql.statements.end(), waiting.write.statements.begin(),
                                  waiting.write.statements.end());
  request.sql.kind = sqlite::RequestKind::kExecute;
  request.sql.atomicity = batch->atomicity;
  request.options.timeout = kAttemptTimeout;
  request.options.idempotency_key = batch->key;
  run_(std::move(request), [this, batch](const SqlOutcome& outcome) { ended(batch, outcome); });
}

void WriteQueue::ended(const std::shared_ptr<Batch>& batch, const SqlOutcome& outcome) {
  switch (outcome.end.kind) {
    case SqlEnd::Kind::kNotLeader: ++stats_.not_leader; return repeat(batch);
    case SqlEnd::Kind::kRefused: ++stats_.refused; return repeat(batch);
    case SqlEnd::Kind::kUnknown: ++stats_.unknown; return repeat(batch);
    case SqlEnd::Kind::kInvalid:
    case SqlEnd::Kind::kTooLarge:
      if (batch->writes.size() > 1)
        send_one_by_one(*batch);
      else
        tell(batch->writes.front().write, outcome.end.error);
      return batch_is_over();
    case SqlEnd::Kind::kDone: break;
  }
  // Only of a batch that was repeated: its first answer was lost, and nobody knows it any more.
  const bool is_forgotten = outcome.results.size() == 1 && error_in(outcome.results.front()) == kResultNotKept;
  if (is_forgotten) {
    for (const Waiting& waiting : batch->writes) tell(waiting.write, std::string(kResultNotKept));
    return batch_is_over();
  }
  const auto has_failed = [](const StatementResult& result) { return result.kind == StatementResult::Kind::kError; };
  const bool has_undone_others = batch->atomicity == Atomicity::kTransaction && batch->writes.size() > 1 &&
                                 std::ranges::any_of(outcome.results, has_failed);
  if (has_undone_others)
    send_one_by_one(*batch);
  else
    tell_results(*batch, outcome);
  batch_is_over();
}

void WriteQueue::repeat(const std::shared_ptr<Batch>& batch) {
  ++stats_.repeats;
  after_(kRepeatPause, [this, batch] { attempt(batch); });
}

/// Each write gets the first error of its own statements. A statement that has used up the time is the last with a
/// result: what stands behind it was not executed.
void WriteQueue::tell_results(Batch& batch, const SqlOutcome& outcome) {
  std::size_t next = 0;
  std::size_t told = 0;
  for (; told < batch.writes.size(); ++told) {
    const QueuedWrite& write = batch.writes[told].write;
    const bool was_reached = next < outcome.results.size() || write.statements.empty();
    if (!was_reached && told > 0) break;
    std::string error;
    for (std::size_t i = 0; i < write.statements.size() && next < outcome.results.size(); ++i, ++next)
      if (error.empty()) error = error_in(outcome.results[next]);
    tell(write, error);
  }
  put_back(batch, told);
}

/// Nobody shall suffer from what another one has asked for.
void WriteQueue::send_one_by_one(Batch& batch) {
  for (Waiting& waiting : batch.writes) waiting.is_alone = true;
  put_back(batch, 0);
}

/// The batch's writes from the one at `from` on are the next to be sent.
void WriteQueue::put_back(Batch& batch, std::size_t from) {
  while (batch.writes.size() > from) {
    ++acknowledged_;
    bytes_ += batch.writes.back().bytes;
    waiting_.push_front(std::move(batch.writes.back()));
    batch.writes.pop_back();
  }
}

void WriteQueue::tell(const QueuedWrite& write, const std::string& error) {
  ++stats_.executed;
  stats_.statements_executed += write.statements.size();
  if (!error.empty()) ++stats_.failed;
  if (write.executed) return write.executed(error);
  if (!error.empty()) complain_("a queued write has failed, and nobody waits for it: " + error);
}

void WriteQueue::batch_is_over() {
  sending_.reset();
  // Who came meanwhile has waited for long enough.
  send();
  if (sending_ == nullptr && drained_) std::exchange(drained_, nullptr)();
}

void WriteQueue::drain(std::function<void()> done) {
  QUORATE_ASSERT(!drained_);
  drained_ = std::move(done);
  send();
  if (sending_ == nullptr && drained_) std::exchange(drained_, nullptr)();
}

WriteQueue::Stats WriteQueue::stats() const {
  Stats stats = stats_;
  stats.waiting = waiting_.size() + (sending_ != nullptr ? sending_->writes.size() : 0);
  return stats;
}

}  // namespace quorate::server
