// Runs requests on the leader's newest version: as many as there are together in one SQLite transaction, which becomes
// one version and one log entry. Each of them ends as if it had run alone, in the order in which they were given.
//
// What could not share a transaction runs alone, between its neighbours: transaction control, ATTACH, settings, VACUUM
// (known when prepared), and whatever ended the common transaction for the others (OR ROLLBACK, RAISE(ROLLBACK),
// running out of time or space while writing; known only when it has happened). In the latter case those before it are
// run once more: nobody has seen an answer yet, and what they do is not replicated before it is sealed.
//
// The connection is opened when it is first needed, and again whenever it is outdated or a request has changed it.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "statemachine/sqlite/connection.hpp"
#include "statemachine/sqlite/page_store.hpp"
#include "statemachine/sqlite/request.hpp"
#include "statemachine/sqlite/request_runner.hpp"

namespace quorate::sqlite {

class BatchRunner {
 public:
  /// The store outlives the runner. The options' role is the runner's business.
  BatchRunner(PageStore& store, ConnectionOptions options);

  struct Outcome {
    std::vector<Response> responses;      ///< one for each request, in their order
    std::vector<SealedVersion> versions;  ///< to be proposed, in this order
  };
  Outcome run(std::span<const Request> requests);

 private:
  /// What is to be done with a request, or has been.
  enum class Plan : std::uint8_t {
    kTogether,
    kAlone,
    kWithoutLast,  ///< its last statement has ended for good, and took with it what those before it had done
    kAnswered,
  };
  /// How a request fared in the common transaction.
  enum class Fare : std::uint8_t {
    kWell,        ///< its response stands
    kNeedsAlone,  ///< it has had no effect, and its neighbours are untouched
    kLost,        ///< the common transaction is gone
  };
  struct Job {
    std::span<const Request> requests;
    std::vector<Plan> plans;
    Outcome outcome;
  };

  SqlResult<void> ensure_connection();
  /// Runs what is planned together from `first` on in one transaction. Returns the first request that is not done.
  std::size_t run_together(Job& job, std::size_t first);
  Fare run_shared(const Request& request, Response& response);
  static Plan after_losing(const Request& request, const Response& response);
  void run_alone(const Request& request, Response& response);
  /// Once more what stands before the statement whose error is the last in the response.
  void run_without_last(const Request& request, Response& response);

  PageStore& store_;
  ConnectionOptions options_;
  std::unique_ptr<Connection> connection_;
  bool is_tainted_ = false;  ///< a request has changed the connection itself
};

}  // namespace quorate::sqlite
