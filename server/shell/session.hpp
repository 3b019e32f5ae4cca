// What the shell does with a line, apart from reading it: SQL goes to the cluster, dot-commands to the endpoint that
// serves them, and what comes back is shown as it comes. Knows no terminal, so that tests can drive it.
#pragma once

#include <fstream>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/result.hpp"
#include "server/client/http_client.hpp"
#include "server/shell/render.hpp"

namespace quorate::shell {

struct Settings {
  Mode mode = Mode::kColumn;
  Headers headers = Headers::kShown;
  std::string level = "weak";
  bool timer = false;
  bool changes = true;        ///< report the rows that a write affected
  bool force_writes = false;  ///< send everything to /db/execute
  bool blob_array = false;
};

enum class Verdict { kGoOn, kFailed, kExit };

class Session {
 public:
  Session(client::HttpClient& client, Settings settings, std::ostream& out, std::ostream& err);

  /// Asks the cluster what it is; the error says which nodes were tried.
  [[nodiscard]] Result<std::string> connect();

  /// A line that begins with a dot.
  Verdict run_command(std::string_view line);
  /// One or more complete SQL statements.
  Verdict run_sql(const std::string& text);
  /// All of a file or of what was piped in: stops at the first failure.
  Verdict run_script(std::istream& in);

  /// "host:port> ", or with a star while a transaction is open.
  [[nodiscard]] std::string prompt() const;
  /// What the word that begins with `prefix` may be, behind `before` on the line: a command, one of its choices, or a
  /// name of a table, view or column.
  [[nodiscard]] std::vector<std::string> completions(std::string_view before, std::string_view prefix);
  [[nodiscard]] bool in_transaction() const { return transaction_.has_value(); }
  /// Rolls back what is open, as closing a connection would.
  void close();

 private:
  friend struct DotCommands;
  friend class Importer;

  std::ostream& out() { return file_ ? *file_ : out_; }
  class Display;

  Verdict complain(std::string_view what);
  Verdict run_statement(std::string_view sql);
  Verdict run_and_show(const client::HttpRequest& request);
  /// A successful answer's body goes to the sink; nothing is sent again once it has begun.
  [[nodiscard]] Result<client::HttpReply> send(const client::HttpRequest& request, const client::BodySink& sink);
  /// Complains about an answer that is no success; whether it is one.
  bool is_success(const Result<client::HttpReply>& reply);
  /// Statements that change something: all of them or none, and once; or part of the open transaction.
  [[nodiscard]] client::HttpRequest write_request(std::string statements) const;
  /// The body of a successful answer; complaints about others are printed.
  std::optional<std::string> ask(const client::HttpRequest& request);
  Verdict run_lines(std::istream& in);
  Verdict begin();
  Verdict finish(std::string_view how);
  std::optional<Rows> query(const std::string& sql);
  std::vector<std::string> first_column(const std::string& sql);

  client::HttpClient& client_;
  Settings settings_;
  std::ostream& out_;
  std::ostream& err_;
  std::optional<std::ofstream> file_;
  std::optional<std::string> transaction_;  ///< the token of the open one
  std::size_t scripts_open_ = 0;            ///< .read within .read
};

/// One line per dot-command.
[[nodiscard]] std::string help();

}  // namespace quorate::shell
