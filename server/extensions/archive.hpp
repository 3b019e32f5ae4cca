// Archives of extensions: zip and tar.gz files, unpacked without any trust in them. Blocking; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "consensus/result.hpp"

namespace quorate::extensions {

/// What one node may have installed, archives and files together.
inline constexpr std::size_t kFilesMax = 256;
inline constexpr std::uint64_t kBytesMax = std::uint64_t{512} << 20;
/// Of an archive, whatever they are.
inline constexpr std::size_t kEntriesMax = 4096;

/// What is left of the limits above.
struct Allowance {
  std::size_t files = kFilesMax;
  std::uint64_t bytes = kBytesMax;
};

/// Whether a file of that name can be an extension: "name.so", and no path.
[[nodiscard]] bool is_extension_name(const std::string& name);

/// Whether the file begins as a zip or a gzip file does.
[[nodiscard]] Result<bool> is_archive(const std::string& file);

/// Writes the extensions in the archive into the directory, and returns their names. Entries that are no extensions are
/// skipped; links, paths and names that are there already are refused. What was written before an error stays.
[[nodiscard]] Result<std::vector<std::string>> unpack(const std::string& archive, const std::string& directory,
                                                      Allowance& allowance);

}  // namespace quorate::extensions
