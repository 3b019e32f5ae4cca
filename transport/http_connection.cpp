#include "transport/detail/http_connection.hpp"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include "consensus/assert.hpp"

namespace quorate::http {

namespace asio = boost::asio;
using transport::detail::ErrorCode;

namespace {

constexpr std::string_view kSpeakTls =
    "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 48\r\n"
    "Connection: close\r\n\r\n"
    "Client sent an HTTP request to an HTTPS server.\n";

std::string peer_of(const asio::ip::tcp::socket& socket) {
  ErrorCode error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) return "unknown";
  return to_string(transport::HostPort{endpoint.address().to_string(), endpoint.port()});
}

}  // namespace

/// What responders hold: survives the connection, and brings answers from other threads to the loop.
class HttpConnection::Outlet final : public ResponseSink, public std::enable_shared_from_this<Outlet> {
 public:
  explicit Outlet(transport::AsioRuntime& runtime) : runtime_(runtime) {}

  void connect(std::weak_ptr<HttpConnection> connection) { connection_ = std::move(connection); }

  void respond(RequestId id, Response response) override {
    on_session([id, response = std::move(response)](HttpSession& session) mutable {
      session.respond(id, std::move(response));
    });
  }
  void begin_stream(RequestId id, Response head) override {
    on_session(
        [id, head = std::move(head)](HttpSession& session) mutable { session.begin_stream(id, std::move(head)); });
  }
  void write_chunk(RequestId id, std::string chunk, StreamReady ready) override {
    on_loop([this, id, chunk = std::move(chunk), ready = std::move(ready)] {
      const std::shared_ptr<HttpConnection> connection = connection_.lock();
      const bool is_open =
          connection != nullptr && connection->session_.write_chunk(id, chunk, ready) == StreamState::kOpen;
      if (is_open) return connection->flush_soon();
      runtime_.post([ready] { ready(StreamState::kGone); });
    });
  }
  void end_stream(RequestId id, StreamEnd end, std::string rest) override {
    on_session([id, end, rest = std::move(rest)](HttpSession& session) mutable {
      session.end_stream(id, end, std::move(rest));
    });
  }
  void on_client_gone(RequestId id, std::function<void()>&& gone) override {
    on_loop([this, id, gone = std::move(gone)]() mutable {
      if (const auto connection = connection_.lock()) return connection->session_.on_client_gone(id, std::move(gone));
      gone();
    });
  }
  void body_taken() override {
    on_session([](HttpSession& session) { session.body_taken(); });
  }

 private:
  template <class Action>
  void on_session(Action action) {
    on_loop([this, action = std::move(action)]() mutable {
      const std::shared_ptr<HttpConnection> connection = connection_.lock();
      if (connection == nullptr) return;
      action(connection->session_);
      connection->flush_soon();
    });
  }
  template <class Action>
  void on_loop(Action action) {
    if (runtime_.is_loop_thread()) return action();
    runtime_.post([self = shared_from_this(), action = std::move(action)]() mutable { action(); });
  }

  transport::AsioRuntime& runtime_;
  std::weak_ptr<HttpConnection> connection_;
};

HttpConnection::HttpConnection(std::shared_ptr<HttpServer::Core> core, asio::ip::tcp::socket socket)
    : core_(std::move(core)),
      stream_(std::move(socket), core_->tls.get()),
      outlet_(std::make_shared<Outlet>(core_->runtime)),
      session_(core_->context, outlet_, peer_of(stream_.socket())) {}

void HttpConnection::start(HttpDeadlines::Handle handle) {
  handle_ = handle;
  outlet_->connect(weak_from_this());
  if (stream_.is_secure()) return greet();
  watch();
  read();
}

void HttpConnection::greet() {
  core_->start_deadline(handle_, Wait::kGreeting);
  stream_.async_handshake([self = shared_from_this()](ErrorCode error) {
    if (!self->is_closed_) self->greeted(error);
  });
}

void HttpConnection::greeted(ErrorCode error) {
  if (!error) {
    watch();
    return read();
  }
  ++core_->stats.handshakes_failed;
  if (!stream_.met_plain_http()) return close();
  stream_.drop_tls();
  ErrorCode ignored;  // a courtesy, like the time that the client gets to read it
  stream_.write_some(asio::buffer(kSpeakTls), ignored);
  linger();
}

void HttpConnection::flush_soon() {
  if (is_flush_due_ || is_pumping_ || is_closed_) return;
  is_flush_due_ = true;
  core_->flush_soon(shared_from_this());
}

void HttpConnection::flush() {
  is_flush_due_ = false;
  if (!is_closed_) pump();
}

/// Everything that has arrived is handed out, everything that is answered is written, and the connection waits for what
/// comes next. Every event ends here.
void HttpConnection::pump() {
  is_pumping_ = true;
  bool may_go_on = true;
  while (may_go_on && !is_closed_) {
    const std::size_t consumed = session_.receive(received_.unread());
    received_.consume(consumed);
    write();
    may_go_on = consumed != 0 && !received_.unread().empty();
  }
  is_pumping_ = false;
  if (is_closed_) return;
  if (!session_.output().empty() && !is_writing_)
    return flush_soon();  // a stream went on: others have their turn first
  if (session_.is_finished() && !is_writing_) return finish();
  watch();
  read();
}

