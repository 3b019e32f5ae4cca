// -disco-config: what is understood, what is refused, and what the environment adds.
#include "server/discovery/discovery_config.hpp"

#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "tests/scratch_directory.hpp"

namespace quorate::discovery {
namespace {

Environment of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found != variables.end() ? std::optional(found->second) : std::nullopt;
  };
}

template <class T>
std::string problem_of(const Result<T>& result) {
  return result ? "none" : result.error().message;
}

TEST(DiscoveryConfig, DefaultsAreThoseOfTheStores) {
  const auto consul = parse_consul_config("");
  ASSERT_TRUE(consul);
  EXPECT_EQ(consul->store.hosts, std::vector<std::string>{"127.0.0.1:8500"});
  EXPECT_FALSE(consul->store.is_secure);
  const auto etcd = parse_etcd_config(" \n");
  ASSERT_TRUE(etcd);
  EXPECT_EQ(etcd->store.hosts, std::vector<std::string>{"localhost:2379"});
  const auto dns = parse_dns_config("{}");
  ASSERT_TRUE(dns);
  EXPECT_EQ(dns->name, "rqlite");
  EXPECT_EQ(dns->port, 4002);
  ASSERT_TRUE(parse_dns_srv_config("{}"));
}

TEST(DiscoveryConfig, OfConsul) {
  const auto config = parse_consul_config(
      R"({"address":"consul.example:8501","scheme":"https","datacenter":"east","token":"secret","namespace":"n",
          "partition":"p","basic_auth":{"username":"u","password":"p:w"},
          "tls_config":{"ca_file":"ca","cert_file":"c","key_file":"k","address":"name:8501",
                        "insecure_skip_verify":true}})");
  ASSERT_TRUE(config) << problem_of(config);
  EXPECT_EQ(config->store.hosts, std::vector<std::string>{"consul.example:8501"});
  EXPECT_TRUE(config->store.is_secure);
  EXPECT_EQ(config->store.user, "u");
  EXPECT_EQ(config->store.password, "p:w");
  EXPECT_EQ(config->store.tls.server_name, "name");
  EXPECT_TRUE(config->store.tls.trusts_anybody);
  EXPECT_EQ(config->datacenter, "east");
  EXPECT_EQ(config->token, "secret");
}

TEST(DiscoveryConfig, OfEtcd) {
  const auto config = parse_etcd_config(
      R"({"endpoints":["https://a:2379/","https://b"],"dial-timeout":2000000000,"username":"u","password":"p",
          "auto-sync-interval":60000000000,"reject-old-cluster":true})");
  ASSERT_TRUE(config) << problem_of(config);
  EXPECT_EQ(config->store.hosts, (std::vector<std::string>{"a:2379", "b:2379"}));
  EXPECT_TRUE(config->store.is_secure);
  EXPECT_EQ(config->store.timeout, std::chrono::seconds(2));
  const auto text = parse_etcd_config(R"({"dial-timeout":"1.5s"})");
  ASSERT_TRUE(text) << problem_of(text);
  EXPECT_EQ(text->store.timeout, std::chrono::milliseconds(1500));
}

