#include "server/shell/repl.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include <editline/readline.h>

#include "server/shell/dot_commands.hpp"
#include "server/shell/words.hpp"

namespace quorate::shell {

namespace {

constexpr int kHistoryLinesUsually = 1000;

// libedit calls back without a context of ours, so what the callbacks need has to stand here. One shell per process.
Session* completing_session = nullptr;
volatile std::sig_atomic_t interrupted = 0;

char* copy_for_libedit(const std::string& text) { return strdup(text.c_str()); }

char** complete(const char* text, int begin, int) {
  const std::string_view before = std::string_view(rl_line_buffer).substr(0, static_cast<std::size_t>(begin));
  rl_attempted_completion_over = wants_file(before) ? 0 : 1;  // else names of files make no sense
  std::vector<std::string> names;
  if (completing_session != nullptr && !wants_file(before)) names = completing_session->completions(before, text);
  if (names.empty()) return nullptr;
  // The list that libedit wants: what all have in common, then each of them, then nothing.
  std::string common = names.front();
  for (const std::string& name : names) {
    std::size_t same = 0;
    while (same < common.size() && same < name.size() && common[same] == name[same]) ++same;
    common.resize(same);
  }
  if (common.size() < std::strlen(text)) common = text;
  auto** list = static_cast<char**>(std::calloc(names.size() + 2, sizeof(char*)));
  list[0] = copy_for_libedit(names.size() == 1 ? names.front() : common);
  if (names.size() > 1) {
    for (std::size_t i = 0; i < names.size(); ++i) list[i + 1] = copy_for_libedit(names[i]);
  }
  return list;
}

/// As the user wants it: RQLITE_HISTFILESIZE, 0 for none.
int history_lines() {
  const char* wanted = std::getenv("RQLITE_HISTFILESIZE");
  if (wanted == nullptr) return kHistoryLinesUsually;
  int lines = 0;
  const auto parsed = std::from_chars(wanted, wanted + std::strlen(wanted), lines);
  return parsed.ec == std::errc{} && lines >= 0 ? lines : kHistoryLinesUsually;
}

void on_interrupt(int) { interrupted = 1; }

/// Without SA_RESTART, so that Ctrl-C ends the wait for a line.
void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
}

}  // namespace

void run_interactive(Session& session, const std::string& history_file) {
  completing_session = &session;
  rl_initialize();
  rl_attempted_completion_function = complete;
  using_history();
  const int lines_kept = history_lines();
  stifle_history(std::max(lines_kept, 1));
  if (!history_file.empty()) read_history(history_file.c_str());
  catch_interrupts();
  std::string pending;
  while (true) {
    const std::string prompt =
        is_blank(pending) ? session.prompt() : std::string(session.prompt().size() - 5, ' ') + "...> ";
    char* read = readline(prompt.c_str());
    if (read == nullptr) {
      if (std::exchange(interrupted, 0) == 0) break;
      pending.clear();
      continue;
    }
    const std::string line = read;
    std::free(read);
    if (is_blank(line)) continue;
    if (is_blank(pending) && line.starts_with('.')) {
      add_history(line.c_str());
      if (session.run_command(line) == Verdict::kExit) break;
      continue;
    }
    pending += line + '\n';
    if (!is_complete(pending)) continue;
    add_history(pending.substr(0, pending.size() - 1).c_str());
    session.run_sql(pending);
    pending.clear();
  }
  session.close();
  if (!history_file.empty() && lines_kept > 0) write_history(history_file.c_str());
  completing_session = nullptr;
}

}  // namespace quorate::shell
