#include "server/client/http_client.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/detail/base64.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "transport/detail/stream.hpp"

namespace quorate::client {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using transport::detail::Stream;

constexpr int kRedirectsMax = 5;
/// Between two looks at the stop flag.
constexpr std::chrono::milliseconds kStopInterval{100};

std::string base64(std::string_view text) {
  std::string encoded(boost::beast::detail::base64::encoded_size(text.size()), '\0');
  encoded.resize(boost::beast::detail::base64::encode(encoded.data(), text.data(), text.size()));
  return encoded;
}

}  // namespace

/// One connection, plain or secure; an error of any kind ends its use.
class HttpClient::Connection {
 public:
  explicit Connection(const ClientOptions& options) : options_(options), timeout_(options.timeout) {}

  Result<void> open(const std::string& host) {
    const auto colon = host.rfind(':');
    if (colon == std::string::npos)
      return fail(ErrorKind::kInvalidArgument, "\"" + host + "\" is not of the form host:port");
    std::string name = host.substr(0, colon);
    if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
    boost::system::error_code error;
    tcp::socket socket(context_);
    const auto found = tcp::resolver(context_).resolve(name, host.substr(colon + 1), error);
    if (!error) {
      error = wait([&](auto done) { asio::async_connect(socket, found, [done](auto code, auto&&) { done(code); }); },
                   [&socket] { socket.close(); });
    }
    if (error) return fail(ErrorKind::kUnavailable, host + ": " + error.message());
    socket.set_option(tcp::no_delay(true), error);
    socket.non_blocking(true, error);
    stream_.emplace(std::move(socket), options_.tls.get(), name);
    if (!stream_->is_secure()) return {};
    error = wait([this](auto done) { stream_->async_handshake(done); });
    if (error) return fail(ErrorKind::kUnavailable, host + ": " + advise(stream_->describe(error)));
    return {};
  }

  boost::system::error_code write(const std::string& text) {
    return wait([this, &text](auto done) { write_from(text, 0, done); });
  }

  void give_up() { stream_->close(); }
  /// For all operations from now on.
  void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }

  struct Answer {
    HttpReply reply;  ///< with the body of a refusal, or the location of a redirect
    bool keep_open = false;
    bool begun = false;  ///< something of it had come when it failed
  };

  /// Reads one answer; `sink` gets the body of a successful one piece by piece.
  Result<void> read(const BodySink& sink, Answer& answer) {
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(options_.reply_bytes_max);
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
    if (error) return fail(ErrorKind::kTimeout, stream_->describe(error));
    if (answer.reply.status / 100 == 3) answer.reply.body = std::string(parser.get()[http::field::location]);
    answer.keep_open = parser.keep_alive();
    return {};
  }

 private:
  /// What a user could do about a handshake that failed.
  static std::string advise(const std::string& problem) {
    if (problem.find("not accepted: ") != std::string::npos)
      return problem + "; name who vouches for it with --ca-cert, or accept any certificate with --insecure";
    if (problem == "it does not speak TLS") return problem + "; reach it over http instead of https";
    return problem;
  }

  template <class Done>
  void write_from(const std::string& text, std::size_t sent, Done done) {
    stream_->async_write_some(asio::buffer(text) + sent, [this, &text, sent, done](auto error, std::size_t bytes) {
      if (error || sent + bytes == text.size()) return done(error);
      write_from(text, sent + bytes, done);
    });
  }

  boost::system::error_code receive() {
    std::array<char, 65536> chunk;
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

  /// Runs one operation to its end, or to the end of the time it has; then it is cut.
  template <class Start, class Cut>
  boost::system::error_code wait(Start&& start, Cut&& cut) {
    std::optional<boost::system::error_code> result;
    start([&result](boost::system::error_code code) { result = code; });
    const auto is_stopped = [this] { return options_.stop != nullptr && options_.stop->load(); };
    auto now = std::chrono::steady_clock::now();
    const auto deadline = now + timeout_;
    context_.restart();
    while (!result && now < deadline && !is_stopped()) {
      context_.run_until(options_.stop != nullptr ? std::min(deadline, now + kStopInterval) : deadline);
      now = std::chrono::steady_clock::now();
    }
    if (result) return *result;
    cut();
    context_.restart();
    context_.run();
    return asio::error::timed_out;
  }

  const ClientOptions& options_;
  std::chrono::milliseconds timeout_;
  asio::io_context context_;
  std::optional<Stream> stream_;
  std::string incoming_;
};

