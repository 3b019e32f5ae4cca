#include "server/discovery/discovery_config.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <fstream>
#include <initializer_list>
#include <system_error>
#include <utility>

#include <boost/json/parser.hpp>
#include <boost/json/value.hpp>

#include "server/http/go_text.hpp"
#include "transport/host_port.hpp"

namespace quorate::discovery {

namespace json = boost::json;

namespace {

tl::unexpected<Error> refuse(std::string message) { return fail(ErrorKind::kInvalidArgument, std::move(message)); }

bool is_of_a_name(char letter) { return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_'; }

/// For the inside of a text in JSON.
void append_escaped(std::string& out, std::string_view value) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (const char letter : value) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      out += '\\';
      out += letter;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += letter;
    }
  }
}

/// What may end up in a header line, and in names of hosts and files.
bool is_plain(std::string_view text) {
  return text.size() <= kConfigTextBytesMax &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// The members of one object, taken one by one; what is left at the end is unknown. The first problem stays.
class Fields {
 public:
  explicit Fields(std::string where, json::object members) : where_(std::move(where)), members_(std::move(members)) {}

  /// Null if there is none, or a null.
  std::optional<json::value> take(std::string_view key) {
    const auto found = members_.find(key);
    if (found == members_.end()) return std::nullopt;
    json::value value = found->value();
    members_.erase(found);
    known_ += (known_.empty() ? "" : ", ") + std::string(key);
    return value.is_null() ? std::nullopt : std::optional(std::move(value));
  }

  void text(std::string_view key, std::string& into) {
    note(key);
    const auto value = take(key);
    if (!value) return;
    if (!value->is_string()) return complain(key, "must be a text");
    if (!is_plain(value->get_string())) return complain(key, "is too long, or holds control characters");
    into = std::string_view(value->get_string());
  }
  void flag(std::string_view key, bool& into) {
    note(key);
    const auto value = take(key);
    if (!value) return;
    if (!value->is_bool()) return complain(key, "must be true or false");
    into = value->get_bool();
  }
  void port(std::string_view key, std::uint16_t& into) {
    note(key);
    const auto value = take(key);
    if (!value) return;
    const bool is_port = value->is_int64() && value->get_int64() >= 1 && value->get_int64() <= 65535;
    if (!is_port) return complain(key, "must be a number from 1 to 65535");
    into = static_cast<std::uint16_t>(value->get_int64());
  }
  /// Nanoseconds, or a text like "5s".
  void duration(std::string_view key, std::chrono::milliseconds& into) {
    note(key);
    const auto value = take(key);
    if (!value) return;
    std::optional<Duration> read;
    if (value->is_int64()) read = Duration(value->get_int64());
    if (value->is_string()) read = http::parse_duration(std::string_view(value->get_string()));
    constexpr Duration kShortest = std::chrono::milliseconds(1);
    constexpr Duration kLongest = std::chrono::minutes(5);
    if (!read || *read < kShortest || *read > kLongest)
      return complain(key, "must be a duration up to 5m: a text like \"5s\", or nanoseconds");
    into = std::chrono::duration_cast<std::chrono::milliseconds>(*read);
  }
  void texts(std::string_view key, std::vector<std::string>& into) {
    note(key);
    const auto value = take(key);
    if (!value) return;
    if (!value->is_array() || value->get_array().size() > kEndpointsMax)
      return complain(key, "must be a list of at most " + std::to_string(kEndpointsMax) + " texts");
    into.clear();
    for (const json::value& entry : value->get_array()) {
      if (!entry.is_string() || !is_plain(entry.get_string())) return complain(key, "must be a list of plain texts");
      into.emplace_back(entry.get_string());
    }
  }
  /// Nothing if there is none.
  std::optional<Fields> object(std::string_view key) {
    note(key);
    auto value = take(key);
    if (!value) return std::nullopt;
    if (value->is_object()) return Fields("\"" + std::string(key) + "\": ", std::move(value->get_object()));
    complain(key, "must be an object");
    return std::nullopt;
  }
  void ignore(std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) take(key);
  }
  void unsupported(std::initializer_list<std::string_view> keys, const std::string& why) {
    for (const std::string_view key : keys)
      if (take(key)) complain(key, why);
  }
  void complain(std::string_view key, const std::string& what) {
    if (problem_.empty()) problem_ = where_ + "\"" + std::string(key) + "\" " + what;
  }
  void complain(const std::string& problem) {
    if (problem_.empty()) problem_ = problem;
  }

  /// Empty if all was well and nothing is left.
  [[nodiscard]] std::string finish() const {
    if (!problem_.empty() || members_.empty()) return problem_;
    return where_ + "unknown key \"" + std::string(members_.begin()->key()) + "\"; known are " + known_;
  }

 private:
  void note(std::string_view key) {
    if (members_.contains(key)) return;
    known_ += (known_.empty() ? "" : ", ") + std::string(key);
  }

  std::string where_;
  json::object members_;
  std::string known_;
  std::string problem_;
};

