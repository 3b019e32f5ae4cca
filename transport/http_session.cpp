#include "transport/http_session.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "consensus/assert.hpp"

namespace quorate::http {

namespace {

void append_number(std::string& out, std::size_t number, int base = 10) {
  char digits[24];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), number, base);
  out.append(digits, end.ptr);
}

Response text_answer(Status status, std::string_view text) {
  Response response(status);
  response.header("Content-Type", "text/plain; charset=utf-8").header("X-Content-Type-Options", "nosniff");
  response.body.append(text).append("\n");
  return response;
}

bool may_have_body(Status status) { return status != Status::kNoContent && status != Status::kNotModified; }

}  // namespace

HttpSession::HttpSession(HttpContext& context, std::shared_ptr<ResponseSink> sink, std::string peer)
    : context_(context), sink_(std::move(sink)), parser_(context.limits) {
  request_.set_peer(std::move(peer));
}

HttpSession::~HttpSession() {
  release_body();
  context_.open_requests -= exchanges_.size();
}

HttpSession::Phase HttpSession::phase() const {
  if (is_ending_) return Phase::kEnding;
  if (parser_.is_inside_body()) return is_taker_busy_ ? Phase::kWaiting : Phase::kBody;
  if (parser_.is_inside()) return Phase::kHead;
  return exchanges_.empty() && unsent_bytes_ == 0 && output_.empty() ? Phase::kIdle : Phase::kWaiting;
}

bool HttpSession::may_receive() const {
  return !is_ending_ && !is_taker_busy_ && exchanges_.size() < context_.limits.pipelined_max &&
         output_.size() + unsent_bytes_ <= context_.limits.output_bytes_max;
}

std::size_t HttpSession::receive(std::string_view bytes) {
  std::size_t consumed = 0;
  while (consumed < bytes.size() && may_receive()) {
    const HttpParser::Step step = parser_.feed(bytes.substr(consumed), request_);
    consumed += step.consumed;
    if (!body_fits()) {
      refuse(Status::kUnavailable, "too many requests are being received");
      break;
    }
    switch (step.progress) {
      case HttpParser::Progress::kNeedMore: hand_on_body(Piece::kOneOfMany); return consumed;
      case HttpParser::Progress::kHead: on_head(); break;
      case HttpParser::Progress::kDone: on_request(); break;
      case HttpParser::Progress::kRefused: refuse(step.status, step.reason); break;
    }
  }
  return is_ending_ ? bytes.size() : consumed;
}

void HttpSession::on_head() {
  handed_on_bytes_ = 0;
  if (auto refusal = context_.handler->refusal_of(request_)) return refuse(std::move(*refusal));
  const auto& comes_in_pieces = context_.limits.comes_in_pieces;
  if (comes_in_pieces && comes_in_pieces(request_.method, request_.target())) {
    request_.taker = context_.handler->taker_for(request_);
    if (request_.taker == nullptr) return refuse(Status::kUnavailable, "too many uploads, or none possible now");
  }
  const auto expectation = request_.header("Expect");
  if (!expectation || request_.version == HttpVersion::k10) return;
  if (!equal_ignoring_case(*expectation, "100-continue"))  // the only one there is (RFC 9110 10.1.1)
    return refuse(Status::kExpectationFailed, "unknown expectation");
  owes_continue_ = true;
  continue_if_expected();
}

/// The interim answer takes its place among the others: after all answers to earlier requests.
void HttpSession::continue_if_expected() {
  if (!owes_continue_ || !exchanges_.empty()) return;
  owes_continue_ = false;
  if (parser_.is_inside_body()) output_ += "HTTP/1.1 100 Continue\r\n\r\n";
}

void HttpSession::hand_on_body(Piece piece) {
  if (request_.taker == nullptr || request_.body.empty()) return;
  if (piece == Piece::kOneOfMany && request_.body.size() < kBodyPieceBytes) return;
  handed_on_bytes_ += request_.body.size();
  // The last one need not be waited for: what comes after it is another request.
  is_taker_busy_ = piece == Piece::kOneOfMany;
  request_.taker->take(std::exchange(request_.body, {}), [sink = sink_] { sink->body_taken(); });
  body_fits();
}

