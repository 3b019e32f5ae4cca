// The applications that can be simulated, one .cpp each: there the whole stack from the driver to the disk is
// instantiated, and what its clients do is defined.
#pragma once

#include "sim/workload.hpp"

namespace quorate::sim {

[[nodiscard]] const Subject& register_subject();
[[nodiscard]] const Subject& kv_subject();
[[nodiscard]] const Subject& list_append_subject();
[[nodiscard]] const Subject& sqlite_subject();

/// By name. kInvalidArgument, naming those that there are, if there is no such application.
[[nodiscard]] Result<const Subject*> subject_named(std::string_view name);

}  // namespace quorate::sim
