#include "transport/peer_listener.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "transport/detail/peer_connection.hpp"
#include "transport/detail/resolve.hpp"
#include "transport/peer_limits.hpp"
#include "transport/send_queue.hpp"
#include "transport/timer.hpp"

namespace quorate::transport {

namespace asio = boost::asio;
using asio::ip::tcp;
using detail::ErrorCode;

namespace {
/// When the process is out of descriptors, accepting again at once would spin.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

class Inbound;
}  // namespace

class PeerListener::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(AsioRuntime& loop, const PeerIdentity& self, Events callbacks, std::shared_ptr<TlsContext> context)
      : runtime(loop),
        identity(self),
        events(std::move(callbacks)),
        tls(std::move(context)),
        acceptor(loop.loop().context),
        pause_(loop) {}

  void accept();
  void close_all();
  void close();
  /// The connection has said who it is; an older one of the same node is of no use any more.
  void greeted(const std::shared_ptr<Inbound>& inbound, NodeId node);
  void left(const std::shared_ptr<Inbound>& inbound, NodeId node, const std::string& why);
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }

  AsioRuntime& runtime;
  PeerIdentity identity;
  Events events;
  const std::shared_ptr<TlsContext> tls;  ///< null: connections are plain
  tcp::acceptor acceptor;
  Stats stats;

 private:
  void accepted(tcp::socket socket);
  void make_room();

  Timer pause_;
  std::uint64_t accepted_ = 0;
  std::set<std::shared_ptr<Inbound>> connections_;
  std::map<NodeId, std::weak_ptr<Inbound>> newest_;
  bool is_closed_ = false;
};

namespace {

class Inbound final : public detail::PeerConnection::Owner, public std::enable_shared_from_this<Inbound> {
 public:
  Inbound(PeerListener::Core& core, tcp::socket socket, std::uint64_t number)
      : core_(core), number_(number), queue_(core.identity.cluster), timer_(core.runtime) {
    ErrorCode error;
    const auto remote = socket.remote_endpoint(error);
    if (!error) address_ = to_string(HostPort{remote.address().to_string(), remote.port()});
    connection_ =
        std::make_shared<detail::PeerConnection>(core.runtime, detail::Stream(std::move(socket), core.tls.get()),
                                                 core.identity.cluster, detail::Strangers::kAdmitted, queue_, *this);
  }

  void start() {
    timer_.arm_after(kHelloTimeout, [this] { end("it did not say hello"); });
    connection_->start();
  }
  /// Without telling anybody.
  void close() {
    timer_.cancel();
    connection_->close();
    is_closed_ = true;
  }
  /// Makes room for somebody else.
  void give_way() { end("others have come since, and it is no member"); }

  [[nodiscard]] bool is_member() const { return peer_ != kNoNode; }
  [[nodiscard]] std::uint64_t number() const { return number_; }

 private:
  Result<void> on_hello(const wire::Hello& hello) override {
    const PeerIdentity& self = core_.identity;
    if (hello.to != kNoNode && hello.to != self.node)
      return fail(ErrorKind::kInvalidArgument, "it is looking for node " + std::to_string(hello.to.value));
    if (!connection_->is_stranger()) peer_ = hello.from;
    timer_.cancel();
    connection_->send_hello(self.hello_to(hello.from));
    connection_->open_queue();
    if (peer_ == kNoNode) return {};
    core_.greeted(shared_from_this(), peer_);
    if (core_.events.arrived) core_.events.arrived(hello);
    return {};
  }

  Result<void> on_message(Message message) override {
    const bool is_its_own = peer_ != kNoNode && message.from == peer_;
    if (!is_its_own || message.to != core_.identity.node)
      return fail(ErrorKind::kCorrupt, "a message that is not from it, or not to this node");
    core_.events.received(std::move(message));
    return {};
  }

  Result<void> on_call(WholeCall call) override {
    CallReply reply = [weak = weak_from_this(), id = call.call](CallVerdict verdict, Payload answer) {
      if (const auto self = weak.lock()) self->reply(id, verdict, std::move(answer));
    };
    const std::size_t calls_max = connection_->is_stranger() ? kStrangerCallsOpenMax : kCallsOpenMax;
    if (++open_calls_ > calls_max) {
      reply(CallVerdict::kRefused, {});
      return {};
    }
    const ClusterId cluster = connection_->is_stranger() ? ClusterId{} : core_.identity.cluster;
    core_.events.called({peer_, cluster, address_, std::move(call.bytes), std::move(reply)});
    return {};
  }

