// The server on real sockets: the part that http_session_test.cpp cannot see.
#include "transport/http_server.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/transport/http_client.hpp"
#include "tests/transport/loop_fixture.hpp"

namespace quorate::http {
namespace {

using test::Client;

constexpr std::size_t kBigBytes = std::size_t{8} << 20;

/// /echo answers at once, /later from another thread, /never keeps the responder, /big with 8 MiB, /stream in chunks.
class Application final : public HttpHandler {
 public:
  ~Application() override {
    for (std::thread& thread : threads_) thread.join();
  }

  void handle(Request& request, Responder responder) override {
    ++requests;
    const std::string target(request.target());
    if (target == "/later") {
      threads_.emplace_back(
          [responder = std::make_shared<Responder>(std::move(responder))] { responder->send(text("later")); });
    } else if (target == "/never") {
      responder.on_client_gone([this] { ++clients_gone; });
      kept.push_back(std::move(responder));
    } else if (target == "/big") {
      responder.send(text(std::string(kBigBytes, 'x')));
    } else if (target == "/stream") {
      auto stream = std::make_shared<ResponseStream>(responder.stream(Response()));
      write_chunks(stream, 128);
    } else {
      responder.send(text(target + request.body));
    }
  }

  std::atomic<int> requests = 0;
  std::atomic<int> chunks_written = 0;
  std::atomic<bool> stream_is_gone = false;
  std::atomic<int> clients_gone = 0;
  std::vector<Responder> kept;

 private:
  static Response text(std::string body) {
    Response response;
    response.body = std::move(body);
    return response;
  }

  void write_chunks(const std::shared_ptr<ResponseStream>& stream, int left) {
    if (left == 0) return stream->finish();
    ++chunks_written;
    stream->write(std::string(64 << 10, 'y'), [this, stream, left](StreamState state) {
      if (state == StreamState::kOpen) return write_chunks(stream, left - 1);
      stream_is_gone = true;
    });
  }

  std::deque<std::thread> threads_;
};

class HttpServerTest : public transport::test::LoopFixture {
 protected:
  void start(const HttpLimits& limits = {}) {
    HttpServerOptions options{.listen = {.host = "localhost"}, .limits = limits};
    on_loop([&] {
      auto started = HttpServer::start(runtime_, std::move(options), application_);
      ASSERT_TRUE(started) << started.error().message;
      server_ = std::move(*started);
      port_ = server_->endpoint().port;
    });
  }
  ~HttpServerTest() override {
    on_loop([this] {
      server_.reset();
      application_.kept.clear();
    });
    stop_loop();
  }

