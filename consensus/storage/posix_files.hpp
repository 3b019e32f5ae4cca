// The FileSystem of a real machine, below one directory. Used by one thread at a time, except that files may be used by
// different threads than the file system, each by one at a time.
//
// The directory is held open, and every path is resolved from it: renaming the directory, or changing the working
// directory of the process, does not lead the store astray. Interrupted calls are repeated and short ones continued.
// ENOSPC and EDQUOT come back as kDiskFull, a missing file as kNotFound, everything else as kIo; each message names the
// operation, the file, the offset and the reason.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "consensus/storage/file_system.hpp"

namespace quorate::storage {

/// A file descriptor that is closed when its owner goes. -1 is "none".
class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();

  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

class PosixFile {
 public:
  PosixFile(Descriptor descriptor, std::string path) : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const;
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from);
  Result<void> sync();
  Result<std::uint64_t> size() const;
  Result<void> truncate(std::uint64_t size);
  Result<void> preallocate(std::uint64_t size);

 private:
  Descriptor descriptor_;
  std::string path_;  ///< for messages
};

class PosixFiles {
 public:
  using File = PosixFile;

  /// The directory must exist.
  static Result<PosixFiles> below(const std::string& directory);

  Result<PosixFile> open(const std::string& path, OpenMode mode);
  Result<bool> exists(const std::string& path);
  Result<void> rename(const std::string& from, const std::string& to);
  Result<void> remove(const std::string& path);
  Result<void> create_directories(const std::string& path);
  Result<std::vector<std::string>> list(const std::string& path);
  Result<void> sync_directory(const std::string& path);
  /// An advisory lock (flock): the kernel releases it when the process ends, however it ends.
  Result<void> lock(const std::string& path);
  Result<std::uint64_t> free_bytes();

 private:
  PosixFiles(Descriptor root, std::string name) : root_(std::move(root)), name_(std::move(name)) {}

  [[nodiscard]] std::string full(const std::string& path) const { return path.empty() ? name_ : name_ + "/" + path; }
  Result<Descriptor> open_directory(const std::string& path) const;

  Descriptor root_;
  std::string name_;  ///< for messages
  std::vector<Descriptor> locks_;
};

static_assert(FileSystem<PosixFiles>);

}  // namespace quorate::storage
