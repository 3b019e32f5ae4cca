#include "server/cdc/line_sinks.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace quorate::cdc {

namespace {

/// A pipe that is ready takes so much without blocking (pipe(7)).
constexpr std::size_t kPipeBytes = 4096;
/// Between two looks whether there is still somebody who wants to write.
constexpr int kPatienceMs = 100;

/// The number of bytes that could be written, and errno if that is not all.
std::size_t write_all(int file, std::string_view text) {
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = ::write(file, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    written += static_cast<std::size_t>(count);
  }
  return written;
}

}  // namespace

// --- A file ---

FileSink::~FileSink() { close(); }

void FileSink::close() {
  if (file_ >= 0) ::close(std::exchange(file_, -1));
}

tl::unexpected<Error> FileSink::problem(const std::string& what) const {
  return fail(ErrorKind::kIo, path_ + " cannot be " + what + ": " + std::generic_category().message(errno));
}

bool FileSink::is_current() const {
  struct stat named{};
  struct stat opened{};
  return file_ >= 0 && ::stat(path_.c_str(), &named) == 0 && ::fstat(file_, &opened) == 0 &&
         named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

Result<void> FileSink::open() {
  close();
  file_ = ::open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) return problem("opened");
  struct stat opened{};
  char last = '\n';
  if (::fstat(file_, &opened) != 0) return problem("looked at");
  if (opened.st_size > 0 && ::pread(file_, &last, 1, opened.st_size - 1) != 1) return problem("read");
  is_line_open_ = last != '\n';
  // The name must be as durable as what is written.
  const std::string directory = std::filesystem::path(path_).parent_path().string();
  const int parent = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool is_durable = parent >= 0 && ::fsync(parent) == 0;
  const int reason = errno;
  if (parent >= 0) ::close(parent);
  errno = reason;
  if (!is_durable) return problem("made durable");
  return {};
}

Result<void> FileSink::deliver(std::string_view document) {
  if (!is_current()) {
    if (Result<void> opened = open(); !opened) {
      close();
      return opened;
    }
  }
  struct stat before{};
  if (::fstat(file_, &before) != 0) return problem("looked at");
  std::string line(is_line_open_ ? "\n" : "");
  line += document;
  line += '\n';
  if (write_all(file_, line) < line.size()) {
    const auto failed = problem("written");
    // Nothing but our own line is behind the end that was.
    is_line_open_ = ::ftruncate(file_, before.st_size) != 0 || is_line_open_;
    return failed;
  }
  if (::fsync(file_) != 0) {
    const auto failed = problem("synced");
    close();
    return failed;
  }
  is_line_open_ = false;
  return {};
}

// --- Standard output ---

Result<void> StandardOutputSink::deliver(std::string_view document) {
  std::string line(document);
  line += '\n';
  for (std::string_view rest = line; !rest.empty();) {
    if (is_given_up_) return fail(ErrorKind::kUnavailable, "given up");
    pollfd ready{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
    const int count = ::poll(&ready, 1, kPatienceMs);
    if (count == 0 || (count < 0 && errno == EINTR)) continue;
    const std::string_view piece = rest.substr(0, std::min(rest.size(), kPipeBytes));
    const ssize_t written = ::write(STDOUT_FILENO, piece.data(), piece.size());
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written <= 0)
      return fail(ErrorKind::kIo,
                  std::string("standard output cannot be written: ") + std::generic_category().message(errno));
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace quorate::cdc
