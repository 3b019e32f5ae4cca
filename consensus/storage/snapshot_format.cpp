#include "consensus/storage/snapshot_format.hpp"

#include <array>
#include <charconv>

#include <fmt/format.h>

#include "consensus/configuration_codec.hpp"
#include "consensus/wire/crc32c.hpp"
#include "consensus/wire/little_endian.hpp"

namespace quorate::storage {

namespace {

constexpr std::uint64_t kMagic = 0x31504e5345544f51;  // "QOTESNP1"
constexpr std::size_t kContextFixedBytes = 24;
constexpr std::size_t kHeadChecksumAt = 28;

using wire::load_little_endian;
using wire::store_little_endian;

/// Of everything in the head but the checksum itself.
std::uint32_t head_checksum(std::span<const std::byte> head) {
  const wire::Crc32c header = wire::crc32c(head.first(kHeadChecksumAt));
  return wire::masked(wire::crc32c(head.subspan(kSnapshotHeaderBytes), header));
}

/// The numbers between the dashes behind a prefix, 16 hexadecimal digits each; nothing if it is not that.
template <std::size_t kCount>
std::optional<std::array<std::uint64_t, kCount>> parse_numbers(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() != prefix.size() + kCount * 17) return std::nullopt;
  name.remove_prefix(prefix.size());
  std::array<std::uint64_t, kCount> numbers{};
  for (std::uint64_t& number : numbers) {
    const std::string_view digits = name.substr(1, 16);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
    if (name.front() != '-' || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    name.remove_prefix(17);
  }
  return numbers;
}

}  // namespace

std::vector<std::byte> encode_snapshot_head(const CheckpointContext& context, std::span<const std::byte> state) {
  const Payload configuration = encode(context.configuration);
  std::vector<std::byte> head(kSnapshotHeaderBytes + kContextFixedBytes);
  const std::size_t context_bytes = kContextFixedBytes + configuration.size();
  store_little_endian(head.data(), kMagic);
  store_little_endian(head.data() + 8, kSnapshotFormat);
  store_little_endian(head.data() + 12, static_cast<std::uint32_t>(context_bytes));
  store_little_endian(head.data() + 16, static_cast<std::uint64_t>(state.size()));
  store_little_endian(head.data() + 24, wire::masked(wire::crc32c(state)));
  std::byte* const fixed = head.data() + kSnapshotHeaderBytes;
  store_little_endian(fixed, context.last.term.value);
  store_little_endian(fixed + 8, context.last.index.value);
  store_little_endian(fixed + 16, context.time.value);
  head.insert(head.end(), configuration.bytes().begin(), configuration.bytes().end());
  store_little_endian(head.data() + kHeadChecksumAt, head_checksum(head));
  return head;
}

Result<SnapshotHeader> parse_snapshot_header(std::span<const std::byte> bytes) {
  if (bytes.size() < kSnapshotHeaderBytes || load_little_endian<std::uint64_t>(bytes.data()) != kMagic) {
    return fail(ErrorKind::kCorrupt, "this is no snapshot");
  }
  const auto format = load_little_endian<std::uint32_t>(bytes.data() + 8);
  if (format != kSnapshotFormat) {
    return fail(
        ErrorKind::kUnsupported,
        fmt::format("the snapshot has format {}, and this release knows {}; use a later one", format, kSnapshotFormat));
  }
  const SnapshotHeader header{
      load_little_endian<std::uint32_t>(bytes.data() + 12), load_little_endian<std::uint64_t>(bytes.data() + 16),
      load_little_endian<std::uint32_t>(bytes.data() + 24), load_little_endian<std::uint32_t>(bytes.data() + 28)};
  if (header.context_bytes < kContextFixedBytes || header.context_bytes > kSnapshotContextBytesMax) {
    return fail(ErrorKind::kCorrupt, "the snapshot's context has an impossible size");
  }
  return header;
}

Result<CheckpointContext> parse_snapshot_context(std::span<const std::byte> head) {
  const auto header = parse_snapshot_header(head);
  if (!header) return tl::unexpected(header.error());
  if (head.size() != kSnapshotHeaderBytes + header->context_bytes || head_checksum(head) != header->head_checksum) {
    return fail(ErrorKind::kCorrupt, "the snapshot's head fails its checksum");
  }
  const std::span<const std::byte> context = head.subspan(kSnapshotHeaderBytes);
  auto configuration = decode_configuration(context.subspan(kContextFixedBytes));
  if (!configuration) return tl::unexpected(configuration.error());
  return CheckpointContext{{Term{load_little_endian<std::uint64_t>(context.data())},
                            Index{load_little_endian<std::uint64_t>(context.data() + 8)}},
                           LogTime{load_little_endian<std::uint64_t>(context.data() + 16)},
                           std::move(*configuration)};
}

std::string snapshot_name(LogId last) {
  return fmt::format("snapshot-{:016x}-{:016x}", last.index.value, last.term.value);
}

std::optional<LogId> parse_snapshot_name(std::string_view name) {
  const auto numbers = parse_numbers<2>(name, "snapshot");
  if (!numbers) return std::nullopt;
  return LogId{Term{(*numbers)[1]}, Index{(*numbers)[0]}};
}

std::string incoming_name(const SnapshotId& id) {
  return fmt::format("incoming-{:016x}-{:016x}-{:016x}-{:016x}", id.last.index.value, id.last.term.value, id.base.value,
                     id.origin.value);
}

std::optional<SnapshotId> parse_incoming_name(std::string_view name) {
  const auto numbers = parse_numbers<4>(name, "incoming");
  if (!numbers) return std::nullopt;
  return SnapshotId{{Term{(*numbers)[1]}, Index{(*numbers)[0]}}, Index{(*numbers)[2]}, NodeId{(*numbers)[3]}};
}

}  // namespace quorate::storage
