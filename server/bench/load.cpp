#include "server/bench/load.hpp"

#include <array>
#include <deque>
#include <memory>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "consensus/random.hpp"
#include "server/client/http_client.hpp"

namespace quorate::bench {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kResponseBytesMax = std::size_t{64} << 20;
constexpr unsigned kRowsPerRequest = 500;
constexpr std::chrono::seconds kPrepareTimeout{30};

std::string request_text(const std::string& host, const std::string& method, const std::string& target,
                         const std::string& body) {
  std::string text = method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\n";
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
      : options_(options), host_(host), random_(options.seed + number) {
    const std::string row(options.row_bytes, 'x');
    write_body_ = R"json([["INSERT INTO bench(k, v) VALUES(?, ?)", 1, ")json" + row + R"json("]])json";
    write_ = request_text(host, "POST", "/db/execute", write_body_);
    if (!options.path.empty()) other_ = request_text(host, options.method, options.path, write_body_);
  }

  struct Next {
    std::string text;
    bool is_write;
  };
  Next next() {
    if (!other_.empty()) return {other_, options_.method != "GET"};
    if (random_.below(100) < options_.write_percent) return {write_, true};
    const std::string id = std::to_string(random_.between(std::uint64_t{1}, std::uint64_t{options_.rows}));
    return {request_text(host_, "POST", "/db/query?level=" + options_.level,
                         R"json([["SELECT v FROM bench WHERE id = ?", )json" + id + "]]"),
            false};
  }

 private:
  const LoadOptions& options_;
  std::string host_;
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
      : socket_(context), shared_(shared), requests_(shared.options, host, number), parser_(new_parser()) {}

  Result<void> connect(const tcp::resolver::results_type& endpoints, const std::string& host) {
    boost::system::error_code error;
    asio::connect(socket_, endpoints, error);
    if (error) return fail(ErrorKind::kUnavailable, "cannot connect to " + host + ": " + error.message());
    socket_.set_option(tcp::no_delay(true), error);
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
    asio::async_write(socket_, asio::buffer(outgoing_),
                      [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                        self->writing_ = false;
                        if (error) return self->broken(error);
                        self->write();
                      });
  }

  void read() {
    socket_.async_read_some(asio::buffer(chunk_),
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

  tcp::socket socket_;
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
  client::HttpClient server(options.hosts, {}, kPrepareTimeout);
  auto done = execute(server, "/db/execute",
                      R"json(["CREATE TABLE IF NOT EXISTS bench(id INTEGER PRIMARY KEY, k INTEGER, v TEXT)"])json");
  if (!done || options.write_percent == 100) return done;
  const std::string row = R"json(["INSERT OR IGNORE INTO bench(id, k, v) VALUES(?, 1, ?)", )json";
  const std::string value = ", \"" + std::string(options.row_bytes, 'x') + "\"]";
  for (unsigned first = 1; first <= options.rows && done; first += kRowsPerRequest) {
    std::string body;
    for (unsigned id = first; id < first + kRowsPerRequest && id <= options.rows; ++id) {
      body += (body.empty() ? "[" : ",") + row + std::to_string(id) + value;
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
    const std::string& host = options.hosts[i % options.hosts.size()];
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
