#include "transport/peer_link.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "consensus/random.hpp"
#include "transport/detail/peer_connection.hpp"
#include "transport/host_port.hpp"
#include "transport/peer_limits.hpp"
#include "transport/send_queue.hpp"
#include "transport/timer.hpp"

namespace quorate::transport {

namespace asio = boost::asio;
using asio::ip::tcp;
using detail::ErrorCode;

/// Handlers of operations under way hold the core; `attempt_` tells the ones of an earlier attempt apart.
class PeerLink::Core final : public detail::PeerConnection::Owner, public std::enable_shared_from_this<Core> {
 public:
  Core(AsioRuntime& runtime, Options options, Events events)
      : runtime_(runtime),
        options_(std::move(options)),
        events_(std::move(events)),
        random_(options_.seed),
        queue_(options_.identity.cluster),
        resolver_(runtime.loop().context),
        timer_(runtime),
        call_alarm_(runtime, [this] { expire_calls(); }) {}

  void dial();
  void stop();
  void send(Message message);
  void call(Payload request, Duration timeout, WhenDown when_down, CallDone done);
  void hurry() {
    if (state_ == State::kPaused) dial();
  }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] PeerLinkStatus status() const;

 private:
  enum class State : std::uint8_t { kPaused, kConnecting, kGreeting, kUp, kStopped };

  void connect(const tcp::resolver::results_type& endpoints);
  void connected(tcp::socket socket);
  void retry_later(const std::string& why);
  void expire_calls();
  void end_call(CallId id, CallEnd end, std::string error);
  void end_calls(const std::string& why);

  Result<void> on_hello(const wire::Hello& hello) override;
  Result<void> on_message(Message message) override;
  Result<void> on_call(WholeCall call) override;
  Result<void> on_reply(WholeCall reply) override;
  void on_closed(const std::string& why) override;

  AsioRuntime& runtime_;
  const Options options_;
  const Events events_;
  Random random_;
  SendQueue queue_;
  PendingCalls calls_;
  tcp::resolver resolver_;
  Timer timer_;
  AsioClock call_alarm_;
  std::shared_ptr<tcp::socket> connecting_;
  std::shared_ptr<detail::PeerConnection> connection_;
  State state_ = State::kPaused;
  std::uint64_t attempt_ = 0;
  Duration pause_ = kReconnectPauseMin;
  std::optional<wire::Hello> hello_;
  std::uint64_t connects_ = 0;
  std::uint64_t bytes_sent_before_ = 0;
  std::string last_error_;
};

void PeerLink::Core::dial() {
  state_ = State::kConnecting;
  const std::uint64_t attempt = ++attempt_;
  const Result<HostPort> address = parse_host_port(options_.address);
  if (!address) return retry_later(address.error().message);
  timer_.arm_after(kConnectTimeout, [this] { retry_later("timed out while connecting"); });
  const auto on_resolved = [self = shared_from_this(), attempt](ErrorCode error,
                                                                const tcp::resolver::results_type& endpoints) {
    if (attempt != self->attempt_ || self->state_ != State::kConnecting) return;
    if (error) return self->retry_later("cannot resolve " + self->options_.address + ": " + error.message());
    self->connect(endpoints);
  };
  ErrorCode not_numeric;
  const auto numeric = asio::ip::make_address(address->host, not_numeric);
  if (not_numeric) return resolver_.async_resolve(address->host, std::to_string(address->port), on_resolved);
  on_resolved({}, tcp::resolver::results_type::create(tcp::endpoint(numeric, address->port), address->host, ""));
}

void PeerLink::Core::connect(const tcp::resolver::results_type& endpoints) {
  connecting_ = std::make_shared<tcp::socket>(runtime_.loop().context);
  asio::async_connect(
      *connecting_, endpoints,
      [self = shared_from_this(), attempt = attempt_, socket = connecting_](ErrorCode error, const tcp::endpoint&) {
        if (attempt != self->attempt_ || self->state_ != State::kConnecting) return;
        if (error) return self->retry_later("cannot connect to " + self->options_.address + ": " + error.message());
        self->connected(std::move(*socket));
      });
}

void PeerLink::Core::connected(tcp::socket socket) {
  connecting_.reset();
  state_ = State::kGreeting;
  timer_.arm_after(kHelloTimeout, [this] {
    connection_->close();
    retry_later("the peer did not say hello");
  });
  const Result<HostPort> address = parse_host_port(options_.address);
  detail::Stream stream(std::move(socket), options_.tls.get(), address ? address->host : std::string());
  connection_ = std::make_shared<detail::PeerConnection>(runtime_, std::move(stream), options_.identity.cluster,
                                                         detail::Strangers::kRefused, queue_, *this);
  connection_->start();
  connection_->send_hello(options_.identity.hello_to(options_.peer));
}

Result<void> PeerLink::Core::on_hello(const wire::Hello& hello) {
  const auto self = shared_from_this();  // whoever is told may destroy the link
  if (options_.peer != kNoNode && hello.from != options_.peer)
    return fail(ErrorKind::kInvalidArgument, options_.address + " is node " + std::to_string(hello.from.value) +
                                                 ", expected was node " + std::to_string(options_.peer.value));
  state_ = State::kUp;
  hello_ = hello;
  ++connects_;
  pause_ = kReconnectPauseMin;
  timer_.cancel();
  connection_->open_queue();
  if (events_.connected) events_.connected();
  return {};
}

Result<void> PeerLink::Core::on_message(Message) {
  return fail(ErrorKind::kCorrupt, "messages come on the peer's own connection");
}

