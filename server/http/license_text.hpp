// The licence of this program, and a list of what it uses, as the build has put them into the binary. Constant; any
// thread.
#pragma once

#include <span>

#include "server/http/console_assets.hpp"

namespace quorate::http {

[[nodiscard]] std::span<const Asset> license_text();

}  // namespace quorate::http
