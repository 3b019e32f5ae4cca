// Assertions of the engine: on in every build. A broken one is a bug of this program, never of its input or its
// environment; the process stops before the damage can reach a disk or a peer.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace quorate::detail {

[[noreturn]] inline void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "quorate: assertion failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace quorate::detail

#define QUORATE_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::quorate::detail::assertion_failed(#condition, __FILE__, __LINE__))
