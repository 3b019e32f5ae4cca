#include "server/http/console_handler.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "server/http/console_assets.hpp"
#include "server/http/query_string.hpp"

namespace quorate::http {

namespace {

constexpr std::string_view kFolder = "/console";

/// Scripts, styles and data of this node only; nothing inline, nothing in a frame.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

constexpr std::array kTypes = {
    std::pair<std::string_view, std::string_view>{".html", "text/html; charset=utf-8"},
    std::pair<std::string_view, std::string_view>{".css", "text/css; charset=utf-8"},
    std::pair<std::string_view, std::string_view>{".js", "text/javascript; charset=utf-8"},
    std::pair<std::string_view, std::string_view>{".svg", "image/svg+xml"},
};

std::string_view type_of(std::string_view path) {
  const auto found = std::ranges::find_if(kTypes, [path](const auto& type) { return path.ends_with(type.first); });
  return found == kTypes.end() ? "application/octet-stream" : found->second;
}

const Asset* asset_at(std::string_view path) {
  if (path.empty()) path = "index.html";
  const auto found = std::ranges::find(console_assets(), path, &Asset::path);
  return found == console_assets().end() ? nullptr : &*found;
}

/// Whether the client has the file as it is: "*", or one of a list of tags, each perhaps marked as weak.
bool is_known(const Request& request, const Asset& asset) {
  const auto known = request.header("If-None-Match");
  return known && (*known == "*" || known->find(asset.entity_tag) != std::string_view::npos);
}

Response redirect(Status status) { return std::move(Response(status).header("Location", std::string(kFolder) + "/")); }

}  // namespace

void serve_console(Exchange exchange) {
  const auto target = split_target(exchange.request.target());
  std::string_view path = target ? std::string_view(target->path) : std::string_view();
  path.remove_prefix(std::min(kFolder.size(), path.size()));
  if (path.empty()) return exchange.responder.send(redirect(Status::kMovedPermanently));
  const Asset* const asset = path.starts_with('/') ? asset_at(path.substr(1)) : nullptr;
  if (asset == nullptr) return exchange.responder.send(Response(Status::kNotFound));
  Response response(is_known(exchange.request, *asset) ? Status::kNotModified : Status::kOk);
  response.header("ETag", asset->entity_tag).header("Cache-Control", "no-cache");
  if (response.status == Status::kOk) {
    response.header("Content-Type", type_of(asset->path)).header("X-Content-Type-Options", "nosniff");
    response.header("Content-Security-Policy", kPolicy).header("Referrer-Policy", "no-referrer");
    response.body = asset->bytes;
  }
  exchange.responder.send(std::move(response));
}

void lead_to_console(Exchange exchange) { exchange.responder.send(redirect(Status::kFound)); }

}  // namespace quorate::http
