// How the application meets the HTTP server: it is handed requests and answers each of them exactly once, at once or
// later, from any thread. Order on the connection is the server's business.
//
// Nothing here knows sockets: a test hands a Responder over a sink of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "consensus/types.hpp"
#include "transport/http_message.hpp"

namespace quorate::http {

/// Numbers the requests of one connection from 0.
using RequestId = StrongNumber<struct HttpRequestIdTag>;

/// Whether the client of a stream is still there.
enum class StreamState : std::uint8_t { kOpen, kGone };
enum class StreamEnd : std::uint8_t {
  kComplete,
  kCut,  ///< the connection is closed without the end mark, so that the client sees that something is missing
};
using StreamReady = std::function<void(StreamState)>;

/// Where answers go. Any thread; answers to a connection that is gone are dropped.
class ResponseSink {
 public:
  virtual ~ResponseSink() = default;
  virtual void respond(RequestId request, Response response) = 0;
  virtual void begin_stream(RequestId request, Response head) = 0;
  /// `ready` is never called from within the call.
  virtual void write_chunk(RequestId request, std::string chunk, StreamReady ready) = 0;
  /// `rest` is sent before the end, whatever the pace of the client.
  virtual void end_stream(RequestId request, StreamEnd end, std::string rest) = 0;
  /// The next piece of the body that is being received may come.
  virtual void body_taken() {}
  /// Calls `gone` on the loop, once, if the client goes away before its answer begins; else never.
  virtual void on_client_gone(RequestId /*request*/, std::function<void()>&& /*gone*/) {}
};

/// A body of unknown length. Destroyed without finish(), it is cut.
class ResponseStream {
 public:
  ResponseStream(std::shared_ptr<ResponseSink> sink, RequestId request) : sink_(std::move(sink)), request_(request) {}
  ResponseStream(ResponseStream&&) = default;
  ResponseStream& operator=(ResponseStream&&) = delete;
  ~ResponseStream();

  /// `ready` is called on the loop, later, as soon as the next chunk may come (the client keeps up), or with kGone. One
  /// write at a time: the next only after `ready`. That bounds the memory of a stream to about two chunks.
  void write(std::string chunk, StreamReady ready);
  /// At any time. `rest` ends the body.
  void finish(std::string rest = {});

 private:
  std::shared_ptr<ResponseSink> sink_;
  RequestId request_;
};

/// Is told of each answer as it is given, on whichever thread that is.
class AnswerObserver {
 public:
  virtual ~AnswerObserver() = default;
  /// `tag` says what kind of request it was, in the observer's own terms.
  virtual void answered(std::size_t tag, Status status, Instant begun) = 0;
};

/// The duty to answer one request. Destroyed without an answer, it answers 500.
class Responder {
 public:
  Responder(std::shared_ptr<ResponseSink> sink, RequestId request) : sink_(std::move(sink)), request_(request) {}
  Responder(Responder&&) = default;
  Responder& operator=(Responder&&) = delete;
  ~Responder();

  /// `observer` outlives the duty.
  void observe(AnswerObserver& observer, std::size_t tag, Instant begun);

  /// `gone` is called on the loop, once, if the client goes away before its answer begins: nobody wants it any more. It
  /// must be given all the same.
  void on_client_gone(std::function<void()> gone);

  void send(Response response);
  /// The head is sent with the first chunk or the end; its body must be empty.
  [[nodiscard]] ResponseStream stream(Response head);

 private:
  void tell_observer(Status status) const;

  std::shared_ptr<ResponseSink> sink_;
  RequestId request_;
  AnswerObserver* observer_ = nullptr;
  std::size_t tag_ = 0;
  Instant begun_;
};

/// Takes a body that may be larger than memory, in pieces. On the loop. Destroyed before the handler was called, the
/// request has broken off.
class BodyTaker {
 public:
  virtual ~BodyTaker() = default;
  /// `ready` is to be called, on any thread, when the next piece may come; it may be called from within the call. The
  /// handler's call comes after the last piece, whether or not that one is taken by then.
  virtual void take(std::string piece, std::function<void()> ready) = 0;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  /// Asked when the head of a request has come and a body is to follow: an answer instead of receiving it. The
  /// connection ends with it.
  virtual std::optional<Response> refusal_of(const Request& head) {
    static_cast<void>(head);
    return std::nullopt;
  }
  /// Asked when the head of a request has come whose body HttpLimits::comes_in_pieces() does not limit. Without a taker
  /// the request is refused.
  virtual std::shared_ptr<BodyTaker> taker_for(const Request& head) {
    static_cast<void>(head);
    return nullptr;
  }
  /// On the loop; must not block and must not throw. `request` is gone when the call returns, except for what was moved
  /// out of it.
  virtual void handle(Request& request, Responder responder) = 0;
};

}  // namespace quorate::http
