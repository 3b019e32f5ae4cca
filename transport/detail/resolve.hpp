// Listening on an address that was written down. Included by the .cpp files of this room only.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "consensus/result.hpp"
#include "transport/host_port.hpp"

namespace quorate::transport::detail {

/// Opens, binds and listens; `purpose` names the listener in the error. A name with several addresses is bound to the
/// first, IPv4 before IPv6. Blocks while the name is resolved.
[[nodiscard]] Result<void> listen(boost::asio::ip::tcp::acceptor& acceptor, const HostPort& address,
                                  const char* purpose);

}  // namespace quorate::transport::detail
