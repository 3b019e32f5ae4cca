// A SQLite file that somebody sends in to become a database: any page size, any text encoding, in WAL mode too, with or
// without its -wal file. It is collected in a scratch directory and believed only after its header and SQLite's
// integrity_check have been looked at; then its pages are read from it, for the loader (loader.hpp) to bring them to
// all replicas.
//
// A crash leaves files in the scratch directory; the next Load removes them.
//
// Memory: SQLite's cache while it is verified, otherwise what is asked for.
// Threads: one at a time; all calls block.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "consensus/result.hpp"
#include "consensus/storage/any_file_system.hpp"
#include "statemachine/sqlite/limits.hpp"
#include "statemachine/sqlite/page.hpp"
#include "statemachine/sqlite/staging.hpp"

namespace quorate::sqlite {

struct LoadOptions {
  std::string directory = "load";  ///< below the file system's root, of this Load alone
  std::uint64_t bytes_max = kLoadBytesMax;
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

  /// Pages of the verified database from `first` on, at least one; as many as fit, or as there are.
  Result<StagedPages> read(PageNumber first, std::size_t bytes_max);

 private:
  Load(storage::AnyFileSystem files, LoadOptions options);

  Result<void> append_to(std::optional<storage::AnyFile>& file, std::uint64_t& size, const char* name,
                         std::span<const std::byte> bytes);
  Result<void> check_header();
  Result<void> check_content();

  storage::AnyFileSystem files_;
  LoadOptions options_;
  std::optional<storage::AnyFile> file_;
  std::optional<storage::AnyFile> log_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t log_bytes_ = 0;
  PageSize page_size_;
  PageCount page_count_;
  bool is_verified_ = false;
};

}  // namespace quorate::sqlite
