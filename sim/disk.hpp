// A disk in memory that does to its user everything that real ones have been seen to do. One object is one node's disk:
// it outlives the node's processes. Satisfies the FileSystem concept; one thread.
//
// It is a page cache over a durable image. A write goes to the cache and is remembered as pending until sync() of its
// file; creating, renaming and removing go to the cached directory and are pending until sync_directory(). Processes
// see the cache. What a crash (of the machine) leaves of the pending operations is decided by a CrashPolicy, in units
// of sectors; kill() (of the process alone) leaves the cache as it is. Both end the process: its open files and locks
// are gone, and further use of them fails.
//
// Everything random is drawn from the generator that the owner supplies, and nothing else: the same calls give the same
// disk.
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

#include "consensus/random.hpp"
#include "consensus/storage/file_system.hpp"

namespace quorate::sim {

/// The unit that a crash never divides.
inline constexpr std::uint64_t kSectorBytes = 512;

/// What becomes of pending operations when the machine crashes.
enum class CrashPolicy : std::uint8_t {
  kKeepAll,  ///< all reach the disk
  kDropAll,  ///< none does
  kTear,     ///< per file, the first few do, and one more up to a sector boundary
  kReorder,  ///< any of them do, sector by sector
};

/// Something that goes wrong once.
enum class DiskFault : std::uint8_t {
  kReadError,         ///< a read fails with kIo
  kWriteError,        ///< a write fails with kIo; some of its sectors were written
  kSyncError,         ///< a sync fails with kIo, what was pending is lost, and later syncs claim success (fsyncgate)
  kLostWrite,         ///< a write is acknowledged and cached, and never reaches the disk
  kMisdirectedWrite,  ///< a write reaches another place of its file instead
};

class SimFiles;

namespace detail {

/// The bytes of a file. What lies behind the last byte that was ever written is zero and takes neither memory nor time:
/// logs allocate their segments in advance.
class FileContent {
 public:
  [[nodiscard]] std::uint64_t size() const { return size_; }
  void resize(std::uint64_t size);
  void write(std::uint64_t offset, std::span<const std::byte> from);
  /// `into` lies within the file.
  void read(std::uint64_t offset, std::span<std::byte> into) const;
  [[nodiscard]] std::byte at(std::uint64_t offset) const;
  /// All of it, spelled out.
  [[nodiscard]] std::span<const std::byte> bytes();

 private:
  std::vector<std::byte> written_;
  std::uint64_t size_ = 0;
};

/// A write or a change of size that is not durable yet. Its bytes are in Inode::pending_bytes.
struct PendingWrite {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t bytes_at = 0;
  bool is_truncation = false;  ///< `offset` is the new size
};

struct Inode {
  FileContent cached;
  FileContent durable;
  std::vector<PendingWrite> pending;
  std::vector<std::byte> pending_bytes;
};

}  // namespace detail

class SimFile {
 public:
  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const;
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from);
  Result<void> sync();
  Result<std::uint64_t> size() const;
  Result<void> truncate(std::uint64_t size);
  Result<void> preallocate(std::uint64_t size);

 private:
  friend class SimFiles;
  SimFile(SimFiles& disk, std::shared_ptr<detail::Inode> inode, std::string path, std::uint64_t process)
      : disk_(&disk), inode_(std::move(inode)), path_(std::move(path)), process_(process) {}

  [[nodiscard]] Result<void> check() const;

  SimFiles* disk_;
  std::shared_ptr<detail::Inode> inode_;
  std::string path_;
  std::uint64_t process_;
};

class SimFiles {
 public:
  using File = SimFile;

  explicit SimFiles(Random random, std::uint64_t capacity_bytes = UINT64_MAX)
      : random_(random), capacity_bytes_(capacity_bytes) {}
  SimFiles(const SimFiles&) = delete;
  SimFiles& operator=(const SimFiles&) = delete;

