// What the base files hold, as of one entry of the log. It is the one place that switches: pages, page counts, the list
// of databases, and the application's own state (configuration, sessions) all change with one superblock.
//
// Two files take turns, `superblock.0` and `superblock.1` (sequence modulo 2). Each is written whole and synced; a
// crash in between damages only the one being written, and the other is still valid. Layout in docs/formats/pages.md:
//
//   u64 magic | u32 format (1) | u32 length of the body | body | u64 XXH3-64 of everything before
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/storage/any_file_system.hpp"
#include "consensus/types.hpp"
#include "statemachine/sqlite/digest.hpp"
#include "statemachine/sqlite/page.hpp"

namespace quorate::sqlite {

inline constexpr std::uint32_t kSuperblockFormat = 1;

struct DatabaseRecord {
  DatabaseId id;
  std::string name;
  PageSize page_size;
  PageCount page_count;

  [[nodiscard]] DatabaseShape shape() const { return {id, name, page_size, page_count}; }
  friend bool operator==(const DatabaseRecord&, const DatabaseRecord&) = default;
};

struct Superblock {
  std::uint64_t sequence = 0;             ///< one more with each
  LogId last;                             ///< the entry whose effect is the newest contained
  StateDigest digest;                     ///< of pages and databases
  std::vector<DatabaseRecord> databases;  ///< ascending ids
  DatabaseId newest_gone;                 ///< the highest id ever given, if no database has it any more; or 0
  std::vector<std::byte> application;     ///< opaque to the page store

  friend bool operator==(const Superblock&, const Superblock&) = default;
};

[[nodiscard]] std::vector<std::byte> encode(const Superblock& superblock);
/// kCorrupt if the bytes are not a whole superblock, kUnsupported if a later release wrote them.
[[nodiscard]] Result<Superblock> parse_superblock(std::span<const std::byte> bytes);

/// The newest valid superblock below `directory`; nullopt if there never was one. kCorrupt if there must have been one
/// but none is valid.
[[nodiscard]] Result<std::optional<Superblock>> read_superblock(storage::AnyFileSystem& files,
                                                                const std::string& directory);
/// Durable on return (the caller has synced the directory, or does so now if the file is new).
[[nodiscard]] Result<void> write_superblock(storage::AnyFileSystem& files, const std::string& directory,
                                            const Superblock& superblock);

}  // namespace quorate::sqlite
