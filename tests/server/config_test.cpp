// The configuration of a node: what is filled in, and what is refused.
#include "server/config.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "server/cli/go_flags.hpp"
#include "server/node_security.hpp"

namespace quorate::server {
namespace {

NodeConfig plain() {
  NodeConfig config;
  config.data_directory = "data";
  return config;
}

TEST(Config, WhatIsAdvertisedIsWhatIsBound) {
  const auto config = complete(plain());
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->http_advertised, "localhost:4001");
  EXPECT_EQ(config->raft_advertised, "localhost:4002");
  EXPECT_EQ(config->heartbeat_interval * 4, config->election_timeout);
}

TEST(Config, NodesThatExpectEachOtherShareOneList) {
  NodeConfig config = plain();
  config.bootstrap_expect = 2;
  config.join = {"z:4002", "localhost:4002", "z:4002"};
  EXPECT_EQ(complete(config)->join, (std::vector<std::string>{"localhost:4002", "z:4002"}));
  config.join = {"z:4002"};
  EXPECT_EQ(complete(config)->join, (std::vector<std::string>{"localhost:4002", "z:4002"})) << "itself included";
}

struct Mistake {
  const char* name;
  void (*make)(NodeConfig&);
  const char* words;
};

class ConfigMistake : public testing::TestWithParam<Mistake> {};

TEST_P(ConfigMistake, IsRefusedByTheNameOfTheFlag) {
  NodeConfig config = plain();
  GetParam().make(config);
  const auto completed = complete(config);
  ASSERT_FALSE(completed);
  EXPECT_NE(completed.error().message.find(GetParam().words), std::string::npos) << completed.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Security, ConfigMistake,
    testing::Values(Mistake{"KeyOnly", [](NodeConfig& c) { c.http_tls.key = "k"; }, "-http-cert and -http-key"},
                    Mistake{"CertificateOnly", [](NodeConfig& c) { c.node_tls.certificate = "c"; }, "-node-key"},
                    Mistake{"VerifyWithoutTls", [](NodeConfig& c) { c.http_tls.verifies_clients = true; },
                            "-http-verify-client needs TLS"},
                    Mistake{"VerifyByWhom",
                            [](NodeConfig& c) {
                              c.node_tls = {
                                  .certificate = "c", .key = "k", .authorities = {}, .verifies_clients = true};
                            },
                            "needs -node-ca-cert"},
                    Mistake{"NameOfNobody",
                            [](NodeConfig& c) {
                              c.http_tls = {.certificate = "c", .key = "k"};
                              c.http_tls.client_common_name = "n";
                            },
                            "-http-verify-common-name needs -http-verify-client"},
                    Mistake{"NoVerifyWithoutTls", [](NodeConfig& c) { c.trusts_any_node = true; }, "-node-no-verify"},
                    Mistake{"Contradiction",
                            [](NodeConfig& c) {
                              c.node_tls = {.certificate = "c", .key = "k"};
                              c.trusts_any_node = true;
                              c.node_server_name = "n";
                            },
                            "leave one of them out"},
                    Mistake{"JoinAsWhom", [](NodeConfig& c) { c.join_as = "bob"; }, "-join-as needs -auth"}),
    [](const auto& mistake) { return mistake.param.name; });

TEST(LooseEnds, AreWhatIsOpenToOthers) {
  NodeConfig config = plain();
  EXPECT_TRUE(loose_ends(config).empty()) << "this machine only";
  config.http_address = "0.0.0.0:4001";
  config.raft_address = "10.0.0.1:4002";
  ASSERT_EQ(loose_ends(config).size(), 2);
  EXPECT_NE(loose_ends(config)[0].find("-auth"), std::string::npos);
  EXPECT_NE(loose_ends(config)[1].find("-node-verify-client"), std::string::npos);
  config.auth_file = "auth.json";
  config.node_tls = {.certificate = "c", .key = "k", .authorities = "a", .verifies_clients = true};
  ASSERT_EQ(loose_ends(config).size(), 1);
  EXPECT_NE(loose_ends(config)[0].find("plain text over HTTP"), std::string::npos);
  config.http_tls = {.certificate = "c", .key = "k"};
  EXPECT_TRUE(loose_ends(config).empty());
  config.trusts_any_node = true;
  ASSERT_EQ(loose_ends(config).size(), 1);
  EXPECT_NE(loose_ends(config)[0].find("-node-no-verify"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Flags, ConfigMistake,
    testing::Values(Mistake{"Directory", [](NodeConfig& c) { c.data_directory.clear(); }, "data directory"},
                    Mistake{"Port", [](NodeConfig& c) { c.http_address = "localhost"; }, "-http-addr"},
                    Mistake{"Scheme", [](NodeConfig& c) { c.raft_address = "http://x:1"; }, "-raft-addr"},
                    Mistake{"Same", [](NodeConfig& c) { c.raft_address = c.http_address; }, "must differ"},
                    Mistake{"Everything", [](NodeConfig& c) { c.raft_address = "[::]:1"; }, "-raft-adv-addr"},
                    Mistake{"Itself", [](NodeConfig& c) { c.join = {"localhost:4002"}; }, "this node itself"},
                    Mistake{"TooFew", [](NodeConfig& c) { c.bootstrap_expect = 2; }, "-bootstrap-expect"},
                    Mistake{"Voters", [](NodeConfig& c) { c.bootstrap_expect = 1, c.is_read_replica = true; },
                            "-bootstrap-expect is for voters"},
                    Mistake{"Name", [](NodeConfig& c) { c.node_id = std::string(600, 'x'); }, "-node-id"},
                    Mistake{"Lines", [](NodeConfig& c) { c.node_id = "a\nb"; }, "-node-id"},
                    Mistake{"Restoring", [](NodeConfig& c) { c.auto_restore = "r", c.join = {"z:4002"}; },
                            "-auto-restore is for a node that begins a cluster"},
                    Mistake{"Reaping", [](NodeConfig& c) { c.reap_timeout = c.election_timeout; },
                            "-raft-reap-node-timeout must be 0s (never) or at least 3"},
                    Mistake{"ReapingReplicas", [](NodeConfig& c) { c.reap_read_only_timeout = Duration(1); },
                            "-raft-reap-read-only-node-timeout"},
                    Mistake{"Heartbeat", [](NodeConfig& c) { c.heartbeat_interval = c.election_timeout * 2; },
                            "-raft-election-timeout"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(GoFlags, OneDashIsAsGoodAsTwo) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(cli::with_two_dashes(Words{"node", "-node-id", "a", "-fk=false", "--join", "b", "-h", "data"}),
            (Words{"node", "--node-id", "a", "--fk=false", "--join", "b", "-h", "data"}));
  EXPECT_EQ(cli::with_two_dashes(Words{"--", "-data"}), (Words{"--", "-data"}));
  EXPECT_EQ(cli::with_two_dashes(Words{"-", "-1s", "-v=1"}), (Words{"-", "-1s", "-v=1"}));
}

}  // namespace
}  // namespace quorate::server
