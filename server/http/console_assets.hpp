// The files of the web console (server/console/), as the build has put them into the binary (cmake/EmbedFiles.cmake).
// Constant; any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace quorate::http {

struct Asset {
  std::string_view path;  ///< relative to the console's: "js/main.js"
  std::string_view bytes;
  std::string_view entity_tag;  ///< quoted, as it stands in ETag
};

[[nodiscard]] std::span<const Asset> console_assets();

}  // namespace quorate::http
