// A SQLite file that somebody sends in to replace a database: any page size, any text encoding, in WAL mode too, with
// or without its -wal file. It is collected in a scratch directory, believed only after its header and SQLite's
// integrity_check have been looked at, and then copied over the database page by page, as one transaction like any
// other: readers see all of it or nothing, and it is replicated like any other.
//
// What does not succeed leaves the database as it was. A crash leaves files in the scratch directory; the next Load
// removes them.
//
// Memory: SQLite's cache until replace(); then all pages that change, as for any transaction.
// Threads: one at a time; all calls block.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "consensus/result.hpp"
#include "consensus/storage/any_file_system.hpp"
#include "statemachine/sqlite/connection.hpp"
#include "statemachine/sqlite/page.hpp"
#include "statemachine/sqlite/scratch_database.hpp"

namespace quorate::sqlite {

struct LoadOptions {
  std::string directory = "load";                    ///< below the file system's root, of this Load alone
  std::uint64_t bytes_max = std::uint64_t{1} << 30;  ///< no more than a transaction may change
};

class Load {
 public:
  /// Empties the directory.
  static Result<std::unique_ptr<Load>> begin(storage::AnyFileSystem files, LoadOptions options);
  /// Removes what was collected.
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  /// What begins like this may be a database file.
  [[nodiscard]] static bool is_database(std::span<const std::byte> beginning);

  /// The next piece of the file. kInvalidArgument once there is too much of it.
  Result<void> append(std::span<const std::byte> bytes);
  /// The next piece of the -wal file beside it, if there is one.
  Result<void> append_log(std::span<const std::byte> bytes);

  /// Takes the -wal file's content in and finds out whether the database is sound. kInvalidArgument: it is not, and
  /// the message says in which way.
  Result<void> verify();
  /// Of the verified database.
  [[nodiscard]] PageSize page_size() const { return page_size_; }
  [[nodiscard]] PageCount page_count() const { return page_count_; }

  /// Makes the verified database the content of the one that `writer` has open, in a transaction of its own: what it
  /// seals is the writer's to take. kRefused if the text encoding differs. If that one has pages of another size, the
  /// new pages are first made as large.
  SqlResult<void> replace(Connection& writer);

 private:
  Load(storage::AnyFileSystem files, LoadOptions options);

  Result<void> append_to(std::optional<storage::AnyFile>& file, std::uint64_t& size, const char* name,
                         std::span<const std::byte> bytes);
  Result<void> check_header();
  Result<void> check_content();
  SqlResult<void> check_encoding(Connection& writer);
  SqlResult<void> adopt_page_size(Connection& writer);

  storage::AnyFileSystem files_;
  LoadOptions options_;
  std::optional<storage::AnyFile> file_;
  std::optional<storage::AnyFile> log_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t log_bytes_ = 0;
  PageSize page_size_;
  PageCount page_count_;
  std::unique_ptr<ScratchDatabase> database_;  ///< once verified
};

}  // namespace quorate::sqlite
