// A configuration as bytes: the payload of a kConfiguration entry, and a part of every checkpoint and snapshot.
//
//   u8   version, 1
//   u64  generation
//   2 x  (members, then outgoing): u32 count, and per member
//          u64 id | u64 incarnation | u8 kind | u32 priority | u32 size of the address | address
//
// Little endian, nothing behind it. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <span>

#include "consensus/configuration.hpp"
#include "consensus/payload.hpp"
#include "consensus/result.hpp"

namespace quorate {

/// `configuration` must be valid.
[[nodiscard]] Payload encode(const Configuration& configuration);

/// What comes back is valid (pitfall F21). kUnsupported: written by a newer version; kCorrupt: never written by any.
[[nodiscard]] Result<Configuration> decode_configuration(std::span<const std::byte> bytes);

}  // namespace quorate
