#include "server/shell/repl.hpp"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <editline/readline.h>

#include "server/shell/words.hpp"

namespace quorate::shell {

namespace {

constexpr int kHistoryLinesMax = 1000;

// libedit calls back without a context of ours, so what the callbacks need has to stand here. One shell per process.
Session* completing_session = nullptr;
volatile std::sig_atomic_t interrupted = 0;

char* copy_for_libedit(const std::string& text) { return strdup(text.c_str()); }

char** complete(const char* text, int, int) {
  rl_attempted_completion_over = 1;  // names of files make no sense here
  std::vector<std::string> names;
  if (completing_session != nullptr) names = completing_session->completions(text);
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
  stifle_history(kHistoryLinesMax);
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
  if (!history_file.empty()) write_history(history_file.c_str());
  completing_session = nullptr;
}

}  // namespace quorate::shell
