// Which build this is, for --version, the status page and the first line of the log. Constants; any thread may ask.
#pragma once

#include <string>
#include <string_view>

namespace quorate {

struct BuildInfo {
  std::string_view version;   ///< of the release, such as 0.1.0
  std::string_view revision;  ///< the commit, with "-dirty" if it was changed since; "unknown" outside of a repository
  std::string_view compiler;
};

[[nodiscard]] const BuildInfo& build_info();

/// All of it on one line.
[[nodiscard]] std::string describe_build();

}  // namespace quorate
