// The durable pages of one database as of the last fold: `<stem>.pages`, a plain SQLite file, and beside it
// `<stem>.table` with 16 bytes for each page: its hash and the log index that last changed it.
//
// Only the fold and its recovery write here, protected by the journal (fold_journal.hpp); repair replaces single pages.
// Reads may run at the same time on other threads, also of a page that is just being written: what was read counts only
// if it has the hash that the caller expects. The file system must allow that (PosixFiles does).
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/storage/any_file_system.hpp"
#include "consensus/types.hpp"
#include "statemachine/sqlite/digest.hpp"
#include "statemachine/sqlite/page.hpp"

namespace quorate::sqlite {

/// What the table on disk says of a page.
struct TableEntry {
  PageHash hash;
  Index modified;
};
/// What is known of a page in the base file.
struct BasePage {
  PageHash hash;      ///< 0: all zeros, not to be read at all
  Index modified;     ///< the log index that last changed it
  VersionId version;  ///< the version that it belongs to; 0: since before this process started
};
/// Page n at position n - 1.
using BaseTable = std::deque<BasePage>;

class BaseFile {
 public:
  static Result<BaseFile> open(storage::AnyFileSystem& files, const std::string& stem, PageSize size,
                               storage::OpenMode mode);

  /// Fills the page; what the file does not have reads as zeros.
  Result<void> read(PageNumber page, std::span<std::byte> into) const;
  Result<void> write(PageNumber page, std::span<const std::byte> bytes);
  /// Writes the entries of consecutive pages.
  Result<void> write_table(PageNumber first, std::span<const TableEntry> entries);
  Result<BaseTable> load_table(PageCount pages) const;
  /// Makes both files so many pages long; what is added reads as zeros.
  Result<void> resize(PageCount pages);
  /// Cuts off what is behind so many pages.
  Result<void> cut(PageCount pages);
  Result<void> sync();

 private:
  BaseFile(storage::AnyFile pages, storage::AnyFile table, PageSize size)
      : pages_(std::move(pages)), table_(std::move(table)), size_(size) {}

  storage::AnyFile pages_;
  storage::AnyFile table_;
  PageSize size_;
};

}  // namespace quorate::sqlite
