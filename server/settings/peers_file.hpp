// raft/peers.json, in rqlite's form: who is to belong to a cluster that has lost its majority for good.
//
//   [{"id": "n1", "address": "10.0.0.1:4002", "non_voter": false}, ...]
//
// What cannot be meant so is refused: nobody in the list, nobody who votes, a name or an address that is there twice,
// unknown keys. What is made of it: server/offline/recovery_file.hpp. Values; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "consensus/result.hpp"

namespace quorate::settings {

struct Peer {
  std::string id;
  std::string address;  ///< for nodes: host:port
  bool is_read_replica = false;

  friend bool operator==(const Peer&, const Peer&) = default;
};

[[nodiscard]] Result<std::vector<Peer>> parse_peers(std::string_view text, const std::string& file);

}  // namespace quorate::settings
