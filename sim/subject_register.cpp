#include <array>

#include "sim/checker/models.hpp"
#include "sim/process_of.hpp"
#include "sim/subjects.hpp"
#include "sim/typed_workload.hpp"
#include "statemachine/register.hpp"

namespace quorate::sim {

namespace {

enum Kind : std::uint16_t { kWrite, kCompareAndSet, kReadThroughLog, kRead, kFollowerRead, kStaleRead };
constexpr std::array kKinds{OperationKind{"write", 30, Access::kCommand},
                            OperationKind{"cas", 25, Access::kCommand},
                            OperationKind{"read-log", 5, Access::kCommand},
                            OperationKind{"read", 25, Access::kRead},
                            OperationKind{"read-follower", 10, Access::kFollowerRead},
                            OperationKind{"read-stale", 5, Access::kStaleRead}};

struct Traits {
  using App = Register;
  using Model = checker::CasRegister;
  using Memory = std::optional<Register::Value>;  ///< what a client saw last

  static Register::Command command_of(const PlannedOperation& operation, const Memory& seen) {
    switch (static_cast<Kind>(operation.kind)) {
      case kWrite: return Register::write(operation.id);
      case kCompareAndSet: return Register::compare_and_set({.expected = seen, .value = operation.id});
      default: return Register::read();
    }
  }

  static bool record(const Register::Command& command, const std::optional<Register::Reply>& reply,
                     checker::Values& values, Memory& seen, std::vector<checker::Action>& actions) {
    const auto id_of = [&](const std::optional<Register::Value>& value) {
      return value ? values.intern({*value}) : checker::kNil;
    };
    checker::Action action;
    switch (command.function) {
      case Register::Function::kRead: action.function = checker::Function::kRead; break;
      case Register::Function::kWrite: action.function = checker::Function::kWrite; break;
      case Register::Function::kCompareAndSet: action.function = checker::Function::kCompareAndSet; break;
    }
    if (command.function != Register::Function::kRead) action.argument = id_of(command.value);
    action.expected = id_of(command.expected);
    if (reply) {
      seen = reply->value;
      if (command.function == Register::Function::kRead) action.result = id_of(reply->value);
      if (command.function == Register::Function::kCompareAndSet) {
        action.result = checker::truth(reply->status == Register::Status::kDone);
      }
    }
    actions.push_back(action);
    return true;
  }

  static Register::Reply answer(const Register& application, const Register::Command&) {
    return {Register::Status::kDone, application.value()};
  }

  static PlannedOperation final_read(std::uint32_t key) { return {.kind = kReadThroughLog, .key = key}; }
};

}  // namespace

const Subject& register_subject() {
  static constexpr Subject kSubject = subject_of<Traits>(kKinds, 1);
  return kSubject;
}

}  // namespace quorate::sim
