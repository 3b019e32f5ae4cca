// What a witness has instead of an application: nothing but where the log stands. It makes the log compactable, and
// takes from a snapshot only what the snapshot says about the cluster.
#pragma once

#include "consensus/durable_machine.hpp"

namespace quorate {

/// The state of a witness: none. Commands reach it without their bodies.
struct NoApplication {
  Payload apply(std::span<const std::byte>, LogTime) { return {}; }
  void save(std::vector<std::byte>&) const {}
  Result<void> load(std::span<const std::byte>) { return {}; }
  [[nodiscard]] std::uint64_t digest() const { return 0; }
  friend bool operator==(const NoApplication&, const NoApplication&) = default;
};

template <storage::FileSystem Files, SerialExecutor Executor>
using WitnessMachine = DurableMachine<NoApplication, Files, Executor>;

}  // namespace quorate
