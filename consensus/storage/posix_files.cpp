#include "consensus/storage/posix_files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace quorate::storage {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;
constexpr std::size_t kZerosBytes = std::size_t{64} << 10;

ErrorKind kind_of(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT: return ErrorKind::kDiskFull;
    case ENOENT: return ErrorKind::kNotFound;
    case EWOULDBLOCK: return ErrorKind::kLocked;
    default: return ErrorKind::kIo;
  }
}

/// The failure of the system call that just set errno.
tl::unexpected<Error> failure(const std::string& what) {
  const int error = errno;
  return fail(kind_of(error), fmt::format("cannot {}: {}", what, std::generic_category().message(error)));
}

/// Repeats a system call for as long as signals interrupt it.
template <class Call>
auto uninterrupted(Call&& call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::kReadOnly: return O_RDONLY;
    case OpenMode::kReadWrite: return O_RDWR;
    case OpenMode::kCreate: return O_RDWR | O_CREAT | O_TRUNC;
    case OpenMode::kOpenOrCreate: return O_RDWR | O_CREAT;
  }
  return O_RDONLY;
}

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ != -1) ::close(fd_);
}

Result<std::size_t> PosixFile::read(std::uint64_t offset, std::span<std::byte> into) const {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t count = uninterrupted([&] {
      return ::pread(descriptor_.get(), into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    });
    if (count == -1) return failure(fmt::format("read {} bytes at offset {} of {}", into.size(), offset, path_));
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

Result<void> PosixFile::write(std::uint64_t offset, std::span<const std::byte> from) {
  std::size_t done = 0;
  while (done < from.size()) {
    const ssize_t count = uninterrupted([&] {
      return ::pwrite(descriptor_.get(), from.data() + done, from.size() - done, static_cast<off_t>(offset + done));
    });
    if (count == -1) return failure(fmt::format("write {} bytes at offset {} of {}", from.size(), offset, path_));
    done += static_cast<std::size_t>(count);
  }
  return {};
}

Result<void> PosixFile::sync() {
  if (uninterrupted([&] { return ::fdatasync(descriptor_.get()); }) == -1) return failure("sync " + path_);
  return {};
}

Result<std::uint64_t> PosixFile::size() const {
  struct stat status{};
  if (::fstat(descriptor_.get(), &status) == -1) return failure("learn the size of " + path_);
  return static_cast<std::uint64_t>(status.st_size);
}

Result<void> PosixFile::truncate(std::uint64_t size) {
  if (uninterrupted([&] { return ::ftruncate(descriptor_.get(), static_cast<off_t>(size)); }) == -1) {
    return failure(fmt::format("set the size of {} to {}", path_, size));
  }
  return {};
}

// Written zeros rather than fallocate: blocks that were never written cost a journal commit at the first sync after
// each write to them, which about halves the rate of small synced writes.
Result<void> PosixFile::preallocate(std::uint64_t size) {
  static constexpr std::array<std::byte, kZerosBytes> kZeros{};
  const auto current = this->size();
  if (!current) return tl::unexpected(current.error());
  for (std::uint64_t at = *current; at < size;) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kZerosBytes, size - at));
    if (auto written = write(at, std::span(kZeros).first(count)); !written) return written;
    at += count;
  }
  return {};
}

Result<PosixFiles> PosixFiles::below(const std::string& directory) {
  Descriptor root(uninterrupted([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (root.get() == -1) return failure("open the directory " + directory);
  return PosixFiles(std::move(root), directory);
}

Result<Descriptor> PosixFiles::open_directory(const std::string& path) const {
  Descriptor directory(uninterrupted(
      [&] { return ::openat(root_.get(), path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (directory.get() == -1) return failure("open the directory " + full(path));
  return directory;
}

Result<PosixFile> PosixFiles::open(const std::string& path, OpenMode mode) {
  Descriptor file(
      uninterrupted([&] { return ::openat(root_.get(), path.c_str(), flags_of(mode) | O_CLOEXEC, kFileMode); }));
  if (file.get() == -1) return failure("open " + full(path));
  return PosixFile(std::move(file), full(path));
}

Result<bool> PosixFiles::exists(const std::string& path) {
  if (::faccessat(root_.get(), path.empty() ? "." : path.c_str(), F_OK, 0) == 0) return true;
  if (errno == ENOENT) return false;
  return failure("look for " + full(path));
}

Result<void> PosixFiles::rename(const std::string& from, const std::string& to) {
  if (::renameat(root_.get(), from.c_str(), root_.get(), to.c_str()) == -1) {
    return failure(fmt::format("rename {} to {}", full(from), full(to)));
  }
  return {};
}

Result<void> PosixFiles::remove(const std::string& path) {
  if (::unlinkat(root_.get(), path.c_str(), 0) == -1 && errno != ENOENT) return failure("remove " + full(path));
  return {};
}

Result<void> PosixFiles::create_directories(const std::string& path) {
  for (std::size_t end = 0; end != std::string::npos && !path.empty();) {
    end = path.find('/', end + 1);
    const std::string ancestor = path.substr(0, end);
    if (::mkdirat(root_.get(), ancestor.c_str(), kDirectoryMode) == -1 && errno != EEXIST) {
      return failure("create the directory " + full(ancestor));
    }
  }
  return {};
}

Result<std::vector<std::string>> PosixFiles::list(const std::string& path) {
  auto opened = open_directory(path);
  if (!opened) return tl::unexpected(opened.error());
  // fdopendir takes the descriptor over; the duplicate keeps ownership simple on failure.
  const int duplicate = ::fcntl(opened->get(), F_DUPFD_CLOEXEC, 0);
  if (duplicate == -1) return failure("list " + full(path));
  const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(duplicate));
  if (directory == nullptr) {
    auto failed = failure("list " + full(path));
    ::close(duplicate);
    return failed;
  }
  std::vector<std::string> names;
  errno = 0;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): threads may read directories at once, each from a stream of its own
  while (const dirent* found = ::readdir(directory.get())) {
    const std::string name = found->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  if (errno != 0) return failure("list " + full(path));
  std::ranges::sort(names);
  return names;
}

Result<void> PosixFiles::sync_directory(const std::string& path) {
  auto directory = open_directory(path);
  if (!directory) return tl::unexpected(directory.error());
  if (uninterrupted([&] { return ::fsync(directory->get()); }) == -1)
    return failure("sync the directory " + full(path));
  return {};
}

Result<void> PosixFiles::lock(const std::string& path) {
  Descriptor file(
      uninterrupted([&] { return ::openat(root_.get(), path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode); }));
  if (file.get() == -1) return failure("open the lock file " + full(path));
  if (uninterrupted([&] { return ::flock(file.get(), LOCK_EX | LOCK_NB); }) == -1) {
    if (errno != EWOULDBLOCK) return failure("lock " + full(path));
    return fail(ErrorKind::kLocked, full(path) + " is locked: another process uses this directory; stop it first");
  }
  locks_.push_back(std::move(file));
  return {};
}

Result<std::uint64_t> PosixFiles::free_bytes() {
  struct statvfs status{};
  if (uninterrupted([&] { return ::fstatvfs(root_.get(), &status); }) == -1) {
    return failure("learn the free space below " + name_);
  }
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

}  // namespace quorate::storage
