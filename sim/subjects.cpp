#include "sim/subjects.hpp"

#include <string>

namespace quorate::sim {

Result<const Subject*> subject_named(std::string_view name) {
  std::string names;
  for (const Subject* subject : {&register_subject(), &kv_subject(), &list_append_subject(), &sqlite_subject()}) {
    if (subject->name == name) return subject;
    names += (names.empty() ? "" : ", ") + std::string(subject->name);
  }
  return fail(ErrorKind::kInvalidArgument,
              "there is no application \"" + std::string(name) + "\" to simulate; there are " + names);
}

}  // namespace quorate::sim