Result<void> PeerLink::Core::on_call(WholeCall) {
  return fail(ErrorKind::kCorrupt, "calls come on the peer's own connection");
}

/// An answer that nobody waits for any more has timed out here before it came.
Result<void> PeerLink::Core::on_reply(WholeCall reply) {
  const auto self = shared_from_this();
  const CallDone done = calls_.take(reply.call);
  if (!done) return {};
  if (reply.verdict == CallVerdict::kServed) {
    done({CallEnd::kAnswered, std::move(reply.bytes), {}});
  } else {
    done({CallEnd::kRefused,
          {},
          "node " + std::to_string(options_.peer.value) + " has refused it: it has too much to do, or does not lead"});
  }
  return {};
}

void PeerLink::Core::on_closed(const std::string& why) {
  const auto self = shared_from_this();
  const bool was_up = state_ == State::kUp;
  retry_later(why);
  if (was_up && events_.lost) events_.lost();
}

/// Every way to fail ends here.
void PeerLink::Core::retry_later(const std::string& why) {
  const auto self = shared_from_this();
  const bool was_up = state_ == State::kUp;
  state_ = State::kPaused;
  ++attempt_;
  last_error_ = why;
  connecting_.reset();
  if (connection_ != nullptr) bytes_sent_before_ += connection_->bytes_sent();
  connection_.reset();
  const Duration half = pause_ / 2;
  timer_.arm_after(half + Duration(static_cast<Duration::rep>(random_.below(static_cast<std::uint64_t>(half.count())))),
                   [this] { dial(); });
  pause_ = std::min(pause_ * 2, kReconnectPauseMax);
  if (was_up) end_calls("the connection to the peer broke: " + why);
}

void PeerLink::Core::stop() {
  state_ = State::kStopped;
  ++attempt_;
  timer_.cancel();
  resolver_.cancel();
  connecting_.reset();
  if (connection_ != nullptr) connection_->close();
  connection_.reset();
  end_calls("the link is closed");
}

void PeerLink::Core::send(Message message) {
  if (state_ != State::kUp) return;
  queue_.push(std::move(message));
  connection_->flush_soon();
}

void PeerLink::Core::call(Payload request, Duration timeout, WhenDown when_down, CallDone done) {
  const auto self = shared_from_this();  // the caller may let go of the link as soon as the call has ended
  const auto refuse = [&](std::string why) { done({CallEnd::kRefused, {}, std::move(why)}); };
  if (request.size() > kCallBytesMax) return refuse("the request is too large to be forwarded");
  if (state_ != State::kUp && when_down == WhenDown::kRefuse)
    return refuse("node " + std::to_string(options_.peer.value) + " is not connected: " + last_error_);
  if (calls_.size() == kCallsOpenMax)
    return refuse("too many requests wait for node " + std::to_string(options_.peer.value));
  const CallId id = calls_.add(AsioRuntime::now() + timeout, std::move(done));
  if (!queue_.push_call(CallDirection::kRequest, id, CallVerdict::kServed, std::move(request)))
    return end_call(id, CallEnd::kRefused, "too much waits for node " + std::to_string(options_.peer.value));
  call_alarm_.arm(calls_.earliest());
  if (state_ == State::kUp) connection_->flush_soon();
}

void PeerLink::Core::expire_calls() {
  const auto self = shared_from_this();
  for (const CallId id : calls_.expired(AsioRuntime::now())) {
    const bool was_sent = !queue_.remove_call(id);
    end_call(id, was_sent ? CallEnd::kUnknown : CallEnd::kRefused,
             was_sent ? "the peer did not answer in time" : "the peer could not be reached in time: " + last_error_);
  }
  if (calls_.size() != 0) call_alarm_.arm(calls_.earliest());
}

void PeerLink::Core::end_call(CallId id, CallEnd end, std::string error) {
  if (const CallDone done = calls_.take(id)) done({end, {}, std::move(error)});
}

void PeerLink::Core::end_calls(const std::string& why) {
  // The queue first: a callback may call again.
  std::vector<std::pair<CallId, CallEnd>> ends;
  for (const CallId id : calls_.all())
    ends.emplace_back(id, queue_.remove_call(id) ? CallEnd::kRefused : CallEnd::kUnknown);
  queue_.clear();
  for (const auto& [id, end] : ends) end_call(id, end, why);
}

PeerLinkStatus PeerLink::Core::status() const {
  return {.is_connected = state_ == State::kUp,
          .hello = hello_,
          .connects = connects_,
          .dropped_urgent = queue_.dropped().urgent,
          .dropped_bulk = queue_.dropped().bulk,
          .bytes_sent = bytes_sent_before_ + (connection_ != nullptr ? connection_->bytes_sent() : 0),
          .last_error = last_error_};
}

PeerLink::PeerLink(AsioRuntime& runtime, Options options, Events events)
    : core_(std::make_shared<Core>(runtime, std::move(options), std::move(events))) {
  core_->dial();
}

PeerLink::~PeerLink() { core_->stop(); }

void PeerLink::send(Message message) { core_->send(std::move(message)); }

void PeerLink::call(Payload request, Duration timeout, WhenDown when_down, CallDone done) {
  core_->call(std::move(request), timeout, when_down, std::move(done));
}

void PeerLink::hurry() { core_->hurry(); }

const std::string& PeerLink::address() const { return core_->options().address; }

PeerLinkStatus PeerLink::status() const { return core_->status(); }

}  // namespace quorate::transport
