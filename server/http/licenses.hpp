// /licenses: what this program is made of, and on which terms. Loop thread only.
#pragma once

#include "server/http/exchange.hpp"

namespace quorate::http {

void show_licenses(Exchange exchange);

}  // namespace quorate::http
