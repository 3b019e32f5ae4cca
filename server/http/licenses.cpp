#include "server/http/licenses.hpp"

#include <string>
#include <utility>

#include "server/http/license_text.hpp"
#include "server/http/responses.hpp"

namespace quorate::http {

void show_licenses(Exchange exchange) {
  std::string all;
  for (const Asset& license : license_text()) all.append(all.empty() ? "" : "\n").append(license.bytes);
  exchange.responder.send(text(std::move(all)));
}

}  // namespace quorate::http
