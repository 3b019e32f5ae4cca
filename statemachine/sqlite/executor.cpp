#include "statemachine/sqlite/executor.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "consensus/fingerprint.hpp"
#include "statemachine/sqlite/detail/executor_parts.hpp"
#include "statemachine/sqlite/request_codec.hpp"
#include "statemachine/sqlite/request_runner.hpp"
#include "statemachine/sqlite/staging.hpp"

namespace quorate::sqlite {

using End = Execution::End;

namespace {

/// How long a job is given to notice that its statement is out of time.
constexpr Duration kInterruptGrace = std::chrono::milliseconds(200);
constexpr const char* kLost = "leadership was lost before the request took effect; ask the new leader";

std::string text_of(InteractiveToken token) { return fmt::format("{:016x}", token.value); }

std::optional<InteractiveToken> parse_token(std::string_view text) {
  InteractiveToken token;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), token.value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return token;
}

Request request_of(std::string sql) {
  Request request;
  request.statements.push_back({std::move(sql), {}});
  return request;
}

std::size_t size_of(const Request& request) {
  struct Size {
    std::size_t operator()(std::monostate) const { return 1; }
    std::size_t operator()(std::int64_t) const { return sizeof(std::int64_t); }
    std::size_t operator()(double) const { return sizeof(double); }
    std::size_t operator()(const std::string& text) const { return text.size(); }
    std::size_t operator()(const Blob& blob) const { return blob.size(); }
  };
  std::size_t bytes = 0;
  for (const SqlStatement& statement : request.statements) {
    bytes += statement.sql.size();
    if (const auto* values = std::get_if<std::vector<Value>>(&statement.parameters)) {
      for (const Value& value : *values) bytes += std::visit(Size{}, value);
    } else {
      for (const auto& [name, value] : std::get<1>(statement.parameters))
        bytes += name.size() + std::visit(Size{}, value);
    }
  }
  return bytes;
}

/// An error that says nothing about the request: it may well succeed when it is repeated.
bool is_transient(const SqlError& error) {
  switch (error.kind) {
    case SqlErrorKind::kTimeout:
    case SqlErrorKind::kCancelled:
    case SqlErrorKind::kNotLeader:
    case SqlErrorKind::kBusy:
    case SqlErrorKind::kStorage: return true;
    case SqlErrorKind::kSql:
    case SqlErrorKind::kRefused:
    case SqlErrorKind::kTooLarge: return false;
  }
  return false;
}

/// The request had no effect, for a reason that is not its own; the error, then.
const SqlError* transient_failure(const Response& response) {
  if (response.error) return is_transient(*response.error) ? &*response.error : nullptr;
  if (response.results.size() != 1 || !is_error(response.results.front())) return nullptr;
  const SqlError& error = response.results.front().error;
  return is_transient(error) ? &error : nullptr;
}

/// How a request ends that had no effect and whose response means nothing to its client; nothing for all others.
std::optional<End> refusal_of(const Response& response) {
  if (const SqlError* error = transient_failure(response)) {
    switch (error->kind) {
      case SqlErrorKind::kNotLeader: return End::kNotLeader;
      case SqlErrorKind::kBusy:
      case SqlErrorKind::kStorage: return End::kRefused;
      default: return std::nullopt;
    }
  }
  if (response.error && response.error->kind == SqlErrorKind::kRefused) return End::kInvalid;
  if (response.error && response.error->kind == SqlErrorKind::kTooLarge) return End::kRefused;
  return std::nullopt;
}

}  // namespace

Executor::Executor(SqliteMachine& machine, ExecutorOptions options, JobRunner sql_jobs, Propose propose)
    : machine_(machine), options_(std::move(options)), sql_jobs_(std::move(sql_jobs)), propose_(std::move(propose)) {
  options_.connection.stop = stop_;
  engine_ = std::make_shared<Engine>(machine.store(), options_);
  machine_.on_epoch([this](Epoch epoch) { epoch_changed(epoch); });
  epoch_changed(machine.epoch());
}

Executor::~Executor() { machine_.on_epoch(nullptr); }

// --- Taking in ---

void Executor::execute(Submission submission, Done done) {
  if (!can_write()) return done({.end = End::kNotLeader, .error = "this node does not lead", .response = {}});
  if (submission.idempotency_key.size() > kKeyBytesMax) {
    const std::string error = fmt::format("an idempotency key has at most {} bytes", kKeyBytesMax);
    return done({.end = End::kInvalid, .error = error, .response = {}});
  }
  auto item = std::make_shared<Item>();
  if (!submission.idempotency_key.empty()) {
    item->fingerprint = fingerprint(encode(submission.request).bytes());
    if (answer_repeat(submission, item->fingerprint, done)) return;
  }
  item->request = std::move(submission.request);
  item->key = std::move(submission.idempotency_key);
  item->proof = submission.proof;
  enqueue(queue_, item, submission.deadline, std::move(done));
}

