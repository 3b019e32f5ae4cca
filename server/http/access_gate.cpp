#include "server/http/access_gate.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <utility>

#include "server/http/query_string.hpp"
#include "server/http/responses.hpp"

namespace quorate::http {

using security::Login;
using security::Permission;
using security::Permissions;
using security::Verdict;

namespace {

/// Of a body that anybody may send before it is known whether it is wanted.
constexpr std::size_t kUnprovenBodyBytesMax = std::size_t{64} << 10;

struct Rule {
  std::string_view path;
  Permissions needed;
};

/// By the beginning of the path; the first that matches counts.
constexpr std::array kRules = {
    Rule{"/db/execute", {Permission::kExecute}},
    Rule{"/db/query", {Permission::kQuery}},
    Rule{"/db/request", {Permission::kQuery, Permission::kExecute}},
    Rule{"/db/begin", {Permission::kExecute}},
    Rule{"/db/commit", {Permission::kExecute}},
    Rule{"/db/rollback", {Permission::kExecute}},
    Rule{"/db/sql", {Permission::kQuery}},
    Rule{"/db/backup", {Permission::kBackup}},
    Rule{"/db/load", {Permission::kLoad}},
    Rule{"/boot", {Permission::kLoad}},
    Rule{"/snapshot", {Permission::kSnapshot}},
    Rule{"/reap", {Permission::kSnapshot}},
    Rule{"/remove", {Permission::kRemove}},
    Rule{"/leader", {Permission::kLeaderOps}},
    Rule{"/readyz", {Permission::kReady}},
    Rule{"/status", {Permission::kStatus}},
    Rule{"/nodes", {Permission::kStatus}},
    Rule{"/metrics", {Permission::kStatus}},
    Rule{"/debug/", {Permission::kStatus}},
    Rule{"/licenses", {Permission::kStatus}},
    Rule{"/console", {Permission::kUi}},
};

std::optional<Login> login_of(const Request& request) {
  const auto header = request.header("Authorization");
  return header ? security::login_in(*header) : std::nullopt;
}

/// As clients know it from requests that were passed on.
std::string_view name_of_operation(std::string_view path) {
  struct Name {
    std::string_view path;
    std::string_view name;
  };
  static constexpr std::array kNames = {
      Name{"/db/execute", "Execute"}, Name{"/db/query", "query"}, Name{"/db/request", "Request"},
      Name{"/db/backup", "backup"},   Name{"/db/load", "load"},   Name{"/remove", "remove node"},
      Name{"/leader", "stepdown"},
  };
  const auto name = std::ranges::find_if(kNames, [path](const Name& known) { return path.starts_with(known.path); });
  return name != kNames.end() ? name->name : "request";
}

Response refusal(Verdict verdict, Origin origin, std::string_view path) {
  if (verdict == Verdict::kOverloaded)
    return text_error(Status::kUnavailable, "too many passwords are being checked; try again");
  if (origin == Origin::kClient) return Response(Status::kUnauthorized);
  return text_error(Status::kUnauthorized, std::string("remote ").append(name_of_operation(path)) + " not authorized");
}

/// The request without its body: that is moved along.
Request take_along(Request& request) {
  std::string body = std::exchange(request.body, {});
  Request taken = request;
  taken.body = std::move(body);
  return taken;
}

bool has_large_body(const Request& head) {
  const auto length = head.header("Content-Length");
  if (!length) return head.header("Transfer-Encoding").has_value();
  std::uint64_t bytes = 0;
  const auto parsed = std::from_chars(length->data(), length->data() + length->size(), bytes);
  return parsed.ec != std::errc() || bytes > kUnprovenBodyBytesMax;
}

std::string path_of(const Request& request) {
  auto target = split_target(request.target());
  return target ? std::move(target->path) : std::string();
}

}  // namespace

Permissions permissions_for(std::string_view path) {
  if (path == "/") return {};
  const auto rule = std::ranges::find_if(kRules, [path](const Rule& known) { return path.starts_with(known.path); });
  return rule != kRules.end() ? rule->needed : Permissions{Permission::kAll};
}

/// Holds what has come until it is known whether it may.
class AccessGate::GuardedTaker final : public BodyTaker {
 public:
  void take(std::string piece, std::function<void()> ready) override {
    if (!is_decided_) {
      held_.push_back({std::move(piece), std::move(ready)});
    } else if (taker_ != nullptr) {
      taker_->take(std::move(piece), std::move(ready));
    } else {
      ready();
    }
  }
  /// Null: it may not, or there is nobody to take it.
  void decide(std::shared_ptr<BodyTaker> taker) {
    is_decided_ = true;
    taker_ = std::move(taker);
    for (Held& held : std::exchange(held_, {})) take(std::move(held.piece), std::move(held.ready));
  }
  [[nodiscard]] const std::shared_ptr<BodyTaker>& taker() const { return taker_; }

