// How the change feed is configured: the flag -cdc-config names an endpoint, or a JSON file (docs/change-feed.md).
// Values; reading has no effect.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "server/cdc/endpoint.hpp"
#include "server/settings/settings_text.hpp"

namespace quorate::cdc {

enum class RetryPolicy : std::uint8_t {
  kLinear,       ///< the same pause every time
  kExponential,  ///< twice as long every time
};

struct TlsFiles {
  std::string authorities;  ///< empty: those that the system trusts
  std::string certificate;  ///< empty: this side presents none
  std::string key;
  bool trusts_anybody = false;
  std::string server_name;  ///< that the certificate must be of, instead of the host of the endpoint
};

struct FeedOptions {
  Endpoint endpoint;
  std::string service_id;  ///< empty: not told
  bool row_ids_only = false;
  std::string table_filter;  ///< a regular expression; empty: all tables
  TlsFiles tls;
  std::size_t batch_groups_max = 10;
  Duration batch_delay_max = std::chrono::milliseconds(200);
  Duration high_watermark_interval = std::chrono::seconds(1);
  Duration transmit_timeout = std::chrono::seconds(5);
  std::optional<std::uint64_t> retries_max;  ///< nothing: until it succeeds
  RetryPolicy retry_policy = RetryPolicy::kLinear;
  Duration backoff_min = std::chrono::seconds(1);
  Duration backoff_max = std::chrono::seconds(30);
};

/// What -cdc-config says: "stdout", the URL of an endpoint, or a file. The error says what is wrong, and with which
/// key.
[[nodiscard]] Result<FeedOptions> read_feed_options(const std::string& flag);

/// The text of such a file, in which variables of the environment are put in (settings_text.hpp).
[[nodiscard]] Result<FeedOptions> parse_feed_options(std::string_view text, const std::string& file,
                                                     const settings::Environment& environment);

}  // namespace quorate::cdc
