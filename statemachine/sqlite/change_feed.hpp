// What whoever delivers changes does to the queue of the change feed. For the writer's connection, in a job of the
// executor (Request::action).
#pragma once

#include "statemachine/sqlite/change_queue.hpp"
#include "statemachine/sqlite/connection.hpp"

namespace quorate::sqlite {

/// Gives up what is before `until`, in a transaction of its own. An error means that nothing happened.
SqlResult<void> forget_changes(Connection& writer, const ChangePosition& until);

}  // namespace quorate::sqlite
