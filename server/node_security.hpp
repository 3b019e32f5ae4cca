// What keeps a node to those who may use it: its users and its certificates, read from files when it starts and again
// whenever they change, or when it is told to look. A file that has become unreadable or makes no sense changes
// nothing: that is logged, and what was read before stays in force.
//
// Loop thread only. Files are read, and passwords are hashed, on threads of their own, which end with it. The alarms
// outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "server/alarms.hpp"
#include "server/config.hpp"
#include "server/file_watch.hpp"
#include "server/security/access_control.hpp"
#include "server/security/login.hpp"
#include "server/thread_executor.hpp"
#include "transport/tls.hpp"

namespace quorate::server {

class NodeSecurity {
 public:
  using Post = ThreadExecutor::Post;

  /// The error names the flag and the file, and says what is wrong.
  static Result<std::unique_ptr<NodeSecurity>> open(const NodeConfig& config, const Post& post, Alarms& alarms);
  ~NodeSecurity();
  NodeSecurity(const NodeSecurity&) = delete;
  NodeSecurity& operator=(const NodeSecurity&) = delete;

  /// Null: everybody may do everything.
  [[nodiscard]] security::AccessControl* access() { return access_.get(); }
  /// Null: plain HTTP.
  [[nodiscard]] const std::shared_ptr<transport::TlsContext>& http_tls() const { return http_tls_; }
  /// Both null: plain links.
  [[nodiscard]] const transport::PeerTls& node_tls() const { return node_tls_; }
  /// Whom to join a cluster as.
  [[nodiscard]] const std::optional<security::Login>& join_login() const { return join_login_; }

  /// Looks at the files now, and reads those that have changed.
  void reload();

 private:
  explicit NodeSecurity(Post post);

  Result<void> open_users(const NodeConfig& config);
  Result<void> open_certificates(const NodeConfig& config);
  Result<std::shared_ptr<transport::TlsContext>> open_context(const std::string& flag,
                                                              const transport::TlsOptions& options);

  Post post_;
  std::unique_ptr<security::AccessControl> access_;
  std::shared_ptr<transport::TlsContext> http_tls_;
  transport::PeerTls node_tls_;
  std::optional<security::Login> join_login_;
  // Last: what runs on their threads refers to the others.
  std::unique_ptr<ThreadExecutor> hashing_;
  std::unique_ptr<FileWatch> watch_;
};

/// What is worth a warning in a configuration: what it leaves open to whoever can reach the node.
[[nodiscard]] std::vector<std::string> loose_ends(const NodeConfig& config);

}  // namespace quorate::server
