// What the SQLite application writes into the log. The unit is a bundle: the effects of the requests that the leader
// ran together, as none, one or several versions of the page store, and the outcomes of those of them that had a key.
// All of a bundle takes effect at once. It is cut into entries ("parts") where it is too large for one.
//
//   part     u8 format (1) | u8 kind (0 more parts follow, 1 last) | epoch | sequence of the bundle | number of the
//   part
//            | record... | 0
//   record   1 | delta part, length first (delta.hpp)
//            2 | key | u64 fingerprint of the request | position | 0, or 1 + length of the response | response
//
// Numbers are varints unless a width is given. Deltas of one version follow each other and end with its last part; the
// versions come in the order in which they were sealed. (Term, epoch, sequence) names a bundle: a part of any other
// than the one that is being collected means that the latter has lost its leader and will never be complete. A bundle
// without records is legal: its entry says that the leader still led.
//
// Pure functions and values; decoding is safe on hostile bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/effect.hpp"
#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "statemachine/sqlite/bytes.hpp"
#include "statemachine/sqlite/limits.hpp"

namespace quorate::sqlite {

inline constexpr std::uint8_t kCommandFormat = 1;

struct BundleName {
  Epoch epoch;
  std::uint64_t sequence = 0;  ///< counts the bundles of the epoch

  friend bool operator==(const BundleName&, const BundleName&) = default;
};

/// Builds the parts of one bundle.
class BundleWriter {
 public:
  explicit BundleWriter(BundleName name, std::size_t part_bytes = kDeltaPartBytes);

  void add_delta(const Payload& part);
  struct OutcomeRecord {
    std::string_view key;
    std::uint64_t fingerprint = 0;
    std::uint32_t position = 0;
    std::optional<std::span<const std::byte>> response;  ///< nullopt: too large to keep
  };
  void add_outcome(const OutcomeRecord& record);
  /// At least one part. The writer is spent.
  [[nodiscard]] std::vector<Payload> finish();

 private:
  enum class Kind : std::uint8_t { kMore = 0, kLast = 1 };
  void open_part();
  void close_part(Kind kind);
  void make_room(std::size_t bytes);

  BundleName name_;
  std::size_t part_bytes_;
  std::vector<Payload> parts_;
  ByteWriter out_;
};

/// One part; everything refers to the bytes it was parsed from.
struct BundlePart {
  BundleName name;
  std::uint64_t number = 0;
  bool is_last = false;
  std::vector<std::span<const std::byte>> deltas;
  std::vector<BundleWriter::OutcomeRecord> outcomes;
};

/// kCorrupt if the bytes are no part, kUnsupported if a later release wrote them.
[[nodiscard]] Result<BundlePart> parse_bundle_part(std::span<const std::byte> bytes);

}  // namespace quorate::sqlite
