// The bytes of a snapshot file, which are also the bytes that travel when it is sent to another node: the file verifies
// itself, wherever it came from. Layout in docs/formats/snapshot.md; little endian:
//
//   u64 magic | u32 format (1) | u32 length of the context | u64 length of the state
//   | u32 masked CRC-32C of the state | u32 masked CRC-32C of everything before, and of the context
//   | context: u64 term | u64 index | u64 log time | configuration (configuration_codec.hpp)
//   | state, as the application wrote it
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/message.hpp"
#include "consensus/result.hpp"

namespace quorate::storage {

inline constexpr std::uint32_t kSnapshotFormat = 1;
inline constexpr std::size_t kSnapshotHeaderBytes = 32;
/// More than the largest configuration there can be.
inline constexpr std::size_t kSnapshotContextBytesMax = std::size_t{1} << 16;

/// Header and context; the state follows.
[[nodiscard]] std::vector<std::byte> encode_snapshot_head(const CheckpointContext& context,
                                                          std::span<const std::byte> state);

struct SnapshotHeader {
  std::uint32_t context_bytes = 0;
  std::uint64_t state_bytes = 0;
  std::uint32_t state_checksum = 0;  ///< masked
  std::uint32_t head_checksum = 0;   ///< masked
};
/// kCorrupt, or kUnsupported if a later release wrote it.
[[nodiscard]] Result<SnapshotHeader> parse_snapshot_header(std::span<const std::byte> bytes);
/// `head` is the header and the context. kCorrupt if its checksum fails.
[[nodiscard]] Result<CheckpointContext> parse_snapshot_context(std::span<const std::byte> head);

/// "snapshot-<index>-<term>": names sort as snapshots follow each other.
[[nodiscard]] std::string snapshot_name(LogId last);
[[nodiscard]] std::optional<LogId> parse_snapshot_name(std::string_view name);
/// "incoming-<index>-<term>-<base>-<origin>": a snapshot that is being received.
[[nodiscard]] std::string incoming_name(const SnapshotId& id);
[[nodiscard]] std::optional<SnapshotId> parse_incoming_name(std::string_view name);

}  // namespace quorate::storage
