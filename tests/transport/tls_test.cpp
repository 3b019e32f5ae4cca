// Links between nodes and connections of clients in TLS, over real sockets: what they carry, and whom they refuse.
#include "transport/tls.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "tests/transport/certificates.hpp"
#include "tests/transport/http_client.hpp"
#include "tests/transport/loop_fixture.hpp"
#include "transport/asio_transport.hpp"
#include "transport/http_server.hpp"
#include "transport/peer_limits.hpp"

namespace quorate::transport {
namespace {

using namespace std::chrono_literals;
using Side = TlsOptions::Side;
using Proof = TlsOptions::Proof;

constexpr ClusterId kSecureCluster{44};
constexpr std::size_t kLargeBytes = std::size_t{8} << 20;

std::shared_ptr<TlsContext> load(TlsOptions options) {
  auto context = TlsContext::load(options);
  EXPECT_TRUE(context) << context.error().message;
  return context ? *context : nullptr;
}

class TlsLoopFixture : public test::LoopFixture {
 protected:
  static void SetUpTestSuite() {
    files_ = std::make_unique<test::Certificates>();
    files_->make("node");
    files_->make("stranger");
  }
  static void TearDownTestSuite() { files_.reset(); }

  /// Whoever has the certificate `own` and trusts the one of `trusted`.
  static TlsOptions options(Side side, const std::string& own, const std::string& trusted, Proof proof) {
    return {.side = side,
            .files = {files_->certificate(own), files_->key(own), files_->certificate(trusted)},
            .proof = proof,
            .host_name = {},
            .common_name = {}};
  }

  static std::unique_ptr<test::Certificates> files_;
};
std::unique_ptr<test::Certificates> TlsLoopFixture::files_;

// --- links ---

struct SecurePeer {
  NodeId id;
  std::unique_ptr<AsioTransport> transport;
  std::vector<Message> received;
  std::vector<PeerCall> calls;
};

class SecureLinkTest : public TlsLoopFixture {
 protected:
  ~SecureLinkTest() override {
    on_loop([this] {
      for (auto& peer : peers_) peer->transport.reset();
    });
    stop_loop();
  }
  SecurePeer& add(std::uint64_t id, const PeerTls& tls) {
    auto& peer = *peers_.emplace_back(std::make_unique<SecurePeer>());
    peer.id = NodeId{id};
    on_loop([&] {
      auto started = AsioTransport::start(
          runtime_,
          {.listen = {.host = "127.0.0.1"},
           .identity = {.cluster = kSecureCluster, .node = peer.id, .incarnation = Incarnation{id}, .boot = Boot{1}},
           .seed = id,
           .tls = tls},
          {.received = [&peer](Message message) { peer.received.push_back(std::move(message)); },
           .called = [&peer](PeerCall call) { peer.calls.push_back(std::move(call)); },
           .lost = [](NodeId) {}});
      ASSERT_TRUE(started) << started.error().message;
      peer.transport = std::move(*started);
    });
    return peer;
  }
  static PeerTls mutual(const std::string& own, const std::string& trusted) {
    return {load(options(Side::kAccepting, own, trusted, Proof::kRequired)),
            load(options(Side::kDialling, own, trusted, Proof::kRequired))};
  }
  void introduce() {
    on_loop([this] {
      Configuration configuration;
      for (const auto& peer : peers_)
        configuration.members.push_back({.id = peer->id, .address = to_string(peer->transport->endpoint())});
      for (const auto& peer : peers_) peer->transport->reconfigure(configuration);
    });
  }
  [[nodiscard]] bool all_connect() {
    introduce();
    return eventually([this] {
      return std::ranges::all_of(peers_, [](const auto& peer) {
        return std::ranges::all_of(peer->transport->peers(), [](const auto& other) { return other.link.is_connected; });
      });
    });
  }
  static std::string error_of(const SecurePeer& peer) { return peer.transport->peers().at(0).link.last_error; }

