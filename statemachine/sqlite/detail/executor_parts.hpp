// What the executor is made of: requests on their way, the work that the SQL thread does for them, and the entries that
// they become. Part of executor.cpp; nobody else's business.
//
// Threads: an Item's request and everything of a Job belong to the SQL thread while the job runs, everything else to
// the strand. The Engine belongs to the SQL thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "statemachine/sqlite/executor.hpp"
#include "statemachine/sqlite/request_runner.hpp"

namespace quorate::sqlite {

/// Somebody who wants to know how an item ends.
struct Executor::Waiter {
  Done done;
  Deadlines::iterator deadline;
};

/// A request on its way, and all who wait for it: the first who asked, and those who asked again with the same key.
struct Executor::Item {
  enum class Kind : std::uint8_t { kRequest, kBegin, kInSession, kEnd };
  enum class Stage : std::uint8_t { kQueued, kRunning, kInFlight, kEnded };

  Kind kind = Kind::kRequest;
  Request request;
  std::string key;
  std::uint64_t fingerprint = 0;
  Proof proof = Proof::kLog;
  InteractiveToken session;  ///< of kBegin: once it has run
  TransactionEnd how = TransactionEnd::kRollBack;
  Instant deadline;

  Stage stage = Stage::kQueued;
  bool waits_for_slot = false;  ///< it found the write slot taken by another session
  bool has_entry = false;
  std::uint32_t position = 0;
  Response response;
  std::vector<Waiter> waiters;
};

/// One piece of work for the SQL thread, and what came of it.
struct Executor::Job {
  Epoch epoch;
  Instant now;
  std::vector<ItemPtr> items;  ///< requests without session, or one of another kind
  std::vector<Request> requests;
  std::vector<InteractiveToken> abandoned;

  std::vector<Response> responses;
  std::vector<SealedVersion> versions;  ///< their parts are in the writer
  std::optional<BundleWriter> writer;   ///< copying a large transaction takes long
  InteractiveToken opened;
  bool is_slot_held = false;
  std::size_t sessions = 0;
  std::optional<Instant> session_expiry;
};

/// What is answered when the entries of one job are applied.
struct Executor::Bundle {
  Epoch epoch;
  std::vector<ItemPtr> items;
  std::size_t parts = 0;
  std::size_t committed = 0;
  bool is_settled = false;
};

/// What jobs work with. Nobody else touches it.
struct Executor::Engine {
  Engine(PageStore& store, const ExecutorOptions& options)
      : batches(store, options.connection),
        sessions(store, {.connection = options.connection,
                         .random = options.random,
                         .idle_max = options.session_idle_max,
                         .transaction_max = options.session_transaction_max}) {}

  void run(Job& job) {
    if (job.epoch != epoch) sessions.close_all();
    epoch = job.epoch;
    for (const InteractiveToken token : job.abandoned) sessions.close(token);
    sessions.expire(job.now);
    if (!job.items.empty()) run_items(job);
    job.is_slot_held = sessions.is_writing();
    job.sessions = sessions.size();
    job.session_expiry = sessions.next_expiry();
    for (SealedVersion& version : job.versions) {
      for (Payload& part : version.parts) job.writer->add_delta(std::exchange(part, Payload()));
    }
  }

  BatchRunner batches;
  InteractiveSessions sessions;
  Epoch epoch;

 private:
  void run_items(Job& job) {
    const Item& first = *job.items.front();
    switch (first.kind) {
      case Item::Kind::kRequest: {
        BatchRunner::Outcome outcome = batches.run(job.requests);
        job.responses = std::move(outcome.responses);
        job.versions = std::move(outcome.versions);
        return;
      }
      case Item::Kind::kBegin: return begin(job);
      case Item::Kind::kInSession: return run_in(first.session, job.requests.front(), job);
      case Item::Kind::kEnd: run_in(first.session, job.requests.front(), job); return sessions.close(first.session);
    }
  }
  void begin(Job& job) {
    const SqlResult<InteractiveToken> token = sessions.open();
    if (!token) return job.responses.push_back({.results = {}, .error = token.error()});
    run_in(*token, job.requests.front(), job);
    if (has_error(job.responses.front())) return sessions.close(*token);
    job.opened = *token;
  }
  void run_in(InteractiveToken token, const Request& request, Job& job) {
    InteractiveSessions::Outcome outcome = sessions.run(token, request);
    job.responses.push_back(std::move(outcome.response));
    job.versions = std::move(outcome.versions);
  }
};

}  // namespace quorate::sqlite