/// Of a request whose key is known, the first one is under way or answered: nothing is executed.
bool Executor::answer_repeat(const Submission& submission, std::uint64_t fingerprint, Done& done) {
  const auto under_way = keys_.find(submission.idempotency_key);
  const KeptOutcome* outcome = machine_.outcomes().find(submission.idempotency_key);
  if (under_way == keys_.end() && outcome == nullptr) return false;
  ++stats_.repeats;
  if (fingerprint != (outcome != nullptr ? outcome->fingerprint : under_way->second->fingerprint)) {
    done({.end = End::kInvalid, .error = "another request was sent with this idempotency key", .response = {}});
  } else if (outcome == nullptr) {
    wait(under_way->second, submission.deadline, std::move(done));
  } else {
    Execution execution{.error = {}, .response = {}, .answer = Execution::Answer::kNotKept};
    if (outcome->response) {
      Result<Response> response = decode_response(outcome->response->bytes());
      QUORATE_ASSERT(response.has_value());
      execution.response = std::move(*response);
      execution.answer = Execution::Answer::kRepeated;
    }
    execution.log_index = execution.state_index = outcome->index;
    execution.position = outcome->position;
    done(std::move(execution));
  }
  return true;
}

void Executor::begin(Instant deadline, std::function<void(Execution, std::string token)> done) {
  auto item = std::make_shared<Item>();
  item->kind = Item::Kind::kBegin;
  item->request = request_of("BEGIN IMMEDIATE");
  item->proof = Proof::kHead;
  enqueue(queue_, item, deadline, [weak = std::weak_ptr(item), done = std::move(done)](Execution execution) {
    const ItemPtr begun = weak.lock();
    const bool is_done = execution.end == End::kDone;
    done(std::move(execution), is_done && begun != nullptr ? text_of(begun->session) : std::string());
  });
}

void Executor::execute_in(std::string token, Submission submission, Done done) {
  const std::optional<InteractiveToken> session = parse_token(token);
  if (!session) return done({.end = End::kInvalid, .error = "this is no session's token", .response = {}});
  auto item = std::make_shared<Item>();
  item->kind = Item::Kind::kInSession;
  item->session = *session;
  item->request = std::move(submission.request);
  item->proof = Proof::kHead;
  enqueue(session_queue_, item, submission.deadline, std::move(done));
}

void Executor::end(std::string token, TransactionEnd how, Instant deadline, Done done) {
  const std::optional<InteractiveToken> session = parse_token(token);
  if (!session) return done({.end = End::kInvalid, .error = "this is no session's token", .response = {}});
  auto item = std::make_shared<Item>();
  item->kind = Item::Kind::kEnd;
  item->session = *session;
  item->how = how;
  item->request = request_of(how == TransactionEnd::kCommit ? "COMMIT" : "ROLLBACK");
  // What the transaction has read is proven by an entry, if it has not written any.
  item->proof = how == TransactionEnd::kCommit ? Proof::kLog : Proof::kHead;
  enqueue(session_queue_, item, deadline, std::move(done));
}

void Executor::enqueue(std::deque<ItemPtr>& queue, const ItemPtr& item, Instant deadline, Done done) {
  if (!can_write()) return done({.end = End::kNotLeader, .error = "this node does not lead", .response = {}});
  if (queue.size() >= options_.queue_max) {
    return done({.end = End::kRefused, .error = "too many requests are waiting; try again later", .response = {}});
  }
  if (!item->key.empty()) keys_.emplace(item->key, item);
  item->deadline = deadline;
  wait(item, deadline, std::move(done));
  queue.push_back(item);
  run_next();
}

void Executor::wait(const ItemPtr& item, Instant deadline, Done done) {
  item->waiters.push_back({std::move(done), deadlines_.emplace(deadline, item)});
}

// --- Running ---

void Executor::run_next() {
  if (is_running_) return;
  if (are_chores_due_) return start({});
  if (!may_run()) return;
  if (std::vector<ItemPtr> items = take_batch(); !items.empty()) start(std::move(items));
}

