#include "statemachine/sqlite/change_feed.hpp"

#include <optional>
#include <utility>
#include <vector>

#include <sqlite3.h>

namespace quorate::sqlite {

SqlResult<void> forget_changes(Connection& writer, const ChangePosition& until) {
  PageStore& store = writer.vfs().store();
  Result<std::optional<DatabaseWrite>> write = drop_changes(store, store.pin(PinKind::kHead), until);
  Result<void> done;
  if (!write) {
    done = tl::unexpected(write.error());
  } else if (*write) {
    std::vector<DatabaseWrite> writes;
    writes.push_back(std::move(**write));
    done = writer.vfs().write(std::move(writes));
  }
  if (done) return {};
  const bool is_lost = done.error().kind == ErrorKind::kUnavailable;
  return sql_fail({is_lost ? SqlErrorKind::kNotLeader : SqlErrorKind::kBusy, SQLITE_BUSY, done.error().message});
}

}  // namespace quorate::sqlite
