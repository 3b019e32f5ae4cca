// A connection's bytes, plain or in TLS: the one thing that connections to clients, to nodes and of clients are built
// on. Which of the two it is costs a comparison per operation; a plain one hands everything straight to its socket.
//
// Loop thread only. Whoever owns the stream is held by the handlers of what is under way; after close() those get
// operation_aborted, or nothing to do. One read and one write at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include "transport/detail/tls_session.hpp"
#include "transport/tls.hpp"

namespace quorate::transport::detail {

class Stream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Code = boost::system::error_code;

  explicit Stream(Socket socket) : socket_(std::move(socket)) {}
  /// In TLS if there is a context. `host` is the one that was dialled. The socket must be open.
  Stream(Socket socket, const TlsContext* tls, const std::string& host = {})
      : socket_(std::move(socket)),
        tls_(tls != nullptr ? std::make_unique<TlsSession>(*tls, socket_.native_handle(), host) : nullptr) {}

  [[nodiscard]] Socket& socket() { return socket_; }
  [[nodiscard]] bool is_secure() const { return tls_ != nullptr; }
  [[nodiscard]] bool met_plain_http() const { return tls_ != nullptr && tls_->met_plain_http(); }
  /// Goes on without TLS, to say so to somebody who speaks none.
  void drop_tls() { tls_.reset(); }

  /// What an error of one of the operations below was, for people.
  [[nodiscard]] std::string describe(const Code& error) const {
    return tls_ != nullptr && !tls_->problem().empty() ? tls_->problem() : error.message();
  }

  /// done(error). Of a secure stream: before anything is read or written. The socket must not block.
  template <class Done>
  void async_handshake(Done done) {
    wait(TlsWants::kWrite, [this, done = std::move(done)](Code error) mutable {
      if (error) return done(error);
      retry([this] { return tls_->handshake(); },
            [done = std::move(done)](Code code, std::size_t) mutable { done(code); });
    });
  }

  /// done(error, bytes).
  template <class Done>
  void async_read_some(boost::asio::mutable_buffer into, Done done) {
    if (tls_ == nullptr) return socket_.async_read_some(into, std::move(done));
    const auto read = [this, into] { return tls_->read({static_cast<char*>(into.data()), into.size()}); };
    if (tls_->has_unread())
      return boost::asio::post(socket_.get_executor(),
                               [this, read, done = std::move(done)]() mutable { retry(read, std::move(done)); });
    wait(TlsWants::kRead, [this, read, done = std::move(done)](Code error) mutable {
      if (error) return done(error, 0);
      retry(read, std::move(done));
    });
  }

  /// As much as goes at once; would_block if that is nothing. The same bytes must then come again.
  std::size_t write_some(boost::asio::const_buffer bytes, Code& error) {
    if (tls_ == nullptr) return socket_.write_some(bytes, error);
    const TlsStep step = write(bytes);
    error = step.wants == TlsWants::kNothing ? step.error : Code(boost::asio::error::would_block);
    return step.bytes;
  }
  /// done(error, bytes). Of what write_some() did not take.
  template <class Done>
  void async_write_some(boost::asio::const_buffer bytes, Done done) {
    if (tls_ == nullptr) return socket_.async_write_some(bytes, std::move(done));
    wait(blocked_by_, [this, bytes, done = std::move(done)](Code error) mutable {
      if (error) return done(error, 0);
      retry([this, bytes] { return write(bytes); }, std::move(done));
    });
  }
  /// done(error), when write_some() may take more again.
  template <class Done>
  void async_wait_to_write(Done done) {
    wait(blocked_by_, std::move(done));
  }

  void shutdown_send(Code& error) {
    if (tls_ != nullptr) tls_->say_goodbye();
    socket_.shutdown(Socket::shutdown_send, error);
  }
  void cancel() {
    Code ignored;  // there is nothing under way then
    socket_.cancel(ignored);
  }
  void close() {
    if (!socket_.is_open()) return;
    if (tls_ != nullptr) tls_->say_goodbye();
    Code ignored;  // there is nobody left to tell
    socket_.close(ignored);
  }

 private:
  TlsStep write(boost::asio::const_buffer bytes) {
    const TlsStep step = tls_->write({static_cast<const char*>(bytes.data()), bytes.size()});
    blocked_by_ = step.wants == TlsWants::kRead ? TlsWants::kRead : TlsWants::kWrite;
    return step;
  }

  template <class Done>
  void wait(TlsWants what, Done done) {
    socket_.async_wait(what == TlsWants::kRead ? Socket::wait_read : Socket::wait_write, std::move(done));
  }

  /// Until the step is done. Not on a closed socket: its number may be another connection's by now.
  template <class Step, class Done>
  void retry(Step take, Done done) {
    if (!socket_.is_open()) return done(Code(boost::asio::error::operation_aborted), 0);
    const TlsStep step = take();
    if (step.wants == TlsWants::kNothing) return done(step.error, step.bytes);
    wait(step.wants, [this, take, done = std::move(done)](Code error) mutable {
      if (error) return done(error, 0);
      retry(take, std::move(done));
    });
  }

  Socket socket_;
  std::unique_ptr<TlsSession> tls_;
  TlsWants blocked_by_ = TlsWants::kWrite;
};

}  // namespace quorate::transport::detail