/// Not too far ahead of what is committed.
bool Executor::may_run() const {
  const bool is_time = in_flight_.empty() || options_.connection.now() >= last_sent_off_ + options_.bundle_interval;
  return is_time && can_write() && outgoing_.empty() && in_flight_.size() < options_.bundles_in_flight_max &&
         bytes_in_flight_ < options_.in_flight_bytes_max;
}

std::vector<Executor::ItemPtr> Executor::take_batch() {
  const auto of_session = std::ranges::find_if(
      session_queue_, [this](const ItemPtr& item) { return !is_slot_held_ || !item->waits_for_slot; });
  if (of_session != session_queue_.end()) {
    const ItemPtr item = *of_session;
    session_queue_.erase(of_session);
    return {item};
  }
  std::vector<ItemPtr> items;
  std::size_t bytes = 0;
  while (!is_slot_held_ && !queue_.empty() && items.size() < options_.batch_requests_max &&
         bytes < options_.batch_bytes_max) {
    const bool is_request = queue_.front()->kind == Item::Kind::kRequest;
    if (!is_request && !items.empty()) break;
    items.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (!is_request) break;
    bytes += size_of(items.back()->request);
  }
  return items;
}

void Executor::start(std::vector<ItemPtr> items) {
  auto job = std::make_shared<Job>();
  job->epoch = epoch_;
  job->now = options_.connection.now();
  job->writer.emplace(BundleName{epoch_, next_bundle_}, options_.part_bytes);
  for (const ItemPtr& item : items) {
    item->stage = Item::Stage::kRunning;
    Request request = std::move(item->request);
    if (item->deadline != Instant::max()) {
      const Duration left = std::max(item->deadline - job->now, Duration::zero());
      request.time_max = std::min(request.time_max.value_or(left), left);
    }
    job->requests.push_back(std::move(request));
  }
  job->items = std::move(items);
  job->abandoned = std::exchange(abandoned_, {});
  are_chores_due_ = false;
  is_running_ = true;
  stop_->store(false, std::memory_order_relaxed);
  stats_.requests += job->items.size();
  if (!job->items.empty()) ++stats_.batches;
  sql_jobs_([engine = engine_, job] { engine->run(*job); },
            [this, job, life = std::weak_ptr(life_)] {
              if (!life.expired()) finished(*job);
            });
}

void Executor::finished(Job& job) {
  is_running_ = false;
  is_slot_held_ = job.is_slot_held;
  session_expiry_ = job.session_expiry;
  stats_.sessions = job.sessions;
  begin_epoch();
  if (job.epoch != epoch_) {
    // What it sealed was dropped with the speculation of its epoch, and nothing of it was proposed.
    for (const ItemPtr& item : std::exchange(job.items, {})) give_up(item, End::kNotLeader, kLost);
  } else if (!goes_back_for_slot(job)) {
    bundle_up(job);
  }
  run_next();
}

/// A session that finds the write slot taken by another one waits for it, as others do.
bool Executor::goes_back_for_slot(Job& job) {
  if (job.items.size() != 1 || job.items.front()->kind != Item::Kind::kInSession || !is_slot_held_) return false;
  const SqlError* error = transient_failure(job.responses.front());
  if (error == nullptr || error->kind != SqlErrorKind::kBusy || job.requests.front().statements.size() != 1)
    return false;
  const ItemPtr item = job.items.front();
  item->stage = Item::Stage::kQueued;
  item->waits_for_slot = true;
  item->request = std::move(job.requests.front());
  item->request.time_max.reset();
  session_queue_.push_front(item);
  return true;
}

// --- Proposing ---

void Executor::bundle_up(Job& job) {
  auto bundle = std::make_shared<Bundle>();
  bundle->epoch = epoch_;
  BundleWriter& writer = *job.writer;
  bool needs_entry = !job.versions.empty();
  std::vector<std::pair<ItemPtr, End>> refused;
  for (std::size_t i = 0; i < job.items.size(); ++i) {
    const ItemPtr& item = job.items[i];
    item->response = std::move(job.responses[i]);
    item->position = static_cast<std::uint32_t>(i);
    item->session = item->kind == Item::Kind::kBegin ? job.opened : item->session;
    if (const std::optional<End> end = refusal_of(item->response)) {
      refused.emplace_back(item, *end);
      continue;
    }
    bundle->items.push_back(item);
    needs_entry = needs_entry || item->proof == Proof::kLog;
    if (item->key.empty() || transient_failure(item->response) != nullptr) continue;
    const Payload response = encode(item->response);
    std::optional<std::span<const std::byte>> kept;
    if (response.size() <= kKeptResponseBytesMax) kept = response.bytes();
    writer.add_outcome({item->key, item->fingerprint, item->position, kept});
    needs_entry = true;
  }
  send_off(bundle, needs_entry ? writer.finish() : std::vector<Payload>());
  for (const auto& [item, end] : refused) {
    const Response& response = item->response;
    give_up(item, end, response.error ? response.error->message : response.results.front().error.message);
  }
}

