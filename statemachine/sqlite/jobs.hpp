// Where blocking work of the SQLite application runs, with the type of the executor erased: the machine and the
// executor are compiled once, whatever threads (or simulated queues) there are below.
//
// `job` runs elsewhere, one after the other in the order given; `done` runs on the strand after it, never from within
// the call. Both are dropped together if the process ends before.
#pragma once

#include <functional>
#include <utility>

#include "consensus/concepts.hpp"

namespace quorate::sqlite {

using JobRunner = std::function<void(std::function<void()> job, std::function<void()> done)>;

/// `executor` outlives the runner.
template <SerialExecutor E>
[[nodiscard]] JobRunner job_runner(E& executor) {
  return [&executor](std::function<void()> job, std::function<void()> done) {
    executor.run(std::move(job), std::move(done));
  };
}

}  // namespace quorate::sqlite