struct Wrong {
  const char* name;
  const char* text;
  const char* says;
};
class WrongConfig : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongConfig, IsRefused) {
  const std::string problem =
      std::string(GetParam().name).starts_with("Dns")    ? problem_of(parse_dns_config(GetParam().text))
      : std::string(GetParam().name).starts_with("Etcd") ? problem_of(parse_etcd_config(GetParam().text))
                                                         : problem_of(parse_consul_config(GetParam().text));
  EXPECT_NE(problem.find(GetParam().says), std::string::npos) << problem;
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongConfig,
    ::testing::Values(Wrong{"NoJson", "{\"address\":", "no JSON"}, Wrong{"NoObject", "[1]", "no object"},
                      Wrong{"Unknown", R"({"adress":"x"})", "unknown key \"adress\"; known are address, scheme"},
                      Wrong{"UnknownInside", R"({"basic_auth":{"user":"x"}})", "\"basic_auth\": unknown key \"user\""},
                      Wrong{"Type", R"({"token":1})", "\"token\" must be a text"},
                      Wrong{"Controls", R"({"token":"a\r\nX-Evil: 1"})", "control characters"},
                      Wrong{"Scheme", R"({"scheme":"ftp"})", "expected is http or https"},
                      Wrong{"Address", R"({"address":"host:port"})", "\"address\""},
                      Wrong{"BothTokens", R"({"token":"a","token_file":"b"})", "use one of them"},
                      Wrong{"KeyAlone", R"({"tls_config":{"key_file":"k"}})", "belong together"},
                      Wrong{"Pem", R"({"tls_config":{"ca_pem":"AAAA"}})", "name files"},
                      Wrong{"EtcdMixed", R"({"endpoints":["http://a:1","https://b:1"]})", "use one of them for all"},
                      Wrong{"EtcdNone", R"({"endpoints":[]})", "at least one"},
                      Wrong{"EtcdUser", R"({"username":"u"})", "belong together"},
                      Wrong{"EtcdTimeout", R"({"dial-timeout":"soon"})", "must be a duration"},
                      Wrong{"EtcdNoTimeout", R"({"dial-timeout":0})", "must be a duration"},
                      Wrong{"DnsPort", R"({"port":70000})", "from 1 to 65535"},
                      Wrong{"DnsName", R"({"name":""})", "\"name\""}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(DiscoveryConfig, IsBounded) {
  EXPECT_NE(problem_of(parse_consul_config("{\"token\":\"" + std::string(kConfigBytesMax, 'x') + "\"}")).find("larger"),
            std::string::npos);
  EXPECT_NE(problem_of(parse_consul_config("{\"token\":\"" + std::string(5000, 'x') + "\"}")).find("too long"),
            std::string::npos);
  std::string many = "{\"endpoints\":[\"a\"";
  for (std::size_t i = 0; i < kEndpointsMax; ++i) many += ",\"a\"";
  EXPECT_NE(problem_of(parse_etcd_config(many + "]}")).find("at most"), std::string::npos);
  EXPECT_NE(problem_of(parse_consul_config(std::string(1000, '['))).find("no JSON"), std::string::npos);
}

TEST(DiscoveryConfig, TheEnvironmentFillsIn) {
  const auto variables = of({{"TOKEN", "a\"b\\c"}, {"PORT", "99"}, {"EMPTY", ""}});
  EXPECT_EQ(expand_environment(R"({"token":"x$TOKEN","port":${PORT},"e":"${EMPTY}"})", variables),
            R"({"token":"xa\"b\\c","port":99,"e":""})");
  EXPECT_EQ(expand_environment(R"({"a":"$ ${} $1x ${TOKEN"})", of({{"1x", "y"}})), R"({"a":"$ ${} y ${TOKEN"})");
  EXPECT_EQ(expand_environment(R"({"a":"\"$PORT"})", variables), R"({"a":"\"99"})");
  const auto missing = expand_environment("{\"a\":\"$NOWHERE\"}", variables);
  EXPECT_NE(problem_of(missing).find("NOWHERE"), std::string::npos);
  const auto large = expand_environment("{$A}", of({{"A", std::string(kConfigBytesMax, 'x')}}));
  EXPECT_NE(problem_of(large).find("larger"), std::string::npos);
}

TEST(DiscoveryConfig, AFileOrTheTextItself) {
  const testing::ScratchDirectory scratch;
  const std::string file = scratch.path() + "/disco.json";
  std::ofstream(file) << R"({"name":"n"})";
  EXPECT_EQ(read_config(file), R"({"name":"n"})");
  EXPECT_EQ(read_config(R"( {"name":"n"})"), R"( {"name":"n"})");
  EXPECT_EQ(read_config(""), "");
  EXPECT_NE(problem_of(read_config(file + "x")).find("cannot open"), std::string::npos);
  std::ofstream(file) << std::string(kConfigBytesMax + 1, ' ');
  EXPECT_NE(problem_of(read_config(file)).find("larger"), std::string::npos);
}

TEST(DiscoveryConfig, HostsOfTheEnvironment) {
  EXPECT_EQ(parse_hosts(" a:1, b:2,,[::1]:3 "), (std::vector<std::string>{"a:1", "b:2", "[::1]:3"}));
  EXPECT_EQ(parse_hosts(""), std::vector<std::string>());
  EXPECT_FALSE(parse_hosts("a"));
  EXPECT_FALSE(parse_hosts(":4002"));
}

}  // namespace
}  // namespace quorate::discovery
