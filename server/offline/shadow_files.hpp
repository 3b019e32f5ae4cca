// A file system that shows a directory as it is and keeps every change of it in memory, where it ends with the object:
// what a node would do at its start (finish an interrupted fold, apply its log) can be done to a directory without
// touching it. Nothing is ever written, created or removed on the disk; locks are granted and mean nothing.
//
// Whoever uses it must have the directory to himself. Not thread-safe. Files outlive neither the file system nor each
// other's changes: all handles of a path see the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "consensus/storage/file_system.hpp"
#include "consensus/storage/posix_files.hpp"

namespace quorate::server {

/// The content of one file: what the disk has, under the blocks that were changed.
class ShadowContent {
 public:
  ShadowContent() = default;
  static Result<std::shared_ptr<ShadowContent>> of(storage::PosixFile file);

  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const;
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  Result<void> resize(std::uint64_t size);

 private:
  static constexpr std::size_t kBlockBytes = 4096;
  using Block = std::vector<std::byte>;

  Result<void> read_original(std::uint64_t offset, std::span<std::byte> into) const;
  Result<Block*> block_to_change(std::uint64_t number);

  std::optional<storage::PosixFile> original_;
  std::uint64_t visible_ = 0;  ///< of the original: what is behind was cut off at some time
  std::uint64_t size_ = 0;
  std::map<std::uint64_t, Block> changed_;
};

class ShadowFile {
 public:
  explicit ShadowFile(std::shared_ptr<ShadowContent> content) : content_(std::move(content)) {}

  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const {
    return content_->read(offset, into);
  }
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from) { return content_->write(offset, from); }
  Result<void> sync() { return {}; }
  Result<std::uint64_t> size() const { return content_->size(); }
  Result<void> truncate(std::uint64_t size) { return content_->resize(size); }
  Result<void> preallocate(std::uint64_t size) {
    return size > content_->size() ? content_->resize(size) : Result<void>{};
  }

 private:
  std::shared_ptr<ShadowContent> content_;
};

class ShadowFiles {
 public:
  using File = ShadowFile;

  /// The directory must exist.
  static Result<ShadowFiles> below(const std::string& directory);

  Result<ShadowFile> open(const std::string& path, storage::OpenMode mode);
  Result<bool> exists(const std::string& path);
  Result<void> rename(const std::string& from, const std::string& to);
  Result<void> remove(const std::string& path);
  Result<void> create_directories(const std::string& path);
  Result<std::vector<std::string>> list(const std::string& path);
  Result<void> sync_directory(const std::string&) { return {}; }
  Result<void> lock(const std::string&) { return {}; }
  Result<std::uint64_t> free_bytes() { return files_.free_bytes(); }

 private:
  explicit ShadowFiles(storage::PosixFiles files) : files_(std::move(files)) {}
  /// Null if there is no such file.
  Result<std::shared_ptr<ShadowContent>> find(const std::string& path);

  storage::PosixFiles files_;
  std::map<std::string, std::shared_ptr<ShadowContent>> known_;  ///< by path; null: removed
  std::set<std::string> directories_;                            ///< that were created
};

static_assert(storage::FileSystem<ShadowFiles>);

}  // namespace quorate::server
