// One key of a store that others run, seen by all nodes of a cluster: read, created by whoever is first, overwritten by
// the leader. The store is relied on for one thing only: of those that create the key, one is told that it did.
//
// Threads: one; all calls block, and end soon after the stop flag is raised (client/client_options.hpp). Errors: what
// the store could not be asked or has refused, with what to do about it; whether a create() or write() that failed took
// effect is then not known, and both may be repeated. Ownership: whoever opened it.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "consensus/result.hpp"

namespace quorate::discovery {

/// Raised on any thread, once nobody waits for an answer any more.
using StopFlag = std::shared_ptr<const std::atomic<bool>>;

class KeyValueStore {
 public:
  KeyValueStore() = default;
  virtual ~KeyValueStore() = default;
  KeyValueStore(const KeyValueStore&) = delete;
  KeyValueStore& operator=(const KeyValueStore&) = delete;

  /// What stands there; nothing if there is no such key.
  virtual Result<std::optional<std::string>> read() = 0;
  /// False if the key is there already.
  virtual Result<bool> create(const std::string& value) = 0;
  virtual Result<void> write(const std::string& value) = 0;

  /// As the store's own tools call it.
  [[nodiscard]] virtual const std::string& key() const = 0;
};

}  // namespace quorate::discovery