/// Without parts there is nothing to replicate, and the answers rest on what is in flight already, if anything is.
void Executor::send_off(const std::shared_ptr<Bundle>& bundle, std::vector<Payload> parts) {
  for (const ItemPtr& item : bundle->items) {
    item->stage = Item::Stage::kInFlight;
    item->has_entry = !parts.empty();
  }
  if (!parts.empty()) {
    bundle->parts = parts.size();
    in_flight_.push_back(bundle);
    last_sent_off_ = options_.connection.now();
    ++next_bundle_;
    ++stats_.bundles;
    for (Payload& part : parts) outgoing_.push_back({bundle, std::move(part)});
    propose_more();
  } else if (!in_flight_.empty()) {
    std::ranges::move(bundle->items, std::back_inserter(in_flight_.back()->items));
  } else {
    in_flight_.push_back(bundle);
    settle(bundle, End::kDone, machine_.store().applied());
  }
}

/// Flow control of its own: the engine's would end the epoch.
void Executor::propose_more() {
  while (!outgoing_.empty()) {
    const std::size_t bytes = outgoing_.front().part.size() + kEntryOverheadBytes;
    if (bytes_in_flight_ > 0 && bytes_in_flight_ + bytes > options_.in_flight_bytes_max) return;
    Outgoing next = std::move(outgoing_.front());
    outgoing_.pop_front();
    bytes_in_flight_ += bytes;
    propose_(std::move(next.part), epoch_, next_proposal_++,
             [this, bundle = next.bundle, bytes, life = std::weak_ptr(life_)](const ProposalResult& result) {
               if (!life.expired()) proposed(bundle, bytes, result);
             });
  }
}

void Executor::proposed(const std::shared_ptr<Bundle>& bundle, std::size_t bytes, const ProposalResult& result) {
  bytes_in_flight_ -= bytes;
  if (result.outcome != Outcome::kCommitted) {
    // The engine takes nothing more of this epoch; a bundle that is not complete never will be.
    if (bundle->epoch == epoch_) end_epoch();
    const bool is_overload = result.refusal == Refusal::kOverloaded || result.refusal == Refusal::kStopped;
    const End refused = is_overload ? End::kRefused : End::kNotLeader;
    return settle(bundle, result.outcome == Outcome::kUnknown ? End::kUnknown : refused, result.id);
  }
  if (++bundle->committed == bundle->parts) settle(bundle, End::kDone, result.id);
  propose_more();
  run_next();
}

void Executor::settle(const std::shared_ptr<Bundle>& bundle, End end, LogId id) {
  if (std::exchange(bundle->is_settled, true)) return;
  in_flight_.erase(std::ranges::find(in_flight_, bundle));
  if (end == End::kDone && bundle->parts > 0 && options_.committed) options_.committed();
  for (const ItemPtr& item : std::exchange(bundle->items, {})) {
    if (item->stage == Item::Stage::kEnded) continue;
    if (end == End::kDone) {
      Execution execution{.error = {}, .response = std::move(item->response)};
      execution.log_index = item->has_entry ? id.index : Index{};
      execution.position = item->position;
      execution.state_index = id.index;
      answer(item, std::move(execution));
    } else if (end == End::kUnknown && item->has_entry) {
      give_up(item, End::kUnknown, "leadership was lost while the request was being replicated");
    } else {
      give_up(item, end == End::kUnknown ? End::kNotLeader : end,
              end == End::kRefused ? "the log does not take more now; try again later" : kLost);
    }
  }
}

// --- Answering ---

void Executor::answer(const ItemPtr& item, Execution execution) {
  item->stage = Item::Stage::kEnded;
  if (!item->key.empty()) keys_.erase(item->key);
  std::vector<Waiter> waiters = std::exchange(item->waiters, {});
  for (const Waiter& waiter : waiters) deadlines_.erase(waiter.deadline);
  for (std::size_t i = 1; i < waiters.size(); ++i) {
    Execution repeated = execution;
    repeated.answer = Execution::Answer::kRepeated;
    waiters[i].done(std::move(repeated));
  }
  if (!waiters.empty()) waiters.front().done(std::move(execution));
}

void Executor::give_up(const ItemPtr& item, End end, std::string error) {
  answer(item, {.end = end, .error = std::move(error), .response = {}});
}

