// Messages between nodes as bytes and back; the layout is in docs/formats/wire.md and pinned by tests/golden/. Decoding
// takes any bytes whatever: it allocates no more than a small multiple of what it was given, and accepts exactly what
// encoding produces. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "consensus/message.hpp"
#include "consensus/result.hpp"
#include "consensus/types.hpp"

namespace quorate::wire {

/// The format of everything that travels. Raised with every change of it; peers of another version are refused.
inline constexpr std::uint16_t kWireVersion = 1;

/// The first thing that each side of a connection says. The frame around it names the cluster and the wire version.
struct Hello {
  NodeId from;
  NodeId to;  ///< whom the sender believes to talk to
  Incarnation incarnation;
  Boot boot;
  std::uint32_t feature_level = 0;  ///< the highest that the sender's build knows
  std::string address;              ///< where the sender can be reached; empty if it is not to be called back

  friend bool operator==(const Hello&, const Hello&) = default;
};

/// Appends the encoding to `out`.
void encode(const Message& message, std::vector<std::byte>& out);
void encode(const Hello& hello, std::vector<std::byte>& out);

[[nodiscard]] Result<Message> decode_message(std::span<const std::byte> bytes);
[[nodiscard]] Result<Hello> decode_hello(std::span<const std::byte> bytes);

}  // namespace quorate::wire
