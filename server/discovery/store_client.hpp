// An HTTP client for a store (key_value_store.hpp), as its configuration says: never follows a redirect, never takes
// more than a record can be, and never waits longer than it is told.
#pragma once

#include <cstdint>
#include <memory>

#include "consensus/result.hpp"
#include "server/client/http_client.hpp"
#include "server/discovery/discovery_config.hpp"
#include "server/discovery/key_value_store.hpp"

namespace quorate::discovery {

/// Largest answer of a store that is read.
inline constexpr std::uint64_t kAnswerBytesMax = std::uint64_t{64} << 10;

/// The error names the file of certificates that is wrong.
[[nodiscard]] Result<std::unique_ptr<client::HttpClient>> open_store_client(const StoreConfig& config, StopFlag stop);

/// An answer that is no success, in words: the first line of its body, if that is printable.
[[nodiscard]] Error refusal_of(const std::string& store, const client::HttpReply& reply);

}  // namespace quorate::discovery
