// What a request asks for in its query string, checked before anything else is looked at: every path refuses the same
// malformed parameters in the same way. Values; any thread.
#pragma once

#include <bitset>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "server/database.hpp"
#include "server/http/query_string.hpp"

namespace quorate::http {

/// Set by the mere presence of their key, whatever the value.
enum class Flag : std::uint8_t {
  kAssociative,
  kBlobArray,
  kBypass,
  kCompress,
  kForce,
  kFreshnessStrict,
  kNoLeader,
  kNonVoters,
  kNoParse,
  kNoRewriteRandom,
  kNoRewriteTime,
  kPretty,
  kQualifyColumns,
  kQueue,
  kRaftIndex,
  kRedirect,
  kSync,
  kTimings,
  kTransaction,
  kVacuum,
  kWait,
  kCount
};

enum class NodesForm : std::uint8_t { kMap = 1, kList = 2 };
enum class BackupFormat : std::uint8_t { kBinary, kSql, kDelete };

struct Parameters {
  std::bitset<static_cast<std::size_t>(Flag::kCount)> flags;

  std::optional<std::string> query;  ///< q
  server::ReadLevel level = server::ReadLevel::kWeak;
  std::optional<Duration> freshness;  ///< only if it is more than 0
  Duration timeout = std::chrono::seconds(30);
  std::optional<Duration> statement_timeout;  ///< db_timeout, only if it is more than 0
  Duration linearizable_timeout = std::chrono::seconds(10);
  std::uint32_t retries = 0;
  std::uint64_t trailing_logs = 0;
  BackupFormat format = BackupFormat::kBinary;
  std::optional<std::string> tables;
  std::optional<std::string> key;
  NodesForm nodes_form = NodesForm::kMap;

  // Beyond rqlite.
  Index min_index;          ///< a read sees at least this log index
  std::string transaction;  ///< tx: the token of an interactive transaction

  [[nodiscard]] bool has(Flag flag) const { return flags.test(static_cast<std::size_t>(flag)); }
};

/// The error's message is the text that the client gets with 400.
[[nodiscard]] Result<Parameters> parse_parameters(std::string_view query_string);

}  // namespace quorate::http
