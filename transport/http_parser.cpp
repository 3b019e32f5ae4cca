#include "transport/http_parser.hpp"

#include <algorithm>
#include <optional>

#include <boost/beast/http/basic_parser.hpp>

namespace quorate::http {

namespace beast = boost::beast;
using beast::error_code;
using BeastError = beast::http::error;

namespace {

/// Reserved at once for a body that announces its length; what is announced need not come.
constexpr std::size_t kBodyReserveBytesMax = std::size_t{64} << 10;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

Method method_of(beast::http::verb verb) {
  switch (verb) {
    case beast::http::verb::get: return Method::kGet;
    case beast::http::verb::head: return Method::kHead;
    case beast::http::verb::post: return Method::kPost;
    case beast::http::verb::put: return Method::kPut;
    case beast::http::verb::delete_: return Method::kDelete;
    case beast::http::verb::options: return Method::kOptions;
    default: return Method::kOther;
  }
}

/// Some clients end a body with a line break that is not part of it (RFC 9112 2.2).
std::size_t empty_lines_at(std::string_view bytes) {
  std::size_t size = 0;
  while (bytes.substr(size).starts_with("\r\n")) size += 2;
  return size;
}

struct Refusal {
  Status status;
  std::string_view reason;
};

Refusal refusal_for(const error_code& error) {
  if (error == BeastError::header_limit) return {Status::kHeaderTooLarge, "request header too large"};
  if (error == BeastError::body_limit) return {Status::kPayloadTooLarge, "request body too large"};
  if (error == BeastError::bad_version) return {Status::kVersionNotSupported, "not HTTP/1.0 or HTTP/1.1"};
  return {Status::kBadRequest, "malformed HTTP request"};
}

}  // namespace

/// Beast's parser reports what it finds through these calls; it stores nothing itself.
class HttpParser::Machine final : public beast::http::basic_parser<true> {
 public:
  Machine(const HttpLimits& limits, Request& request) : limits_(limits), request_(request) {
    header_limit(static_cast<std::uint32_t>(std::min<std::size_t>(limits.head_bytes_max, UINT32_MAX)));
    body_limit(limits.body_bytes_max);
    request.reset();
  }

  std::optional<Refusal> refusal;

 private:
  static error_code stop() { return beast::http::make_error_code(BeastError::bad_value); }

  void refuse(Status status, std::string_view reason, error_code& error) {
    refusal = Refusal{status, reason};
    error = stop();
  }

  void on_request_impl(beast::http::verb verb, beast::string_view, beast::string_view target, int version,
                       error_code&) override {
    request_.method = method_of(verb);
    request_.version = version >= 11 ? HttpVersion::k11 : HttpVersion::k10;
    request_.set_target(view(target));
    if (limits_.comes_in_pieces && limits_.comes_in_pieces(request_.method, request_.target())) body_limit(boost::none);
  }

  void on_field_impl(beast::http::field field, beast::string_view name, beast::string_view value,
                     error_code& error) override {
    if (is_header_done()) return;  // trailers: nothing that must be known in advance may come late (RFC 9110 6.5.1)
    if (request_.field_count() == limits_.fields_max)
      return refuse(Status::kHeaderTooLarge, "too many header fields", error);
    if (field == beast::http::field::host && ++hosts_ > 1)
      return refuse(Status::kBadRequest, "too many Host headers", error);
    if (field == beast::http::field::transfer_encoding && !beast::iequals(value, "chunked"))
      return refuse(Status::kNotImplemented, "unsupported transfer encoding", error);
    request_.add_header(view(name), view(value));
  }

  void on_header_impl(error_code& error) override {
    request_.persistence = keep_alive() ? Persistence::kKeepAlive : Persistence::kClose;
    if (request_.version == HttpVersion::k11 && hosts_ == 0)
      return refuse(Status::kBadRequest, "missing required Host header", error);
    if (request_.version == HttpVersion::k10 && chunked())
      return refuse(Status::kBadRequest, "transfer encoding in an HTTP/1.0 request", error);
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
    if (length) request_.body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(*length, kBodyReserveBytesMax)));
  }
  std::size_t on_body_impl(beast::string_view body, error_code&) override {
    request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, error_code& error) override {
    return on_body_impl(body, error);
  }
  void on_finish_impl(error_code&) override {}

  void on_response_impl(int, beast::string_view, int, error_code&) override {}  // never called for requests

  const HttpLimits& limits_;
  Request& request_;
  int hosts_ = 0;
};

struct HttpParser::State {
  const HttpLimits& limits;
  std::optional<Machine> machine;
};

HttpParser::HttpParser(const HttpLimits& limits) : state_(std::make_unique<State>(State{limits, std::nullopt})) {}

HttpParser::~HttpParser() = default;

bool HttpParser::is_inside() const { return state_->machine.has_value(); }

bool HttpParser::is_inside_body() const { return is_inside() && state_->machine->is_header_done(); }

HttpParser::Step HttpParser::feed(std::string_view bytes, Request& into) {
  std::optional<Machine>& machine = state_->machine;
  Step step;
  if (!machine) {
    step.consumed = empty_lines_at(bytes);
    if (step.consumed == bytes.size()) return step;
    machine.emplace(state_->limits, into);
  }
  const bool was_in_body = machine->is_header_done();
  while (true) {
    error_code error;
    const std::string_view rest = bytes.substr(step.consumed);
    step.consumed += machine->put(boost::asio::const_buffer(rest.data(), rest.size()), error);
    if (error == BeastError::need_more) {
      const bool is_stuck = bytes.size() - step.consumed >= state_->limits.head_bytes_max;
      if (!is_stuck) return step;
      error = BeastError::header_limit;
    }
    if (error) {
      const Refusal refusal = machine->refusal.value_or(refusal_for(error));
      step.progress = Progress::kRefused;
      step.status = refusal.status;
      step.reason = refusal.reason;
      return step;
    }
    if (machine->is_done()) {
      machine.reset();
      step.progress = Progress::kDone;
      return step;
    }
    if (!was_in_body && machine->is_header_done()) {
      step.progress = Progress::kHead;
      return step;
    }
    if (step.consumed == bytes.size()) return step;
  }
}

}  // namespace quorate::http
