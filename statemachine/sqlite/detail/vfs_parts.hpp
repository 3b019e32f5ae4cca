// What the SQLite VFSes of this application share: calls that belong to the machine and not to any file, and the seam
// to a C library that must not see exceptions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

#include <sqlite3.h>

namespace quorate::sqlite::detail {

/// SQLite calls C functions; none of them may throw.
template <class Body>
int guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return SQLITE_NOMEM;
  }
}

inline std::span<std::byte> bytes_of(void* data, int size) {
  return {static_cast<std::byte*>(data), static_cast<std::size_t>(size)};
}
inline std::span<const std::byte> bytes_of(const void* data, int size) {
  return {static_cast<const std::byte*>(data), static_cast<std::size_t>(size)};
}

/// The Julian day's milliseconds at the beginning of 1970.
inline constexpr std::int64_t kUnixEpochJulianMs = 210'866'760'000'000;
inline constexpr double kMsPerDay = 86'400'000.0;

/// xFullPathname: names are what they are.
int full_path(sqlite3_vfs* vfs, const char* path, int size, char* out);
/// Shared libraries and random numbers are those of the machine; nobody sleeps.
void set_machine_methods(sqlite3_vfs& vfs);

}  // namespace quorate::sqlite::detail