  HttpServerStats stats() {
    HttpServerStats stats;
    on_loop([&] { stats = server_->stats(); });
    return stats;
  }
  void wait_for_open_connections(std::size_t count) {
    for (int i = 0; i < 20'000 && stats().connections_open != count; ++i) ::poll(nullptr, 0, 1);
    EXPECT_EQ(stats().connections_open, count);
  }
  static std::string get(const std::string& target) { return "GET " + target + " HTTP/1.1\r\nHost: node\r\n\r\n"; }
  static std::string post(const std::string& target, const std::string& body) {
    return "POST " + target + " HTTP/1.1\r\nHost: node\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
  }

  Application application_;
  std::unique_ptr<HttpServer> server_;
  std::uint16_t port_ = 0;
};

TEST_F(HttpServerTest, KeepsAConnectionForManyRequests) {
  start();
  Client client(port_);
  for (int i = 0; i < 100; ++i) {
    client.send(post("/echo", std::to_string(i)));
    ASSERT_EQ(client.read_body(), "/echo" + std::to_string(i));
  }
  EXPECT_EQ(stats().connections_accepted, 1U);
}

TEST_F(HttpServerTest, AnswersFromOtherThreadsComeInOrder) {
  start();
  Client client(port_);
  client.send(get("/later") + get("/echo") + get("/later"));
  EXPECT_EQ(client.read_body(), "later");
  EXPECT_EQ(client.read_body(), "/echo");
  EXPECT_EQ(client.read_body(), "later");
}

TEST_F(HttpServerTest, SendsMoreThanTheSocketTakes) {
  start();
  Client client(port_, 4096);
  client.send(get("/big") + get("/echo"));
  EXPECT_EQ(client.read_body(), std::string(kBigBytes, 'x'));
  EXPECT_EQ(client.read_body(), "/echo");
}

TEST_F(HttpServerTest, ReceivesALargeBody) {
  start();
  Client client(port_);
  const std::string body(kBigBytes, 'z');
  client.send(post("/echo", body));
  EXPECT_EQ(client.read_body(), "/echo" + body);
}

TEST_F(HttpServerTest, StreamsAtThePaceOfTheClient) {
  start();
  Client client(port_, 4096);
  client.send(get("/stream"));
  client.read_until("\r\n\r\n");
  on_loop([] {});
  EXPECT_LT(application_.chunks_written, 128) << "the stream did not wait for its client";
  std::size_t bytes = 0;
  while (true) {
    const std::string size = client.read_until("\r\n");
    const auto chunk = std::strtoul(size.c_str(), nullptr, 16);
    client.read_exactly(chunk + 2);
    if (chunk == 0) break;
    bytes += chunk;
  }
  EXPECT_EQ(bytes, std::size_t{128} * (64 << 10));
  client.send(get("/echo"));
  EXPECT_EQ(client.read_body(), "/echo");
}

TEST_F(HttpServerTest, TellsAStreamThatItsClientIsGone) {
  start();
  {
    Client client(port_, 4096);
    client.send(get("/stream"));
    client.read_until("\r\n\r\n");
  }
  wait_for_open_connections(0);
  EXPECT_TRUE(application_.stream_is_gone);
}

TEST_F(HttpServerTest, TellsThatNobodyWaitsForAnAnswerAnyMore) {
  HttpLimits limits;
  limits.leaving_timeout = std::chrono::milliseconds(50);
  start(limits);
  for (const std::string& fields : {std::string(), std::string("Connection: close\r\n")}) {
    Client client(port_);
    client.send("GET /never HTTP/1.1\r\nHost: node\r\n" + fields + "\r\n");
  }
  while (application_.requests < 2) ::poll(nullptr, 0, 1);
  wait_for_open_connections(0);
  EXPECT_EQ(application_.clients_gone, 2);
}

TEST_F(HttpServerTest, DoesNotTakeWhoIsStillThereForGone) {
  HttpLimits limits;
  limits.leaving_timeout = std::chrono::milliseconds(1);
  start(limits);
  Client client(port_);
  client.send("GET /never HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
  while (application_.requests == 0) ::poll(nullptr, 0, 1);
  ::poll(nullptr, 0, 20);
  on_loop([this] { application_.kept.clear(); });
  EXPECT_TRUE(client.read_to_end().starts_with("HTTP/1.1 500 "));
  EXPECT_EQ(application_.clients_gone, 0);
}

TEST_F(HttpServerTest, AnswersAClientThatHasEndedItsInput) {
  start();
  Client client(port_);
  client.send(get("/later"));
  client.end_input();
  EXPECT_TRUE(client.read_to_end().ends_with("later"));
}

TEST_F(HttpServerTest, ARefusalReachesAClientThatIsStillSending) {
  HttpLimits limits;
  limits.body_bytes_max = 1000;
  start(limits);
  Client client(port_);
  client.send(post("/echo", std::string(100'000, 'x')));
  EXPECT_TRUE(client.read_to_end().starts_with("HTTP/1.1 413 "));
  EXPECT_EQ(application_.requests, 0);
}

TEST_F(HttpServerTest, LimitsTheNumberOfConnections) {
  HttpLimits limits;
  limits.connections_max = 1;
  start(limits);
  Client first(port_);
  first.send(get("/echo"));
  EXPECT_EQ(first.read_body(), "/echo");
  Client second(port_);
  EXPECT_TRUE(second.read_to_end().starts_with("HTTP/1.1 503 "));
  first.send(get("/echo"));
  EXPECT_EQ(first.read_body(), "/echo");
}

struct Slowness {
  const char* what;
  const char* sent;
  const char* answer;
};

class HttpDeadlineTest : public HttpServerTest, public testing::WithParamInterface<Slowness> {};

TEST_P(HttpDeadlineTest, EndsTheConnection) {
  HttpLimits limits;
  limits.head_timeout = limits.body_timeout = limits.idle_timeout = std::chrono::milliseconds(50);
  start(limits);
  {
    Client client(port_);
    client.send(GetParam().sent);
    const std::string answer = client.read_to_end();
    EXPECT_TRUE(answer.starts_with(GetParam().answer)) << answer;
    EXPECT_EQ(answer.empty(), std::string(GetParam().answer).empty()) << answer;
  }
  wait_for_open_connections(0);
}

INSTANTIATE_TEST_SUITE_P(
    Slow, HttpDeadlineTest,
    testing::Values(Slowness{"Idle", "", ""}, Slowness{"Head", "GET / HTTP/1.1\r\nHo", "HTTP/1.1 408 "},
                    Slowness{"Body", "POST / HTTP/1.1\r\nHost: n\r\nContent-Length: 9\r\n\r\nabc", "HTTP/1.1 408 "}),
    [](const auto& slowness) { return slowness.param.what; });

TEST_F(HttpServerTest, CutsAClientThatTakesNothing) {
  HttpLimits limits;
  limits.send_timeout = std::chrono::milliseconds(50);
  start(limits);
  Client client(port_, 4096);
  client.send(get("/big"));
  client.read_until("\r\n\r\n");
  wait_for_open_connections(0);
  EXPECT_EQ(stats().timeouts, 1U);
}

TEST_F(HttpServerTest, AnApplicationThatTakesItsTimeIsNotTimedOut) {
  HttpLimits limits;
  limits.head_timeout = limits.body_timeout = limits.idle_timeout = std::chrono::milliseconds(20);
  start(limits);
  Client client(port_);
  client.send(get("/never"));
  while (application_.requests == 0) ::poll(nullptr, 0, 1);
  Client idle(port_);
  EXPECT_EQ(idle.read_to_end(), "");  // by now the first one has waited longer than any of the limits
  on_loop([this] { application_.kept.clear(); });
  EXPECT_TRUE(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 500 "));
}

TEST_F(HttpServerTest, StopsWhenEveryRequestIsAnswered) {
  start();
  Client busy(port_);
  busy.send(get("/never"));
  Client idle(port_);
  idle.send(get("/echo"));
  EXPECT_EQ(idle.read_body(), "/echo");
  std::promise<void> stopped;
  auto is_stopped = stopped.get_future();
  on_loop([&] { server_->stop(std::chrono::minutes(1), [&] { stopped.set_value(); }); });
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_EQ(is_stopped.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  on_loop([this] { application_.kept.clear(); });
  EXPECT_TRUE(busy.read_to_end().starts_with("HTTP/1.1 500 "));
  is_stopped.wait();
}

TEST_F(HttpServerTest, StopsAfterTheGraceWhateverHappens) {
  start();
  Client client(port_);
  client.send(get("/never"));
  while (application_.requests == 0) ::poll(nullptr, 0, 1);
  std::promise<void> stopped;
  on_loop([&] { server_->stop(std::chrono::milliseconds(20), [&] { stopped.set_value(); }); });
  stopped.get_future().wait();
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  start();
  Application application;
  const auto second = HttpServer::start(runtime_, {.listen = {.host = "127.0.0.1", .port = port_}}, application);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("in use"), std::string::npos) << second.error().message;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsInstrumented = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kIsInstrumented = true;
#else
constexpr bool kIsInstrumented = false;
#endif
#else
constexpr bool kIsInstrumented = false;
#endif

std::size_t resident_bytes() {
  std::size_t pages = 0;
  if (std::FILE* statm = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(statm, "%*u %zu", &pages) != 1) pages = 0;
    std::fclose(statm);
  }
  return pages * 4096;
}

TEST_F(HttpServerTest, HoldsTenThousandIdleConnections) {
  // Both ends are in this process; where it may not open so many files, it holds as many as it may.
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const std::size_t count = std::min<std::size_t>(10'000, (files.rlim_cur - 100) / 2);
  start();
  const std::size_t before = resident_bytes();
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<Client>(port_));
    clients.back()->send(get("/echo"));
    ASSERT_EQ(clients.back()->read_body(), "/echo");
  }
  EXPECT_EQ(stats().connections_open, count);
  const std::size_t bytes_each = (resident_bytes() - before) / count;
  RecordProperty("bytes_per_connection", static_cast<int>(bytes_each));
  if (!kIsInstrumented) {
    EXPECT_LT(bytes_each, 4096U) << "memory of both ends";
  }
  clients.front()->send(get("/echo"));
  EXPECT_EQ(clients.front()->read_body(), "/echo");
}

}  // namespace
}  // namespace quorate::http
