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
  single_calls_.clear();
}

Result<void> AsioTransport::listen() {
  PeerListener::Events events{
      .received = [this](Message message) { events_.received(std::move(message)); },
      .called = [this](PeerCall call) { events_.called(std::move(call)); },
      .arrived =
          [this](const wire::Hello& hello) {
            if (const auto link = links_.find(hello.from); link != links_.end()) link->second->hurry();
          },
      .lost = [this](NodeId peer) { events_.lost(peer); },
  };
  auto listener = PeerListener::start(runtime_, options_.listen, options_.identity, std::move(events));
  if (!listener) return tl::unexpected(listener.error());
  listener_ = std::move(*listener);
  return {};
}

void AsioTransport::send(Message message) {
  const auto link = links_.find(message.to);
  if (link != links_.end()) link->second->send(std::move(message));
}

void AsioTransport::reconfigure(const Configuration& configuration) {
  std::erase_if(links_, [&](const auto& link) {
    const Member* const member = configuration.find(link.first);
    return member == nullptr || endpoint_of(member->address) != link.second->address();
  });
  for (const Member& member : configuration.members) connect_to(member);
  for (const Member& member : configuration.outgoing) connect_to(member);
}

void AsioTransport::connect_to(const Member& member) {
  if (member.id == options_.identity.node || links_.contains(member.id)) return;
  PeerLink::Options options{.identity = options_.identity,
                            .peer = member.id,
                            .address = std::string(endpoint_of(member.address)),
                            .seed = next_seed()};
  PeerLink::Events events{.connected = nullptr, .lost = [this, peer = member.id] { events_.lost(peer); }};
  links_.emplace(member.id, std::make_unique<PeerLink>(runtime_, std::move(options), std::move(events)));
}

std::uint64_t AsioTransport::next_seed() { return mix_bits(options_.seed + ++links_made_); }

void AsioTransport::call(NodeId peer, Payload request, Duration timeout, CallDone done) {
  const auto link = links_.find(peer);
  if (link == links_.end())
    return done({CallEnd::kRefused, {}, "node " + std::to_string(peer.value) + " is not a member"});
  link->second->call(std::move(request), timeout, WhenDown::kRefuse, std::move(done));
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
}

std::vector<AsioTransport::PeerStatus> AsioTransport::peers() const {
  std::vector<PeerStatus> peers;
  for (const auto& [node, link] : links_) peers.push_back({node, link->address(), link->status()});
  return peers;
}

}  // namespace quorate::transport
