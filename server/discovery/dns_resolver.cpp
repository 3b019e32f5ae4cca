// Newer versions would have every program use interfaces that those of the distributions do not have yet.
#define CARES_NO_DEPRECATED

#include "server/discovery/dns_resolver.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <memory>
#include <optional>
#include <utility>

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <poll.h>
#include <sys/socket.h>

namespace quorate::discovery {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{5};
/// Of one server, for one question.
constexpr int kTryMs = 1500;
constexpr int kTries = 2;
/// Between two looks at the stop flag.
constexpr std::chrono::milliseconds kStopInterval{100};

struct Close {
  void operator()(ares_channeldata* channel) const { ares_destroy(channel); }
};
using Channel = std::unique_ptr<ares_channeldata, Close>;

struct FreeAddresses {
  void operator()(ares_addrinfo* found) const { ares_freeaddrinfo(found); }
};
struct FreeData {
  void operator()(ares_srv_reply* found) const { ares_free_data(found); }
};

Error problem(const std::string& name, int status) {
  const bool is_missing = status == ARES_ENOTFOUND || status == ARES_ENODATA;
  return {is_missing ? ErrorKind::kNotFound : ErrorKind::kUnavailable,
          "looking up " + name + ": " + ares_strerror(status)};
}

Result<Channel> open_channel() {
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  ares_options options{};
  options.timeout = kTryMs;
  options.tries = kTries;
  ares_channel channel = nullptr;
  const int status =
      library != ARES_SUCCESS ? library : ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
  if (status != ARES_SUCCESS)
    return fail(ErrorKind::kUnavailable, std::string("cannot ask the DNS: ") + ares_strerror(status));
  return Channel(channel);
}

/// Lets the channel work once, for the time given at most.
void work(ares_channeldata* channel, std::chrono::milliseconds patience) {
  std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
  const auto wanted = static_cast<unsigned>(ares_getsock(channel, sockets.data(), ARES_GETSOCK_MAXNUM));
  std::vector<pollfd> polled;
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    short events = 0;
    if (ARES_GETSOCK_READABLE(wanted, i)) events |= POLLIN;
    if (ARES_GETSOCK_WRITABLE(wanted, i)) events |= POLLOUT;
    if (events != 0) polled.push_back({sockets[i], events, 0});
  }
  timeval longest{0, static_cast<suseconds_t>(patience.count() * 1000)};
  timeval room{};
  const timeval* const wait = ares_timeout(channel, &longest, &room);
  const auto wait_ms = static_cast<int>(wait->tv_sec * 1000 + wait->tv_usec / 1000 + 1);
  if (poll(polled.data(), polled.size(), wait_ms) <= 0)
    return ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  for (const pollfd& one : polled) {
    const bool is_ready = (one.revents & ~POLLOUT) != 0;
    const bool is_writable = (one.revents & POLLOUT) != 0;
    ares_process_fd(channel, is_ready ? one.fd : ARES_SOCKET_BAD, is_writable ? one.fd : ARES_SOCKET_BAD);
  }
}

/// Until `is_done`, too late, or stopped; whatever is open then ends as cancelled.
void run(ares_channeldata* channel, const bool& is_done, const StopFlag& stop) {
  const auto deadline = Clock::now() + kPatience;
  while (!is_done && Clock::now() < deadline && (stop == nullptr || !stop->load())) work(channel, kStopInterval);
  if (!is_done) ares_cancel(channel);
}

std::optional<std::string> text_of(const sockaddr* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* bytes = nullptr;
  if (address->sa_family == AF_INET) bytes = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
  if (address->sa_family == AF_INET6) bytes = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  if (bytes == nullptr || inet_ntop(address->sa_family, bytes, text.data(), text.size()) == nullptr)
    return std::nullopt;
  return std::string(text.data());
}

tl::unexpected<Error> too_many(const std::string& name) {
  return fail(ErrorKind::kUnavailable,
              "looking up " + name + ": more than " + std::to_string(kDnsRecordsMax) + " records");
}

}  // namespace

