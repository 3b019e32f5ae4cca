// A scratch file for page images that memory has no room for: versions that a slow reader or an unfinished fold still
// needs. Nothing in it outlives the process, so nothing is synced; the file is emptied when it is opened.
//
// Threads: any; a mutex guards the list of free places and is never held across I/O. A place is free again when the
// last reference to its SpilledPage is gone, so that a reader which holds one can read at leisure. The file outlives
// all references through shared ownership.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/storage/any_file_system.hpp"
#include "statemachine/sqlite/page.hpp"

namespace quorate::sqlite {

class SpillFile;

/// The place of one image in the spill file.
class SpillSlot {
 public:
  SpillSlot(std::shared_ptr<SpillFile> file, std::uint64_t offset, PageSize size);
  ~SpillSlot();
  SpillSlot(const SpillSlot&) = delete;
  SpillSlot& operator=(const SpillSlot&) = delete;

  /// kIo if the file cannot be read. What was read is to be checked against the page's hash by the caller.
  [[nodiscard]] Result<PageImage> load() const;

 private:
  std::shared_ptr<SpillFile> file_;
  std::uint64_t offset_;
  PageSize size_;
};
using SpilledPage = std::shared_ptr<const SpillSlot>;

class SpillFile : public std::enable_shared_from_this<SpillFile> {
 public:
  static Result<std::shared_ptr<SpillFile>> create(storage::AnyFileSystem& files, const std::string& path,
                                                   std::uint64_t bytes_max);
  SpillFile(storage::AnyFile file, std::uint64_t bytes_max) : file_(std::move(file)), bytes_max_(bytes_max) {}

  /// kOverloaded once the quota is used up.
  Result<SpilledPage> store(std::span<const std::byte> page);
  [[nodiscard]] std::uint64_t bytes_used() const;

 private:
  friend class SpillSlot;

  void release(std::uint64_t offset, PageSize size);

  storage::AnyFile file_;
  const std::uint64_t bytes_max_;
  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<std::uint64_t>> free_;  ///< offsets by page size
  std::uint64_t end_ = 0;
  std::uint64_t used_ = 0;
};

}  // namespace quorate::sqlite
