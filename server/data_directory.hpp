// The directory of one node: whose it is, and the lock that keeps a second process out of it.
//
//   node        this node's name and its cluster, as text; written before anything else
//   lock        held while a process uses the directory
//   log/        the write-ahead log
//   pages/      the database
//   extensions/ of SQLite, copied there at every start (extensions/extension_set.hpp)
//   bulk/       what is on its way in or out (bulk_service.hpp); worth nothing to another process
//
// Blocking calls; used before the node runs, by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "consensus/result.hpp"
#include "consensus/storage/posix_files.hpp"
#include "consensus/types.hpp"

namespace quorate::server {

struct NodeRecord {
  std::string name;
  ClusterId cluster;
  enum class Stage : std::uint8_t {
    kFounding,  ///< it is about to begin the cluster on its own, and may have done so
    kMember,    ///< the cluster is there, and has this node or will have it
  } stage = Stage::kMember;

  friend bool operator==(const NodeRecord&, const NodeRecord&) = default;
};

/// Below the directory.
inline constexpr const char* kExtensionsDirectory = "extensions";

/// By which the engine knows a node of this name.
[[nodiscard]] NodeId id_of(const std::string& name);

class DataDirectory {
 public:
  /// Creates the directory if there is none, and locks it. kLocked: another process uses it.
  static Result<DataDirectory> open(const std::string& path);

  /// Nothing if this is a new node's. Anything else that is in the directory then is an error, so that a typing mistake
  /// does not make a node among somebody's files.
  [[nodiscard]] Result<std::optional<NodeRecord>> record();
  /// Durable when it returns; a crash leaves the old one or the new one.
  Result<void> set_record(const NodeRecord& record);

  [[nodiscard]] const std::string& path() const { return path_; }
  /// A file system below the directory of its own for whoever needs one on another thread.
  [[nodiscard]] Result<storage::PosixFiles> files() const { return storage::PosixFiles::below(path_); }

 private:
  DataDirectory(std::string path, storage::PosixFiles files) : path_(std::move(path)), files_(std::move(files)) {}

  std::string path_;
  storage::PosixFiles files_;
};

}  // namespace quorate::server
