// The HTTP/1.1 server: accepts connections, moves bytes between sockets and sessions (http_session.hpp), keeps the
// deadlines. It knows no path and no SQL; what a request means is the handler's business.
//
// Loop thread only, except that responders may be used anywhere. The runtime and the handler outlive the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "consensus/result.hpp"
#include "transport/asio_runtime.hpp"
#include "transport/host_port.hpp"
#include "transport/http_handler.hpp"
#include "transport/http_limits.hpp"
#include "transport/tls.hpp"

namespace quorate::http {

struct HttpServerOptions {
  transport::HostPort listen;
  HttpLimits limits;
  /// Lines ended by CR LF that every answer carries.
  std::string common_header_lines;
  /// The value of the Date field now; without it there is none.
  std::function<std::string_view()> date;
  /// HTTPS instead of HTTP. New connections meet whatever it has become by then.
  std::shared_ptr<transport::TlsContext> tls;
};

struct HttpServerStats {
  std::size_t connections_open = 0;
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0;  ///< there were too many
  std::uint64_t timeouts = 0;             ///< of any kind but idleness
  std::uint64_t handshakes_failed = 0;    ///< no TLS was agreed upon, or the client could not prove who it is
};

class HttpServer {
 public:
  /// Listens at once. Fails if the address cannot be resolved or bound.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(transport::AsioRuntime& runtime,
                                                                 HttpServerOptions options, HttpHandler& handler);
  /// Cuts whatever connections there are. No handler is called any more.
  ~HttpServer();

  /// The address listened on, with the port that the system chose if 0 was asked for.
  [[nodiscard]] transport::HostPort endpoint() const;
  [[nodiscard]] HttpServerStats stats() const;

  /// Accepts no more, lets every request that has arrived be answered, for `grace` at most, and calls `done` when the
  /// last connection is closed. Once.
  void stop(Duration grace, std::function<void()> done);

  class Core;

 private:
  explicit HttpServer(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace quorate::http
