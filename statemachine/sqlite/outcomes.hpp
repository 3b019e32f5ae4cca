// How requests that carry an idempotency key ended: replicated state, so that a request that is repeated, after a
// failover too, gets the first answer and takes effect once. The key is the client's own and unique among its requests.
//
// Outcomes are forgotten when they are older than a limit, by the log's clock, or when there are too many, oldest
// first: a function of the entries applied, and of nothing else.
//
// Threads: used on the strand. Owns its payloads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/entry.hpp"
#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "statemachine/sqlite/bytes.hpp"

namespace quorate::sqlite {

/// The same on all replicas: they are part of what an entry means.
struct OutcomeLimits {
  std::uint64_t outcomes_max = 100'000;
  std::uint64_t age_ms_max = 3'600'000;

  friend bool operator==(const OutcomeLimits&, const OutcomeLimits&) = default;
};

struct KeptOutcome {
  /// Of the request: the same key with another request is a mistake of the client.
  std::uint64_t fingerprint = 0;
  Index index;                 ///< of the entry that carried it
  std::uint32_t position = 0;  ///< of the request among those of its entry
  LogTime time;
  std::optional<Payload> response;  ///< encoded; nullopt: too large to keep

  friend bool operator==(const KeptOutcome&, const KeptOutcome&) = default;
};

class OutcomeTable {
 public:
  explicit OutcomeTable(OutcomeLimits limits = {}) : limits_(limits) {}

  [[nodiscard]] const KeptOutcome* find(std::string_view key) const;
  /// Forgets what is too old at `now`; with every entry, before what it carries.
  void expire(LogTime now);
  /// A key that is known already keeps its first outcome.
  void record(std::string key, KeptOutcome outcome);

  [[nodiscard]] std::size_t size() const { return outcomes_.size(); }
  [[nodiscard]] std::uint64_t digest() const { return digest_; }
  void save(ByteWriter& out) const;
  /// Replaces everything but the limits. False if no table can have been like that; unspecified then.
  [[nodiscard]] bool load(ByteReader& in);

 private:
  using Outcomes = std::map<std::string, KeptOutcome, std::less<>>;
  using Place = std::pair<Index, std::uint32_t>;

  void forget(Outcomes::iterator outcome);
  [[nodiscard]] static std::uint64_t term_of(const std::string& key, const KeptOutcome& outcome);

  OutcomeLimits limits_;
  Outcomes outcomes_;
  std::map<Place, Outcomes::iterator> by_place_;  ///< oldest first
  std::uint64_t digest_ = 0;                      ///< the sum of one term per outcome
};

}  // namespace quorate::sqlite
