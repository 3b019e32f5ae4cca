#include "transport/detail/peer_connection.hpp"

#include <optional>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "consensus/assert.hpp"
#include "transport/peer_limits.hpp"

namespace quorate::transport::detail {

using asio::ip::tcp;

namespace {

/// Best effort: a system that does not know an option has a slower way to notice what it is for.
void set_option(tcp::socket& socket, int level, int name, int value) {
  static_cast<void>(::setsockopt(socket.native_handle(), level, name, &value, sizeof(value)));
}

void tune(tcp::socket& socket) {
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  // Pitfall J2: a peer that was cut off without a word is noticed by what it does not acknowledge, or, if there is
  // nothing to acknowledge, by the kernel's probes.
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(kKeepAliveInterval.count()));
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(kKeepAliveInterval.count()));
  set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(kSilentPeerTimeout.count()));
  // What the kernel has accepted cannot be overtaken by anything urgent any more.
  set_option(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentBytesInKernelMax);
}

}  // namespace

PeerConnection::PeerConnection(AsioRuntime& runtime, Stream stream, ClusterId cluster, Strangers strangers,
                               SendQueue& queue, Owner& owner)
    : runtime_(runtime),
      stream_(std::move(stream)),
      cluster_(cluster),
      strangers_(strangers),
      queue_(&queue),
      owner_(&owner),
      reader_(cluster) {}

void PeerConnection::start() {
  tune(stream_.socket());
  ErrorCode error;
  stream_.socket().non_blocking(true, error);
  if (error) return runtime_.post([self = shared_from_this(), error] { self->fail(error.message()); });
  if (!stream_.is_secure()) return begin();
  stream_.async_handshake([self = shared_from_this()](ErrorCode handshake_error) {
    if (self->is_closed_) return;
    if (handshake_error) return self->fail(self->stream_.describe(handshake_error));
    self->begin();
  });
}

void PeerConnection::begin() {
  is_established_ = true;
  if (!sending_.empty()) write_rest();
  if (!is_closed_) read();
}

void PeerConnection::send_hello(const wire::Hello& hello) {
  wire::append_frame(cluster_, hello, sending_);
  if (is_established_ && !is_writing_) write_rest();
}

void PeerConnection::open_queue() {
  is_queue_open_ = true;
  flush_soon();
}

void PeerConnection::flush_soon() {
  if (is_flush_due_ || is_writing_ || !is_queue_open_ || is_closed_) return;
  is_flush_due_ = true;
  runtime_.post([self = shared_from_this()] {
    self->is_flush_due_ = false;
    self->flush();
  });
}

void PeerConnection::flush() {
  while (!is_closed_ && !is_writing_ && is_queue_open_ && !queue_->empty()) {
    queue_->fill(sending_);
    write_rest();
  }
}

/// Tries at once; the socket nearly always has room, and then no operation has to be set up.
void PeerConnection::write_rest() {
  ErrorCode error;
  const std::size_t written = stream_.write_some(asio::buffer(sending_) + sent_, error);
  if (error && error != asio::error::would_block && error != asio::error::try_again)
    return fail(stream_.describe(error));
  sent_ += written;
  bytes_sent_ += written;
  if (sent_ == sending_.size()) {
    sending_.clear();
    sent_ = 0;
    return;
  }
  is_writing_ = true;
  stream_.async_wait_to_write([self = shared_from_this()](ErrorCode waiting_error) {
    self->is_writing_ = false;
    if (self->is_closed_) return;
    if (waiting_error) return self->fail(waiting_error.message());
    self->write_rest();
    self->flush();
  });
}

void PeerConnection::read() {
  const auto room = reader_.prepare();
  stream_.async_read_some(asio::buffer(room.data(), room.size()),
                          [self = shared_from_this()](ErrorCode error, std::size_t received) {
                            if (!self->is_closed_) self->on_read(error, received);
                          });
}

void PeerConnection::on_read(ErrorCode error, std::size_t received) {
  if (error == asio::error::eof) return fail("the peer closed the connection");
  if (error) return fail(stream_.describe(error));
  bytes_received_ += received;
  reader_.commit(received);
  while (!is_closed_) {
    const auto frame = next_frame();
    if (!frame) return fail(frame.error().message);
    if (!*frame) break;
    const Result<void> handled = dispatch(**frame);
    if (!handled && !is_closed_) return fail(handled.error().message);
  }
  if (!is_closed_) read();
}

Result<std::optional<Frame>> PeerConnection::next_frame() {
  if (is_greeted_) return is_stranger_ ? reader_.next(kStrangerCallBytesMax) : reader_.next();
  auto frame = reader_.next(kHelloBodyBytesMax);
  const bool is_of_another_cluster = !frame && frame.error().kind == ErrorKind::kInvalidArgument;
  if (!is_of_another_cluster || strangers_ == Strangers::kRefused || is_stranger_) return frame;
  // The frames of somebody without a cluster are answered in kind.
  reader_.expect(ClusterId{});
  auto unmarked = reader_.next(kHelloBodyBytesMax);
  if (!unmarked) return frame;
  is_stranger_ = true;
  calls_.limit(kStrangerCallBytesMax);
  cluster_ = ClusterId{};
  queue_->set_cluster(cluster_);
  return unmarked;
}

Result<void> PeerConnection::dispatch(const Frame& frame) {
  const bool is_hello = frame.type == wire::FrameType::kHello;
  if (is_hello == is_greeted_)
    return quorate::fail(ErrorKind::kCorrupt, is_hello ? "a second hello" : "something before the hello");
  switch (frame.type) {
    case wire::FrameType::kHello: {
      is_greeted_ = true;
      const auto hello = wire::decode_hello(frame.body);
      return hello ? owner_->on_hello(*hello) : tl::unexpected(hello.error());
    }
    case wire::FrameType::kMessage: {
      auto message = wire::decode_message(frame.body);
      return message ? owner_->on_message(std::move(*message)) : tl::unexpected(message.error());
    }
    case wire::FrameType::kCall:
    case wire::FrameType::kReply: {
      const auto piece = parse_piece(frame.body);
      if (!piece) return tl::unexpected(piece.error());
      const bool is_call = frame.type == wire::FrameType::kCall;
      auto whole = (is_call ? calls_ : replies_).add(*piece);
      if (!whole) return tl::unexpected(whole.error());
      if (!*whole) return {};
      return is_call ? owner_->on_call(std::move(**whole)) : owner_->on_reply(std::move(**whole));
    }
  }
  return quorate::fail(ErrorKind::kCorrupt, "a frame of unknown type");
}

void PeerConnection::fail(const std::string& why) {
  if (is_closed_) return;
  Owner* const owner = owner_;
  close();
  owner->on_closed(why);
}

void PeerConnection::close() {
  is_closed_ = true;
  owner_ = nullptr;
  queue_ = nullptr;
  stream_.close();
}

}  // namespace quorate::transport::detail