Result<Fields> fields_of(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return Fields({}, {});
  if (text.size() > kConfigBytesMax) return refuse("it is larger than " + std::to_string(kConfigBytesMax) + " bytes");
  json::parser parser;
  json::error_code error;
  parser.write(text.data(), text.size(), error);
  if (error) return refuse("it is no JSON (" + error.message() + "); expected is {\"...\":...}, or the name of a file");
  json::value value = parser.release();
  if (!value.is_object()) return refuse("it is JSON, but no object; expected is {\"...\":...}");
  return Fields({}, std::move(value.get_object()));
}

/// "http://host:port", "https://host:port" or "host:port"; the port may be left out.
Result<void> add_host(StoreConfig& store, std::string text, std::string_view scheme, std::uint16_t port) {
  std::string said(scheme);
  if (const auto end = text.find("://"); end != std::string::npos) {
    said = text.substr(0, end);
    text.erase(0, end + 3);
  }
  if (said != "http" && said != "https")
    return refuse("\"" + said + "\" is no way to reach a store: expected is http or https");
  while (text.ends_with('/')) text.pop_back();
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || text.find(']', colon) != std::string::npos) text += ":" + std::to_string(port);
  const auto address = transport::parse_host_port(text);
  if (!address) return refuse(address.error().message);
  if (address->host.empty() || address->port == 0) return refuse("\"" + text + "\" names no host and port");
  const bool is_secure = said == "https";
  if (!store.hosts.empty() && is_secure != store.is_secure)
    return refuse("some endpoints are reached over http and others over https: use one of them for all");
  store.is_secure = is_secure;
  store.hosts.push_back(std::move(text));
  return {};
}

void read_tls(Fields& fields, TlsFiles& tls) {
  auto inner = fields.object("tls_config");
  if (!inner) return;
  inner->text("ca_file", tls.authorities);
  inner->text("cert_file", tls.certificate);
  inner->text("key_file", tls.key);
  inner->text("address", tls.server_name);
  inner->flag("insecure_skip_verify", tls.trusts_anybody);
  inner->unsupported({"ca_pem", "cert_pem", "key_pem", "ca_path"},
                     "is not supported: name files with ca_file, cert_file and key_file");
  if (tls.certificate.empty() != tls.key.empty())
    inner->complain("\"tls_config\": cert_file and key_file belong together: name both files, or none");
  if (const auto colon = tls.server_name.rfind(':'); colon != std::string::npos) tls.server_name.erase(colon);
  if (std::string problem = inner->finish(); !problem.empty()) fields.complain(problem);
}

Result<void> finish(const Fields& fields) {
  if (std::string problem = fields.finish(); !problem.empty()) return refuse(std::move(problem));
  return {};
}

Result<void> check_name(const std::string& key, const std::string& name) {
  constexpr std::size_t kNameBytesMax = 253;
  if (!name.empty() && name.size() <= kNameBytesMax) return {};
  return refuse("\"" + key + "\" must be a name of 1 to " + std::to_string(kNameBytesMax) + " bytes");
}

}  // namespace

Result<std::string> read_config(const std::string& text_or_file) {
  const auto begin = text_or_file.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return std::string();
  if (text_or_file[begin] == '{') return text_or_file;
  std::ifstream stream(text_or_file, std::ios::binary);
  if (!stream) return refuse("cannot open " + text_or_file + ": " + std::generic_category().message(errno));
  std::string text(kConfigBytesMax + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad()) return refuse("cannot read " + text_or_file + ": " + std::generic_category().message(errno));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > kConfigBytesMax)
    return refuse(text_or_file + " is larger than " + std::to_string(kConfigBytesMax) + " bytes");
  return text;
}

Result<std::string> expand_environment(std::string_view text, const Environment& environment) {
  std::string expanded;
  bool is_in_text = false;
  for (std::size_t at = 0; at < text.size();) {
    const char letter = text[at];
    if (letter == '\\' && is_in_text) {
      expanded += text.substr(at, 2);
      at += 2;
      continue;
    }
    if (letter == '"') is_in_text = !is_in_text;
    const bool is_braced = letter == '$' && text.substr(at + 1).starts_with('{');
    const std::size_t begin = at + (is_braced ? 2 : 1);
    std::size_t end = begin;
    if (letter == '$')
      while (end < text.size() && is_of_a_name(text[end])) ++end;
    const bool is_variable = letter == '$' && end > begin && (!is_braced || text.substr(end).starts_with('}'));
    if (!is_variable) {
      expanded += letter;
      ++at;
      continue;
    }
    const std::string name(text.substr(begin, end - begin));
    const auto value = environment(name);
    if (!value) return refuse("the environment variable " + name + ", which it uses, is not set");
    if (is_in_text)
      append_escaped(expanded, *value);
    else
      expanded += *value;
    if (expanded.size() > kConfigBytesMax)
      return refuse("with the variables of the environment it is larger than " + std::to_string(kConfigBytesMax) +
                    " bytes");
    at = end + (is_braced ? 1 : 0);
  }
  return expanded;
}

