// What a consumer of the change feed gets: groups of changes as one JSON document.
//
//   {"service_id":"...","node_id":"1","payload":[
//     {"index":4,"commit_timestamp":1795222290939,"events":[
//       {"op":"UPDATE","table":"foo","old_row_id":1,"new_row_id":1,"before":{...},"after":{...}}]}]}
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <vector>

#include "statemachine/sqlite/change.hpp"

namespace quorate::cdc {

struct Sender {
  std::string service_id;  ///< empty: not told
  std::string node_id;
};

/// In one line, without its end.
[[nodiscard]] std::string envelope_of(const std::vector<sqlite::ChangeGroup>& groups, const Sender& sender);

}  // namespace quorate::cdc
