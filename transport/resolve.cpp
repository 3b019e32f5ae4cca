#include "transport/detail/resolve.hpp"

#include <algorithm>
#include <string>

#include <boost/asio/ip/v6_only.hpp>

#include "transport/detail/loop.hpp"

namespace quorate::transport::detail {

using asio::ip::tcp;

namespace {

Result<tcp::endpoint> local_endpoint(asio::any_io_executor executor, const HostPort& address) {
  if (address.host.empty()) return tcp::endpoint(tcp::v6(), address.port);
  ErrorCode error;
  tcp::resolver resolver(executor);
  const auto found = resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, error);
  if (error || found.empty())
    return fail(ErrorKind::kInvalidArgument, "cannot resolve \"" + address.host + "\": " + error.message());
  const auto ipv4 = std::ranges::find_if(found, [](const auto& entry) { return entry.endpoint().address().is_v4(); });
  return (ipv4 != found.end() ? *ipv4 : *found.begin()).endpoint();
}

}  // namespace

Result<void> listen(tcp::acceptor& acceptor, const HostPort& address, const char* purpose) {
  const auto endpoint = local_endpoint(acceptor.get_executor(), address);
  if (!endpoint) return tl::unexpected(endpoint.error());
  ErrorCode error;
  acceptor.open(endpoint->protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && address.host.empty()) acceptor.set_option(asio::ip::v6_only(false), error);
  if (!error) acceptor.bind(*endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return fail(ErrorKind::kUnavailable, std::string("cannot listen for ") + purpose + " on " + to_string(address) +
                                             ": " + error.message() +
                                             "; is the address in use, or not one of this machine?");
  return {};
}

}  // namespace quorate::transport::detail
