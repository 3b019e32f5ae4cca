// What stands under the key of a cluster in a store: the node to turn to, as JSON.
//
//   {"id":"a","api_addr":"http://host1:4001","addr":"host1:4002"}
//   {"id":"a","api_addr":"http://host1:4001","addr":"host1:4002","founding":true}
//
// The second form is a claim: the node that has won the key begins the cluster, and nobody joins it before it has put
// the first form in its place as the leader. So a claim never stands for a cluster that somebody else has data of, and
// the node that made it may make it good after a crash, with an empty directory, too.
//
// Values; decoding takes any bytes whatever.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "consensus/result.hpp"

namespace quorate::discovery {

inline constexpr std::size_t kRecordBytesMax = std::size_t{16} << 10;

struct LeaderRecord {
  std::string id;
  std::string api_addr;
  std::string addr;  ///< for nodes, host:port
  bool is_founding = false;

  friend bool operator==(const LeaderRecord&, const LeaderRecord&) = default;
};

[[nodiscard]] std::string encode(const LeaderRecord& record);
[[nodiscard]] Result<LeaderRecord> decode_leader_record(std::string_view text);

}  // namespace quorate::discovery
