#include "server/discovery/consul_store.hpp"

#include <algorithm>
#include <utility>

#include "server/client/http_client.hpp"
#include "server/discovery/store_client.hpp"
#include "server/security/base64.hpp"

namespace quorate::discovery {

using client::HttpClient;
using client::HttpReply;
using client::HttpRequest;
using client::Repetition;

namespace {

constexpr unsigned kNotFound = 404;
constexpr unsigned kForbidden = 403;

/// Segments of a path, between slashes that stay.
std::string encode_path(const std::string& key) {
  std::string path;
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('/', begin), key.size());
    path += (begin == 0 ? "" : "/") + client::percent_encode(key.substr(begin, end - begin));
    begin = end + 1;
  }
  return path;
}

Error refused(const HttpReply& reply) {
  Error error = refusal_of("Consul", reply);
  if (reply.status == kForbidden) error.message += "; give it a \"token\" that may read and write the key";
  return error;
}

}  // namespace

Result<std::unique_ptr<ConsulStore>> ConsulStore::open(const std::string& key, ConsulConfig config, StopFlag stop) {
  if (!config.token_file.empty()) {
    auto token = read_config(config.token_file);
    if (!token) return fail(ErrorKind::kInvalidArgument, "\"token_file\": " + token.error().message);
    token->erase(token->find_last_not_of(" \t\r\n") + 1);
    const bool is_line = !token->empty() && std::ranges::none_of(*token, [](char c) { return c < '!' || c > '~'; });
    if (!is_line) return fail(ErrorKind::kInvalidArgument, "\"token_file\": " + config.token_file + " holds no token");
    config.token = std::move(*token);
  }
  auto client = open_store_client(config.store, std::move(stop));
  if (!client) return tl::unexpected(client.error());
  return std::unique_ptr<ConsulStore>(new ConsulStore(key, config, std::move(*client)));
}

ConsulStore::ConsulStore(const std::string& key, const ConsulConfig& config, std::unique_ptr<HttpClient> client)
    : key_("rqlite/" + key + "/leader"), client_(std::move(client)) {
  const auto scope = [this](const char* name, const std::string& value) {
    if (!value.empty()) scope_ += std::string("&") + name + "=" + client::percent_encode(value);
  };
  scope("dc", config.datacenter);
  scope("ns", config.name_space);
  scope("partition", config.partition);
  if (!config.token.empty()) fields_.push_back("X-Consul-Token: " + config.token);
  const StoreConfig& store = config.store;
  if (!store.user.empty())
    fields_.push_back("Authorization: Basic " + security::encode_base64(store.user + ":" + store.password));
}

ConsulStore::~ConsulStore() = default;

std::string ConsulStore::target(const std::string& parameters) const {
  return "/v1/kv/" + encode_path(key_) + "?" + parameters + scope_;
}

Result<std::optional<std::string>> ConsulStore::read() {
  HttpRequest request{.target = target("raw")};
  request.fields = fields_;
  auto reply = client_->send(request);
  if (!reply) return tl::unexpected(reply.error());
  if (reply->status == kNotFound) return std::optional<std::string>();
  if (reply->status != 200) return tl::unexpected(refused(*reply));
  return std::optional(std::move(reply->body));
}

Result<bool> ConsulStore::put(const std::string& parameters, const std::string& value) {
  HttpRequest request{.method = "PUT", .target = target(parameters), .body = value};
  request.fields = fields_;
  request.repetition = Repetition::kHarmless;
  const auto reply = client_->send(request);
  if (!reply) return tl::unexpected(reply.error());
  if (reply->status == 200 && reply->body.starts_with("true")) return true;
  if (reply->status == 200 && reply->body.starts_with("false")) return false;
  return tl::unexpected(refused(*reply));
}

Result<bool> ConsulStore::create(const std::string& value) { return put("cas=0", value); }

Result<void> ConsulStore::write(const std::string& value) {
  const auto written = put("flags=0", value);
  if (!written) return tl::unexpected(written.error());
  if (*written) return {};
  return fail(ErrorKind::kUnavailable, "Consul did not take the value of " + key_);
}

}  // namespace quorate::discovery