HttpClient::HttpClient(ClientOptions options)
    : options_(std::move(options)), authorization_(authorization_line(options_.credentials)) {}

HttpClient::~HttpClient() = default;

const std::string& HttpClient::host() const { return options_.hosts[current_]; }

std::unique_ptr<HttpClient> HttpClient::beside(const std::string& host) const {
  ClientOptions options = options_;
  options.hosts = {host};
  return std::make_unique<HttpClient>(std::move(options));
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
    for (std::size_t attempt = 0; attempt < options_.hosts.size(); ++attempt) {
      reply = send_once(current, noting);
      // A node that is gone, or has no leader to ask, need not be the only one.
      const bool try_next = (!reply && (reply.error().kind == ErrorKind::kUnavailable || current.may_be_repeated())) ||
                            (reply && reply->status == 503);
      if (!try_next || has_begun || options_.hosts.size() == 1) break;
      connection_.reset();
      current_ = (current_ + 1) % options_.hosts.size();
    }
    if (!reply || reply->status / 100 != 3 || options_.redirects == Redirects::kReturned) return reply;
    // "http://host:port/path": the body of a redirect is its location here.
    const std::string& location = reply->body;
    if (options_.tls != nullptr && !location.starts_with("https://"))
      return fail(ErrorKind::kUnavailable, host() + " sends the request on to " + location + ", which is not secure");
    const auto host_begin = location.find("//");
    const auto path_begin = host_begin == std::string::npos ? host_begin : location.find('/', host_begin + 2);
    if (path_begin == std::string::npos) return reply;
    const std::string host = location.substr(host_begin + 2, path_begin - host_begin - 2);
    current.target = location.substr(path_begin);
    if (current.target.starts_with(options_.prefix)) current.target.erase(0, options_.prefix.size());
    connection_.reset();
    const auto known = std::ranges::find(options_.hosts, host);
    current_ = static_cast<std::size_t>(known - options_.hosts.begin());
    if (known == options_.hosts.end()) options_.hosts.push_back(host);
  }
  return fail(ErrorKind::kUnavailable, host() + " and others send the request in circles");
}

Result<HttpReply> HttpClient::send_once(const HttpRequest& request, const BodySink& sink) {
  std::string text = request.method + " " + options_.prefix + request.target + " HTTP/1.1\r\nHost: " + host() + "\r\n" +
                     authorization_;
  if (request.method != "GET") {
    const std::uint64_t bytes = request.body_at ? request.body_bytes : request.body.size();
    text += "Content-Type: " + request.content_type + "\r\nContent-Length: " + std::to_string(bytes) + "\r\n";
  }
  if (!request.idempotency_key.empty()) text += "Idempotency-Key: " + request.idempotency_key + "\r\n";
  for (const std::string& field : request.fields) text += field + "\r\n";
  text += "\r\n" + request.body;
  const bool reused = connection_ != nullptr;
  if (!reused) {
    connection_ = std::make_unique<Connection>(options_);
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
  const Result<void> sent = request.body_at ? send_body(request) : Result<void>();
  Connection::Answer answer;
  connection_->set_timeout(std::max(request.patience, options_.timeout));
  if (auto read = connection_->read(sink, answer); !read) {
    connection_.reset();
    if (!sent) return tl::unexpected(sent.error());
    if (reused && !answer.begun && request.may_be_repeated()) return send_once(request, sink);
    return fail(ErrorKind::kTimeout, host() + " took the request and did not answer it: " + read.error().message);
  }
  if (!answer.keep_open || !sent)
    connection_.reset();
  else
    connection_->set_timeout(options_.timeout);
  return std::move(answer.reply);
}

/// A body that is not whole has no effect. Whoever does not want it may have said so already.
Result<void> HttpClient::send_body(const HttpRequest& request) {
  for (std::uint64_t offset = 0; offset < request.body_bytes;) {
    const Result<std::string> piece = request.body_at(offset);
    if (!piece) {
      connection_->give_up();
      return tl::unexpected(piece.error());
    }
    if (const auto error = connection_->write(*piece); error)
      return fail(ErrorKind::kUnavailable, host() + " has broken off after " + std::to_string(offset) + " bytes");
    offset += piece->size();
  }
  return {};
}

std::string authorization_line(const std::string& credentials) {
  return credentials.empty() ? std::string() : "Authorization: Basic " + base64(credentials) + "\r\n";
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
