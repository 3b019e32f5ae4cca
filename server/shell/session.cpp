#include "server/shell/session.hpp"

#include <chrono>
#include <istream>
#include <ostream>
#include <random>
#include <thread>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "server/shell/dot_commands.hpp"
#include "server/shell/words.hpp"

namespace quorate::shell {

namespace json = boost::json;

namespace {

constexpr std::chrono::seconds kRefusedPatience{5};
constexpr std::chrono::milliseconds kRefusedPause{100};

Cell cell_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return {};
    case json::kind::string: return {Cell::Kind::kText, std::string(value.get_string())};
    case json::kind::bool_: return {Cell::Kind::kNumber, value.get_bool() ? "true" : "false"};
    default: return {Cell::Kind::kNumber, json::serialize(value)};
  }
}

Rows rows_of(const json::object& result) {
  Rows rows;
  for (const json::value& name : result.at("columns").as_array()) rows.columns.emplace_back(name.as_string());
  if (const json::value* values = result.if_contains("values")) {
    for (const json::value& row : values->as_array()) {
      std::vector<Cell>& cells = rows.rows.emplace_back();
      for (const json::value& value : row.as_array()) cells.push_back(cell_of(value));
      cells.resize(rows.columns.size());
    }
  }
  return rows;
}

/// So that a failover in the middle of it is nobody's worry.
void make_repeatable(client::HttpRequest& request, std::string_view word) {
  const bool only_reads = word == "SELECT" || word == "VALUES" || word == "EXPLAIN";
  if (!only_reads && word != "PRAGMA") {
    std::random_device device;
    request.idempotency_key = "shell-" + std::to_string((std::uint64_t{device()} << 32) ^ device());
  }
  if (word != "PRAGMA") request.repetition = client::Repetition::kHarmless;
}

std::uint64_t number_in(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<std::uint64_t>() : 0;
}

}  // namespace

Session::Session(client::HttpClient& client, Settings settings, std::ostream& out, std::ostream& err)
    : client_(client), settings_(std::move(settings)), out_(out), err_(err) {}

Result<std::string> Session::connect() {
  const auto reply = client_.send({"GET", "/status", {}});
  if (!reply) return tl::unexpected(reply.error());
  if (reply->status != 200) {
    return fail(ErrorKind::kUnavailable,
                client_.host() + " answers HTTP " + std::to_string(reply->status) + " to /status");
  }
  boost::system::error_code error;
  const json::value status = json::parse(reply->body, error);
  const json::value* version = error ? nullptr : status.find_pointer("/build/version", error);
  return version != nullptr && version->is_string() ? std::string(version->get_string()) : std::string("unknown");
}

Verdict Session::complain(std::string_view what) {
  err_ << "Error: " << what << '\n';
  return Verdict::kFailed;
}

/// While a leader is being elected, and whenever a node has too much to do, a request is refused without effect, and
/// may be repeated; one that takes effect once may be repeated even if nobody knows whether it has.
Result<client::HttpReply> Session::send(const client::HttpRequest& request) {
  const auto deadline = std::chrono::steady_clock::now() + kRefusedPatience;
  while (true) {
    auto reply = client_.send(request);
    const bool is_refused = reply && reply->status == 503 && request.target.starts_with("/db/");
    const bool is_unknown = reply ? reply->status == 504 : reply.error().kind == ErrorKind::kTimeout;
    const bool is_open = is_unknown && request.may_be_repeated();
    if (!(is_refused || is_open) || std::chrono::steady_clock::now() >= deadline) return reply;
    std::this_thread::sleep_for(kRefusedPause);
  }
}

std::optional<std::string> Session::ask(const client::HttpRequest& request) {
  auto reply = send(request);
  if (!reply) {
    complain(reply.error().message);
    return std::nullopt;
  }
  if (reply->status / 100 != 2) {
    std::string text = reply->body.substr(0, reply->body.find_last_not_of("\r\n") + 1);
    complain(text.empty() ? client_.host() + " answers HTTP " + std::to_string(reply->status) : text);
    return std::nullopt;
  }
  return std::move(reply->body);
}

Verdict Session::run_sql(const std::string& text) {
  for (const std::string& statement : split_statements(text))
    if (const Verdict verdict = run_statement(statement); verdict != Verdict::kGoOn) return verdict;
  return Verdict::kGoOn;
}

