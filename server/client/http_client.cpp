#include "server/client/http_client.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/detail/base64.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

namespace quorate::client {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr int kRedirectsMax = 5;
constexpr std::size_t kReplyBytesMax = std::size_t{1} << 30;

std::string base64(std::string_view text) {
  std::string encoded(boost::beast::detail::base64::encoded_size(text.size()), '\0');
  encoded.resize(boost::beast::detail::base64::encode(encoded.data(), text.data(), text.size()));
  return encoded;
}

}  // namespace

/// One TCP connection; an error of any kind ends its use.
class HttpClient::Connection {
 public:
  explicit Connection(std::chrono::milliseconds timeout) : timeout_(timeout), socket_(context_) {}

  Result<void> open(const std::string& host) {
    const auto colon = host.rfind(':');
    if (colon == std::string::npos)
      return fail(ErrorKind::kInvalidArgument, "\"" + host + "\" is not of the form host:port");
    boost::system::error_code error;
    const auto found = tcp::resolver(context_).resolve(host.substr(0, colon), host.substr(colon + 1), error);
    if (!error) {
      error = wait([&](auto done) { asio::async_connect(socket_, found, [done](auto code, auto&&) { done(code); }); });
    }
    if (error) return fail(ErrorKind::kUnavailable, host + ": " + error.message());
    socket_.set_option(tcp::no_delay(true), error);
    return {};
  }

  boost::system::error_code write(const std::string& text) {
    return wait([&](auto done) {
      asio::async_write(socket_, asio::buffer(text), [done](auto code, std::size_t) { done(code); });
    });
  }

  struct Answer {
    HttpReply reply;  ///< with the body of a refusal, or the location of a redirect
    bool keep_open = false;
    bool begun = false;  ///< something of it had come when it failed
  };

  /// Reads one answer; `sink` gets the body of a successful one piece by piece.
  Result<void> read(const BodySink& sink, Answer& answer) {
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(kReplyBytesMax);
    parser.eager(true);
    std::array<char, 65536> body;
    boost::system::error_code error;
    while (!parser.is_done()) {
      if (incoming_.empty()) {
        if (error = receive(); error) break;
      }
      parser.get().body().data = body.data();
      parser.get().body().size = body.size();
      const std::size_t used = parser.put(asio::buffer(incoming_), error);
      incoming_.erase(0, used);
      if (parser.is_header_done()) {
        answer.begun = true;
        answer.reply.status = parser.get().result_int();
        const std::string_view part(body.data(), body.size() - parser.get().body().size);
        if (answer.reply.status / 100 != 2) {
          answer.reply.body += part;
        } else if (!part.empty() && !sink(part)) {
          return fail(ErrorKind::kUnavailable, "given up");
        }
      }
      if (error == http::error::need_more && !parser.is_done()) {
        if (error = receive(); error) break;
      } else if (error == http::error::need_buffer || error == http::error::need_more) {
        error = {};
      } else if (error) {
        break;
      }
    }
    if (error) return fail(ErrorKind::kTimeout, error.message());
    if (answer.reply.status / 100 == 3) answer.reply.body = std::string(parser.get()[http::field::location]);
    answer.keep_open = parser.keep_alive();
    return {};
  }

 private:
  boost::system::error_code receive() {
    std::array<char, 65536> chunk;
    std::size_t bytes = 0;
    const auto error = wait([&](auto done) {
      socket_.async_read_some(asio::buffer(chunk), [done, &bytes](auto code, std::size_t count) {
        bytes = count;
        done(code);
      });
    });
    incoming_.append(chunk.data(), bytes);
    return error;
  }

  /// Runs one operation to its end, or to the end of the time it has.
  template <class Start>
  boost::system::error_code wait(Start&& start) {
    std::optional<boost::system::error_code> result;
    start([&result](boost::system::error_code code) { result = code; });
    context_.restart();
    context_.run_for(timeout_);
    if (result) return *result;
    boost::system::error_code ignored;
    socket_.close(ignored);
    context_.restart();
    context_.run();
    return asio::error::timed_out;
  }

  std::chrono::milliseconds timeout_;
  asio::io_context context_;
  tcp::socket socket_;
  std::string incoming_;
};