  std::vector<std::unique_ptr<SecurePeer>> peers_;
};

TEST_F(SecureLinkTest, CarriesMessagesOfAnySizeInOrder) {
  SecurePeer& one = add(1, mutual("node", "node"));
  SecurePeer& two = add(2, mutual("node", "node"));
  ASSERT_TRUE(all_connect());
  AppendRequest request;
  request.entries.push_back(
      {.term = Term{1}, .index = Index{1}, .payload = Payload::copy_of(std::string(kEntryBytesMax / 2, 'x'))});
  std::vector<Message> sent;
  for (std::uint64_t i = 0; i < 4; ++i) {
    request.previous = {Term{1}, Index{i}};
    request.entries[0].index = Index{i + 1};
    sent.push_back({.from = one.id, .to = two.id, .body = request});
  }
  on_loop([&] {
    for (const Message& message : sent) one.transport->send(message);
    for (std::uint64_t i = 0; i < 1000; ++i)
      two.transport->send({.from = two.id, .to = one.id, .body = Heartbeat{.round = i}});
  });
  ASSERT_TRUE(eventually([&] { return two.received.size() == sent.size() && one.received.size() == 1000; }));
  on_loop([&] { EXPECT_EQ(two.received, sent); });
}

TEST_F(SecureLinkTest, AnswersCalls) {
  SecurePeer& one = add(1, mutual("node", "node"));
  SecurePeer& two = add(2, mutual("node", "node"));
  ASSERT_TRUE(all_connect());
  const std::string large(kLargeBytes, 'q');
  std::vector<CallResult> results;
  on_loop([&] {
    one.transport->call(two.id, Payload::copy_of(large), 20s,
                        [&](CallResult result) { results.push_back(std::move(result)); });
  });
  ASSERT_TRUE(eventually([&] { return two.calls.size() == 1; }));
  on_loop([&] { two.calls[0].reply(CallVerdict::kServed, Payload::copy_of(two.calls[0].request)); });
  ASSERT_TRUE(eventually([&] { return results.size() == 1; }));
  on_loop([&] { EXPECT_EQ(Payload::copy_of(results[0].answer).text(), large); });
}

TEST_F(SecureLinkTest, RefusesACertificateThatNobodyVouchesFor) {
  add(1, mutual("node", "node"));
  SecurePeer& stranger = add(2, mutual("stranger", "node"));
  introduce();
  ASSERT_TRUE(eventually([&] { return peers_[0]->transport->listener_stats().refused > 0; }));
  ASSERT_TRUE(eventually([&] { return !error_of(stranger).empty() && !error_of(*peers_[0]).empty(); }));
  on_loop([&] {
    EXPECT_NE(peers_[0]->transport->listener_stats().last_refusal.find("certificate"), std::string::npos)
        << peers_[0]->transport->listener_stats().last_refusal;
    EXPECT_NE(error_of(*peers_[0]).find("its certificate is not accepted"), std::string::npos) << error_of(*peers_[0]);
    EXPECT_EQ(stranger.transport->peers().at(0).link.connects, 0U);
  });
}

TEST_F(SecureLinkTest, RefusesAnotherCommonName) {
  TlsOptions accepting = options(Side::kAccepting, "node", "node", Proof::kRequired);
  accepting.common_name = "boss";
  const PeerTls tls{load(accepting), load(options(Side::kDialling, "node", "node", Proof::kRequired))};
  SecurePeer& one = add(1, tls);
  add(2, mutual("node", "node"));
  introduce();
  ASSERT_TRUE(eventually([&] { return one.transport->listener_stats().refused > 0; }));
  on_loop([&] {
    EXPECT_NE(one.transport->listener_stats().last_refusal.find(R"(of "node", and must be of "boss")"),
              std::string::npos)
        << one.transport->listener_stats().last_refusal;
  });
}

TEST_F(SecureLinkTest, PlainAndSecureNodesDoNotMeet) {
  SecurePeer& secure = add(1, mutual("node", "node"));
  SecurePeer& plain = add(2, {});
  introduce();
  ASSERT_TRUE(eventually([&] { return !error_of(secure).empty() && !error_of(plain).empty(); }));
  ASSERT_TRUE(eventually([&] { return secure.transport->listener_stats().refused > 0; }));
  on_loop([&] {
    EXPECT_EQ(secure.transport->peers().at(0).link.connects + plain.transport->peers().at(0).link.connects, 0U);
  });
}

TEST_F(SecureLinkTest, AnotherContextIsForNewConnections) {
  const PeerTls tls = mutual("node", "node");
  add(1, tls);
  add(2, mutual("node", "node"));
  ASSERT_TRUE(all_connect());
  SecurePeer& third = add(3, mutual("stranger", "stranger"));
  introduce();
  on_loop([&] {
    auto fresh = load(options(Side::kAccepting, "stranger", "stranger", Proof::kRequired));
    tls.accepting->replace(*fresh);
  });
  ASSERT_TRUE(eventually([&] { return third.transport->is_connected(NodeId{1}); })) << "who knows the new one";
  on_loop([&] { EXPECT_TRUE(peers_[1]->transport->is_connected(NodeId{1})) << "and who was there before"; });
}

// --- clients ---

/// Answers with the body, or with one of `kLargeBytes`, whole or as a stream.
class Echo final : public http::HttpHandler {
 public:
  void handle(http::Request& request, http::Responder responder) override {
    http::Response response;
    if (request.target() == "/stream") {
      auto stream = std::make_shared<http::ResponseStream>(responder.stream(std::move(response)));
      return stream_on(stream, kLargeBytes / kPieceBytes);
    }
    response.body = request.target() == "/large" ? std::string(kLargeBytes, 'y') : std::move(request.body);
    responder.send(std::move(response));
  }

