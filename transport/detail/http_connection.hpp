// One accepted socket and its session. Included by http_server.cpp and http_connection.cpp only. Loop thread only.
//
// A connection is kept alive by the server's deadline queue and by the operations that are under way; close() leaves
// the queue, after which nothing is called back any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "transport/detail/deadlines.hpp"
#include "transport/detail/loop.hpp"
#include "transport/detail/read_buffer.hpp"
#include "transport/detail/stream.hpp"
#include "transport/http_server.hpp"
#include "transport/http_session.hpp"
#include "transport/timer.hpp"

namespace quorate::http {

class HttpConnection;

enum class Wait : std::uint8_t {
  kNone,  ///< the application is at work
  kRest,  ///< silent since a moment
  kIdle,  ///< silent since longer
  kHead,  ///< see HttpLimits
  kBody,
  kSend,
  kLeaving,   ///< done with asking, still waiting for an answer
  kLinger,    ///< refused, but still sending
  kGreeting,  ///< TLS is being agreed upon
  kCount
};
using HttpDeadlines = transport::detail::Deadlines<HttpConnection, Wait>;

/// What the connections of one server share.
class HttpServer::Core : public std::enable_shared_from_this<HttpServer::Core> {
 public:
  Core(transport::AsioRuntime& runtime, HttpServerOptions options, HttpHandler& handler);

  Result<void> listen(const transport::HostPort& address);
  void accept();
  void stop(Duration grace, std::function<void()> done);
  /// Cuts everything.
  void close();

  /// Collects what is answered in one turn of the loop, so that a connection writes once per turn.
  void flush_soon(std::shared_ptr<HttpConnection> connection);
  void start_deadline(HttpDeadlines::Handle handle, Wait kind);
  [[nodiscard]] Wait deadline_of(HttpDeadlines::Handle handle) const { return deadlines_.kind(handle); }
  void left(HttpDeadlines::Handle handle);

  transport::AsioRuntime& runtime;
  HttpContext context;
  HttpServerStats stats;
  boost::asio::ip::tcp::acceptor acceptor;
  /// Null: connections are plain.
  const std::shared_ptr<transport::TlsContext> tls;

 private:
  void accepted(boost::asio::ip::tcp::socket socket);
  void refuse(boost::asio::ip::tcp::socket& socket);
  void flush_all();
  void on_deadline();

  HttpDeadlines deadlines_;
  transport::AsioClock alarm_;
  transport::Timer pause_;  ///< of accepting, and of the end
  std::vector<std::shared_ptr<HttpConnection>> to_flush_;
  std::vector<std::shared_ptr<HttpConnection>> flushing_;
  std::function<void()> stopped_;
  bool is_closed_ = false;
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(std::shared_ptr<HttpServer::Core> core, boost::asio::ip::tcp::socket socket);

  /// Called once, after the connection has its place in the queue.
  void start(HttpDeadlines::Handle handle);
  [[nodiscard]] HttpSession& session() { return session_; }
  /// Writes what the session has to say, then goes on reading if it may.
  void flush();
  void flush_soon();
  void on_deadline();
  void close();

 private:
  class Outlet;

  void greet();
  void greeted(transport::detail::ErrorCode error);
  void pump();
  void read();
  void on_read(transport::detail::ErrorCode error, std::size_t received);
  void write();
  void continue_writing();
  void on_written(transport::detail::ErrorCode error, std::size_t written);
  void finish();
  void linger();
  void discard(std::size_t received);
  void watch();
  void rest();

  std::shared_ptr<HttpServer::Core> core_;
  transport::detail::Stream stream_;
  std::shared_ptr<Outlet> outlet_;
  HttpSession session_;
  HttpDeadlines::Handle handle_;
  transport::detail::ReadBuffer received_;
  std::string sending_;  ///< what the operation under way writes
  std::size_t sent_ = 0;
  std::uint64_t timed_request_ = 0;   ///< whose head the deadline is for
  std::size_t timed_body_bytes_ = 0;  ///< of the body when the deadline was started
  std::size_t discarded_ = 0;
  bool is_reading_ = false;
  bool is_at_end_ = false;  ///< of what the client sends
  bool is_writing_ = false;
  bool is_pumping_ = false;
  bool is_flush_due_ = false;
  bool is_lingering_ = false;
  bool is_closed_ = false;
};

}  // namespace quorate::http
