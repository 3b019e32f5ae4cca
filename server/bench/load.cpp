#include "server/bench/load.hpp"

#include <array>
#include <deque>
#include <memory>
#include <optional>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "consensus/random.hpp"
#include "server/client/http_client.hpp"
#include "transport/detail/stream.hpp"

namespace quorate::bench {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kResponseBytesMax = std::size_t{64} << 20;
constexpr unsigned kRowsPerRequest = 500;
constexpr std::chrono::seconds kPrepareTimeout{30};

/// `head` are the lines that all requests have.
std::string request_text(const std::string& head, const std::string& method, const std::string& target,
                         const std::string& body) {
  std::string text = method + " " + target + " HTTP/1.1\r\n" + head;
  if (method != "GET")
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  else
    text += "\r\n";
  return text;
}

/// What is wrong with an answer, in a few words; empty if nothing is.
std::string complaint_about(unsigned status, const std::string& body) {
  if (status != 200) return "HTTP " + std::to_string(status) + ": " + body.substr(0, body.find('\n')).substr(0, 80);
  const auto error = body.find("\"error\":\"");
  return error == std::string::npos ? std::string() : body.substr(error + 9, body.find('"', error + 9) - error - 9);
}

Result<tcp::resolver::results_type> resolve(asio::io_context& context, const std::string& host) {
  const auto colon = host.rfind(':');
  if (colon == std::string::npos)
    return fail(ErrorKind::kInvalidArgument, "\"" + host + "\" is not of the form host:port");
  boost::system::error_code error;
  auto found = tcp::resolver(context).resolve(host.substr(0, colon), host.substr(colon + 1), error);
  if (error) return fail(ErrorKind::kUnavailable, "cannot resolve " + host + ": " + error.message());
  return found;
}

/// What is sent, chosen at random with the seed.
class Requests {
 public:
  Requests(const LoadOptions& options, const std::string& host, std::uint64_t number)
      : options_(options),
        head_("Host: " + host + "\r\nContent-Type: application/json\r\n" +
              client::authorization_line(options.client.credentials)),
        prefix_(options.client.prefix),
        random_(options.seed + number) {
    const std::string row(options.row_bytes, 'x');
    write_body_ = R"json([["INSERT INTO bench(k, v) VALUES(?, ?)", 1, ")json" + row + R"json("]])json";
    write_ = request_text(head_, "POST", prefix_ + "/db/execute", write_body_);
    if (!options.path.empty()) other_ = request_text(head_, options.method, prefix_ + options.path, write_body_);
  }

  struct Next {
    std::string text;
    bool is_write;
  };
  Next next() {
    if (!other_.empty()) return {other_, options_.method != "GET"};
    if (random_.below(100) < options_.write_percent) return {write_, true};
    const std::string id = std::to_string(random_.between(std::uint64_t{1}, std::uint64_t{options_.rows}));
    return {request_text(head_, "POST", prefix_ + "/db/query?level=" + options_.level,
                         R"json([["SELECT v FROM bench WHERE id = ?", )json" + id + "]]"),
            false};
  }

 private:
  const LoadOptions& options_;
  std::string head_;
  std::string prefix_;
  Random random_;
  std::string write_body_;
  std::string write_;
  std::string other_;
};

using Parser = http::response_parser<http::string_body>;

std::unique_ptr<Parser> new_parser() {
  auto parser = std::make_unique<Parser>();
  parser->eager(true);
  parser->body_limit(kResponseBytesMax);
  return parser;
}

struct Shared {
  const LoadOptions& options;
  LoadResult result;
  Clock::time_point begin;
  Clock::time_point end;
  std::uint64_t answers = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(asio::io_context& context, Shared& shared, const std::string& host, std::uint64_t number)
      : context_(context), shared_(shared), requests_(shared.options, host, number), parser_(new_parser()) {}

  /// Before anything else runs on the context.
  Result<void> connect(const tcp::resolver::results_type& endpoints, const std::string& host) {
    boost::system::error_code error;
    tcp::socket socket(context_);
    asio::connect(socket, endpoints, error);
    if (error) return fail(ErrorKind::kUnavailable, "cannot connect to " + host + ": " + error.message());
    socket.set_option(tcp::no_delay(true), error);
    if (!error) socket.non_blocking(true, error);
    stream_.emplace(std::move(socket), shared_.options.client.tls.get(), host.substr(0, host.rfind(':')));
    if (error || !stream_->is_secure()) return {};
    stream_->async_handshake([&error](boost::system::error_code result) { error = result; });
    context_.restart();
    context_.run();
    context_.restart();
    if (error) return fail(ErrorKind::kUnavailable, host + ": " + stream_->describe(error));
    return {};
  }

  void start() {
    for (unsigned i = 0; i < shared_.options.pipeline; ++i) enqueue();
    write();
    read();
  }

 private:
  struct Sent {
    Clock::time_point at;
    bool is_write;
  };

  void enqueue() {
    Requests::Next next = requests_.next();
    queued_ += next.text;
    sent_.push_back({Clock::now(), next.is_write});
  }

  void write() {
    if (writing_ || queued_.empty()) return;
    writing_ = true;
    outgoing_.swap(queued_);
    queued_.clear();
    write_from(0);
  }

