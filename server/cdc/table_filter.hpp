// Which tables the change feed tells of: those whose names a regular expression matches somewhere. The expressions are
// those of RE2, which are matched in linear time, whatever they are. A value; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "consensus/result.hpp"

namespace re2 {
class RE2;
}

namespace quorate::cdc {

class TableFilter {
 public:
  /// An empty expression matches everything.
  [[nodiscard]] static Result<TableFilter> compile(const std::string& expression);

  [[nodiscard]] bool wants(std::string_view table) const;
  [[nodiscard]] bool wants_all() const { return expression_ == nullptr; }

 private:
  std::shared_ptr<const re2::RE2> expression_;
};

}  // namespace quorate::cdc
