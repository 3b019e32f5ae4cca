#include "consensus/configuration_codec.hpp"

#include <cstdint>
#include <vector>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "consensus/wire/serialize.hpp"

namespace quorate {
namespace {

constexpr std::uint8_t kVersion = 1;

}  // namespace

Payload encode(const Configuration& configuration) {
  QUORATE_ASSERT(validate(configuration).has_value());
  std::vector<std::byte> bytes;
  wire::WireWriter out(bytes);
  out(kVersion, configuration);
  return Payload::copy_of(bytes);
}

Result<Configuration> decode_configuration(std::span<const std::byte> bytes) {
  wire::WireReader in(bytes);
  const auto version = in.take<std::uint8_t>();
  if (in.ok() && version != kVersion) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("a configuration of version {}; this build reads version {}", version, kVersion));
  }
  Configuration configuration;
  in(configuration);
  if (const Result<void> read = in.finish(); !read) {
    return fail(ErrorKind::kCorrupt, "a damaged configuration: " + read.error().message);
  }
  if (const Result<void> valid = validate(configuration); !valid) {
    return fail(ErrorKind::kCorrupt, "an impossible configuration: " + valid.error().message);
  }
  return configuration;
}

}  // namespace quorate