std::optional<Instant> Executor::next_deadline() const {
  std::optional<Instant> next = session_expiry_;
  if (!deadlines_.empty()) next = std::min(next.value_or(Instant::max()), deadlines_.begin()->first);
  const bool waits_for_its_time = !is_running_ && !in_flight_.empty() && !(queue_.empty() && session_queue_.empty()) &&
                                  in_flight_.size() < options_.bundles_in_flight_max &&
                                  options_.bundle_interval > Duration::zero();
  if (waits_for_its_time) next = std::min(next.value_or(Instant::max()), last_sent_off_ + options_.bundle_interval);
  return next;
}

void Executor::expire(Instant now) {
  std::vector<ItemPtr> due;
  for (auto at = deadlines_.begin(); at != deadlines_.end() && at->first <= now; ++at) {
    if (ItemPtr item = at->second.lock()) due.push_back(std::move(item));
  }
  for (const ItemPtr& item : due) expire_waiters(item, now);
  if (!due.empty()) {
    const auto has_ended = [](const ItemPtr& item) { return item->stage == Item::Stage::kEnded; };
    std::erase_if(queue_, has_ended);
    std::erase_if(session_queue_, has_ended);
  }
  if (session_expiry_ && *session_expiry_ <= now) {
    session_expiry_.reset();
    are_chores_due_ = true;
  }
  run_next();
}

void Executor::expire_waiters(const ItemPtr& item, Instant now) {
  std::vector<Waiter> late;
  for (Waiter& waiter : item->waiters) {
    if (waiter.deadline->first > now) continue;
    deadlines_.erase(waiter.deadline);
    if (item->stage == Item::Stage::kRunning) {
      // It is being interrupted, and will have a definite end.
      waiter.deadline = deadlines_.emplace(now + kInterruptGrace, item);
    } else {
      late.push_back(std::move(waiter));
      waiter.done = nullptr;
    }
  }
  std::erase_if(item->waiters, [](const Waiter& waiter) { return waiter.done == nullptr; });
  const bool is_known = item->stage != Item::Stage::kInFlight || !item->has_entry;
  if (item->waiters.empty() && item->stage == Item::Stage::kQueued) {
    item->stage = Item::Stage::kEnded;
    if (!item->key.empty()) keys_.erase(item->key);
  }
  if (item->waiters.empty() && item->stage == Item::Stage::kInFlight && item->kind == Item::Kind::kBegin) {
    abandoned_.push_back(item->session);
    are_chores_due_ = true;
  }
  for (const Waiter& waiter : late) {
    waiter.done({.end = is_known ? End::kRefused : End::kUnknown,
                 .error = is_known ? "timed out before the request took effect" : "timed out waiting for a quorum",
                 .response = {}});
  }
}

void Executor::epoch_changed(Epoch epoch) {
  if (can_write()) end_epoch();
  next_epoch_ = epoch;
  if (!is_running_) begin_epoch();
  run_next();
}

void Executor::begin_epoch() {
  if (next_epoch_ == Epoch{}) return;
  epoch_ = std::exchange(next_epoch_, Epoch{});
  machine_.begin_speculation();
  if (machine_.store().has_hidden()) drop_left_over();
}

/// What an earlier leader has staged will never be whole; before anything else, nobody having asked for it.
void Executor::drop_left_over() {
  auto item = std::make_shared<Item>();
  item->request.action = drop_staged;
  enqueue(queue_, item, Instant::max(), [](const Execution&) {});
}

/// Nothing of this epoch will be proposed any more. What was proposed ends as its entries do.
void Executor::end_epoch() {
  epoch_ = {};
  next_proposal_ = 0;
  next_bundle_ = 0;
  is_slot_held_ = false;
  are_chores_due_ = true;
  stop_->store(true, std::memory_order_relaxed);
  for (const Outgoing& part : std::exchange(outgoing_, {})) settle(part.bundle, End::kNotLeader, {});
  std::deque<ItemPtr> waiting = std::exchange(queue_, {});
  std::ranges::move(std::exchange(session_queue_, {}), std::back_inserter(waiting));
  for (const ItemPtr& item : waiting) give_up(item, End::kNotLeader, kLost);
}

Executor::Stats Executor::stats() const {
  Stats stats = stats_;
  stats.queued = queue_.size() + session_queue_.size();
  stats.bundles_in_flight = in_flight_.size();
  stats.bytes_in_flight = bytes_in_flight_;
  return stats;
}

}  // namespace quorate::sqlite
