// The pages of a stopped node: what the last checkpoint holds, whether each page is what was written, and whether the
// databases that the node would have after its next start make sense to SQLite. All of it on a shadow of the directory.
//
// Blocking calls; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "consensus/concepts.hpp"
#include "server/offline/shadow_files.hpp"
#include "statemachine/sqlite/machine.hpp"
#include "statemachine/sqlite/superblock.hpp"

namespace quorate::server {

inline constexpr const char* kPageDirectory = "pages";

struct PageReading {
  enum class SuperblockFile : std::uint8_t { kMissing, kWhole, kDamaged };

  sqlite::Superblock superblock;  ///< with sequence 0 if there never was a checkpoint
  std::array<SuperblockFile, 2> superblock_files{};
  /// A checkpoint had become durable, and was not carried out to its end: the next start does that, and what is read
  /// here is as if it had.
  bool had_interrupted_fold = false;
};

/// Carries out an interrupted fold, if there is one: on the shadow.
[[nodiscard]] Result<PageReading> read_pages(ShadowFiles& files);

/// A page that is not what was written, or of which this cannot be told any more.
struct PageDamage {
  enum class What : std::uint8_t {
    kPage,
    kTable,  ///< the table's entry for the page, in which its hash is
  } what = What::kPage;
  std::string file;  ///< below the node's directory
  std::uint64_t offset = 0;
  std::string database;
  sqlite::PageNumber page;
};

struct PageCheck {
  std::uint64_t pages = 0;
  std::uint64_t bytes = 0;
  std::vector<PageDamage> damage;
  bool tables_have_digest = false;  ///< the hashes in the tables add up to the digest in the superblock
};

/// Reads every page of a state that read_pages() has returned.
[[nodiscard]] Result<PageCheck> check_pages(ShadowFiles& files, const sqlite::Superblock& superblock);

/// The state machine as a start of the node would open it. `files` must outlive it.
[[nodiscard]] Result<std::unique_ptr<sqlite::SqliteMachine>> open_machine(ShadowFiles& files, NodeId self);

/// Applies what the log says is committed, as far as it is readable; returns the last entry applied.
[[nodiscard]] Result<LogId> apply_committed(sqlite::SqliteMachine& machine, const Recovered& recovered);

/// What SQLite's integrity_check says of each database, one line for each complaint.
[[nodiscard]] Result<std::vector<std::string>> complaints_of_sqlite(sqlite::SqliteMachine& machine);

}  // namespace quorate::server
