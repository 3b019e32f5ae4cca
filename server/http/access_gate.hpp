// Who gets in: what a client needs to be allowed for each path, and how somebody who is not is turned away. Before
// anything of a request is looked at, and, for a large body, before it is received.
//
// A request that another node passes on was let in there, if that node has users, and says so; otherwise it is for this
// node to look. The word of a node is worth as much as TLS between the nodes makes it: who can act as a node needs no
// password.
//
// Loop thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "server/http/exchange.hpp"
#include "server/security/access_control.hpp"
#include "server/security/permissions.hpp"
#include "transport/http_handler.hpp"

namespace quorate::http {

/// What a path needs. Of one that nobody has thought of: everything.
[[nodiscard]] security::Permissions permissions_for(std::string_view path);

class AccessGate {
 public:
  /// Null: everybody may do everything. Outlives the gate.
  explicit AccessGate(security::AccessControl* access) : access_(access) {}

  /// What this node says of requests that it passes on.
  [[nodiscard]] Vouching vouching() const { return access_ != nullptr ? Vouching::kAuthorized : Vouching::kNone; }

  struct Ruling {
    enum class Kind : std::uint8_t { kAdmitted, kRefused, kNotKnownYet } kind = Kind::kAdmitted;
    Response refusal{};
  };
  /// `path` is that of the request.
  [[nodiscard]] Ruling rule(Request& request, std::string_view path, Origin origin);
  /// What is not known yet. `done` is called once, later, with what the request was: that is moved along.
  using Later = std::function<void(Request& request, Ruling ruling)>;
  void rule_later(Request& request, std::string_view path, Origin origin, Later done);

  /// Of a body that is more than a moment's work to receive.
  [[nodiscard]] std::optional<Response> refusal_of(const Request& head);
  /// Takes a body for whoever `make` makes, once its client is known to be allowed to send it. What comes from a client
  /// who is not is thrown away.
  using MakeTaker = std::function<std::shared_ptr<BodyTaker>(const Request& head)>;
  [[nodiscard]] std::shared_ptr<BodyTaker> taker_for(const Request& head, MakeTaker make);

 private:
  class GuardedTaker;

  [[nodiscard]] static Ruling ruling(security::Verdict verdict, Request& request, std::string_view path, Origin origin);

  security::AccessControl* access_;
};

}  // namespace quorate::http