void HttpSession::on_request() {
  hand_on_body(Piece::kLast);
  handed_on_bytes_ = 0;
  owes_continue_ = false;
  release_body();
  const RequestId id{first_.value + exchanges_.size()};
  const bool is_too_much = context_.open_requests >= context_.limits.open_requests_max;
  open_exchange({.method = request_.method, .version = request_.version, .persistence = request_.persistence});
  if (request_.persistence == Persistence::kClose) is_ending_ = true;
  if (is_too_much)
    respond(id, text_answer(Status::kUnavailable, "too many requests are at work"));
  else
    context_.handler->handle(request_, Responder(sink_, id));
  request_.body.clear();
  request_.taker.reset();
}

void HttpSession::open_exchange(Exchange exchange) {
  exchanges_.push_back(std::move(exchange));
  ++context_.open_requests;
}

bool HttpSession::body_fits() {
  const std::size_t bytes = request_.body.size();
  context_.buffered_body_bytes += bytes - counted_body_bytes_;
  counted_body_bytes_ = bytes;
  return context_.buffered_body_bytes <= context_.limits.buffered_body_bytes_max;
}

void HttpSession::release_body() {
  QUORATE_ASSERT(context_.buffered_body_bytes >= counted_body_bytes_);
  context_.buffered_body_bytes -= counted_body_bytes_;
  counted_body_bytes_ = 0;
}

/// The rest of what the client sends cannot be told apart into requests any more, or is not wanted.
void HttpSession::refuse(Status status, std::string_view reason) { refuse(text_answer(status, reason)); }

void HttpSession::refuse(Response response) {
  end_of_input();
  must_linger_ = true;
  open_exchange({.method = Method::kOther, .version = HttpVersion::k11, .persistence = Persistence::kClose});
  respond(RequestId{first_.value + exchanges_.size() - 1}, std::move(response));
}

void HttpSession::time_out() {
  if (!is_ending_) refuse(Status::kRequestTimeout, "request timeout");
}

void HttpSession::end_of_input() {
  is_ending_ = true;
  owes_continue_ = false;
  release_body();
  if (parser_.is_inside()) request_.taker.reset();
}

void HttpSession::end_after_pending() {
  if (is_ending_) return;
  if (parser_.is_inside()) return refuse(Status::kUnavailable, "shutting down");
  end_of_input();
  if (!exchanges_.empty()) exchanges_.back().persistence = Persistence::kClose;
}

void HttpSession::abandon() {
  end_of_input();
  output_.clear();
  drop_exchanges();
}

/// Null if the session was abandoned, or cut, before the answer came.
HttpSession::Exchange* HttpSession::find(RequestId id) {
  QUORATE_ASSERT(id >= first_);
  const std::uint64_t position = id.value - first_.value;
  if (position < exchanges_.size()) return &exchanges_[position];
  QUORATE_ASSERT(is_ending_);
  return nullptr;
}

void HttpSession::on_client_gone(RequestId id, std::function<void()> gone) {
  Exchange* const found = find(id);
  if (found == nullptr) return gone();
  if (found->state == Exchange::State::kOpen) found->gone = std::move(gone);
}

void HttpSession::write_head(std::string& out, const Exchange& exchange, const Response& response) const {
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::size_t>(response.status));
  out += ' ';
  out += reason_phrase(response.status);
  out += "\r\n";
  out += context_.common_header_lines;
  if (context_.date) out.append("Date: ").append(context_.date()).append("\r\n");
  out += response.header_lines();
  if (exchange.persistence == Persistence::kClose)
    out += "Connection: close\r\n";
  else if (exchange.version == HttpVersion::k10)
    out += "Connection: keep-alive\r\n";
}

void HttpSession::respond(RequestId id, Response response) {
  Exchange* const found = find(id);
  if (found == nullptr) return;
  Exchange& answered = *found;
  QUORATE_ASSERT(answered.state == Exchange::State::kOpen);
  std::string& out = out_for(answered);
  write_head(out, answered, response);
  if (may_have_body(response.status)) {
    out += "Content-Length: ";
    append_number(out, response.body.size());
    out += "\r\n";
  }
  out += "\r\n";
  if (answered.method != Method::kHead && may_have_body(response.status)) out += response.body;
  close_exchange(answered, Exchange::State::kComplete);
}

