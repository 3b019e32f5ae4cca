// A session with a handler that keeps what it is given, for tests.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "transport/http_session.hpp"

namespace quorate::http::test {

struct Received {
  Method method;
  std::string target;
  std::string content_type;
  bool has_authorization;
  std::string body;
  std::optional<Responder> responder;
};

/// Hands answers straight to the session.
class DirectSink final : public ResponseSink {
 public:
  void respond(RequestId id, Response response) override { session->respond(id, std::move(response)); }
  void begin_stream(RequestId id, Response head) override { session->begin_stream(id, std::move(head)); }
  void write_chunk(RequestId id, std::string chunk, StreamReady ready) override {
    if (session->write_chunk(id, chunk, ready) == StreamState::kGone) ready(StreamState::kGone);
  }
  void end_stream(RequestId id, StreamEnd end, std::string rest) override {
    session->end_stream(id, end, std::move(rest));
  }

  void body_taken() override { session->body_taken(); }

  HttpSession* session = nullptr;
};

/// Keeps what it takes, and is ready for more when told to.
class KeepingTaker final : public BodyTaker {
 public:
  void take(std::string piece, std::function<void()> on_ready) override {
    pieces.push_back(std::move(piece));
    ready = std::move(on_ready);
  }

  std::vector<std::string> pieces;
  std::function<void()> ready;
};

class SessionFixture : private HttpHandler {
 public:
  SessionFixture() { context.handler = this; }
  ~SessionFixture() override { requests.clear(); }  // while their answers still have somewhere to go

 protected:
  /// Created by the first use, so that a test can set limits before.
  HttpSession& session() {
    if (session_ == nullptr) {
      session_ = std::make_unique<HttpSession>(context, sink_, "peer:1");
      sink_->session = session_.get();
    }
    return *session_;
  }
  /// Feeds what arrives as a connection would: what was not consumed comes again.
  void receive(const std::string& bytes) {
    unread_ += bytes;
    unread_.erase(0, session().receive(unread_));
  }
  void answer(std::size_t request, std::string body) {
    Response response;
    response.body = std::move(body);
    requests.at(request).responder->send(std::move(response));
  }
  std::string take_output() { return std::exchange(session().output(), {}); }
  static std::string get(const std::string& target) { return "GET " + target + " HTTP/1.1\r\nHost: node\r\n\r\n"; }
  /// One-letter bodies of concatenated answers.
  static std::vector<std::string> bodies_of(const std::string& output) {
    std::vector<std::string> bodies;
    for (std::size_t at = output.find("\r\n\r\n"); at != std::string::npos; at = output.find("\r\n\r\n", at + 4))
      bodies.push_back(output.substr(at + 4, 1));
    return bodies;
  }

  HttpContext context;
  std::function<void(Received&)> on_request = [](Received&) {};
  std::vector<Received> requests;
  std::optional<Response> refusal_of_bodies;
  std::shared_ptr<KeepingTaker> taker;  ///< of the next body that comes in pieces; null: none is to be had

 private:
  std::optional<Response> refusal_of(const Request&) override { return refusal_of_bodies; }
  std::shared_ptr<BodyTaker> taker_for(const Request&) override { return taker; }
  void handle(Request& request, Responder responder) override {
    requests.push_back({request.method, std::string(request.target()),
                        std::string(request.header("content-type").value_or("")),
                        request.header("Authorization").has_value(), std::move(request.body), std::move(responder)});
    on_request(requests.back());
  }

  std::shared_ptr<DirectSink> sink_ = std::make_shared<DirectSink>();
  std::unique_ptr<HttpSession> session_;
  std::string unread_;
};

}  // namespace quorate::http::test