HttpClient::HttpClient(std::vector<std::string> hosts, std::string credentials, std::chrono::milliseconds timeout)
    : hosts_(std::move(hosts)), credentials_(std::move(credentials)), timeout_(timeout) {
  if (!credentials_.empty()) authorization_ = "Authorization: Basic " + base64(credentials_) + "\r\n";
}

HttpClient::~HttpClient() = default;

const std::string& HttpClient::host() const { return hosts_[current_]; }

std::unique_ptr<HttpClient> HttpClient::beside(const std::string& host) const {
  return std::make_unique<HttpClient>(std::vector{host}, credentials_, timeout_);
}

Result<HttpReply> HttpClient::send(const HttpRequest& request) {
  std::string body;
  auto reply = send(request, [&](std::string_view part) {
    body += part;
    return true;
  });
  if (reply && reply->body.empty()) reply->body = std::move(body);
  return reply;
}

Result<HttpReply> HttpClient::send(const HttpRequest& request, const BodySink& sink) {
  HttpRequest current = request;
  bool has_begun = false;
  const BodySink noting = [&has_begun, &sink](std::string_view part) {
    has_begun = true;
    return sink(part);
  };
  for (int redirects = 0; redirects <= kRedirectsMax; ++redirects) {
    Result<HttpReply> reply = fail(ErrorKind::kUnavailable, "no node to ask");
    for (std::size_t attempt = 0; attempt < hosts_.size(); ++attempt) {
      reply = send_once(current, noting);
      // A node that is gone, or has no leader to ask, need not be the only one.
      const bool try_next = (!reply && (reply.error().kind == ErrorKind::kUnavailable || current.may_be_repeated())) ||
                            (reply && reply->status == 503);
      if (!try_next || has_begun || hosts_.size() == 1) break;
      connection_.reset();
      current_ = (current_ + 1) % hosts_.size();
    }
    if (!reply || reply->status / 100 != 3) return reply;
    // "http://host:port/path": the body of a redirect is its location here.
    const std::string& location = reply->body;
    const auto host_begin = location.find("//");
    const auto path_begin = host_begin == std::string::npos ? host_begin : location.find('/', host_begin + 2);
    if (path_begin == std::string::npos) return reply;
    const std::string host = location.substr(host_begin + 2, path_begin - host_begin - 2);
    current.target = location.substr(path_begin);
    connection_.reset();
    const auto known = std::ranges::find(hosts_, host);
    current_ = static_cast<std::size_t>(known - hosts_.begin());
    if (known == hosts_.end()) hosts_.push_back(host);
  }
  return fail(ErrorKind::kUnavailable, host() + " and others send the request in circles");
}

Result<HttpReply> HttpClient::send_once(const HttpRequest& request, const BodySink& sink) {
  std::string text = request.method + " " + request.target + " HTTP/1.1\r\nHost: " + host() + "\r\n" + authorization_;
  if (request.method != "GET") {
    text +=
        "Content-Type: " + request.content_type + "\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  if (!request.idempotency_key.empty()) text += "Idempotency-Key: " + request.idempotency_key + "\r\n";
  text += "\r\n" + request.body;
  const bool reused = connection_ != nullptr;
  if (!reused) {
    connection_ = std::make_unique<Connection>(timeout_);
    if (auto opened = connection_->open(host()); !opened) {
      connection_.reset();
      return tl::unexpected(opened.error());
    }
  }
  if (const auto error = connection_->write(text); error) {
    connection_.reset();
    // The server closes idle connections: a request on one that was already closed reached nobody.
    if (reused) return send_once(request, sink);
    return fail(ErrorKind::kUnavailable, host() + ": " + error.message());
  }
  Connection::Answer answer;
  if (auto read = connection_->read(sink, answer); !read) {
    connection_.reset();
    if (reused && !answer.begun && request.may_be_repeated()) return send_once(request, sink);
    return fail(ErrorKind::kTimeout, host() + " took the request and did not answer it: " + read.error().message);
  }
  if (!answer.keep_open) connection_.reset();
  return std::move(answer.reply);
}

std::string percent_encode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (std::isalnum(byte) != 0 || letter == '-' || letter == '.' || letter == '_' || letter == '~') {
      encoded += letter;
    } else {
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

}  // namespace quorate::client
