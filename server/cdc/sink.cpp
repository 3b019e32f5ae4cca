#include "server/cdc/sink.hpp"

#include <utility>

#include "server/cdc/line_sinks.hpp"
#include "server/cdc/webhook.hpp"

namespace quorate::cdc {

namespace {

Result<std::shared_ptr<transport::TlsContext>> tls_of(const FeedOptions& options) {
  using transport::TlsOptions;
  TlsOptions tls{
      .side = TlsOptions::Side::kDialling,
      .files = {.certificate = options.tls.certificate, .key = options.tls.key, .authorities = options.tls.authorities},
      .proof = options.tls.trusts_anybody ? TlsOptions::Proof::kNone : TlsOptions::Proof::kRequired,
      .host_name = options.tls.server_name,
      .common_name = {}};
  return transport::TlsContext::load(tls);
}

}  // namespace

Result<std::unique_ptr<Sink>> open_sink(const FeedOptions& options) {
  switch (options.endpoint.kind) {
    case Endpoint::Kind::kFile: return std::make_unique<FileSink>(options.endpoint.path);
    case Endpoint::Kind::kStandardOutput: return std::make_unique<StandardOutputSink>();
    case Endpoint::Kind::kHttp:
    case Endpoint::Kind::kHttps: break;
  }
  Webhook::Options webhook{.endpoint = options.endpoint, .timeout = options.transmit_timeout, .tls = nullptr};
  if (options.endpoint.kind == Endpoint::Kind::kHttps) {
    auto tls = tls_of(options);
    if (!tls) return tl::unexpected(tls.error());
    webhook.tls = std::move(*tls);
  }
  return std::make_unique<Webhook>(std::move(webhook));
}

}  // namespace quorate::cdc