  Result<SimFile> open(const std::string& path, storage::OpenMode mode);
  Result<bool> exists(const std::string& path);
  Result<void> rename(const std::string& from, const std::string& to);
  Result<void> remove(const std::string& path);
  Result<void> create_directories(const std::string& path);
  Result<std::vector<std::string>> list(const std::string& path);
  Result<void> sync_directory(const std::string& path);
  Result<void> lock(const std::string& path);
  Result<std::uint64_t> free_bytes();

  /// The machine loses power and comes back.
  void crash(CrashPolicy policy);
  /// The process ends and the machine goes on.
  void kill();
  /// The disk is replaced by an empty one.
  void wipe();

  /// From the call after `operations` more changing ones on, every call fails, until crash() or kill().
  void stop_after(std::uint64_t operations) { operations_left_ = operations; }
  [[nodiscard]] bool is_stopped() const { return operations_left_ == std::uint64_t{0}; }
  /// Changing operations since the beginning: writes, syncs, truncations, preallocations, and those on directories.
  [[nodiscard]] std::uint64_t operations() const { return operations_; }

  /// The next operation of the kind that the fault concerns suffers it.
  void arm(DiskFault fault) { armed_.insert(fault); }
  [[nodiscard]] bool is_armed(DiskFault fault) const { return armed_.contains(fault); }
  void disarm() { armed_.clear(); }

  /// More than is used already: nothing more fits.
  void set_capacity(std::uint64_t bytes) { capacity_bytes_ = bytes; }
  [[nodiscard]] std::uint64_t used_bytes() const;

  /// What is on the disk: the files that would be there after a crash that drops everything pending, sorted.
  [[nodiscard]] std::vector<std::string> durable_files() const;
  [[nodiscard]] std::span<const std::byte> durable_bytes(const std::string& path) const;
  /// Turns one bit of a durable file over, as a decaying medium does; the cache reads it back from there.
  void flip_bit(const std::string& path, std::uint64_t offset, unsigned bit);
  /// Overwrites part of a durable file with what the drive thought best.
  void overwrite(const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes);

 private:
  friend class SimFile;
  using Inode = detail::Inode;
  using Names = std::map<std::string, std::shared_ptr<Inode>>;  ///< a directory is a null pointer

  /// A change of the directory tree; only the paths that it concerns differ.
  struct PendingChange {
    std::string path;
    std::shared_ptr<Inode> inode;  ///< what is at `path` afterwards
    enum class Kind : std::uint8_t { kLink, kDirectory, kUnlink, kRename } kind;
    std::string renamed_from;  ///< of kRename: not there any more
  };

  [[nodiscard]] Result<void> check(std::uint64_t process) const;
  [[nodiscard]] Result<void> begin_change(std::uint64_t process);
  [[nodiscard]] bool take_fault(DiskFault fault) { return armed_.erase(fault) != 0; }
  [[nodiscard]] Result<void> reserve(const Inode& inode, std::uint64_t size, const std::string& path) const;
  void change(PendingChange change);
  static void apply(const PendingChange& change, Names& names);

  void write_cached(Inode& inode, std::uint64_t offset, std::span<const std::byte> from);
  static void remember(Inode& inode, std::uint64_t offset, std::span<const std::byte> from);
  static void make_durable(Inode& inode);
  static void apply_sectors(Inode& inode, const detail::PendingWrite& write, std::uint64_t first, std::uint64_t last);
  void settle(Inode& inode, CrashPolicy policy);
  void settle_directories(CrashPolicy policy);

  Random random_;
  std::uint64_t capacity_bytes_;
  Names cached_names_;
  Names durable_names_;
  std::vector<PendingChange> pending_changes_;
  std::set<std::string> locks_;
  std::set<DiskFault> armed_;
  std::uint64_t process_ = 0;
  std::uint64_t operations_ = 0;
  std::optional<std::uint64_t> operations_left_;
};

static_assert(storage::FileSystem<SimFiles>);

}  // namespace quorate::sim
