#include "server/cdc/webhook.hpp"

#include <array>
#include <atomic>
#include <optional>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/detail/base64.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "transport/detail/stream.hpp"

namespace quorate::cdc {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using transport::detail::Stream;

namespace {

/// Of an answer; nothing but its status is looked at.
constexpr std::uint32_t kAnswerHeadBytesMax = 64 << 10;
constexpr std::uint64_t kAnswerBodyBytesMax = std::uint64_t{1} << 20;

std::string authorization_of(const std::string& credentials) {
  if (credentials.empty()) return {};
  namespace base64 = boost::beast::detail::base64;
  std::string encoded(base64::encoded_size(credentials.size()), '\0');
  encoded.resize(base64::encode(encoded.data(), credentials.data(), credentials.size()));
  return "Authorization: Basic " + encoded + "\r\n";
}

}  // namespace

/// Does one thing at a time: starts an operation, and runs until it or its time is over.
class Webhook::Caller {
 public:
  explicit Caller(Options options)
      : options_(std::move(options)),
        head_("POST " + options_.endpoint.target + " HTTP/1.1\r\nHost: " + options_.endpoint.authority() +
              "\r\nUser-Agent: quorate\r\nContent-Type: application/json\r\n" +
              authorization_of(options_.endpoint.credentials) + "Content-Length: ") {}

  Result<void> deliver(std::string_view document) {
    deadline_ = std::chrono::steady_clock::now() + options_.timeout;
    const bool is_reused = stream_.has_value();
    Result<unsigned> status = ask(document);
    // The other side closes connections that were idle: that says nothing of what it would do with the document.
    if (!status && is_reused && !is_given_up_) status = ask(document);
    if (!status) return tl::unexpected(status.error());
    if (*status / 100 == 2) return {};
    return fail(ErrorKind::kUnavailable,
                options_.endpoint.text() + " has answered with status " + std::to_string(*status));
  }

  void give_up() {
    is_given_up_ = true;
    asio::post(context_, [] {});  // so that whoever runs it has a look
  }

 private:
  Result<unsigned> ask(std::string_view document) {
    if (!stream_) {
      if (Result<void> connected = connect(); !connected) {
        stream_.reset();
        return tl::unexpected(connected.error());
      }
    }
    Result<unsigned> status = exchange(document);
    if (!status) stream_.reset();
    return status;
  }

  Result<void> connect() {
    const Endpoint& endpoint = options_.endpoint;
    boost::system::error_code error;
    tcp::socket socket(context_);
    const auto found = tcp::resolver(context_).resolve(endpoint.host, endpoint.port, error);
    if (!error) {
      error = wait([&](auto done) { asio::async_connect(socket, found, [done](auto code, auto&&) { done(code); }); },
                   [&socket] { socket.close(); });
    }
    if (error) return unreachable(error.message());
    socket.set_option(tcp::no_delay(true), error);
    socket.non_blocking(true, error);
    incoming_.clear();
    stream_.emplace(std::move(socket), options_.tls.get(), endpoint.host);
    if (!stream_->is_secure()) return {};
    error = wait([this](auto done) { stream_->async_handshake(done); });
    if (error) return unreachable(stream_->describe(error));
    return {};
  }

  Result<unsigned> exchange(std::string_view document) {
    std::string head = head_ + std::to_string(document.size()) + "\r\n\r\n";
    if (const auto error = write(head); error) return unreachable(stream_->describe(error));
    if (const auto error = write(document); error) return unreachable(stream_->describe(error));
    http::response_parser<http::string_body> parser;
    parser.header_limit(kAnswerHeadBytesMax);
    parser.body_limit(kAnswerBodyBytesMax);
    parser.eager(true);
    boost::system::error_code error;
    while (!parser.is_done()) {
      if (incoming_.empty()) {
        error = receive();
        if (error == asio::error::eof && parser.is_header_done()) {
          error = {};
          parser.put_eof(error);
          if (!error) break;
        }
        if (error) return unreachable(stream_->describe(error));
      }
      incoming_.erase(0, parser.put(asio::buffer(incoming_), error));
      if (error == http::error::need_more) {
        error = receive();
        if (error) return unreachable(stream_->describe(error));
      } else if (error) {
        return unreachable(error.message());
      }
    }
    const unsigned status = parser.get().result_int();
    if (!parser.keep_alive()) stream_.reset();
    return status;
  }

  [[nodiscard]] tl::unexpected<Error> unreachable(const std::string& why) const {
    return fail(ErrorKind::kUnavailable, options_.endpoint.text() + ": " + why);
  }

  boost::system::error_code write(std::string_view text) {
    return wait([this, text](auto done) { write_from(text, done); });
  }
  template <class Done>
  void write_from(std::string_view text, Done done) {
    stream_->async_write_some(asio::buffer(text), [this, text, done](auto error, std::size_t bytes) {
      if (error || bytes == text.size()) return done(error);
      write_from(text.substr(bytes), done);
    });
  }

  boost::system::error_code receive() {
    std::array<char, 16384> chunk;
    std::size_t bytes = 0;
    const auto error = wait([&](auto done) {
      stream_->async_read_some(asio::buffer(chunk), [done, &bytes](auto code, std::size_t count) {
        bytes = count;
        done(code);
      });
    });
    incoming_.append(chunk.data(), bytes);
    return error;
  }

  template <class Start>
  boost::system::error_code wait(Start&& start) {
    return wait(start, [this] { stream_->close(); });
  }
  template <class Start, class Cut>
  boost::system::error_code wait(Start&& start, Cut&& cut) {
    std::optional<boost::system::error_code> result;
    start([&result](boost::system::error_code code) { result = code; });
    context_.restart();
    while (!result && !is_given_up_ && context_.run_one_until(deadline_) > 0) continue;
    if (result) return *result;
    // The handlers refer to what is here: they have to have run.
    cut();
    context_.restart();
    context_.run();
    return asio::error::timed_out;
  }

  const Options options_;
  const std::string head_;
  std::atomic<bool> is_given_up_ = false;
  std::chrono::steady_clock::time_point deadline_;
  asio::io_context context_;
  std::optional<Stream> stream_;
  std::string incoming_;
};

Webhook::Webhook(Options options) : caller_(std::make_unique<Caller>(std::move(options))) {}
Webhook::~Webhook() = default;

Result<void> Webhook::deliver(std::string_view document) { return caller_->deliver(document); }
void Webhook::give_up() { caller_->give_up(); }

}  // namespace quorate::cdc