 private:
  struct Held {
    std::string piece;
    std::function<void()> ready;
  };
  bool is_decided_ = false;
  std::shared_ptr<BodyTaker> taker_;
  std::vector<Held> held_;  ///< no more than two: the next piece comes when the one before is taken, or it is the last
};

AccessGate::Ruling AccessGate::rule(Request& request, std::string_view path, Origin origin) {
  const bool was_let_in = origin == Origin::kPeer && is_vouched_for(request);
  const Permissions needed = permissions_for(path);
  if (access_ == nullptr || was_let_in || needed.empty()) return {};
  const auto verdict = access_->known(login_of(request), needed);
  if (!verdict) return {.kind = Ruling::Kind::kNotKnownYet};
  return ruling(*verdict, request, path, origin);
}

void AccessGate::rule_later(Request& request, std::string_view path, Origin origin, Later done) {
  const auto login = login_of(request);
  const Permissions needed = permissions_for(path);
  const auto kept = std::make_shared<Request>(take_along(request));
  access_->check(login, needed, [kept, path = std::string(path), origin, done = std::move(done)](Verdict verdict) {
    Ruling late = ruling(verdict, *kept, path, origin);
    done(*kept, std::move(late));
  });
}

AccessGate::Ruling AccessGate::ruling(Verdict verdict, Request& request, std::string_view path, Origin origin) {
  if (verdict != Verdict::kGranted) return {Ruling::Kind::kRefused, refusal(verdict, origin, path)};
  // The body may have been given to somebody who did not know yet for whom.
  if (const auto guard = std::dynamic_pointer_cast<GuardedTaker>(request.taker)) request.taker = guard->taker();
  return {};
}

std::optional<Response> AccessGate::refusal_of(const Request& head) {
  if (access_ == nullptr || !has_large_body(head)) return std::nullopt;
  const auto verdict = access_->known(login_of(head), permissions_for(path_of(head)));
  if (!verdict || *verdict == Verdict::kGranted) return std::nullopt;
  return refusal(*verdict, Origin::kClient, {});
}

std::shared_ptr<BodyTaker> AccessGate::taker_for(const Request& head, MakeTaker make) {
  if (access_ == nullptr) return make(head);
  const Permissions needed = permissions_for(path_of(head));
  const auto login = login_of(head);
  const auto verdict = access_->known(login, needed);
  if (verdict == Verdict::kGranted) return make(head);
  auto guarded = std::make_shared<GuardedTaker>();
  if (verdict) {
    guarded->decide(nullptr);
    return guarded;
  }
  const auto kept = std::make_shared<Request>(head);
  access_->check(login, needed, [make = std::move(make), kept, weak = std::weak_ptr(guarded)](Verdict late_verdict) {
    const auto taker = weak.lock();
    if (taker == nullptr) return;  // the client has gone
    taker->decide(late_verdict == Verdict::kGranted ? make(*kept) : nullptr);
  });
  return guarded;
}

}  // namespace quorate::http
