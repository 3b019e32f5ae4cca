// One HTTP/1.1 connection without its socket: bytes come in, requests go to the handler, answers come back in any
// order, and bytes that are to be sent come out in the order of the requests. Persistence, pipelining, "100-continue",
// refusals and streams are decided here; sockets, deadlines and threads are not.
//
// Loop thread only. Bounded: see HttpLimits; whoever feeds it stops while may_receive() is false.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "transport/http_handler.hpp"
#include "transport/http_limits.hpp"
#include "transport/http_parser.hpp"

namespace quorate::http {

/// What all connections of a server share. Outlives them.
struct HttpContext {
  HttpLimits limits;
  HttpHandler* handler = nullptr;
  /// Lines ended by CR LF that every answer carries, refusals included.
  std::string common_header_lines;
  /// The value of the Date field now; without it there is none.
  std::function<std::string_view()> date;
  /// Bytes of bodies that are being received on all connections.
  std::size_t buffered_body_bytes = 0;
  /// Requests of all connections whose answers are not complete.
  std::size_t open_requests = 0;
};

class HttpSession {
 public:
  /// `sink` is what responders of this session's requests will talk to; it hands the answers back to this session.
  HttpSession(HttpContext& context, std::shared_ptr<ResponseSink> sink, std::string peer);
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  enum class Phase : std::uint8_t {
    kIdle,     ///< between requests, nothing is owed to the client
    kHead,     ///< a request has begun
    kBody,     ///< a body is being received
    kWaiting,  ///< answers are being worked on, or wait to be sent
    kEnding,   ///< nothing that arrives is read as a request any more
  };
  [[nodiscard]] Phase phase() const;
  /// Bytes of the current body so far.
  [[nodiscard]] std::size_t body_bytes() const { return handed_on_bytes_ + request_.body.size(); }

  [[nodiscard]] bool may_receive() const;
  /// Takes bytes from the beginning of `bytes` and says how many; the rest must come again, followed by what arrives
  /// later. Calls the handler for every request that is complete.
  std::size_t receive(std::string_view bytes);
  /// Requests that were received completely so far.
  [[nodiscard]] std::uint64_t requests_received() const { return first_.value + exchanges_.size(); }
  /// The request that is being received takes too long: 408.
  void time_out();
  /// The client sends nothing more; what it has asked for is still answered.
  void end_of_input();
  /// The server stops: answers what was received, refuses what is being received, then ends.
  void end_after_pending();
  /// The client is gone: nothing more comes in, nothing more goes out.
  void abandon();

  void respond(RequestId id, Response response);
  void begin_stream(RequestId id, Response head);
  /// kGone: nobody waits for it any more, and `ready` will not be called.
  [[nodiscard]] StreamState write_chunk(RequestId id, const std::string& chunk, StreamReady ready);
  void end_stream(RequestId id, StreamEnd end, std::string rest);
  /// As ResponseSink has it.
  void on_client_gone(RequestId id, std::function<void()> gone);
  /// Somebody waits for an answer that has not begun.
  [[nodiscard]] bool is_awaited() const {
    return !exchanges_.empty() && exchanges_.front().state == Exchange::State::kOpen;
  }
  /// Whoever takes the body that is being received is ready for more of it.
  void body_taken() { is_taker_busy_ = false; }

  /// What is to be sent next. The connection swaps it away and tells how much of everything is still unsent.
  [[nodiscard]] std::string& output() { return output_; }
  void sent(std::size_t bytes_still_unsent);
  /// Gives back what large requests and answers left behind.
  void shrink();
  /// Once the output is sent, close the connection.
  [[nodiscard]] bool is_finished() const { return is_ending_ && exchanges_.empty(); }
  /// The client may still be sending: closing at once would destroy the last answer on its way.
  [[nodiscard]] bool must_linger() const { return must_linger_; }

 private:
  /// One request whose answer is not completely in the output yet.
  struct Exchange {
    Method method;
    HttpVersion version;
    Persistence persistence;
    enum class State : std::uint8_t { kOpen, kStreaming, kComplete, kCut } state = State::kOpen;
    bool is_chunked = false;
    std::string held_back;  ///< answer bytes that must wait for the answers before
    StreamReady ready;      ///< owed to the stream once its chunk is out
    std::function<void()> gone;
  };

  [[nodiscard]] bool is_front(const Exchange& exchange) const { return &exchange == &exchanges_.front(); }
  [[nodiscard]] Exchange* find(RequestId id);
  [[nodiscard]] std::string& out_for(Exchange& exchange) { return is_front(exchange) ? output_ : exchange.held_back; }

  void open_exchange(Exchange exchange);
  void on_head();
  void on_request();
  void refuse(Status status, std::string_view reason);
  void refuse(Response response);
  bool body_fits();
  void release_body();
  enum class Piece : std::uint8_t { kOneOfMany, kLast };
  void hand_on_body(Piece piece);
  void continue_if_expected();

  void write_chunk_bytes(Exchange& exchange, const std::string& chunk);
  void write_head(std::string& out, const Exchange& exchange, const Response& response) const;
  void close_exchange(Exchange& exchange, Exchange::State how);
  void advance();
  void drop_exchanges();

  HttpContext& context_;
  std::shared_ptr<ResponseSink> sink_;
  HttpParser parser_;
  Request request_;
  std::size_t counted_body_bytes_ = 0;  ///< of this session, within HttpContext::buffered_body_bytes

  std::size_t handed_on_bytes_ = 0;  ///< of the body that is being received
  bool is_taker_busy_ = false;

  std::vector<Exchange> exchanges_;  ///< in the order of the requests; the front one writes straight to the output
  RequestId first_;                  ///< of exchanges_.front()
  std::string output_;
  std::size_t unsent_bytes_ = 0;  ///< handed to the connection, not sent

  bool is_ending_ = false;
  bool must_linger_ = false;
  bool owes_continue_ = false;
};

}  // namespace quorate::http