  void write_from(std::size_t sent) {
    stream_->async_write_some(asio::buffer(outgoing_) + sent,
                              [self = shared_from_this(), sent](boost::system::error_code error, std::size_t bytes) {
                                if (error) return self->broken(error);
                                if (sent + bytes < self->outgoing_.size()) return self->write_from(sent + bytes);
                                self->writing_ = false;
                                self->write();
                              });
  }

  void read() {
    stream_->async_read_some(asio::buffer(chunk_),
                             [self = shared_from_this()](boost::system::error_code error, std::size_t bytes) {
                               if (error) return self->broken(error);
                               self->incoming_.append(self->chunk_.data(), bytes);
                               if (!self->parse()) return;
                               self->write();
                               self->read();
                             });
  }

  /// Takes all whole answers out of what came in; false if the connection is of no more use.
  bool parse() {
    std::size_t used = 0;
    while (used < incoming_.size()) {
      boost::system::error_code error;
      used += parser_->put(asio::buffer(incoming_.data() + used, incoming_.size() - used), error);
      if (error == http::error::need_more) break;
      if (error) return broken(error), false;
      if (!parser_->is_done()) continue;
      if (!answered()) return false;
      parser_ = new_parser();
    }
    incoming_.erase(0, used);
    return true;
  }

  bool answered() {
    const auto now = Clock::now();
    const Sent sent = sent_.front();
    sent_.pop_front();
    ++shared_.answers;
    if (now >= shared_.begin && now < shared_.end) {
      std::string complaint;
      if (shared_.options.path.empty()) complaint = complaint_about(parser_->get().result_int(), parser_->get().body());
      if (!complaint.empty()) {
        ++shared_.result.errors[complaint];
      } else {
        (sent.is_write ? shared_.result.writes : shared_.result.reads).record(now - sent.at);
      }
    }
    if (now >= shared_.end) return false;
    enqueue();
    return true;
  }

  void broken(boost::system::error_code error) {
    if (Clock::now() < shared_.end) ++shared_.result.errors["connection: " + error.message()];
  }

  asio::io_context& context_;
  std::optional<transport::detail::Stream> stream_;
  Shared& shared_;
  Requests requests_;
  std::deque<Sent> sent_;
  std::string queued_;
  std::string outgoing_;
  bool writing_ = false;
  std::array<char, 65536> chunk_;
  std::string incoming_;
  std::unique_ptr<Parser> parser_;
};

/// Sends one request of the preparation; anything but success is an error.
Result<void> execute(client::HttpClient& server, const std::string& target, const std::string& body) {
  const auto reply = server.send({"POST", target, body});
  if (!reply) return tl::unexpected(reply.error());
  const std::string complaint = complaint_about(reply->status, reply->body);
  if (!complaint.empty()) return fail(ErrorKind::kUnavailable, server.host() + " answers: " + complaint);
  return {};
}

void tick(asio::steady_timer& timer, Shared& shared, std::uint64_t seconds, std::uint64_t before,
          const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  timer.expires_after(std::chrono::seconds(1));
  timer.async_wait([&timer, &shared, seconds, before, &progress](boost::system::error_code error) {
    if (error || Clock::now() >= shared.end) return;
    progress(seconds + 1, shared.answers - before);
    tick(timer, shared, seconds + 1, shared.answers, progress);
  });
}

}  // namespace

Result<void> prepare(const LoadOptions& options) {
  client::ClientOptions patient = options.client;
  patient.timeout = kPrepareTimeout;
  client::HttpClient server(std::move(patient));
  auto done = execute(server, "/db/execute",
                      R"json(["CREATE TABLE IF NOT EXISTS bench(id INTEGER PRIMARY KEY, k INTEGER, v TEXT)"])json");
  if (!done || options.write_percent == 100) return done;
  const std::string row = R"json(["INSERT OR IGNORE INTO bench(id, k, v) VALUES(?, 1, ?)", )json";
  const std::string value = ", \"" + std::string(options.row_bytes, 'x') + "\"]";
  for (unsigned first = 1; first <= options.rows && done; first += kRowsPerRequest) {
    std::string body;
    for (unsigned id = first; id < first + kRowsPerRequest && id <= options.rows; ++id) {
      body += body.empty() ? '[' : ',';
      body.append(row).append(std::to_string(id)).append(value);
    }
    done = execute(server, "/db/execute?transaction", body + "]");
  }
  return done;
}

Result<LoadResult> run_load(const LoadOptions& options,
                            const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  asio::io_context context(1);
  Shared shared{options, {}, {}, {}, 0};
  shared.begin = Clock::now() + options.warm_up;
  shared.end = shared.begin + options.duration;
  std::vector<std::shared_ptr<Connection>> connections;
  for (unsigned i = 0; i < options.connections; ++i) {
    const std::string& host = options.client.hosts[i % options.client.hosts.size()];
    const auto endpoints = resolve(context, host);
    if (!endpoints) return tl::unexpected(endpoints.error());
    connections.push_back(std::make_shared<Connection>(context, shared, host, i));
    if (auto connected = connections.back()->connect(*endpoints, host); !connected)
      return tl::unexpected(connected.error());
  }
  for (const auto& connection : connections) connection->start();
  asio::steady_timer timer(context);
  tick(timer, shared, 0, 0, progress);
  // A server that stops answering must not keep the tool waiting.
  context.run_until(shared.end + std::chrono::seconds(1));
  shared.result.measured = options.duration;
  return std::move(shared.result);
}

}  // namespace quorate::bench
