#include "server/client/client_options.hpp"

#include <CLI/CLI.hpp>

#include "server/http/query_string.hpp"

namespace quorate::client {

namespace {

tl::unexpected<Error> refuse(std::string message) { return fail(ErrorKind::kInvalidArgument, std::move(message)); }

struct Address {
  std::string scheme;  ///< empty: not said
  std::string user;
  std::string host;
  std::string prefix;
};

Result<Address> parse(const std::string& node) {
  Address address;
  std::string rest = node;
  if (const auto end = rest.find("://"); end != std::string::npos) {
    address.scheme = rest.substr(0, end);
    rest.erase(0, end + 3);
    if (address.scheme != "http" && address.scheme != "https")
      return refuse("\"" + node + "\": expected is http:// or https://");
  }
  if (const auto slash = rest.find('/'); slash != std::string::npos) {
    address.prefix = rest.substr(slash);
    rest.erase(slash);
  }
  if (const auto at = rest.rfind('@'); at != std::string::npos) {
    // Names and passwords are percent-encoded in URLs, as paths are.
    const auto user = http::split_target("/" + rest.substr(0, at));
    if (!user) return refuse("\"" + node + "\": " + user.error().message);
    address.user = user->path.substr(1);
    rest.erase(0, at + 1);
  }
  const auto colon = rest.rfind(':');
  const bool has_port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
  if (!has_port && !address.scheme.empty()) rest += ":4001";
  address.host = rest;
  return address;
}

Result<std::shared_ptr<transport::TlsContext>> context_of(const ClientFlags& flags) {
  using transport::TlsOptions;
  if (flags.client_cert.empty() != flags.client_key.empty())
    return refuse("--client-cert and --client-key belong together: name both files, or none");
  auto context =
      transport::TlsContext::load({.side = TlsOptions::Side::kDialling,
                                   .files = {flags.client_cert, flags.client_key, flags.ca_cert},
                                   .proof = flags.insecure ? TlsOptions::Proof::kNone : TlsOptions::Proof::kRequired,
                                   .host_name = {},
                                   .common_name = {}});
  return context;
}

}  // namespace

void describe_client_flags(CLI::App& app, ClientFlags& flags, FlagNames names) {
  const auto name = [names](const char* short_name, const char* long_name) {
    return names == FlagNames::kShortToo ? std::string(short_name) + "," + long_name : std::string(long_name);
  };
  app.add_option(name("-s", "--scheme"), flags.scheme, "How to reach nodes that are no URLs")
      ->check(CLI::IsMember({"http", "https"}))
      ->capture_default_str();
  app.add_option("-u,--user", flags.user, "Name and password, as name:password (or QUORATE_USER, or in a URL)");
  app.add_option(name("-P", "--prefix"), flags.prefix, "What all paths begin with")->capture_default_str();
  app.add_option(name("-c", "--ca-cert"), flags.ca_cert,
                 "Certificates (PEM) of who may vouch for nodes (default: those that the system trusts)")
      ->type_name("FILE");
  app.add_option(name("-d", "--client-cert"), flags.client_cert, "Certificate (PEM) to present")->type_name("FILE");
  app.add_option(name("-k", "--client-key"), flags.client_key, "Its key (PEM)")->type_name("FILE");
  app.add_flag(name("-i", "--insecure"), flags.insecure, "Accept whatever certificate a node presents");
}

Result<ClientOptions> resolve(const ClientFlags& flags, const std::vector<std::string>& nodes,
                              const std::string& user_of_environment) {
  ClientOptions options;
  options.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(flags.timeout_seconds * 1000));
  options.credentials = flags.user;
  std::string scheme;
  std::string prefix = flags.prefix;
  for (const std::string& node : nodes) {
    auto address = parse(node);
    if (!address) return tl::unexpected(address.error());
    const std::string& otherwise = scheme.empty() ? flags.scheme : scheme;
    const std::string said = address->scheme.empty() ? otherwise : address->scheme;
    if (!scheme.empty() && scheme != said)
      return refuse("some nodes are to be reached over http and others over https: use one of them for all");
    scheme = said;
    if (options.credentials.empty()) options.credentials = address->user;
    if (prefix == "/" && !address->prefix.empty()) prefix = address->prefix;
    options.hosts.push_back(std::move(address->host));
  }
  if (options.credentials.empty()) options.credentials = user_of_environment;
  if (!options.credentials.empty() && options.credentials.find(':') == std::string::npos)
    return refuse("\"" + options.credentials + "\" has no password; write name:password");
  while (prefix.ends_with('/')) prefix.pop_back();
  if (!prefix.empty() && !prefix.starts_with('/')) prefix.insert(0, 1, '/');
  options.prefix = std::move(prefix);
  if (scheme != "https") return options;
  auto context = context_of(flags);
  if (!context) return tl::unexpected(context.error());
  options.tls = std::move(*context);
  return options;
}

}  // namespace quorate::client
