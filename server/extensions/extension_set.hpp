// The SQLite extensions of a node: collected from files, directories and archives into a directory of its own, which is
// emptied before, and tried before anything else runs. What changes at the sources afterwards has no effect until the
// next start.
//
// Only who executes SQL needs them: the leader, for what it executes, and every node for what it reads. Followers apply
// pages. So a cluster whose nodes have different ones stays consistent; but statements that need one that a node does
// not have fail there, and when it leads.
//
// Blocking; any thread. What an extension does when it is loaded it does within this process.
#pragma once

#include <string>
#include <vector>

#include "consensus/result.hpp"

namespace quorate::extensions {

struct ExtensionSet {
  std::string directory;           ///< an absolute path; empty: there are none
  std::vector<std::string> names;  ///< of the files in it, sorted

  [[nodiscard]] std::vector<std::string> files() const;
};

/// From a list with commas between its parts: a shared library, a zip or tar.gz file with such, or a directory with
/// either. Nothing for an empty list, but the directory is emptied all the same. The error names the part, and says
/// what is wrong with it.
[[nodiscard]] Result<ExtensionSet> install(const std::string& sources, const std::string& directory);

/// Loads all of them into a connection that is thrown away. The error names the extension, and has the loader's reason.
[[nodiscard]] Result<void> try_out(const ExtensionSet& set);

}  // namespace quorate::extensions
