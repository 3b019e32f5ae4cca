// One TLS connection on a socket that does not block: each step does what is possible now, and says what it waits for.
// What the other side proves is checked before the handshake counts as done. Included by the .cpp files of this room
// and of clients. Loop thread only; the socket outlives the session.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <boost/system/error_code.hpp>

struct ssl_st;

namespace quorate::transport {
class TlsContext;
}

namespace quorate::transport::detail {

enum class TlsWants : std::uint8_t { kNothing, kRead, kWrite };

struct TlsStep {
  std::size_t bytes = 0;
  TlsWants wants = TlsWants::kNothing;  ///< before the same step can be tried again
  boost::system::error_code error;
};

class TlsSession {
 public:
  /// `host` is the one that was dialled; of no meaning to whoever accepts.
  TlsSession(const TlsContext& context, int socket, const std::string& host);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  TlsStep handshake();
  TlsStep read(std::span<char> into);
  /// After a step that waits, the same bytes must come again, wherever they are then; more may follow them.
  TlsStep write(std::span<const char> bytes);
  /// Something was received that is not read yet: the socket need not become readable for it.
  [[nodiscard]] bool has_unread() const;
  /// Tells the other side that nothing more comes, as far as that is possible now.
  void say_goodbye();

  /// What went wrong, in words; empty if nothing did.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  /// The other side does not speak TLS but plain HTTP.
  [[nodiscard]] bool met_plain_http() const { return met_plain_http_; }

 private:
  struct Free {
    void operator()(ssl_st* session) const;
  };
  TlsStep outcome(int returned, std::size_t bytes);
  void check_common_name();
  [[nodiscard]] std::string explain();

  std::unique_ptr<ssl_st, Free> session_;
  std::string common_name_;
  std::string problem_;
  bool met_plain_http_ = false;
  bool is_established_ = false;
};

}  // namespace quorate::transport::detail