Verdict Session::run_statement(std::string_view sql) {
  const std::string word = first_word(sql);
  if (word == "BEGIN" || word == "START") return begin();
  if (word == "COMMIT" || word == "END") return finish("commit");
  if (word == "ROLLBACK" && second_word(sql) != "TO") return finish("rollback");
  std::string target = settings_.force_writes ? "/db/execute?" : "/db/request?level=" + settings_.level;
  if (transaction_) target = "/db/request?tx=" + *transaction_;
  if (settings_.timer) target += "&timings";
  if (settings_.blob_array) target += "&blob_array";
  client::HttpRequest request{"POST", target, json::serialize(json::array{json::string(sql)})};
  if (!transaction_) make_repeatable(request, word);
  const auto body = ask(request);
  return body ? show(*body) : Verdict::kFailed;
}

Verdict Session::show(const std::string& body) {
  boost::system::error_code error;
  const json::value answer = json::parse(body, error);
  if (error || !answer.is_object()) return complain("the answer is not JSON: " + body.substr(0, 200));
  Verdict verdict = Verdict::kGoOn;
  const json::object& envelope = answer.get_object();
  const json::value* results = envelope.if_contains("results");
  if (results != nullptr && results->is_array()) {
    for (const json::value& element : results->get_array()) {
      const json::object& result = element.as_object();
      if (const json::value* failure = result.if_contains("error")) {
        verdict = complain(failure->as_string());
      } else if (result.contains("columns")) {
        out() << render(rows_of(result), settings_.mode, settings_.headers);
      } else if (settings_.changes && number_in(result, "rows_affected") > 0) {
        const std::uint64_t rows = number_in(result, "rows_affected");
        out() << rows << (rows == 1 ? " row affected\n" : " rows affected\n");
      }
      if (const json::value* time = settings_.timer ? result.if_contains("time") : nullptr) {
        out() << "Run Time: " << json::serialize(*time) << " seconds\n";
      }
    }
  }
  if (const json::value* failure = envelope.if_contains("error")) verdict = complain(failure->as_string());
  out().flush();
  return verdict;
}

Verdict Session::begin() {
  if (transaction_) return complain("a transaction is open already: COMMIT or ROLLBACK it first");
  const auto body = ask({"POST", "/db/begin", "{}"});
  if (!body) return Verdict::kFailed;
  boost::system::error_code error;
  const json::value answer = json::parse(*body, error);
  const json::value* token = error ? nullptr : answer.find_pointer("/transaction", error);
  if (token == nullptr || !token->is_string()) return complain("the server began no transaction: " + *body);
  transaction_ = std::string(token->get_string());
  return Verdict::kGoOn;
}

Verdict Session::finish(std::string_view how) {
  if (!transaction_) return complain("no transaction is open: BEGIN one first");
  const std::string token = *std::exchange(transaction_, std::nullopt);
  const auto body = ask({"POST", "/db/" + std::string(how) + "?tx=" + token, "{}"});
  return body ? show(*body) : Verdict::kFailed;
}

void Session::close() {
  if (transaction_) finish("rollback");
}

Verdict Session::run_command(std::string_view line) { return DotCommands(*this).run(line); }

Verdict Session::run_script(std::istream& in) {
  std::string pending;
  std::string line;
  while (std::getline(in, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    Verdict verdict = Verdict::kGoOn;
    if (is_blank(pending) && line.starts_with('.')) {
      verdict = run_command(line);
    } else {
      pending += line + '\n';
      if (!is_complete(pending)) continue;
      verdict = is_blank(pending) ? Verdict::kGoOn : run_sql(pending);
      pending.clear();
    }
    if (verdict != Verdict::kGoOn) return verdict;
  }
  return is_blank(pending) ? Verdict::kGoOn : run_sql(pending);
}

std::string Session::prompt() const { return client_.host() + (transaction_ ? "*> " : "> "); }

std::optional<Rows> Session::query(const std::string& sql) {
  const auto body =
      ask({"POST", "/db/query?level=" + settings_.level, json::serialize(json::array{json::string(sql)})});
  if (!body) return std::nullopt;
  boost::system::error_code error;
  const json::value answer = json::parse(*body, error);
  const json::value* result = error ? nullptr : answer.find_pointer("/results/0", error);
  if (result == nullptr || !result->is_object() || !result->get_object().contains("columns")) {
    show(*body);
    return std::nullopt;
  }
  return rows_of(result->get_object());
}

std::vector<std::string> Session::completions(std::string_view prefix) {
  std::string pattern;
  for (const char letter : prefix) {
    if (letter == '\'') return {};
    pattern += letter;
  }
  const auto rows = query(
      "SELECT DISTINCT name FROM (SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') UNION "
      "SELECT c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c WHERE t.type IN ('table', 'view')) "
      "WHERE substr(name, 1, " +
      std::to_string(pattern.size()) + ") = '" + pattern + "' COLLATE NOCASE ORDER BY 1");
  std::vector<std::string> names;
  if (rows) {
    for (const auto& row : rows->rows) names.push_back(row.front().text);
  }
  return names;
}

}  // namespace quorate::shell
