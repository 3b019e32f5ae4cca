// The commands that begin with a dot, each a line in one table: name, arguments, what it does.
#pragma once

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
  Verdict print_help(const Arguments&);
  Verdict exit(const Arguments&);

 private:
  Verdict toggle(bool& setting, const Arguments&, const char* what);
  Verdict print_answer(const client::HttpRequest& request);
  Verdict print_names(const std::string& sql);

  Session& session;
};

}  // namespace quorate::shell
