#include "server/settings/peers_file.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <boost/json/array.hpp>

#include "consensus/limits.hpp"
#include "server/settings/detail/object_reader.hpp"
#include "transport/host_port.hpp"

namespace quorate::settings {

namespace {

constexpr const char* kExpected = R"([{"id":"...","address":"host:port","non_voter":false}, ...])";

Peer read_peer(ObjectReader& in) {
  Peer peer{.id = in.text("id"), .address = in.text("address"), .is_read_replica = in.flag("non_voter", false)};
  const bool is_printable = std::ranges::none_of(peer.id, [](char c) { return static_cast<unsigned char>(c) < ' '; });
  if (!is_printable) in.complain("id", "must not hold control characters");
  if (const auto parsed = transport::parse_host_port(peer.address); !parsed)
    in.complain("address", "must be host:port, as in -raft-adv-addr: " + parsed.error().message);
  if (peer.id.size() + peer.address.size() > kAddressBytesMax) in.complain("id", "is too long");
  in.end();
  return peer;
}

}  // namespace

Result<std::vector<Peer>> parse_peers(std::string_view text, const std::string& file) {
  const auto refuse = [&](const std::string& why) { return fail(ErrorKind::kInvalidArgument, file + ": " + why); };
  const auto value = parse_json(text, file);
  if (!value) return tl::unexpected(value.error());
  const boost::json::array* const entries = value->if_array();
  if (entries == nullptr || entries->empty()) return refuse(std::string("expected is ") + kExpected);
  if (entries->size() > kMembersMax) return refuse("more than " + std::to_string(kMembersMax) + " nodes");

  Complaint complaint;
  std::vector<Peer> peers;
  std::set<std::string> ids;
  std::set<std::string> addresses;
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const std::string where = file + ": entry " + std::to_string(i + 1);
    ObjectReader in((*entries)[i], where, complaint);
    peers.push_back(read_peer(in));
    if (!ids.insert(peers.back().id).second) complaint.add(where, "node " + peers.back().id + " is there twice");
    if (!addresses.insert(peers.back().address).second)
      complaint.add(where, "the address " + peers.back().address + " is there twice");
  }
  if (complaint.first) return tl::unexpected(*complaint.first);
  if (std::ranges::all_of(peers, &Peer::is_read_replica)) return refuse("all of its nodes are non-voters");
  return peers;
}

}  // namespace quorate::settings
