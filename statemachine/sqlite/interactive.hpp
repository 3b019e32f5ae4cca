// Interactive transactions: a client opens a session on the leader and sends BEGIN, statements and COMMIT one request
// after the other. Each session has a connection of its own, with its own settings, temporary tables and attached
// databases, and sees the newest version, speculation included, as of its transaction's begin.
//
// A session is limited in time: it ends when the client is silent for too long, and when a transaction stays open for
// too long, for which a statement that is running is interrupted; whatever was open is rolled back. All of them end
// with the leadership. A request whose failure rolls the transaction back (OR ROLLBACK, an interruption, a full disk)
// ends its session too: what the client sends next was meant for that transaction, and must not take effect by itself.
//
// There is one write slot. While a session is_writing(), nothing else can write; the owner holds other writers back.
//
// Threads: one. Time comes from the connection options' clock, tokens from the owner's generator.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "consensus/types.hpp"
#include "statemachine/sqlite/connection.hpp"
#include "statemachine/sqlite/page_store.hpp"
#include "statemachine/sqlite/request.hpp"

namespace quorate::sqlite {

/// Names a session; not to be guessed by other clients.
using InteractiveToken = StrongNumber<struct InteractiveTokenTag>;

struct InteractiveOptions {
  ConnectionOptions connection;
  std::function<std::uint64_t()> random;
  Duration idle_max = std::chrono::seconds(30);          ///< between two requests
  Duration transaction_max = std::chrono::seconds(300);  ///< from BEGIN to COMMIT
};

class InteractiveSessions {
 public:
  InteractiveSessions(PageStore& store, InteractiveOptions options);

  /// kTooLarge if there are too many.
  SqlResult<InteractiveToken> open();
  /// Rolls back what is open. Closing twice, or what has expired, is no error.
  void close(InteractiveToken token) { sessions_.erase(token); }
  void close_all() { sessions_.clear(); }

  struct Outcome {
    Response response;
    std::vector<SealedVersion> versions;  ///< to be proposed, in this order
  };
  /// kRefused if there is no such session (any more).
  Outcome run(InteractiveToken token, const Request& request);

  /// Closes what is over its limits at `now`.
  void expire(Instant now);
  /// When expire() has something to do next.
  [[nodiscard]] std::optional<Instant> next_expiry() const;
  /// Whether a session holds the write slot.
  [[nodiscard]] bool is_writing() const;
  [[nodiscard]] std::size_t size() const { return sessions_.size(); }

 private:
  struct Session {
    std::unique_ptr<Connection> connection;
    Instant last_used;
    std::optional<Instant> transaction_begun;
  };
  [[nodiscard]] Instant expiry_of(const Session& session) const;

  PageStore& store_;
  InteractiveOptions options_;
  std::map<InteractiveToken, Session> sessions_;
};

}  // namespace quorate::sqlite
