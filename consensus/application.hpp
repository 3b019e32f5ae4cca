// What an application promises whose whole state is in memory and which every replica executes (an "active" one). It
// knows nothing of logs, disks, sessions or time: ExactlyOnce adds sessions around it, DurableMachine makes it a
// StateMachine. Applications that are executed by the leader implement the StateMachine concept themselves.
//
// Threads: used by one thread at a time. DurableMachine loads a received snapshot into an application of its own on
// another thread and moves it in place afterwards.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "consensus/entry.hpp"
#include "consensus/payload.hpp"
#include "consensus/result.hpp"

namespace quorate {

template <class A>
concept Application = std::regular<A> && requires(A application, const A constant, std::span<const std::byte> bytes,
                                                  LogTime now, std::vector<std::byte>& out) {
  /// Executes one committed command and returns the reply to whoever proposed it. A function of the state, the
  /// command and the log's time, and of nothing else (pitfall I8). Bytes that are no command, and commands that
  /// break a limit, change nothing and are answered by a refusal, the same on every replica (pitfall I6).
  { application.apply(bytes, now) } -> std::same_as<Payload>;
  /// Appends the whole state. Equal states append equal bytes.
  constant.save(out);
  /// Becomes what was saved. kCorrupt if nothing can have been saved like that; the application is then unspecified
  /// and must be thrown away.
  { application.load(bytes) } -> std::same_as<Result<void>>;
  /// Equal on replicas that applied the same commands. Cheap: it is taken after every entry.
  { constant.digest() } -> std::same_as<std::uint64_t>;
};

}  // namespace quorate
