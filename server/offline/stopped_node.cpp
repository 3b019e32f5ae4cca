#include "server/offline/stopped_node.hpp"

#include <optional>
#include <utility>

namespace quorate::server {

Result<StoppedNode> StoppedNode::open(const std::string& path) {
  // Opened as a node opens it, it would be created and locked whatever it holds. So it is looked at before.
  auto shadow = ShadowFiles::below(path);
  if (!shadow) return tl::unexpected(shadow.error());
  for (const char* name : {"node", "lock"}) {
    const Result<bool> exists = shadow->exists(name);
    if (!exists) return tl::unexpected(exists.error());
    if (!*exists) {
      return fail(ErrorKind::kInvalidArgument, path + " is not the directory of a node: it has no file \"" + name +
                                                   "\"; name the directory that `quorate node` was given");
    }
  }
  auto directory = DataDirectory::open(path);
  if (!directory && directory.error().kind == ErrorKind::kLocked) {
    return fail(ErrorKind::kLocked, "a process uses " + path + ": stop the node first");
  }
  if (!directory) return tl::unexpected(directory.error());
  auto record = directory->record();
  if (!record) return tl::unexpected(record.error());
  if (!*record) return fail(ErrorKind::kInvalidArgument, path + " is not the directory of a node");
  return StoppedNode(std::move(*directory), std::move(**record));
}

}  // namespace quorate::server