  static constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

 private:
  static void stream_on(const std::shared_ptr<http::ResponseStream>& stream, std::size_t pieces) {
    if (pieces == 0) return stream->finish();
    stream->write(std::string(kPieceBytes, 'z'), [stream, pieces](http::StreamState state) {
      if (state == http::StreamState::kOpen) stream_on(stream, pieces - 1);
    });
  }
};

/// A client that blocks.
class SecureClient {
 public:
  SecureClient(std::uint16_t port, const std::string& authority)
      : plain_(::socket(AF_INET, SOCK_STREAM, 0)), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{20, 0};
    ::setsockopt(plain_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    EXPECT_EQ(::connect(plain_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    SSL_CTX_load_verify_file(context_.get(), authority.c_str());
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    session_.reset(SSL_new(context_.get()));
    SSL_set_fd(session_.get(), plain_);
    is_connected_ = SSL_connect(session_.get()) == 1;
  }
  ~SecureClient() {
    session_.reset();
    ::close(plain_);
  }
  SecureClient(const SecureClient&) = delete;
  SecureClient& operator=(const SecureClient&) = delete;

  [[nodiscard]] bool is_connected() const { return is_connected_; }
  void send(const std::string& bytes) {
    std::size_t sent = 0;
    EXPECT_EQ(SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &sent), 1);
  }
  std::string read_until(const std::string& end) {
    while (received_.find(end) == std::string::npos && read_some()) {}
    const std::size_t at = std::min(received_.find(end), received_.size());
    std::string taken = received_.substr(0, at + end.size());
    received_.erase(0, taken.size());
    return taken;
  }
  std::string read_body() {
    const std::string head = read_until("\r\n\r\n");
    const std::size_t at = head.find("Content-Length: ");
    const std::size_t size = at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 16, nullptr, 10);
    while (received_.size() < size && read_some()) {}
    std::string body = received_.substr(0, size);
    received_.erase(0, size);
    return body;
  }

 private:
  bool read_some() {
    char bytes[65536];
    std::size_t size = 0;
    if (SSL_read_ex(session_.get(), bytes, sizeof(bytes), &size) != 1) return false;
    received_.append(bytes, size);
    return true;
  }

