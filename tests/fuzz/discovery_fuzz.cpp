// Any bytes as a configuration of discovery, as what a store answers, and as an answer of the DNS. The first byte says
// which.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "consensus/assert.hpp"
#include "server/discovery/discovery_config.hpp"
#include "server/discovery/dns_resolver.hpp"
#include "server/discovery/etcd_store.hpp"
#include "server/discovery/leader_record.hpp"
#include "server/security/base64.hpp"

using namespace quorate;
using namespace quorate::discovery;

namespace {

bool is_line(std::string_view text) {
  return text.size() <= kConfigTextBytesMax && text.find_first_of("\r\n") == std::string_view::npos;
}

void check(const StoreConfig& store) {
  QUORATE_ASSERT(!store.hosts.empty());
  QUORATE_ASSERT(store.hosts.size() <= kEndpointsMax);
  for (const std::string& host : store.hosts) QUORATE_ASSERT(is_line(host));
  QUORATE_ASSERT(is_line(store.user));
  QUORATE_ASSERT(store.timeout.count() > 0);
}

void configure(std::string_view text) {
  const auto expanded = expand_environment(text, [](const std::string& name) -> std::optional<std::string> {
    if (name.size() > 4) return std::nullopt;
    return name + "\"\\\n{";
  });
  for (const std::string& config : {std::string(text), expanded.value_or("")}) {
    if (const auto consul = parse_consul_config(config)) {
      check(consul->store);
      QUORATE_ASSERT(is_line(consul->token));
    }
    if (const auto etcd = parse_etcd_config(config)) check(etcd->store);
    if (const auto dns = parse_dns_config(config)) QUORATE_ASSERT(dns->port != 0);
    if (const auto service = parse_dns_srv_config(config)) QUORATE_ASSERT(!service->service.empty());
  }
  if (const auto hosts = parse_hosts(text)) QUORATE_ASSERT(hosts->size() <= kEndpointsMax);
}

void answer(std::string_view text) {
  if (const auto record = decode_leader_record(text)) {
    QUORATE_ASSERT(!record->id.empty());
    QUORATE_ASSERT(decode_leader_record(encode(*record)) == *record);
  }
  const auto value = parse_etcd_range(text);
  if (value && *value) QUORATE_ASSERT((*value)->size() <= text.size());
  (void)parse_etcd_transaction(text);
  if (const auto token = parse_etcd_token(text)) QUORATE_ASSERT(is_line(*token) || token->size() > kConfigTextBytesMax);
  const auto bytes = security::decode_base64(text);
  if (bytes) QUORATE_ASSERT(bytes->size() <= text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 3) {
    case 0: configure(text); break;
    case 1: answer(text); break;
    default:
      if (const auto records = parse_service_records(std::span(data + 1, size - 1)))
        QUORATE_ASSERT(records->size() <= kDnsRecordsMax);
  }
  return 0;
}
