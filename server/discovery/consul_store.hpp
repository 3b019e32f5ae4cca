// The key in Consul's store, over its HTTP interface: rqlite/<key>/leader. Created with `cas=0`, which Consul decides
// through its own Raft log.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/discovery/discovery_config.hpp"
#include "server/discovery/key_value_store.hpp"

namespace quorate::client {
class HttpClient;
struct HttpReply;
struct HttpRequest;
}  // namespace quorate::client

namespace quorate::discovery {

class ConsulStore final : public KeyValueStore {
 public:
  /// Reads the token's file and the certificates; asks nobody yet.
  static Result<std::unique_ptr<ConsulStore>> open(const std::string& key, ConsulConfig config, StopFlag stop);
  ~ConsulStore() override;

  Result<std::optional<std::string>> read() override;
  Result<bool> create(const std::string& value) override;
  Result<void> write(const std::string& value) override;
  [[nodiscard]] const std::string& key() const override { return key_; }

 private:
  ConsulStore(const std::string& key, const ConsulConfig& config, std::unique_ptr<client::HttpClient> client);
  [[nodiscard]] std::string target(const std::string& parameters) const;
  Result<bool> put(const std::string& parameters, const std::string& value);

  std::string key_;
  std::string scope_;  ///< datacenter and the like, as parameters
  std::vector<std::string> fields_;
  std::unique_ptr<client::HttpClient> client_;
};

}  // namespace quorate::discovery