  int plain_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  struct Free {
    void operator()(SSL* session) const { SSL_free(session); }
  };
  std::unique_ptr<SSL, Free> session_;
  bool is_connected_ = false;
  std::string received_;
};

class HttpsTest : public TlsLoopFixture {
 protected:
  void start(const http::HttpLimits& limits = {}, Proof proof = Proof::kNone) {
    on_loop([&] {
      auto started = http::HttpServer::start(runtime_,
                                             {.listen = {.host = "127.0.0.1"},
                                              .limits = limits,
                                              .common_header_lines = {},
                                              .date = nullptr,
                                              .tls = load(options(Side::kAccepting, "node", "node", proof))},
                                             echo_);
      ASSERT_TRUE(started) << started.error().message;
      server_ = std::move(*started);
      port_ = server_->endpoint().port;
    });
  }
  ~HttpsTest() override {
    on_loop([this] { server_.reset(); });
    stop_loop();
  }
  http::HttpServerStats stats() {
    http::HttpServerStats stats;
    on_loop([&] { stats = server_->stats(); });
    return stats;
  }
  static std::string get(const std::string& target) { return "GET " + target + " HTTP/1.1\r\nHost: node\r\n\r\n"; }
  static std::string post(const std::string& body) {
    return "POST / HTTP/1.1\r\nHost: node\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  static std::string authority() { return files_->certificate("node"); }

  Echo echo_;
  std::unique_ptr<http::HttpServer> server_;
  std::uint16_t port_ = 0;
};

TEST_F(HttpsTest, KeepsAConnectionForManyRequests) {
  start();
  SecureClient client(port_, authority());
  ASSERT_TRUE(client.is_connected());
  for (int i = 0; i < 100; ++i) {
    client.send(post(std::to_string(i)));
    ASSERT_EQ(client.read_body(), std::to_string(i));
  }
  std::string pipelined;
  for (int i = 0; i < 1000; ++i) pipelined += post(std::to_string(i));
  client.send(pipelined);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(client.read_body(), std::to_string(i));
  EXPECT_EQ(stats().connections_accepted, 1U);
}

TEST_F(HttpsTest, CarriesMoreThanTheSocketTakes) {
  start();
  SecureClient client(port_, authority());
  const std::string body(kLargeBytes, 'x');
  client.send(post(body));
  EXPECT_EQ(client.read_body(), body);
  client.send(get("/large") + get("/large"));
  EXPECT_EQ(client.read_body(), std::string(kLargeBytes, 'y'));
  EXPECT_EQ(client.read_body(), std::string(kLargeBytes, 'y'));
  client.send(get("/stream"));
  EXPECT_GT(client.read_until("0\r\n\r\n").size(), kLargeBytes);
}

TEST_F(HttpsTest, DemandsACertificate) {
  start({}, Proof::kRequired);
  SecureClient client(port_, authority());  // TLS 1.3: learns of it by its first read
  EXPECT_EQ(client.read_until("\r\n\r\n"), "");
  ASSERT_TRUE(eventually([this] { return server_->stats().handshakes_failed == 1; }));
  EXPECT_TRUE(eventually([this] { return server_->stats().connections_open == 0; }));
}

TEST_F(HttpsTest, TellsPlainClientsWhatIsWrong) {
  start();
  http::test::Client client(port_);
  client.send(get("/"));
  const std::string answer = client.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.0 400 Bad Request\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("Client sent an HTTP request to an HTTPS server.\n")) << answer;
}

TEST_F(HttpsTest, GivesUpAHandshakeThatDoesNotEnd) {
  http::HttpLimits limits;
  limits.head_timeout = 50ms;
  start(limits);
  http::test::Client client(port_);
  client.send("\x16\x03\x01");
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_EQ(stats().timeouts, 1U);
}

TEST_F(HttpsTest, EndsInGoodOrder) {
  start();
  http::test::Client in_handshake(port_);
  SecureClient client(port_, authority());
  client.send(post("x"));
  EXPECT_EQ(client.read_body(), "x");
  std::promise<void> stopped;
  on_loop([&] { server_->stop(20s, [&] { stopped.set_value(); }); });
  EXPECT_EQ(stopped.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_EQ(client.read_until("\r\n\r\n"), "");
}

// --- files ---

TEST(Tls, FilesThatCannotBeUsedAreNamed) {
  test::Certificates files;
  files.make("one");
  files.make("two");
  const auto message = [](const TlsOptions& options) {
    const auto context = TlsContext::load(options);
    return context ? std::string() : context.error().message;
  };
  TlsOptions options{.side = Side::kAccepting, .files = {files.certificate("one"), files.key("one"), {}}};
  EXPECT_EQ(message(options), "");
  options.files.key = files.key("two");
  EXPECT_NE(message(options).find("two.key: the key is not that of the certificate"), std::string::npos)
      << message(options);
  options.files.key = files.certificate("one");
  EXPECT_NE(message(options).find("one.pem: no key in PEM form"), std::string::npos) << message(options);
  options.files = {files.key("one"), files.key("one"), {}};
  EXPECT_NE(message(options).find("one.key: no certificate in PEM form"), std::string::npos) << message(options);
  options.files = {files.certificate("one"), files.key("one"), "/nonexistent"};
  options.proof = Proof::kRequired;
  EXPECT_NE(message(options).find("/nonexistent"), std::string::npos) << message(options);
}

}  // namespace
}  // namespace quorate::transport