void HttpSession::begin_stream(RequestId id, Response head) {
  Exchange* const found = find(id);
  if (found == nullptr) return;
  Exchange& streaming = *found;
  QUORATE_ASSERT(streaming.state == Exchange::State::kOpen);
  QUORATE_ASSERT(may_have_body(head.status));
  streaming.state = Exchange::State::kStreaming;
  streaming.is_chunked = streaming.version == HttpVersion::k11;
  if (!streaming.is_chunked) {  // HTTP/1.0 marks the end of such a body by the end of the connection
    streaming.persistence = Persistence::kClose;
    is_ending_ = true;
  }
  std::string& out = out_for(streaming);
  write_head(out, streaming, head);
  out += streaming.is_chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n";
}

StreamState HttpSession::write_chunk(RequestId id, const std::string& chunk, StreamReady ready) {
  Exchange* const found = find(id);
  if (found == nullptr) return StreamState::kGone;
  Exchange& streaming = *found;
  QUORATE_ASSERT(streaming.state == Exchange::State::kStreaming);
  QUORATE_ASSERT(!streaming.ready);
  write_chunk_bytes(streaming, chunk);
  streaming.ready = std::move(ready);
  return StreamState::kOpen;
}

void HttpSession::write_chunk_bytes(Exchange& streaming, const std::string& chunk) {
  if (streaming.method == Method::kHead || chunk.empty()) return;  // an empty chunk would end the body
  std::string& out = out_for(streaming);
  if (streaming.is_chunked) {
    append_number(out, chunk.size(), 16);
    out += "\r\n";
  }
  out += chunk;
  if (streaming.is_chunked) out += "\r\n";
}

void HttpSession::end_stream(RequestId id, StreamEnd how, std::string rest) {
  Exchange* const found = find(id);
  if (found == nullptr) return;
  QUORATE_ASSERT(found->state == Exchange::State::kStreaming);
  found->ready = nullptr;
  write_chunk_bytes(*found, rest);
  if (how == StreamEnd::kComplete && found->is_chunked && found->method != Method::kHead)
    out_for(*found) += "0\r\n\r\n";
  if (how == StreamEnd::kCut) end_of_input();
  close_exchange(*found, how == StreamEnd::kCut ? Exchange::State::kCut : Exchange::State::kComplete);
}

void HttpSession::close_exchange(Exchange& closed, Exchange::State how) {
  closed.state = how;
  if (is_front(closed)) advance();
}

/// Moves finished answers to the output until one is missing, in the order of the requests (RFC 9112 9.3.2).
void HttpSession::advance() {
  auto next = exchanges_.begin();
  bool is_cut = false;
  while (next != exchanges_.end() && !is_cut) {
    output_ += next->held_back;
    next->held_back.clear();
    if (next->state == Exchange::State::kOpen || next->state == Exchange::State::kStreaming) break;
    if (next->persistence == Persistence::kClose) is_ending_ = true;
    is_cut = next->state == Exchange::State::kCut;
    ++first_.value;
    --context_.open_requests;
    ++next;
  }
  exchanges_.erase(exchanges_.begin(), next);
  if (is_cut) drop_exchanges();  // the client could not tell their answers from the rest of the one that was cut
  continue_if_expected();
}

void HttpSession::drop_exchanges() {
  const std::vector<Exchange> dropped = std::exchange(exchanges_, {});
  context_.open_requests -= dropped.size();
  for (const Exchange& exchange : dropped) {
    if (exchange.ready) exchange.ready(StreamState::kGone);
    if (exchange.gone && exchange.state == Exchange::State::kOpen) exchange.gone();
  }
}

void HttpSession::shrink() {
  if (output_.empty()) output_.shrink_to_fit();
  if (!parser_.is_inside()) request_.shrink();
}

void HttpSession::sent(std::size_t bytes_still_unsent) {
  unsent_bytes_ = bytes_still_unsent;
  if (exchanges_.empty() || !exchanges_.front().ready) return;
  if (output_.size() + unsent_bytes_ > context_.limits.output_bytes_max) return;
  // The stream may write its next chunk from within the call.
  std::exchange(exchanges_.front().ready, nullptr)(StreamState::kOpen);
}

}  // namespace quorate::http
