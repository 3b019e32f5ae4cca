#include "server/discovery/etcd_store.hpp"

#include <algorithm>
#include <utility>

#include <boost/json/parser.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "server/client/http_client.hpp"
#include "server/discovery/store_client.hpp"
#include "server/security/base64.hpp"

namespace quorate::discovery {

namespace json = boost::json;

using client::HttpClient;
using client::HttpReply;
using client::HttpRequest;
using security::encode_base64;

namespace {

constexpr unsigned kOk = 200;
constexpr unsigned kUnauthorized = 401;

tl::unexpected<Error> not_understood(const std::string& what) {
  return fail(ErrorKind::kCorrupt, "etcd's answer is not understood: " + what + "; is it version 3.4 or newer?");
}

Result<json::object> object_in(std::string_view text) {
  json::parser parser;
  json::error_code error;
  parser.write(text.data(), text.size(), error);
  if (error) return not_understood("no JSON: " + error.message());
  json::value value = parser.release();
  if (!value.is_object()) return not_understood("no object");
  return std::move(value.get_object());
}

}  // namespace

Result<std::optional<std::string>> parse_etcd_range(std::string_view answer) {
  const auto fields = object_in(answer);
  if (!fields) return tl::unexpected(fields.error());
  const json::value* const pairs = fields->if_contains("kvs");
  if (pairs == nullptr) return std::optional<std::string>();
  if (!pairs->is_array() || pairs->get_array().size() != 1 || !pairs->get_array().front().is_object())
    return not_understood("\"kvs\" is not one key");
  const json::value* const value = pairs->get_array().front().get_object().if_contains("value");
  if (value == nullptr) return std::optional(std::string());  // empty values are left out
  auto bytes = value->is_string() ? security::decode_base64(std::string_view(value->get_string())) : std::nullopt;
  if (!bytes) return not_understood("\"value\" is no base64");
  return bytes;
}

Result<bool> parse_etcd_transaction(std::string_view answer) {
  const auto fields = object_in(answer);
  if (!fields) return tl::unexpected(fields.error());
  // Whatever is false is left out: what makes it an answer is its header.
  if (!fields->contains("header")) return not_understood("there is no \"header\"");
  const json::value* const succeeded = fields->if_contains("succeeded");
  if (succeeded == nullptr) return false;
  if (!succeeded->is_bool()) return not_understood("\"succeeded\" is neither true nor false");
  return succeeded->get_bool();
}

Result<std::string> parse_etcd_token(std::string_view answer) {
  constexpr std::size_t kTokenBytesMax = 8192;
  const auto fields = object_in(answer);
  if (!fields) return tl::unexpected(fields.error());
  const json::value* const token = fields->if_contains("token");
  if (token == nullptr || !token->is_string()) return not_understood("there is no \"token\"");
  std::string text(token->get_string());
  const bool fits = !text.empty() && text.size() <= kTokenBytesMax &&
                    std::ranges::none_of(text, [](char c) { return c < '!' || c > '~'; });
  if (!fits) return not_understood("the token is no word");
  return text;
}

Result<std::unique_ptr<EtcdStore>> EtcdStore::open(const std::string& key, const EtcdConfig& config, StopFlag stop) {
  auto client = open_store_client(config.store, std::move(stop));
  if (!client) return tl::unexpected(client.error());
  return std::unique_ptr<EtcdStore>(new EtcdStore(key, config, std::move(*client)));
}

EtcdStore::EtcdStore(const std::string& key, const EtcdConfig& config, std::unique_ptr<HttpClient> client)
    : key_("/" + key + "/leader"),
      user_(config.store.user),
      password_(config.store.password),
      client_(std::move(client)) {}

EtcdStore::~EtcdStore() = default;

Result<HttpReply> EtcdStore::send(const std::string& path, const std::string& body) {
  HttpRequest request{.method = "POST", .target = path, .body = body};
  request.repetition = client::Repetition::kHarmless;
  if (!token_.empty()) request.fields.push_back("Authorization: " + token_);
  return client_->send(request);
}

Result<void> EtcdStore::log_in() {
  token_.clear();
  const auto reply =
      send("/v3/auth/authenticate", json::serialize(json::object{{"name", user_}, {"password", password_}}));
  if (!reply) return tl::unexpected(reply.error());
  if (reply->status != kOk) {
    Error refused = refusal_of("etcd", *reply);
    refused.message += "; check \"username\" and \"password\"";
    return tl::unexpected(std::move(refused));
  }
  auto token = parse_etcd_token(reply->body);
  if (!token) return tl::unexpected(token.error());
  token_ = std::move(*token);
  return {};
}

Result<std::string> EtcdStore::ask(const std::string& path, const std::string& body) {
  if (!user_.empty() && token_.empty())
    if (auto done = log_in(); !done) return tl::unexpected(done.error());
  auto reply = send(path, body);
  // Tokens are forgotten when etcd restarts, and after some minutes.
  if (reply && reply->status == kUnauthorized && !user_.empty()) {
    if (auto done = log_in(); !done) return tl::unexpected(done.error());
    reply = send(path, body);
  }
  if (!reply) return tl::unexpected(reply.error());
  if (reply->status == kOk) return std::move(reply->body);
  Error refused = refusal_of("etcd", *reply);
  if (user_.empty() && reply->body.find("user name is empty") != std::string::npos)
    refused.message += "; it wants a \"username\" and a \"password\"";
  return tl::unexpected(std::move(refused));
}

Result<std::optional<std::string>> EtcdStore::read() {
  const auto answer = ask("/v3/kv/range", json::serialize(json::object{{"key", encode_base64(key_)}}));
  if (!answer) return tl::unexpected(answer.error());
  return parse_etcd_range(*answer);
}

Result<bool> EtcdStore::create(const std::string& value) {
  const std::string key = encode_base64(key_);
  const json::object is_absent{{"key", key}, {"target", "VERSION"}, {"result", "EQUAL"}, {"version", "0"}};
  const json::object put{{"requestPut", json::object{{"key", key}, {"value", encode_base64(value)}}}};
  const auto answer = ask(
      "/v3/kv/txn", json::serialize(json::object{{"compare", json::array{is_absent}}, {"success", json::array{put}}}));
  if (!answer) return tl::unexpected(answer.error());
  return parse_etcd_transaction(*answer);
}

Result<void> EtcdStore::write(const std::string& value) {
  const auto answer =
      ask("/v3/kv/put", json::serialize(json::object{{"key", encode_base64(key_)}, {"value", encode_base64(value)}}));
  if (!answer) return tl::unexpected(answer.error());
  return {};
}

}  // namespace quorate::discovery
