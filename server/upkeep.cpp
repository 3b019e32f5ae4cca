#include "server/upkeep.hpp"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "server/log.hpp"

namespace quorate::server {

namespace {

/// Of a VACUUM of a large database; what takes longer is undone.
constexpr Duration kTimeout = std::chrono::hours(1);

}  // namespace

Upkeep::Upkeep(Surroundings surroundings, const NodeConfig& config)
    : surroundings_(std::move(surroundings)),
      vacuum_{.sql = "VACUUM", .interval = config.vacuum_interval, .counts = {}},
      optimize_{.sql = "PRAGMA optimize", .interval = config.optimize_interval, .counts = {}} {}

void Upkeep::start() {
  for (Task* task : {&vacuum_, &optimize_})
    if (task->interval > Duration::zero()) do_later(*task);
}

void Upkeep::do_later(Task& task) {
  surroundings_.after(task.interval, [this, &task, life = std::weak_ptr(life_)] {
    if (life.expired()) return;
    if (surroundings_.is_leader()) return execute(task);
    do_later(task);
  });
}

/// The next interval begins when this is over.
void Upkeep::execute(Task& task) {
  SqlRequest request;
  request.sql.statements.push_back({task.sql, {}});
  request.options.timeout = kTimeout;
  surroundings_.execute(std::move(request), [this, &task, life = std::weak_ptr(life_)](const SqlOutcome& outcome) {
    if (life.expired()) return;
    const std::string error = outcome.error();
    ++(error.empty() ? task.counts.done : task.counts.failed);
    if (error.empty())
      log_info(fmt::format("{}: done", task.sql));
    else
      log_warn(fmt::format("{}, which was due, has failed: {}", task.sql, error));
    do_later(task);
  });
}

}  // namespace quorate::server
