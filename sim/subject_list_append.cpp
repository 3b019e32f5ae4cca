#include <array>

#include "sim/checker/models.hpp"
#include "sim/process_of.hpp"
#include "sim/subjects.hpp"
#include "sim/typed_workload.hpp"
#include "statemachine/list_append.hpp"

namespace quorate::sim {

namespace {

enum Kind : std::uint16_t { kAppend, kTransaction, kReadThroughLog, kRead, kFollowerRead, kStaleRead };
constexpr std::array kKinds{OperationKind{"append", 45, Access::kCommand},
                            OperationKind{"txn", 8, Access::kCommand},
                            OperationKind{"read-log", 5, Access::kCommand},
                            OperationKind{"read", 25, Access::kRead},
                            OperationKind{"read-follower", 12, Access::kFollowerRead},
                            OperationKind{"read-stale", 5, Access::kStaleRead}};
constexpr std::uint32_t kKeysMax = 16;

struct Nothing {};

struct Traits {
  using App = ListAppend;
  using Model = checker::AppendList;
  using Memory = Nothing;

  static ListAppend::Command command_of(const PlannedOperation& operation, const Memory&) {
    const ListAppend::Key key{operation.key};
    const ListAppend::Key other{operation.key ^ 1};
    switch (static_cast<Kind>(operation.kind)) {
      case kAppend: return {{ListAppend::append(key, operation.id)}};
      case kTransaction:
        return {{ListAppend::read(other), ListAppend::append(key, operation.id), ListAppend::read(key)}};
      default: return {{ListAppend::read(key)}};
    }
  }

  static bool record(const ListAppend::Command& command, const std::optional<ListAppend::Reply>& reply,
                     checker::Values& values, Memory&, std::vector<checker::Action>& actions) {
    for (std::size_t at = 0; at < command.operations.size(); ++at) {
      const ListAppend::Operation& operation = command.operations[at];
      checker::Action action;
      action.key = values.intern({static_cast<std::int64_t>(operation.key.value)});
      if (operation.function == ListAppend::Function::kAppend) {
        action.function = checker::Function::kAppend;
        action.argument = values.intern({operation.element});
      } else if (reply && reply->status == ListAppend::Status::kDone) {
        checker::Value value{checker::List{}};
        for (const ListAppend::Element element : reply->lists[at])
          std::get<checker::List>(value.data).push_back({element});
        action.result = values.intern(std::move(value));
      }
      actions.push_back(action);
    }
    return !reply || reply->status == ListAppend::Status::kDone;
  }

  static ListAppend::Reply answer(const ListAppend& application, const ListAppend::Command& query) {
    ListAppend::Reply reply;
    for (const ListAppend::Operation& operation : query.operations)
      reply.lists.push_back(application.elements(operation.key));
    return reply;
  }

  static PlannedOperation final_read(std::uint32_t key) { return {.kind = kReadThroughLog, .key = key}; }
};

}  // namespace

const Subject& list_append_subject() {
  static constexpr Subject kSubject = subject_of<Traits>(kKinds, kKeysMax);
  return kSubject;
}

}  // namespace quorate::sim
