// The endpoint of the change feed that is asked over HTTP or HTTPS: every document is the body of a POST request, and
// is delivered once an answer of the 200s has come. The connection is kept for the next one.
//
// Threads: as Sink. Blocks for the timeout at most; looking up the host's name is up to the system's resolver.
#pragma once

#include <memory>
#include <string>

#include "server/cdc/sink.hpp"
#include "transport/tls.hpp"

namespace quorate::cdc {

class Webhook final : public Sink {
 public:
  struct Options {
    Endpoint endpoint;
    Duration timeout{};                          ///< of one delivery, from connecting to the answer
    std::shared_ptr<transport::TlsContext> tls;  ///< null: plain HTTP
  };

  explicit Webhook(Options options);
  ~Webhook() override;
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  [[nodiscard]] Result<void> deliver(std::string_view document) override;
  void give_up() override;

 private:
  class Caller;
  std::unique_ptr<Caller> caller_;
};

}  // namespace quorate::cdc
