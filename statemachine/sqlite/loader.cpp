#include "statemachine/sqlite/loader.hpp"

#include <utility>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/staging.hpp"

namespace quorate::sqlite {

using End = Execution::End;

namespace {

/// How a load ends of which a piece was not staged; nothing if it was. Nothing is unknown about it then: a piece alone
/// can have no effect.
std::optional<Execution> failure_in(const Execution& execution) {
  if (execution.end == End::kDone && !execution.response.error) return std::nullopt;
  Execution failure{.end = execution.end, .error = execution.error, .response = {}};
  if (execution.end == End::kDone) failure.error = execution.response.error->message;
  if (execution.end == End::kDone || execution.end == End::kUnknown) failure.end = End::kRefused;
  failure.error += "; nothing was loaded";
  return failure;
}

}  // namespace

Loader::Loader(SqliteMachine& machine, Executor& executor, LoaderOptions options, JobRunner reading)
    : machine_(machine), executor_(executor), options_(options), reading_(std::move(reading)) {}

void Loader::load(Order order, Executor::Done done) {
  QUORATE_ASSERT(order.file != nullptr);
  queue_.push_back({std::move(order), std::move(done)});
  if (queue_.size() == 1) begin();
}

void Loader::begin() {
  next_ = PageNumber{1};
  failure_.reset();
  go_on();
}

void Loader::go_on() {
  if (!failure_ && !executor_.can_write()) {
    failure_ = Execution{.end = End::kNotLeader, .error = "this node does not lead any more", .response = {}};
  }
  if (failure_) {
    if (under_way_ > 0) return;
    drop();
    return end(*std::exchange(failure_, std::nullopt));
  }
  if (is_read()) {
    if (under_way_ == 0) adopt_all();
    return;
  }
  const bool has_room = unfolded_ < options_.unfolded_bytes_max;
  if (has_room && !is_reading_ && under_way_ < options_.pieces_under_way_max) read_piece();
}

void Loader::read_piece() {
  is_reading_ = true;
  ++under_way_;
  const auto pages = std::make_shared<Result<StagedPages>>();
  reading_(
      [file = order().file, first = next_, bytes = options_.piece_bytes, pages] { *pages = file->read(first, bytes); },
      [this, pages, life = std::weak_ptr(life_)] {
        if (life.expired()) return;
        is_reading_ = false;
        if (*pages) return stage_piece(std::move(**pages));
        --under_way_;
        failure_ = Execution{.end = End::kRefused, .error = pages->error().message, .response = {}};
        go_on();
      });
}

void Loader::stage_piece(StagedPages pages) {
  const std::uint64_t bytes = pages.pages.size() * pages.page_size.bytes();
  next_ = PageNumber{pages.first.value + pages.pages.size()};
  watch_memory(bytes);
  const auto shared = std::make_shared<StagedPages>(std::move(pages));
  executor_.execute(submission([database = order().database, shared](Connection& writer) {
                      return stage(writer, database, std::move(*shared));
                    }),
                    [this, life = std::weak_ptr(life_)](const Execution& execution) {
                      if (life.expired()) return;
                      --under_way_;
                      if (!failure_) failure_ = failure_in(execution);
                      go_on();
                    });
  if (!queue_.empty()) go_on();  // it may have been refused at once
}

void Loader::watch_memory(std::uint64_t bytes) {
  unfolded_ += bytes;
  if (folding_ > 0 || unfolded_ < options_.unfolded_bytes_max / 2) return;
  folding_ = unfolded_;
  machine_.await_checkpoint([this, life = std::weak_ptr(life_)] {
    if (life.expired()) return;
    unfolded_ -= std::exchange(folding_, 0);
    if (!queue_.empty()) go_on();
  });
}

void Loader::adopt_all() {
  ++under_way_;
  Submission last = submission([database = order().database, pages = order().file->page_count()](Connection& writer) {
    return adopt(writer, database, pages);
  });
  last.idempotency_key = order().idempotency_key;
  executor_.execute(std::move(last), [this, life = std::weak_ptr(life_)](Execution execution) {
    if (life.expired()) return;
    --under_way_;
    const bool is_adopted =
        execution.end == End::kDone && !execution.response.error && execution.answer == Execution::Answer::kFirst;
    if (!is_adopted && execution.end != End::kUnknown) drop();
    end(std::move(execution));
  });
}

/// Whether it succeeds or not: what is left is dropped by the next load, or the next leader.
void Loader::drop() {
  if (executor_.can_write()) executor_.execute({.request = submission(drop_staged).request}, [](const Execution&) {});
}

void Loader::end(Execution execution) {
  const Executor::Done done = std::move(queue_.front().done);
  queue_.pop_front();
  if (!queue_.empty()) begin();
  done(std::move(execution));
}

Submission Loader::submission(std::function<SqlResult<void>(Connection&)> action) const {
  Submission submission{.request = {}, .idempotency_key = {}, .deadline = order().deadline};
  submission.request.action = std::move(action);
  return submission;
}

}  // namespace quorate::sqlite
