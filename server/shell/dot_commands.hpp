// The commands that begin with a dot, each a line in one table: name, arguments, what it does.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/shell/session.hpp"

namespace quorate::shell {

struct DotCommands {
  explicit DotCommands(Session& owner) : session(owner) {}

  /// Runs one line that begins with a dot.
  Verdict run(std::string_view line);

  using Arguments = std::vector<std::string>;

  Verdict mode(const Arguments&);
  Verdict consistency(const Arguments&);
  Verdict headers(const Arguments&);
  Verdict timer(const Arguments&);
  Verdict changes(const Arguments&);
  Verdict force_writes(const Arguments&);
  Verdict blob_array(const Arguments&);
  Verdict output(const Arguments&);
  Verdict read(const Arguments&);
  Verdict show(const Arguments&);
  Verdict tables(const Arguments&);
  Verdict indexes(const Arguments&);
  Verdict schema(const Arguments&);
  Verdict status(const Arguments&);
  Verdict nodes(const Arguments&);
  Verdict leader(const Arguments&);
  Verdict ready(const Arguments&);
  Verdict remove(const Arguments&);
  Verdict step_down(const Arguments&);
  Verdict extensions(const Arguments&);
  Verdict counters(const Arguments&);
  Verdict snapshot(const Arguments&);
  Verdict reap(const Arguments&);
  Verdict print_help(const Arguments&);
  Verdict exit(const Arguments&);

  // file_commands.cpp
  Verdict backup(const Arguments&);
  Verdict dump(const Arguments&);
  Verdict restore(const Arguments&);
  Verdict boot(const Arguments&);
  Verdict import(const Arguments&);
  Verdict system_dump(const Arguments&);

 private:
  Verdict download(const std::string& target, const std::string& path);
  Verdict upload(const std::string& target, const std::string& path);
  Verdict toggle(bool& setting, const Arguments&, const char* what);
  Verdict print_answer(const client::HttpRequest& request);
  Verdict print_names(const std::string& sql);

  Session& session;
};

/// For completion: names of commands; what may stand behind one, if that is a matter of choice; whether it is the name
/// of a file.
[[nodiscard]] std::vector<std::string> commands_beginning_with(std::string_view prefix);
[[nodiscard]] std::optional<std::vector<std::string>> choices_of_command(std::string_view line);
[[nodiscard]] bool wants_file(std::string_view line);

}  // namespace quorate::shell
