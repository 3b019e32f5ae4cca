#include "transport/asio_transport.hpp"

#include <utility>

#include "consensus/concepts.hpp"
#include "consensus/random.hpp"

namespace quorate::transport {

static_assert(quorate::Transport<AsioTransport>);

AsioTransport::AsioTransport(AsioRuntime& runtime, Options options, Events events)
    : runtime_(runtime), options_(std::move(options)), events_(std::move(events)) {}

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
      .received = [this](Message message) { events_.received(std::move(message)); },
      .called = [this](PeerCall call) { events_.called(std::move(call)); },
      .arrived = [this](const wire::Hello& hello) { arrived(hello); },
      .lost = [this](NodeId peer) { left(peer); },
  };
  auto listener = PeerListener::start(runtime_, options_.listen, options_.identity, std::move(events));
  if (!listener) return tl::unexpected(listener.error());
  listener_ = std::move(*listener);
  return {};
}

void AsioTransport::arrived(const wire::Hello& hello) {
  if (PeerLink* const link = link_to(hello.from)) return link->hurry();
  if (!hello.address.empty()) connect_to(hello.from, hello.address, guests_);
}

void AsioTransport::left(NodeId peer) {
  guests_.erase(peer);
  events_.lost(peer);
}

PeerLink* AsioTransport::link_to(NodeId node) const {
  for (const Links* links : {&links_, &guests_})
    if (const auto link = links->find(node); link != links->end()) return link->second.get();
  return nullptr;
}

void AsioTransport::send(Message message) {
  if (PeerLink* const link = link_to(message.to)) link->send(std::move(message));
}

void AsioTransport::reconfigure(const Configuration& configuration) {
  std::erase_if(links_, [&](const auto& link) {
    const Member* const member = configuration.find(link.first);
    return member == nullptr || endpoint_of(member->address) != link.second->address();
  });
  for (const auto* half : {&configuration.members, &configuration.outgoing}) {
    for (const Member& member : *half) {
      guests_.erase(member.id);
      connect_to(member.id, std::string(endpoint_of(member.address)), links_);
    }
  }
}

void AsioTransport::connect_to(NodeId node, const std::string& address, Links& links) {
  if (node == options_.identity.node || links.contains(node)) return;
  PeerLink::Options options{.identity = options_.identity, .peer = node, .address = address, .seed = next_seed()};
  PeerLink::Events events{.connected = nullptr, .lost = [this, node] { events_.lost(node); }};
  links.emplace(node, std::make_unique<PeerLink>(runtime_, std::move(options), std::move(events)));
}

std::uint64_t AsioTransport::next_seed() { return mix_bits(options_.seed + ++links_made_); }

void AsioTransport::call(NodeId peer, Payload request, Duration timeout, CallDone done) {
  PeerLink* const link = link_to(peer);
  if (link == nullptr) return done({CallEnd::kRefused, {}, "node " + std::to_string(peer.value) + " is not a member"});
  link->call(std::move(request), timeout, WhenDown::kRefuse, std::move(done));
}

void AsioTransport::call(const std::string& address, Payload request, Duration timeout, CallDone done) {
  PeerLink::Options options{.identity = options_.identity, .peer = kNoNode, .address = address, .seed = next_seed()};
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
}

std::vector<AsioTransport::PeerStatus> AsioTransport::peers() const {
  std::vector<PeerStatus> peers;
  for (const auto& [node, link] : links_) peers.push_back({node, link->address(), link->status()});
  return peers;
}

}  // namespace quorate::transport
