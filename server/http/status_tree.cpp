#include "server/http/status_tree.hpp"

#include <utility>

#include "consensus/assert.hpp"

namespace quorate::http {

StatusTree& StatusTree::operator[](std::string_view name) {
  auto* const map = std::get_if<Map>(&value_);
  QUORATE_ASSERT(map != nullptr);
  return map->try_emplace(std::string(name)).first->second;
}

const StatusTree* StatusTree::find(std::string_view path) const {
  const std::size_t dot = path.find('.');
  const auto* const map = std::get_if<Map>(&value_);
  if (map == nullptr) return nullptr;
  const auto child = map->find(path.substr(0, dot));
  if (child == map->end()) return nullptr;
  return dot == std::string_view::npos ? &child->second : child->second.find(path.substr(dot + 1));
}

void StatusTree::write(JsonWriter& json) const {
  if (const auto* map = std::get_if<Map>(&value_)) {
    json.begin_object();
    for (const auto& [name, child] : *map) {
      json.key(name);
      child.write(json);
    }
    json.end_object();
  } else if (const auto* list = std::get_if<List>(&value_)) {
    json.begin_array();
    for (const StatusTree& element : *list) element.write(json);
    json.end_array();
  } else if (const auto* flag = std::get_if<bool>(&value_)) {
    json.boolean(*flag);
  } else if (const auto* number = std::get_if<std::int64_t>(&value_)) {
    json.integer(*number);
  } else if (const auto* count = std::get_if<std::uint64_t>(&value_)) {
    json.unsigned_integer(*count);
  } else if (const auto* real = std::get_if<double>(&value_)) {
    json.number(*real);
  } else {
    json.string(std::get<std::string>(value_));
  }
}

}  // namespace quorate::http
