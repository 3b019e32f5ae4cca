#include "transport/http_message.hpp"

#include <algorithm>

#include "consensus/assert.hpp"

namespace quorate::http {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

template <class Container>
void shrink_if_large(Container& container, std::size_t capacity_max) {
  if (container.capacity() <= capacity_max) return;
  container.clear();
  container.shrink_to_fit();
}

constexpr std::size_t kKeptTextBytes = 2048;
constexpr std::size_t kKeptBodyBytes = 4096;
constexpr std::size_t kKeptFields = 32;

}  // namespace

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, {}, lower, lower);
}

std::string_view reason_phrase(Status status) {
  switch (status) {
    case Status::kOk: return "OK";
    case Status::kNoContent: return "No Content";
    case Status::kMovedPermanently: return "Moved Permanently";
    case Status::kFound: return "Found";
    case Status::kNotModified: return "Not Modified";
    case Status::kBadRequest: return "Bad Request";
    case Status::kUnauthorized: return "Unauthorized";
    case Status::kForbidden: return "Forbidden";
    case Status::kNotFound: return "Not Found";
    case Status::kMethodNotAllowed: return "Method Not Allowed";
    case Status::kRequestTimeout: return "Request Timeout";
    case Status::kConflict: return "Conflict";
    case Status::kGone: return "Gone";
    case Status::kPayloadTooLarge: return "Request Entity Too Large";
    case Status::kExpectationFailed: return "Expectation Failed";
    case Status::kUnprocessable: return "Unprocessable Entity";
    case Status::kTooManyRequests: return "Too Many Requests";
    case Status::kHeaderTooLarge: return "Request Header Fields Too Large";
    case Status::kInternalError: return "Internal Server Error";
    case Status::kNotImplemented: return "Not Implemented";
    case Status::kBadGateway: return "Bad Gateway";
    case Status::kUnavailable: return "Service Unavailable";
    case Status::kGatewayTimeout: return "Gateway Timeout";
    case Status::kVersionNotSupported: return "HTTP Version Not Supported";
    case Status::kInsufficientStorage: return "Insufficient Storage";
  }
  return "Unknown";
}

std::string_view Request::name_of(const Field& field) const {
  return std::string_view(text_).substr(field.name_at, field.name_size);
}

std::string_view Request::value_of(const Field& field) const {
  return std::string_view(text_).substr(field.name_at + field.name_size, field.value_size);
}

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const Field& field : fields_)
    if (equal_ignoring_case(name_of(field), name)) return value_of(field);
  return std::nullopt;
}

std::size_t Request::header_count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(fields_, [&](const Field& field) { return equal_ignoring_case(name_of(field), name); }));
}

void Request::reset() {
  method = Method::kOther;
  version = HttpVersion::k11;
  persistence = Persistence::kKeepAlive;
  body.clear();
  taker.reset();
  text_.clear();
  target_size_ = 0;
  fields_.clear();
}

void Request::set_target(std::string_view target) {
  QUORATE_ASSERT(text_.empty());
  text_ = target;
  target_size_ = target.size();
}

void Request::add_header(std::string_view name, std::string_view value) {
  QUORATE_ASSERT(text_.size() + name.size() + value.size() <= UINT32_MAX);
  fields_.push_back({static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(name.size()),
                     static_cast<std::uint32_t>(value.size())});
  text_ += name;
  text_ += value;
}

void Request::shrink() {
  shrink_if_large(body, kKeptBodyBytes);
  shrink_if_large(text_, kKeptTextBytes);
  shrink_if_large(fields_, kKeptFields);
}

Response& Response::header(std::string_view name, std::string_view value) {
  header_lines_ += name;
  header_lines_ += ": ";
  for (const char c : value) header_lines_ += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  header_lines_ += "\r\n";
  return *this;
}

}  // namespace quorate::http