void HttpConnection::read() {
  // Of a client that may ask nothing more, it must still be noticed that it goes.
  const bool is_watched =
      session_.phase() == HttpSession::Phase::kEnding && session_.is_awaited() && discarded_ <= kLingerBytesMax;
  const bool wants_more = is_lingering_ || session_.may_receive() || is_watched;
  if (is_reading_ || is_at_end_ || !wants_more) return;
  is_reading_ = true;
  const auto room = received_.prepare();
  stream_.async_read_some(asio::buffer(room.data(), room.size()),
                          [self = shared_from_this()](ErrorCode error, std::size_t received) {
                            self->is_reading_ = false;
                            if (!self->is_closed_) self->on_read(error, received);
                          });
}

void HttpConnection::on_read(ErrorCode error, std::size_t received) {
  if (error == asio::error::operation_aborted) return rest();
  if (is_lingering_) return error ? close() : discard(received);
  if (error && error != asio::error::eof) return close();
  if (error) {
    is_at_end_ = true;
    session_.end_of_input();
  }
  if (session_.phase() == HttpSession::Phase::kEnding) discarded_ += received;
  received_.commit(received);
  pump();
}

/// Tries at once: the socket nearly always takes an answer whole, and then no operation has to be set up.
void HttpConnection::write() {
  if (is_writing_) return;
  if (!session_.output().empty()) {
    QUORATE_ASSERT(sending_.empty());
    sending_.swap(session_.output());
    ErrorCode error;
    sent_ = stream_.write_some(asio::buffer(sending_), error);
    if (error && error != asio::error::would_block && error != asio::error::try_again) return close();
  }
  continue_writing();
}

void HttpConnection::continue_writing() {
  if (sent_ == sending_.size()) {
    sending_.clear();
    sent_ = 0;
    return session_.sent(0);
  }
  is_writing_ = true;
  core_->start_deadline(handle_, Wait::kSend);
  stream_.async_write_some(asio::buffer(sending_) + sent_,
                           [self = shared_from_this()](ErrorCode error, std::size_t written) {
                             self->is_writing_ = false;
                             if (!self->is_closed_) self->on_written(error, written);
                           });
  session_.sent(sending_.size() - sent_);
}

void HttpConnection::on_written(ErrorCode error, std::size_t written) {
  if (error) return close();
  sent_ += written;
  continue_writing();
  if (!is_writing_) pump();
}

/// All is answered and sent.
void HttpConnection::finish() {
  if (!session_.must_linger() || is_at_end_) return close();
  if (!is_lingering_) linger();
}

/// Nothing more is said, but the client may not have read it yet.
void HttpConnection::linger() {
  is_lingering_ = true;
  ErrorCode error;
  stream_.shutdown_send(error);
  if (error) return close();
  core_->start_deadline(handle_, Wait::kLinger);
  read();
}

void HttpConnection::discard(std::size_t received) {
  discarded_ += received;
  if (discarded_ > kLingerBytesMax) return close();
  read();
}

/// Starts the deadline of what the connection waits for now.
void HttpConnection::watch() {
  if (is_writing_) return;  // kSend, started with the operation
  const Wait current = core_->deadline_of(handle_);
  switch (session_.phase()) {
    case HttpSession::Phase::kIdle: return core_->start_deadline(handle_, Wait::kRest);
    case HttpSession::Phase::kHead: {  // one deadline per request, however slowly its bytes trickle in
      const std::uint64_t request = session_.requests_received();
      if (current == Wait::kHead && timed_request_ == request) return;
      timed_request_ = request;
      return core_->start_deadline(handle_, Wait::kHead);
    }
    case HttpSession::Phase::kBody: {
      const std::size_t bytes = session_.body_bytes();
      if (current == Wait::kBody && bytes - timed_body_bytes_ < kBodyProgressBytes) return;
      timed_body_bytes_ = bytes;
      return core_->start_deadline(handle_, Wait::kBody);
    }
    case HttpSession::Phase::kWaiting:
    case HttpSession::Phase::kEnding: {
      const Wait next = is_at_end_ && session_.is_awaited() ? Wait::kLeaving : Wait::kNone;
      if (current != next) core_->start_deadline(handle_, next);
    }
  }
}

void HttpConnection::on_deadline() {
  if (is_closed_) return;
  switch (core_->deadline_of(handle_)) {
    case Wait::kNone:
    case Wait::kCount: return;
    case Wait::kRest:
      core_->start_deadline(handle_, Wait::kIdle);
      if (received_.is_large()) stream_.cancel();  // the read gives the buffer back, see rest()
      return session_.shrink();
    case Wait::kIdle:
    case Wait::kLeaving: return close();
    case Wait::kHead:
    case Wait::kBody:
      ++core_->stats.timeouts;
      session_.time_out();
      return pump();
    case Wait::kSend:
    case Wait::kLinger:
    case Wait::kGreeting: ++core_->stats.timeouts; return close();
  }
}

/// The read was cancelled to exchange the buffer under it.
void HttpConnection::rest() {
  if (session_.phase() == HttpSession::Phase::kIdle) {
    received_.shrink();
    sending_.shrink_to_fit();
  }
  read();
}

void HttpConnection::close() {
  if (is_closed_) return;
  is_closed_ = true;
  stream_.close();
  session_.abandon();
  core_->left(handle_);
}

}  // namespace quorate::http