Result<std::vector<std::string>> DnsResolver::addresses(const std::string& name) {
  struct Question {
    bool is_done = false;
    int status = ARES_ECANCELLED;
    std::unique_ptr<ares_addrinfo, FreeAddresses> found;
  } question;
  {
    const auto channel = open_channel();
    if (!channel) return tl::unexpected(channel.error());
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    const auto answered = [](void* to, int status, int, ares_addrinfo* found) {
      auto& asked = *static_cast<Question*>(to);
      asked.found.reset(found);
      asked.status = status;
      asked.is_done = true;
    };
    ares_getaddrinfo(channel->get(), name.c_str(), nullptr, &hints, answered, &question);
    run(channel->get(), question.is_done, stop_);
  }
  if (question.status != ARES_SUCCESS) return tl::unexpected(problem(name, question.status));
  std::vector<std::string> texts;
  for (const ares_addrinfo_node* node = question.found->nodes; node != nullptr; node = node->ai_next) {
    if (texts.size() == kDnsRecordsMax) return too_many(name);
    if (auto text = text_of(node->ai_addr)) texts.push_back(std::move(*text));
  }
  std::ranges::sort(texts);
  texts.erase(std::ranges::unique(texts).begin(), texts.end());
  if (texts.empty()) return tl::unexpected(problem(name, ARES_ENODATA));
  return texts;
}

Result<std::vector<ServiceRecord>> DnsResolver::services(const std::string& name) {
  struct Question {
    bool is_done = false;
    int status = ARES_ECANCELLED;
    std::vector<unsigned char> answer;
  } question;
  {
    const auto channel = open_channel();
    if (!channel) return tl::unexpected(channel.error());
    const auto answered = [](void* to, int status, int, unsigned char* bytes, int count) {
      auto& asked = *static_cast<Question*>(to);
      if (bytes != nullptr && count > 0) asked.answer.assign(bytes, bytes + count);
      asked.status = status;
      asked.is_done = true;
    };
    ares_query(channel->get(), name.c_str(), ns_c_in, ns_t_srv, answered, &question);
    run(channel->get(), question.is_done, stop_);
  }
  if (question.status != ARES_SUCCESS) return tl::unexpected(problem(name, question.status));
  auto records = parse_service_records(question.answer);
  if (!records) return fail(records.error().kind, "looking up " + name + ": " + records.error().message);
  return records;
}

Result<std::vector<ServiceRecord>> parse_service_records(std::span<const unsigned char> answer) {
  constexpr std::size_t kMessageBytesMax = 65'535;  // RFC 1035 4.2.2
  if (answer.size() > kMessageBytesMax) return fail(ErrorKind::kCorrupt, "the answer is too large");
  ares_srv_reply* parsed = nullptr;
  const int status = ares_parse_srv_reply(answer.data(), static_cast<int>(answer.size()), &parsed);
  const std::unique_ptr<ares_srv_reply, FreeData> found(parsed);
  if (status != ARES_SUCCESS) {
    const bool is_missing = status == ARES_ENODATA;
    return fail(is_missing ? ErrorKind::kNotFound : ErrorKind::kCorrupt, ares_strerror(status));
  }
  std::vector<ServiceRecord> records;
  for (const ares_srv_reply* record = found.get(); record != nullptr; record = record->next) {
    if (records.size() == kDnsRecordsMax)
      return fail(ErrorKind::kUnavailable, "more than " + std::to_string(kDnsRecordsMax) + " records");
    // The root as a target says that there is no such service here (RFC 2782).
    std::string target = record->host;
    if (!target.empty() && target != "." && record->port != 0) records.push_back({std::move(target), record->port});
  }
  if (records.empty()) return fail(ErrorKind::kNotFound, ares_strerror(ARES_ENODATA));
  return records;
}

}  // namespace quorate::discovery
