// The interactive part of the shell: line editing and history (libedit), completion with Tab, statements over several
// lines. Ctrl-C gives up the statement being typed; Ctrl-D leaves.
#pragma once

#include <string>

#include "server/shell/session.hpp"

namespace quorate::shell {

/// Reads from the terminal until the user leaves. `history_file` may be empty; it is created if need be.
void run_interactive(Session& session, const std::string& history_file);

}  // namespace quorate::shell
