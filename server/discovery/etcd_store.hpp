// The key in etcd, over the JSON form of its version 3 interface: /<key>/leader. Created in a transaction that demands
// that it has no version yet. With a user, a token is asked for first, and again when etcd does not know it any more.
//
// The parsers of its answers take any bytes whatever.
#pragma once

#include <memory>
#include <string>

#include "server/discovery/discovery_config.hpp"
#include "server/discovery/key_value_store.hpp"

namespace quorate::client {
class HttpClient;
struct HttpReply;
}  // namespace quorate::client

namespace quorate::discovery {

class EtcdStore final : public KeyValueStore {
 public:
  /// Reads the certificates; asks nobody yet.
  static Result<std::unique_ptr<EtcdStore>> open(const std::string& key, const EtcdConfig& config, StopFlag stop);
  ~EtcdStore() override;

  Result<std::optional<std::string>> read() override;
  Result<bool> create(const std::string& value) override;
  Result<void> write(const std::string& value) override;
  [[nodiscard]] const std::string& key() const override { return key_; }

 private:
  EtcdStore(const std::string& key, const EtcdConfig& config, std::unique_ptr<client::HttpClient> client);
  Result<std::string> ask(const std::string& path, const std::string& body);
  Result<client::HttpReply> send(const std::string& path, const std::string& body);
  Result<void> log_in();

  std::string key_;
  std::string user_;
  std::string password_;
  std::string token_;  ///< empty: none yet
  std::unique_ptr<client::HttpClient> client_;
};

/// Of /v3/kv/range: the value of the only key, or nothing.
[[nodiscard]] Result<std::optional<std::string>> parse_etcd_range(std::string_view answer);
/// Of /v3/kv/txn: whether what it demanded was so.
[[nodiscard]] Result<bool> parse_etcd_transaction(std::string_view answer);
/// Of /v3/auth/authenticate: the token, fit for a header line.
[[nodiscard]] Result<std::string> parse_etcd_token(std::string_view answer);

}  // namespace quorate::discovery
