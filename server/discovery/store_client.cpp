#include "server/discovery/store_client.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "transport/tls.hpp"

namespace quorate::discovery {

using transport::TlsContext;
using transport::TlsOptions;

Result<std::unique_ptr<client::HttpClient>> open_store_client(const StoreConfig& config, StopFlag stop) {
  client::ClientOptions options{.hosts = config.hosts,
                                .credentials = {},
                                .prefix = {},
                                .timeout = config.timeout,
                                .tls = nullptr,
                                .redirects = client::Redirects::kReturned,
                                .reply_bytes_max = kAnswerBytesMax,
                                .stop = std::move(stop)};
  if (config.is_secure) {
    const TlsFiles& tls = config.tls;
    auto context =
        TlsContext::load({.side = TlsOptions::Side::kDialling,
                          .files = {tls.certificate, tls.key, tls.authorities},
                          .proof = tls.trusts_anybody ? TlsOptions::Proof::kNone : TlsOptions::Proof::kRequired,
                          .host_name = tls.server_name,
                          .common_name = {}});
    if (!context) return fail(ErrorKind::kInvalidArgument, "\"tls_config\": " + context.error().message);
    options.tls = std::move(*context);
  }
  return std::make_unique<client::HttpClient>(std::move(options));
}

Error refusal_of(const std::string& store, const client::HttpReply& reply) {
  constexpr std::size_t kShownMax = 200;
  std::string said = reply.body.substr(0, std::min(reply.body.find('\n'), kShownMax));
  std::ranges::replace_if(said, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return {ErrorKind::kUnavailable,
          store + " answers " + std::to_string(reply.status) + (said.empty() ? "" : ": " + said)};
}

}  // namespace quorate::discovery
