#include "transport/http_server.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include "consensus/assert.hpp"
#include "transport/detail/http_connection.hpp"
#include "transport/detail/resolve.hpp"

namespace quorate::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using transport::detail::ErrorCode;

namespace {

/// When the process is out of descriptors, accepting again at once would spin.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);
constexpr std::string_view kTooManyConnections =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\n"
    "Connection: close\r\n\r\ntoo many connections\n";

HttpDeadlines::Lengths lengths_of(const HttpLimits& limits) {
  HttpDeadlines::Lengths lengths{};
  const auto set = [&lengths](Wait kind, Duration length) { lengths[static_cast<std::size_t>(kind)] = length; };
  set(Wait::kRest, std::min(kRestAfter, limits.idle_timeout));
  set(Wait::kIdle, limits.idle_timeout - std::min(kRestAfter, limits.idle_timeout));
  set(Wait::kHead, limits.head_timeout);
  set(Wait::kBody, limits.body_timeout);
  set(Wait::kSend, limits.send_timeout);
  set(Wait::kLeaving, limits.leaving_timeout);
  set(Wait::kLinger, kLingerTimeout);
  set(Wait::kGreeting, limits.head_timeout);
  return lengths;
}

}  // namespace

HttpServer::Core::Core(transport::AsioRuntime& loop, HttpServerOptions options, HttpHandler& handler)
    : runtime(loop),
      context{.limits = options.limits,
              .handler = &handler,
              .common_header_lines = std::move(options.common_header_lines),
              .date = std::move(options.date)},
      acceptor(loop.loop().context),
      tls(std::move(options.tls)),
      deadlines_(lengths_of(context.limits)),
      alarm_(loop, [this] { on_deadline(); }),
      pause_(loop) {}

Result<void> HttpServer::Core::listen(const transport::HostPort& address) {
  return transport::detail::listen(acceptor, address, "HTTP");
}

void HttpServer::Core::accept() {
  acceptor.async_accept([core = shared_from_this()](ErrorCode error, tcp::socket socket) {
    if (core->is_closed_ || !core->acceptor.is_open()) return;
    const bool is_exhausted = error == asio::error::no_descriptors || error == asio::error::no_buffer_space ||
                              error == asio::error::no_memory || error.value() == ENFILE;
    if (is_exhausted) return core->pause_.arm_after(kAcceptPause, [core = core.get()] { core->accept(); });
    if (!error) core->accepted(std::move(socket));
    core->accept();
  });
}

void HttpServer::Core::accepted(tcp::socket socket) {
  ++stats.connections_accepted;
  ErrorCode error;
  socket.set_option(tcp::no_delay(true), error);
  if (!error) socket.non_blocking(true, error);
  if (error) return;  // the client has gone already
  if (stats.connections_open == context.limits.connections_max) return refuse(socket);
  ++stats.connections_open;
  auto connection = std::make_shared<HttpConnection>(shared_from_this(), std::move(socket));
  connection->start(deadlines_.add(connection));
}

void HttpServer::Core::refuse(tcp::socket& socket) {
  ++stats.connections_refused;
  if (tls != nullptr) return;  // it could not be understood before a handshake
  ErrorCode ignored;           // a courtesy: the connection is closed whether it arrives or not
  socket.write_some(asio::buffer(kTooManyConnections), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void HttpServer::Core::flush_soon(std::shared_ptr<HttpConnection> connection) {
  to_flush_.push_back(std::move(connection));
  if (to_flush_.size() == 1) runtime.post([core = shared_from_this()] { core->flush_all(); });
}

void HttpServer::Core::flush_all() {
  QUORATE_ASSERT(flushing_.empty());
  flushing_.swap(to_flush_);
  for (const auto& connection : flushing_) connection->flush();
  flushing_.clear();
}

void HttpServer::Core::start_deadline(HttpDeadlines::Handle handle, Wait kind) {
  if (kind == Wait::kNone) return deadlines_.start(handle, kind, Instant());
  deadlines_.start(handle, kind, alarm_.now());
  alarm_.arm(deadlines_.earliest());
}

void HttpServer::Core::on_deadline() {
  for (const auto& connection : deadlines_.expired(alarm_.now())) connection->on_deadline();
  if (const Instant next = deadlines_.earliest(); next != Instant::max()) alarm_.arm(next);
}

void HttpServer::Core::left(HttpDeadlines::Handle handle) {
  deadlines_.remove(handle);
  QUORATE_ASSERT(stats.connections_open > 0);
  --stats.connections_open;
  if (stats.connections_open == 0 && stopped_) runtime.post(std::exchange(stopped_, nullptr));
}

void HttpServer::Core::stop(Duration grace, std::function<void()> done) {
  ErrorCode ignored;  // closing a listening socket cannot lose anything
  acceptor.close(ignored);
  if (stats.connections_open == 0) return runtime.post(std::move(done));
  stopped_ = std::move(done);
  pause_.arm_after(grace, [this] { close(); });
  for (const auto& connection : deadlines_.all()) {
    connection->session().end_after_pending();
    connection->flush();
  }
}

void HttpServer::Core::close() {
  is_closed_ = true;
  ErrorCode ignored;
  acceptor.close(ignored);
  for (const auto& connection : deadlines_.all()) connection->close();
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(transport::AsioRuntime& runtime, HttpServerOptions options,
                                                      HttpHandler& handler) {
  const transport::HostPort address = options.listen;
  auto core = std::make_shared<Core>(runtime, std::move(options), handler);
  if (auto listening = core->listen(address); !listening) return tl::unexpected(listening.error());
  core->accept();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
}

HttpServer::HttpServer(std::shared_ptr<Core> core) : core_(std::move(core)) {}

HttpServer::~HttpServer() { core_->close(); }

transport::HostPort HttpServer::endpoint() const {
  const auto endpoint = core_->acceptor.local_endpoint();
  return {endpoint.address().to_string(), endpoint.port()};
}

HttpServerStats HttpServer::stats() const { return core_->stats; }

void HttpServer::stop(Duration grace, std::function<void()> done) { core_->stop(grace, std::move(done)); }

}  // namespace quorate::http
