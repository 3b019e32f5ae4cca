// A blocking client on a plain socket, for tests of the server: it sends bytes as they are, so that a test can say
// exactly what is on the wire. Every wait has a limit, after which the test fails instead of hanging.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace quorate::http::test {

class Client {
 public:
  static constexpr int kPatienceMs = 20'000;

  explicit Client(std::uint16_t port, int receive_buffer_bytes = 0) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer_bytes != 0)
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    EXPECT_TRUE(is_connected_);
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server has closed; what it said is what the test looks at
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void end_input() { ::shutdown(socket_, SHUT_WR); }

  /// Reads until what was read ends with `end`.
  std::string read_until(std::string_view end) {
    while (buffer_.find(end) == std::string::npos)
      if (!read_some()) {
        ADD_FAILURE() << "the connection ended after: " << buffer_;
        return std::exchange(buffer_, {});
      }
    const std::size_t size = buffer_.find(end) + end.size();
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }
  std::string read_exactly(std::size_t size) {
    while (buffer_.size() < size)
      if (!read_some()) break;
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }
  std::string read_to_end() {
    while (read_some()) {}
    return std::exchange(buffer_, {});
  }
  /// The body of the next answer, which must have a length.
  std::string read_body() {
    const std::string head = read_until("\r\n\r\n");
    const std::size_t at = head.find("Content-Length: ");
    if (at == std::string::npos) {
      ADD_FAILURE() << "no length: " << head;
      return {};
    }
    return read_exactly(std::strtoul(head.c_str() + at + 16, nullptr, 10));
  }

 private:
  bool read_some() {
    pollfd waiting{socket_, POLLIN, 0};
    if (::poll(&waiting, 1, kPatienceMs) != 1) {
      ADD_FAILURE() << "nothing came; before: " << buffer_;
      return false;
    }
    char bytes[65536];
    const ssize_t received = ::recv(socket_, bytes, sizeof(bytes), 0);
    if (received <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(received));
    return true;
  }

  int socket_;
  bool is_connected_ = false;
  std::string buffer_;
};

}  // namespace quorate::http::test
