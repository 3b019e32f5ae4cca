#include "server/cdc/table_filter.hpp"

#include <re2/re2.h>

namespace quorate::cdc {

namespace {

constexpr std::size_t kExpressionBytesMax = 4096;
constexpr std::int64_t kMemoryBytesMax = std::int64_t{8} << 20;

}  // namespace

Result<TableFilter> TableFilter::compile(const std::string& expression) {
  TableFilter filter;
  if (expression.empty()) return filter;
  if (expression.size() > kExpressionBytesMax)
    return fail(ErrorKind::kInvalidArgument,
                "the expression has more than " + std::to_string(kExpressionBytesMax) + " bytes");
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMemoryBytesMax);
  auto compiled = std::make_shared<const re2::RE2>(expression, options);
  if (!compiled->ok()) return fail(ErrorKind::kInvalidArgument, compiled->error());
  filter.expression_ = std::move(compiled);
  return filter;
}

bool TableFilter::wants(std::string_view table) const {
  return expression_ == nullptr || re2::RE2::PartialMatch(re2::StringPiece(table.data(), table.size()), *expression_);
}

}  // namespace quorate::cdc
