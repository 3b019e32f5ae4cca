// What a status page shows: a tree of named values. Whoever knows something adds it under its names; the page prints
// all of it, or the part that is asked for, with the names sorted. Values.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/http/json_writer.hpp"

namespace quorate::http {

class StatusTree {
 public:
  using Map = std::map<std::string, StatusTree, std::less<>>;
  using List = std::vector<StatusTree>;

  StatusTree() : value_(Map()) {}
  StatusTree(bool value) : value_(value) {}               // NOLINT(google-explicit-constructor): a literal of the tree
  StatusTree(std::int64_t value) : value_(value) {}       // NOLINT(google-explicit-constructor)
  StatusTree(std::uint64_t value) : value_(value) {}      // NOLINT(google-explicit-constructor)
  StatusTree(int value) : value_(std::int64_t{value}) {}  // NOLINT(google-explicit-constructor)
  StatusTree(double value) : value_(value) {}             // NOLINT(google-explicit-constructor)
  StatusTree(std::string value) : value_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  StatusTree(const char* value) : value_(std::string(value)) {}       // NOLINT(google-explicit-constructor)
  StatusTree(std::string_view value) : value_(std::string(value)) {}  // NOLINT(google-explicit-constructor)
  StatusTree(List value) : value_(std::move(value)) {}                // NOLINT(google-explicit-constructor)

  /// The child of that name, which appears if there was none. Only of a tree that holds no value.
  StatusTree& operator[](std::string_view name);
  /// "store.raft.term": what stands there, or null.
  [[nodiscard]] const StatusTree* find(std::string_view path) const;

  void write(JsonWriter& json) const;

 private:
  std::variant<Map, bool, std::int64_t, std::uint64_t, double, std::string, List> value_;
};

}  // namespace quorate::http
