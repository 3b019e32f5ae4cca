// How the command line tools reach a cluster: nodes as host:port or as URLs, who asks, and what TLS there is. From
// flags, the environment and URLs to what the client needs. Pure, but for the files of certificates that are read.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "transport/tls.hpp"

namespace CLI {
class App;
}

namespace quorate::client {

enum class Redirects : std::uint8_t {
  kFollowed,  ///< by the same credentials: only for nodes of one cluster
  kReturned,  ///< as answers, whose body is the location
};

struct ClientOptions {
  std::vector<std::string> hosts;  ///< "host:port" each
  std::string credentials;         ///< "user:password", or empty
  std::string prefix;              ///< of every path; empty, or like "/a"
  std::chrono::milliseconds timeout{30'000};
  std::shared_ptr<transport::TlsContext> tls;  ///< null: plain HTTP
  Redirects redirects = Redirects::kFollowed;
  std::uint64_t reply_bytes_max = std::uint64_t{1} << 30;
  /// Raised on any thread, it ends what the client waits for within a tenth of a second, but for the look-up of a name,
  /// which the system's resolver bounds. Null: nobody will.
  std::shared_ptr<const std::atomic<bool>> stop;
};

/// What a user may say of it on the command line.
struct ClientFlags {
  std::string scheme = "http";
  std::string user;
  std::string prefix = "/";
  std::string ca_cert;
  std::string client_cert;
  std::string client_key;
  bool insecure = false;
  double timeout_seconds = 30;
};

/// Adds the flags, with their short names (of rqlite's shell) if `short_names`.
enum class FlagNames : unsigned char { kLongOnly, kShortToo };
void describe_client_flags(CLI::App& app, ClientFlags& flags, FlagNames names);

/// A node is named as host:port or as http(s)://[user:password@]host:port[/prefix]. All must agree on the scheme, which
/// is that of the first one where it is not said. The
/// user is that of the flags, else of a URL, else `user_of_environment` (QUORATE_USER).
[[nodiscard]] Result<ClientOptions> resolve(const ClientFlags& flags, const std::vector<std::string>& nodes,
                                            const std::string& user_of_environment);

}  // namespace quorate::client
