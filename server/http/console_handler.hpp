// /console/: the web console, a page that asks this node over the same interface as everybody else. It is served from
// the binary, may use nothing that is not, and cannot be framed (Content-Security-Policy). Browsers keep the files and
// ask each time whether they have changed (ETag), so that a page is never of two versions. Loop thread only.
#pragma once

#include "server/http/exchange.hpp"

namespace quorate::http {

/// GET or HEAD of anything below /console.
void serve_console(Exchange exchange);
/// GET or HEAD of /: goes to the console.
void lead_to_console(Exchange exchange);

}  // namespace quorate::http
