// The text of a file that an operator has written, before it is parsed: read from the disk, with a limit, and with
// variables of the environment put in.
//
//   $NAME, ${NAME}   the variable's value, as it is; in JSON it must not hold what has a meaning there
//   $ otherwise      itself
//
// Pure functions, but for reading, which blocks; any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/result.hpp"

namespace quorate::settings {

inline constexpr std::size_t kSettingsBytesMax = std::size_t{256} << 10;

/// Nothing if there is no such variable.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
[[nodiscard]] Environment process_environment();

/// kNotFound: there is no such file. kInvalidArgument: it is too large, or cannot be read.
[[nodiscard]] Result<std::string> read_settings(const std::string& file);

/// A variable that is not set is an error: what an empty one makes of a path or a name is nothing anybody wants.
[[nodiscard]] Result<std::string> with_variables(std::string_view text, const std::string& file,
                                                 const Environment& environment);

}  // namespace quorate::settings