  Result<void> on_reply(WholeCall) override { return fail(ErrorKind::kCorrupt, "an answer that nobody asked for"); }

  void on_closed(const std::string& why) override { end(why); }

  void reply(CallId id, CallVerdict verdict, Payload answer) {
    if (is_closed_) return;
    --open_calls_;
    if (answer.size() > kCallBytesMax || !queue_.push_call(CallDirection::kReply, id, verdict, std::move(answer)))
      return end("its answers are larger than it takes them");
    connection_->flush_soon();
  }

  void end(const std::string& why) {
    if (is_closed_) return;
    const auto self = shared_from_this();
    close();
    core_.left(self, peer_, address_ + ": " + why);
  }

  PeerListener::Core& core_;
  const std::uint64_t number_;  ///< counts them as they come
  SendQueue queue_;
  Timer timer_;
  std::string address_ = "unknown address";
  std::shared_ptr<detail::PeerConnection> connection_;
  NodeId peer_;
  std::size_t open_calls_ = 0;
  bool is_closed_ = false;
};

}  // namespace

void PeerListener::Core::accept() {
  acceptor.async_accept([core = shared_from_this()](ErrorCode error, tcp::socket socket) {
    if (core->is_closed_) return;
    const bool is_exhausted = error == asio::error::no_descriptors || error == asio::error::no_buffer_space ||
                              error == asio::error::no_memory || error.value() == ENFILE;
    if (is_exhausted) return core->pause_.arm_after(kAcceptPause, [core = core.get()] { core->accept(); });
    if (!error) core->accepted(std::move(socket));
    core->accept();
  });
}

void PeerListener::Core::accepted(tcp::socket socket) {
  if (connections_.size() == kInboundConnectionsMax) make_room();
  if (connections_.size() == kInboundConnectionsMax) {
    ++stats.refused;
    stats.last_refusal = "there are too many connections";
    return;
  }
  const auto inbound = std::make_shared<Inbound>(*this, std::move(socket), ++accepted_);
  connections_.insert(inbound);
  inbound->start();
}

/// Whoever is no member must not keep out those who are: the one that came first goes.
void PeerListener::Core::make_room() {
  std::shared_ptr<Inbound> first;
  for (const auto& inbound : connections_)
    if (!inbound->is_member() && (first == nullptr || inbound->number() < first->number())) first = inbound;
  if (first != nullptr) first->give_way();
}

void PeerListener::Core::greeted(const std::shared_ptr<Inbound>& inbound, NodeId node) {
  std::weak_ptr<Inbound>& newest = newest_[node];
  if (const auto older = newest.lock()) {
    older->close();
    connections_.erase(older);
  }
  newest = inbound;
}

void PeerListener::Core::left(const std::shared_ptr<Inbound>& inbound, NodeId node, const std::string& why) {
  connections_.erase(inbound);
  if (node == kNoNode) {
    ++stats.refused;
    stats.last_refusal = why;
    return;
  }
  newest_.erase(node);
  if (events.lost) events.lost(node);
}

void PeerListener::Core::close_all() {
  for (const auto& inbound : std::exchange(connections_, {})) inbound->close();
  newest_.clear();
}

void PeerListener::Core::close() {
  is_closed_ = true;
  ErrorCode ignored;  // closing a listening socket cannot lose anything
  acceptor.close(ignored);
  close_all();
}

Result<std::unique_ptr<PeerListener>> PeerListener::start(AsioRuntime& runtime, const HostPort& address,
                                                          const PeerIdentity& identity, Events events,
                                                          std::shared_ptr<TlsContext> tls) {
  auto core = std::make_shared<Core>(runtime, identity, std::move(events), std::move(tls));
  if (auto listening = detail::listen(core->acceptor, address, "nodes"); !listening)
    return tl::unexpected(listening.error());
  core->accept();
  return std::unique_ptr<PeerListener>(new PeerListener(std::move(core)));
}

PeerListener::PeerListener(std::shared_ptr<Core> core) : core_(std::move(core)) {}

PeerListener::~PeerListener() { core_->close(); }

HostPort PeerListener::endpoint() const {
  const auto endpoint = core_->acceptor.local_endpoint();
  return {endpoint.address().to_string(), endpoint.port()};
}

PeerListener::Stats PeerListener::stats() const {
  Stats stats = core_->stats;
  stats.connections = core_->connections();
  return stats;
}

void PeerListener::adopt(const PeerIdentity& identity) {
  core_->close_all();
  core_->identity = identity;
}

}  // namespace quorate::transport
