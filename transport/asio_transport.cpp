#include "transport/asio_transport.hpp"

#include <utility>

#include "consensus/concepts.hpp"
#include "consensus/random.hpp"
#include "transport/peer_limits.hpp"

namespace quorate::transport {

static_assert(quorate::Transport<AsioTransport>);

AsioTransport::AsioTransport(AsioRuntime& runtime, Options options, Events events)
    : runtime_(runtime), options_(std::move(options)), events_(std::move(events)), guests_timer_(runtime) {}

Result<std::unique_ptr<AsioTransport>> AsioTransport::start(AsioRuntime& runtime, Options options, Events events) {
  auto transport = std::unique_ptr<AsioTransport>(new AsioTransport(runtime, std::move(options), std::move(events)));
  if (auto listening = transport->listen(); !listening) return tl::unexpected(listening.error());
  return transport;
}

AsioTransport::~AsioTransport() {
  is_ending_ = true;
  links_.clear();
  guests_.clear();
  single_calls_.clear();
}

Result<void> AsioTransport::listen() {
  PeerListener::Events events{
      .received = [this](Message message) { received(std::move(message)); },
      .called = [this](PeerCall call) { events_.called(std::move(call)); },
      .arrived = [this](const wire::Hello& hello) { arrived(hello); },
      .lost = [this](NodeId peer) { left(peer); },
  };
  auto listener =
      PeerListener::start(runtime_, options_.listen, options_.identity, std::move(events), options_.tls.accepting);
  if (!listener) return tl::unexpected(listener.error());
  listener_ = std::move(*listener);
  return {};
}

void AsioTransport::arrived(const wire::Hello& hello) {
  connected_[hello.from] = hello.address;
  if (PeerLink* const link = link_to(hello.from)) link->hurry();
}

void AsioTransport::received(Message message) {
  if (!links_.contains(message.from)) {
    const auto guest = guests_.find(message.from);
    const std::string& address = connected_[message.from];
    if (guest != guests_.end())
      guest->second.heard = AsioRuntime::now();
    else if (!address.empty())
      keep_as_guest(message.from, make_link(message.from, address));
  }
  events_.received(std::move(message));
}

void AsioTransport::left(NodeId peer) {
  connected_.erase(peer);
  guests_.erase(peer);
  events_.lost(peer);
}

void AsioTransport::keep_as_guest(NodeId node, std::unique_ptr<PeerLink> link) {
  if (guests_.empty()) guests_timer_.arm_after(kGuestSilenceMax, [this] { see_silent_guests_off(); });
  guests_.insert_or_assign(node, Guest{std::move(link), AsioRuntime::now()});
}

void AsioTransport::see_silent_guests_off() {
  const Instant now = AsioRuntime::now();
  std::erase_if(guests_, [now](const auto& guest) { return now - guest.second.heard >= kGuestSilenceMax; });
  if (!guests_.empty()) guests_timer_.arm_after(kGuestSilenceMax, [this] { see_silent_guests_off(); });
}

PeerLink* AsioTransport::link_to(NodeId node) const {
  if (const auto link = links_.find(node); link != links_.end()) return link->second.get();
  const auto guest = guests_.find(node);
  return guest != guests_.end() ? guest->second.link.get() : nullptr;
}

void AsioTransport::send(Message message) {
  if (PeerLink* const link = link_to(message.to)) link->send(std::move(message));
}

void AsioTransport::reconfigure(const Configuration& configuration) {
  for (auto link = links_.begin(); link != links_.end();) {
    const auto here = link++;
    const Member* const member = configuration.find(here->first);
    if (member != nullptr && endpoint_of(member->address) == here->second->address()) continue;
    auto leaving = links_.extract(here);
    if (member == nullptr && connected_.contains(leaving.key()))
      keep_as_guest(leaving.key(), std::move(leaving.mapped()));
  }
  for (const auto* half : {&configuration.members, &configuration.outgoing}) {
    for (const Member& member : *half) {
      guests_.erase(member.id);
      if (member.id == options_.identity.node || links_.contains(member.id)) continue;
      links_.emplace(member.id, make_link(member.id, std::string(endpoint_of(member.address))));
    }
  }
}

std::unique_ptr<PeerLink> AsioTransport::make_link(NodeId node, const std::string& address) {
  PeerLink::Options options{.identity = options_.identity,
                            .peer = node,
                            .address = address,
                            .seed = next_seed(),
                            .tls = options_.tls.dialling};
  PeerLink::Events events{.connected = nullptr, .lost = [this, node] { events_.lost(node); }};
  return std::make_unique<PeerLink>(runtime_, std::move(options), std::move(events));
}

std::uint64_t AsioTransport::next_seed() { return mix_bits(options_.seed + ++links_made_); }

void AsioTransport::call(NodeId peer, Payload request, Duration timeout, CallDone done) {
  PeerLink* const link = link_to(peer);
  if (link == nullptr) return done({CallEnd::kRefused, {}, "node " + std::to_string(peer.value) + " is not a member"});
  link->call(std::move(request), timeout, WhenDown::kRefuse, std::move(done));
}

void AsioTransport::call(const std::string& address, Payload request, Duration timeout, CallDone done) {
  PeerLink::Options options{.identity = options_.identity,
                            .peer = kNoNode,
                            .address = address,
                            .seed = next_seed(),
                            .tls = options_.tls.dialling};
  const std::uint64_t number = links_made_;
  auto link = std::make_unique<PeerLink>(runtime_, std::move(options), PeerLink::Events{});
  PeerLink& dialling = *link;
  single_calls_.emplace(number, std::move(link));
  dialling.call(
      std::move(request), timeout, WhenDown::kWait, [this, number, done = std::move(done)](CallResult result) {
        // While the transport is being destroyed the link is being destroyed already.
        const auto finished = is_ending_ ? decltype(single_calls_)::node_type() : single_calls_.extract(number);
        done(std::move(result));
      });
}

void AsioTransport::adopt(const PeerIdentity& identity) {
  options_.identity = identity;
  listener_->adopt(identity);
  links_.clear();
  guests_.clear();
  connected_.clear();
}

bool AsioTransport::is_connected(NodeId peer) const {
  const PeerLink* const link = link_to(peer);
  return link != nullptr && link->status().is_connected;
}

std::vector<AsioTransport::PeerStatus> AsioTransport::peers() const {
  std::vector<PeerStatus> peers;
  for (const auto& [node, link] : links_) peers.push_back({node, link->address(), link->status()});
  return peers;
}

}  // namespace quorate::transport
