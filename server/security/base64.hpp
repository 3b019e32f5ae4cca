// Base64 with its padding (RFC 4648 4), as HTTP's credentials and the JSON of others carry bytes. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace quorate::security {

[[nodiscard]] std::string encode_base64(std::string_view bytes);
/// Nothing if the text is anything else.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace quorate::security
