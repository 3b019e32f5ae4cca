// Where documents of the change feed go, one after the other. Each kind of endpoint has one (endpoint.hpp).
//
// Threads: deliver() on one; give_up() on any, also while deliver() blocks, which then ends at once and for good.
#pragma once

#include <memory>
#include <string_view>

#include "consensus/result.hpp"
#include "server/cdc/feed_options.hpp"

namespace quorate::cdc {

class Sink {
 public:
  virtual ~Sink() = default;

  /// Hands over one document, and returns when the other side has it for good, or when that is not to be hoped for. It
  /// may have got the document after an error, too.
  [[nodiscard]] virtual Result<void> deliver(std::string_view document) = 0;
  virtual void give_up() = 0;
};

/// Certificates are read now, and the error names what is wrong with them; nothing is connected to or created yet.
[[nodiscard]] Result<std::unique_ptr<Sink>> open_sink(const FeedOptions& options);

}  // namespace quorate::cdc
