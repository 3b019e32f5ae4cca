#include "tests/scenarios/network.hpp"

#include <algorithm>

#include "consensus/fingerprint.hpp"
#include "consensus/wire/codec.hpp"
#include "consensus/wire/frame.hpp"
#include "tests/scenarios/notation.hpp"
#include "tests/scenarios/script.hpp"

namespace quorate::scenario {
namespace {

constexpr ClusterId kCluster{77};

std::set<NodeId> parse_end(const std::string& text, const std::set<NodeId>& nodes) {
  return text == "*" ? nodes : std::set<NodeId>{parse_node(text)};
}

}  // namespace

bool MessageFilter::accepts(const Message& message) const {
  if (!is_kind(message.body, kind)) return false;
  const std::map<std::string, std::string> actual = fields_of(message);
  return std::ranges::all_of(fields, [&](const auto& wanted) {
    const auto found = actual.find(wanted.first);
    if (found == actual.end()) throw Failure(kind_of(message.body) + " has no field '" + wanted.first + "'");
    return found->second == wanted.second;
  });
}

void Network::post(Message message, Instant due) {
  std::vector<std::byte> bytes;
  wire::encode(message, bytes);
  digest_ = fingerprint(bytes, digest_);
  sent_.push_back(message);
  const Link link{message.from, message.to};
  if (!cut_.contains(link)) links_[link].push_back({std::move(message), due});
}

std::vector<Message> Network::take(const std::vector<Link>& links, const MessageFilter& filter, std::size_t count,
                                   bool last) {
  std::vector<Message> taken;
  for (const Link link : links) {
    std::deque<InFlight>& queue = links_[link];
    std::vector<Message> here;
    if (last) std::ranges::reverse(queue);
    std::erase_if(queue, [&](const InFlight& in_flight) {
      if (here.size() == count || !filter.accepts(in_flight.message)) return false;
      here.push_back(in_flight.message);
      return true;
    });
    if (last) {
      std::ranges::reverse(queue);
      std::ranges::reverse(here);
    }
    taken.insert(taken.end(), here.begin(), here.end());
  }
  return taken;
}

void Network::duplicate(const std::vector<Link>& links, const MessageFilter& filter) {
  for (const Link link : links) {
    std::deque<InFlight>& queue = links_[link];
    std::deque<InFlight> copies;
    std::ranges::copy_if(queue, std::back_inserter(copies),
                         [&](const InFlight& one) { return filter.accepts(one.message); });
    queue.insert(queue.end(), copies.begin(), copies.end());
  }
}

void Network::cut(Link link) {
  cut_.insert(link);
  links_[link].clear();
}

std::optional<Link> Network::next(const std::set<NodeId>& to) const {
  std::optional<Link> earliest;
  for (const auto& [link, queue] : links_) {
    if (queue.empty() || !to.contains(link.to)) continue;
    if (!earliest || queue.front().due < links_.at(*earliest).front().due) earliest = link;
  }
  return earliest;
}

Message Network::pop(Link link) {
  Message message = std::move(links_[link].front().message);
  links_[link].pop_front();
  return message;
}

std::vector<Link> parse_links(const std::string& text, const std::set<NodeId>& nodes) {
  const std::size_t dash = text.find('-');
  if (dash == std::string::npos) throw Failure("expected a link: 1->2, 1-2, *->2 or 1->*, not '" + text + "'");
  const bool one_way = text.compare(dash, 2, "->") == 0;
  std::vector<Link> links;
  for (const NodeId from : parse_end(text.substr(0, dash), nodes)) {
    for (const NodeId to : parse_end(text.substr(dash + (one_way ? 2 : 1)), nodes)) {
      // A link to itself is only meant when it is written out.
      if (from == to && text.find('*') != std::string::npos) continue;
      links.push_back({from, to});
      if (!one_way) links.push_back({to, from});
    }
  }
  return links;
}

std::optional<Message> corrupted(const Message& message, std::size_t bit) {
  std::vector<std::byte> frame;
  wire::append_frame(kCluster, message, frame);
  const std::size_t at = bit % (frame.size() * 8);
  frame[at / 8] ^= std::byte{1} << (at % 8);
  const std::span<const std::byte> bytes(frame);
  const auto header = wire::parse_frame_header(bytes.first<wire::kFrameHeaderBytes>(), kCluster);
  if (!header || header->body_bytes + wire::kFrameHeaderBytes > frame.size()) return std::nullopt;
  const auto body = bytes.subspan(wire::kFrameHeaderBytes, header->body_bytes);
  if (!wire::verify_frame(*header, body)) return std::nullopt;
  auto decoded = wire::decode_message(body);
  return decoded ? std::optional(std::move(*decoded)) : std::nullopt;
}

}  // namespace quorate::scenario
