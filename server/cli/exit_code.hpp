// What a command tells the shell it was started from.
#pragma once

namespace quorate::cli {

enum class ExitCode : int {
  kSuccess = 0,
  kFailure = 1,    ///< the command did its work, and the result is bad news
  kUsage = 2,      ///< what was asked makes no sense or cannot be read; nothing was done
  kUndecided = 3,  ///< the work was given up within its limits: neither good news nor bad
};

}  // namespace quorate::cli