Result<ConsulConfig> parse_consul_config(std::string_view text) {
  auto fields = fields_of(text);
  if (!fields) return tl::unexpected(fields.error());
  ConsulConfig config;
  std::string address = "127.0.0.1:8500";
  std::string scheme = "http";
  fields->text("address", address);
  fields->text("scheme", scheme);
  fields->text("datacenter", config.datacenter);
  fields->text("namespace", config.name_space);
  fields->text("partition", config.partition);
  fields->text("token", config.token);
  fields->text("token_file", config.token_file);
  if (auto login = fields->object("basic_auth")) {
    login->text("username", config.store.user);
    login->text("password", config.store.password);
    if (config.store.user.find(':') != std::string::npos) login->complain("username", "must not hold a colon");
    if (std::string problem = login->finish(); !problem.empty()) fields->complain(problem);
  }
  read_tls(*fields, config.store.tls);
  if (!config.token.empty() && !config.token_file.empty())
    fields->complain("\"token\" and \"token_file\" say the same: use one of them");
  if (auto done = finish(*fields); !done) return tl::unexpected(done.error());
  if (auto added = add_host(config.store, std::move(address), scheme, 8500); !added)
    return refuse("\"address\": " + added.error().message);
  return config;
}

Result<EtcdConfig> parse_etcd_config(std::string_view text) {
  auto fields = fields_of(text);
  if (!fields) return tl::unexpected(fields.error());
  EtcdConfig config;
  std::vector<std::string> endpoints{"localhost:2379"};
  fields->texts("endpoints", endpoints);
  fields->duration("dial-timeout", config.store.timeout);
  fields->text("username", config.store.user);
  fields->text("password", config.store.password);
  read_tls(*fields, config.store.tls);
  // Of a client that keeps a connection open all the time.
  fields->ignore({"auto-sync-interval", "dial-keep-alive-time", "dial-keep-alive-timeout", "max-call-send-msg-size",
                  "max-call-recv-msg-size", "reject-old-cluster", "permit-without-stream"});
  if (config.store.user.empty() != config.store.password.empty())
    fields->complain("\"username\" and \"password\" belong together: say both, or none");
  if (auto done = finish(*fields); !done) return tl::unexpected(done.error());
  if (endpoints.empty()) return refuse("\"endpoints\" must name at least one");
  for (std::string& endpoint : endpoints)
    if (auto added = add_host(config.store, std::move(endpoint), "http", 2379); !added)
      return refuse("\"endpoints\": " + added.error().message);
  return config;
}

Result<DnsConfig> parse_dns_config(std::string_view text) {
  auto fields = fields_of(text);
  if (!fields) return tl::unexpected(fields.error());
  DnsConfig config;
  fields->text("name", config.name);
  fields->port("port", config.port);
  if (auto done = finish(*fields); !done) return tl::unexpected(done.error());
  if (auto checked = check_name("name", config.name); !checked) return tl::unexpected(checked.error());
  return config;
}

Result<DnsSrvConfig> parse_dns_srv_config(std::string_view text) {
  auto fields = fields_of(text);
  if (!fields) return tl::unexpected(fields.error());
  DnsSrvConfig config;
  fields->text("name", config.name);
  fields->text("service", config.service);
  if (auto done = finish(*fields); !done) return tl::unexpected(done.error());
  if (auto checked = check_name("name", config.name); !checked) return tl::unexpected(checked.error());
  if (auto checked = check_name("service", config.service); !checked) return tl::unexpected(checked.error());
  return config;
}

Result<std::vector<std::string>> parse_hosts(std::string_view text) {
  std::vector<std::string> hosts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    std::string_view host = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (host.starts_with(' ')) host.remove_prefix(1);
    while (host.ends_with(' ')) host.remove_suffix(1);
    if (host.empty()) continue;
    const auto address = transport::parse_host_port(host);
    if (!address) return refuse(address.error().message);
    if (address->host.empty() || address->port == 0)
      return refuse("\"" + std::string(host) + "\" names no host and port");
    if (hosts.size() == kEndpointsMax) return refuse("more than " + std::to_string(kEndpointsMax) + " hosts");
    hosts.emplace_back(host);
  }
  return hosts;
}

}  // namespace quorate::discovery
