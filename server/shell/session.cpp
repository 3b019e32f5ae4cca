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
#include "server/shell/result_reader.hpp"
#include "server/shell/words.hpp"

namespace quorate::shell {

namespace json = boost::json;

namespace {

constexpr std::chrono::seconds kRefusedPatience{5};
constexpr const char* kNotAuthorized =
    "not authorized: the name or the password is wrong (-u name:password), or the user has not the permission";
constexpr std::chrono::milliseconds kRefusedPause{100};

/// Scripts that read scripts, before one is taken for reading itself.
constexpr std::size_t kScriptsOpenMax = 16;

std::string new_key() {
  std::random_device device;
  return "shell-" + std::to_string((std::uint64_t{device()} << 32) ^ device());
}

/// So that a failover in the middle of it is nobody's worry.
void make_repeatable(client::HttpRequest& request, std::string_view sql) {
  const std::string word = first_word(sql);
  if (!reads_only(sql) && word != "PRAGMA") request.idempotency_key = new_key();
  if (word != "PRAGMA") request.repetition = client::Repetition::kHarmless;
}

std::string body_of(std::string_view sql) { return json::serialize(json::array{json::string(sql)}); }

}  // namespace

Session::Session(client::HttpClient& client, Settings settings, std::ostream& out, std::ostream& err)
    : client_(client), settings_(std::move(settings)), out_(out), err_(err) {}

Result<std::string> Session::connect() {
  const auto reply = client_.send({"GET", "/status", {}});
  if (!reply) return tl::unexpected(reply.error());
  if (reply->status == 401) return fail(ErrorKind::kUnavailable, client_.host() + ": " + kNotAuthorized);
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

/// Shows the results of statements while they arrive.
class Session::Display {
 public:
  explicit Display(Session& session)
      : session_(session),
        printer_(session.out(), session.settings_.mode, session.settings_.headers),
        reader_({.columns = [this](std::vector<std::string> columns) { printer_.begin(std::move(columns)); },
                 .row = [this](std::vector<Cell> cells) { printer_.row(std::move(cells)); },
                 .end = [this](const ResultSummary& summary) { end(summary); }}) {}

  bool take(std::string_view piece) {
    has_given_up_ = !reader_.read(piece) || !session_.out().good();
    return !has_given_up_;
  }
  [[nodiscard]] bool has_given_up() const { return has_given_up_; }

  Verdict finish() {
    const auto failure = reader_.finish();
    session_.out().flush();
    if (!session_.out().good()) return session_.complain("the output cannot be written; is the disk full?");
    if (!failure) return session_.complain(failure.error().message);
    if (*failure) return session_.complain(**failure);
    return verdict_;
  }

 private:
  void end(const ResultSummary& summary) {
    if (summary.has_rows) printer_.end();
    if (!summary.error.empty()) {
      verdict_ = session_.complain(summary.error);
    } else if (session_.settings_.changes && summary.rows_affected > 0) {
      session_.out() << summary.rows_affected << (summary.rows_affected == 1 ? " row affected\n" : " rows affected\n");
    }
    if (session_.settings_.timer && !summary.time.empty())
      session_.out() << "Run Time: " << summary.time << " seconds\n";
  }

  Session& session_;
  RowPrinter printer_;
  ResultReader reader_;
  Verdict verdict_ = Verdict::kGoOn;
  bool has_given_up_ = false;
};

/// While a leader is being elected, and whenever a node has too much to do, a request is refused without effect, and
/// may be repeated; one that takes effect once may be repeated even if nobody knows whether it has.
Result<client::HttpReply> Session::send(const client::HttpRequest& request, const client::BodySink& sink) {
  const auto deadline = std::chrono::steady_clock::now() + kRefusedPatience;
  bool has_begun = false;
  const client::BodySink noting = [&has_begun, &sink](std::string_view piece) {
    has_begun = true;
    return sink(piece);
  };
  while (true) {
    auto reply = client_.send(request, noting);
    const bool is_refused = reply && reply->status == 503 && request.target.starts_with("/db/");
    const bool is_unknown = reply ? reply->status == 504 : reply.error().kind == ErrorKind::kTimeout;
    const bool is_open = is_unknown && request.may_be_repeated() && !has_begun;
    if (!(is_refused || is_open) || std::chrono::steady_clock::now() >= deadline) return reply;
    std::this_thread::sleep_for(kRefusedPause);
  }
}

bool Session::is_success(const Result<client::HttpReply>& reply) {
  if (!reply) {
    complain(reply.error().message);
    return false;
  }
  if (reply->status / 100 == 2) return true;
  std::string text = reply->body.substr(0, reply->body.find_last_not_of("\r\n") + 1);
  if (reply->status == 401 && text.empty()) text = kNotAuthorized;
  complain(text.empty() ? client_.host() + " answers HTTP " + std::to_string(reply->status) : text);
  return false;
}

client::HttpRequest Session::write_request(std::string statements) const {
  if (transaction_)
    return {.method = "POST", .target = "/db/execute?tx=" + *transaction_, .body = std::move(statements)};
  return {.method = "POST",
          .target = "/db/execute?transaction",
          .body = std::move(statements),
          .idempotency_key = new_key(),
          .repetition = client::Repetition::kHarmless};
}

std::optional<std::string> Session::ask(const client::HttpRequest& request) {
  std::string body;
  const auto reply = send(request, [&body](std::string_view piece) {
    body += piece;
    return true;
  });
  if (!is_success(reply)) return std::nullopt;
  return body;
}

Verdict Session::run_and_show(const client::HttpRequest& request) {
  Display display(*this);
  const auto reply = send(request, [&display](std::string_view piece) { return display.take(piece); });
  if (display.has_given_up()) return display.finish();
  if (!is_success(reply)) {
    out().flush();
    return Verdict::kFailed;
  }
  return display.finish();
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
  // Only what certainly reads is answered while it is read.
  const std::string endpoint = reads_only(sql) ? "/db/query?level=" : "/db/request?level=";
  std::string target = settings_.force_writes ? "/db/execute?" : endpoint + settings_.level;
  if (transaction_) target = "/db/request?tx=" + *transaction_;
  if (settings_.timer) target += "&timings";
  if (settings_.blob_array) target += "&blob_array";
  client::HttpRequest request{"POST", target, body_of(sql)};
  if (!transaction_) make_repeatable(request, sql);
  return run_and_show(request);
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
  return run_and_show({"POST", "/db/" + std::string(how) + "?tx=" + token, "{}"});
}

void Session::close() {
  if (transaction_) finish("rollback");
}

Verdict Session::run_command(std::string_view line) { return DotCommands(*this).run(line); }

Verdict Session::run_script(std::istream& in) {
  if (scripts_open_ >= kScriptsOpenMax)
    return complain("a script reads itself, or " + std::to_string(kScriptsOpenMax) + " read each other");
  ++scripts_open_;
  const Verdict verdict = run_lines(in);
  --scripts_open_;
  return verdict;
}

Verdict Session::run_lines(std::istream& in) {
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
  const auto body = ask({.method = "POST",
                         .target = "/db/query?level=" + settings_.level,
                         .body = body_of(sql),
                         .repetition = client::Repetition::kHarmless});
  if (!body) return std::nullopt;
  Rows rows;
  std::string error;
  ResultReader reader({.columns = [&rows](std::vector<std::string> columns) { rows.columns = std::move(columns); },
                       .row = [&rows](std::vector<Cell> cells) { rows.rows.push_back(std::move(cells)); },
                       .end = [&error](const ResultSummary& summary) { error = summary.error; }});
  reader.read(*body);
  const auto failure = reader.finish();
  if (!failure) error = failure.error().message;
  if (failure && *failure) error = **failure;
  if (error.empty()) return rows;
  complain(error);
  return std::nullopt;
}

std::vector<std::string> Session::first_column(const std::string& sql) {
  std::vector<std::string> values;
  const auto rows = query(sql);
  if (!rows) return values;
  for (const auto& row : rows->rows) values.push_back(row.front().text);
  return values;
}

std::vector<std::string> Session::completions(std::string_view before, std::string_view prefix) {
  if (is_blank(before) && prefix.starts_with('.')) return commands_beginning_with(prefix);
  if (const auto choices = choices_of_command(before)) {
    std::vector<std::string> fitting;
    for (const std::string& choice : *choices)
      if (choice.starts_with(prefix)) fitting.push_back(choice);
    return fitting;
  }
  const std::string names_of_columns =
      before.starts_with('.') ? "" : " UNION SELECT c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c";
  return first_column("SELECT DISTINCT name FROM (SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')" +
                      names_of_columns + ") WHERE substr(name, 1, length(" + quoted_text(prefix) +
                      ")) = " + quoted_text(prefix) + " COLLATE NOCASE ORDER BY 1");
}

}  // namespace quorate::shell
