#include "server/node_security.hpp"

#include <array>
#include <utility>

#include "server/log.hpp"
#include "transport/host_port.hpp"

namespace quorate::server {

using security::AccessControl;
using security::Credentials;
using transport::TlsContext;
using transport::TlsOptions;

namespace {

TlsOptions accepting(const ListenerTls& tls) {
  return {.side = TlsOptions::Side::kAccepting,
          .files = {tls.certificate, tls.key, tls.authorities},
          .proof = tls.verifies_clients ? TlsOptions::Proof::kRequired : TlsOptions::Proof::kNone,
          .host_name = {},
          .common_name = tls.client_common_name};
}

/// Between nodes everybody presents the same certificate, whoever has dialled.
TlsOptions dialling(const NodeConfig& config) {
  return {.side = TlsOptions::Side::kDialling,
          .files = {config.node_tls.certificate, config.node_tls.key, config.node_tls.authorities},
          .proof = config.trusts_any_node ? TlsOptions::Proof::kNone : TlsOptions::Proof::kRequired,
          .host_name = config.node_server_name,
          .common_name = {}};
}

Result<security::Login> login_of(const std::string& name, const Credentials& credentials, const std::string& file) {
  const auto refuse = [&name](const std::string& why) {
    return fail(ErrorKind::kInvalidArgument, "-join-as " + name + ": " + why);
  };
  const security::User* const user = credentials.find(name);
  if (user == nullptr) return refuse("there is no such user in " + file);
  if (user->form != security::SecretForm::kPlainText)
    return refuse("the password in " + file + " is a hash; a node that joins has to know it in plain text");
  return security::Login{user->name, user->secret};
}

/// A certificate that is out of date is used all the same: somebody may have told the others not to look.
void warn_of_untimeliness(const TlsContext& context) {
  const std::string why = context.untimeliness();
  if (why.empty()) return;
  log_warn("the certificate in " + context.options().files.certificate + " will be refused by all who verify it: " +
           why + "; put a valid one there, which is read when the file changes");
}

bool is_for_this_machine_only(const std::string& address) {
  const auto parsed = transport::parse_host_port(address);
  return parsed && (parsed->host == "localhost" || parsed->host == "::1" || parsed->host.starts_with("127."));
}

}  // namespace

NodeSecurity::NodeSecurity(Post post) : post_(std::move(post)) {}

NodeSecurity::~NodeSecurity() = default;

Result<std::unique_ptr<NodeSecurity>> NodeSecurity::open(const NodeConfig& config, const Post& post, Alarms& alarms) {
  std::unique_ptr<NodeSecurity> made(new NodeSecurity(post));
  if (!config.has_security_files()) return made;
  made->watch_ = std::make_unique<FileWatch>(post, alarms);
  if (auto opened = made->open_users(config); !opened) return tl::unexpected(opened.error());
  if (auto opened = made->open_certificates(config); !opened) return tl::unexpected(opened.error());
  return made;
}

Result<void> NodeSecurity::open_users(const NodeConfig& config) {
  const std::string& file = config.auth_file;
  if (file.empty()) return {};
  const auto read = [this, file]() -> Result<std::function<void()>> {
    auto credentials = Credentials::load(file);
    if (!credentials) return tl::unexpected(credentials.error());
    return [this, users = std::move(*credentials)] { access_->replace(users); };
  };
  watch_->add("the users in " + file, {file}, read);  // first: what changes while it is read is read again
  auto credentials = Credentials::load(file);
  if (!credentials) return fail(ErrorKind::kInvalidArgument, "-auth: " + credentials.error().message);
  if (!config.join_as.empty()) {
    auto login = login_of(config.join_as, *credentials, file);
    if (!login) return tl::unexpected(login.error());
    join_login_ = std::move(*login);
  }
  hashing_ = std::make_unique<ThreadExecutor>("quorate-auth", post_);
  access_ = std::make_unique<AccessControl>(std::move(*credentials),
                                            [this](std::function<void()> job, std::function<void()> done) {
                                              hashing_->run(std::move(job), std::move(done));
                                            });
  return {};
}

Result<void> NodeSecurity::open_certificates(const NodeConfig& config) {
  if (config.http_tls.is_on()) {
    auto context = open_context("-http-cert", accepting(config.http_tls));
    if (!context) return tl::unexpected(context.error());
    http_tls_ = std::move(*context);
  }
  if (!config.node_tls.is_on()) return {};
  auto accepted = open_context("-node-cert", accepting(config.node_tls));
  if (!accepted) return tl::unexpected(accepted.error());
  auto dialled = open_context("-node-cert", dialling(config));
  if (!dialled) return tl::unexpected(dialled.error());
  node_tls_ = {std::move(*accepted), std::move(*dialled)};
  return {};
}

Result<std::shared_ptr<TlsContext>> NodeSecurity::open_context(const std::string& flag, const TlsOptions& options) {
  const auto place = std::make_shared<std::weak_ptr<TlsContext>>();
  const auto read = [place, options]() -> Result<std::function<void()>> {
    auto fresh = TlsContext::load(options);
    if (!fresh) return tl::unexpected(fresh.error());
    return [place, made = std::move(*fresh)] {
      if (made->options().side == TlsOptions::Side::kAccepting) warn_of_untimeliness(*made);
      if (const auto context = place->lock()) context->replace(*made);
    };
  };
  const auto& [certificate, key, authorities] = options.files;
  const bool dials = options.side == TlsOptions::Side::kDialling;
  watch_->add("the certificates of " + flag + (dials ? " (for links to others)" : ""), {certificate, key, authorities},
              read);
  auto context = TlsContext::load(options);
  if (!context) return fail(ErrorKind::kInvalidArgument, flag + ": " + context.error().message);
  *place = *context;
  if (!dials) warn_of_untimeliness(**context);
  return *context;
}

void NodeSecurity::reload() {
  if (watch_ != nullptr) watch_->look();
}

std::vector<std::string> loose_ends(const NodeConfig& config) {
  std::vector<std::string> notes;
  const bool is_http_open = config.auth_file.empty() && !config.http_tls.verifies_clients;
  if (is_http_open && !is_for_this_machine_only(config.http_address))
    notes.push_back("whoever reaches " + config.http_address +
                    " may read and change everything: name users with -auth, or demand certificates with "
                    "-http-verify-client");
  if (!config.auth_file.empty() && !config.http_tls.is_on())
    notes.push_back("passwords travel in plain text over HTTP: use -http-cert and -http-key");
  if (!config.node_tls.is_on() && !is_for_this_machine_only(config.raft_address))
    notes.push_back("whoever reaches " + config.raft_address +
                    " can act as a node, and all data travel in plain text: use -node-cert, -node-key, "
                    "-node-ca-cert and -node-verify-client");
  if (config.node_tls.is_on() && config.trusts_any_node)
    notes.emplace_back("-node-no-verify: whoever can intercept links between nodes can read and change all data");
  if (config.node_tls.is_on() && !config.node_tls.verifies_clients)
    notes.push_back("whoever reaches " + config.raft_address + " can act as a node: use -node-verify-client");
  if (!config.join_as.empty() && !config.node_tls.is_on())
    notes.emplace_back("-join-as: the password travels in plain text between nodes: use -node-cert and -node-key");
  return notes;
}

}  // namespace quorate::server
