#include "server/http/parameters.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>
#include <utility>

#include "server/http/go_text.hpp"
#include "transport/http_message.hpp"

namespace quorate::http {

namespace {

using server::ReadLevel;

constexpr std::array kFlagNames = {
    std::pair{"associative", Flag::kAssociative},
    std::pair{"blob_array", Flag::kBlobArray},
    std::pair{"bypass", Flag::kBypass},
    std::pair{"compress", Flag::kCompress},
    std::pair{"force", Flag::kForce},
    std::pair{"freshness_strict", Flag::kFreshnessStrict},
    std::pair{"noleader", Flag::kNoLeader},
    std::pair{"nonvoters", Flag::kNonVoters},
    std::pair{"noparse", Flag::kNoParse},
    std::pair{"norwrandom", Flag::kNoRewriteRandom},
    std::pair{"norwtime", Flag::kNoRewriteTime},
    std::pair{"pretty", Flag::kPretty},
    std::pair{"qualify_columns", Flag::kQualifyColumns},
    std::pair{"queue", Flag::kQueue},
    std::pair{"raft_index", Flag::kRaftIndex},
    std::pair{"redirect", Flag::kRedirect},
    std::pair{"sync", Flag::kSync},
    std::pair{"timings", Flag::kTimings},
    std::pair{"transaction", Flag::kTransaction},
    std::pair{"vacuum", Flag::kVacuum},
    std::pair{"wait", Flag::kWait},
};
static_assert(kFlagNames.size() == static_cast<std::size_t>(Flag::kCount));

constexpr std::array kLevelNames = {
    std::pair{"auto", ReadLevel::kAuto},     std::pair{"none", ReadLevel::kNone},
    std::pair{"weak", ReadLevel::kWeak},     std::pair{"linearizable", ReadLevel::kLinearizable},
    std::pair{"strong", ReadLevel::kStrong},
};

/// Unknown names mean the weakest promise that still goes to the leader.
ReadLevel level_named(std::string_view name) {
  for (const auto& [known, level] : kLevelNames)
    if (equal_ignoring_case(known, name)) return level;
  return ReadLevel::kWeak;
}

BackupFormat format_named(std::string_view name) {
  if (name == "sql") return BackupFormat::kSql;
  if (name == "delete") return BackupFormat::kDelete;
  return BackupFormat::kBinary;
}

/// Whoever asks for more means for ever: a moment so long after now can still be represented.
constexpr Duration kDurationMax = std::chrono::years(100);

/// Reads the valued parameters; the first malformed one ends it.
class Reader {
 public:
  explicit Reader(const QueryString& query) : query_(query) {}

  void duration(std::string_view key, Duration& into) {
    const auto text = query_.find(key);
    if (!text) return;
    const std::optional<Duration> parsed = parse_duration(*text);
    if (!parsed || *parsed < Duration::zero()) return complain(key, "is not a valid duration");
    into = std::min(*parsed, kDurationMax);
  }
  /// 0 turns it off.
  void duration(std::string_view key, std::optional<Duration>& into) {
    Duration parsed = Duration::zero();
    duration(key, parsed);
    if (parsed > Duration::zero()) into = parsed;
  }
  template <class Number>
  void integer(std::string_view key, Number& into) {
    const auto text = query_.find(key);
    if (!text) return;
    const std::string_view digits = text->starts_with('+') ? text->substr(1) : *text;
    const char* const end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, into);
    if (parsed.ec != std::errc{} || parsed.ptr != end) complain(key, "is not a valid integer");
  }
  void text(std::string_view key, std::optional<std::string>& into) {
    if (const auto text = query_.find(key)) into = std::string(*text);
  }
  void complain(std::string_view key, std::string_view what) {
    if (complaint_.empty()) complaint_.append(key).append(" ").append(what);
  }
  [[nodiscard]] const std::string& complaint() const { return complaint_; }

 private:
  const QueryString& query_;
  std::string complaint_;
};

}  // namespace

Result<Parameters> parse_parameters(std::string_view query_string) {
  const Result<QueryString> parsed = QueryString::parse(query_string);
  if (!parsed) return tl::unexpected(parsed.error());
  const QueryString& query = *parsed;

  Parameters parameters;
  for (const auto& [name, flag] : kFlagNames)
    if (query.has(name)) parameters.flags.set(static_cast<std::size_t>(flag));

  Reader read(query);
  if (parameters.has(Flag::kFreshnessStrict) && !query.has("freshness"))
    read.complain("freshness_strict", "requires freshness");
  read.duration("timeout", parameters.timeout);
  read.duration("freshness", parameters.freshness);
  read.duration("db_timeout", parameters.statement_timeout);
  read.duration("linearizable_timeout", parameters.linearizable_timeout);
  read.integer("retries", parameters.retries);
  read.integer("trailing_logs", parameters.trailing_logs);
  read.integer("min_index", parameters.min_index.value);
  read.text("q", parameters.query);
  if (parameters.query && parameters.query->empty()) read.complain("query parameter", "not set");
  read.text("tables", parameters.tables);
  read.text("key", parameters.key);
  if (const auto level = query.find("level")) parameters.level = level_named(*level);
  if (const auto format = query.find("fmt")) parameters.format = format_named(*format);
  if (query.find("ver") == "2") parameters.nodes_form = NodesForm::kList;
  parameters.transaction = query.find("tx").value_or("");
  if (!read.complaint().empty()) return fail(ErrorKind::kInvalidArgument, read.complaint());
  return parameters;
}

}  // namespace quorate::http
