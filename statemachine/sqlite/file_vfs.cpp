#include "statemachine/sqlite/file_vfs.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/detail/vfs_parts.hpp"

namespace quorate::sqlite {

using detail::bytes_of;
using detail::guarded;

struct FileVfs::State {
  State(storage::AnyFileSystem file_system, std::string where);
  ~State() { sqlite3_vfs_unregister(&vfs); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  static State& of(sqlite3_vfs* vfs) { return *static_cast<State*>(vfs->pAppData); }
  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* out, int flags, int* out_flags);
  static int remove(sqlite3_vfs* vfs, const char* path, int sync_directory);
  static int access(sqlite3_vfs* vfs, const char* path, int flags, int* result);

  [[nodiscard]] std::string path_of(const char* file) const { return directory + "/" + file; }
  int failed(const Error& cause, int code) {
    error = cause;
    return cause.kind == ErrorKind::kDiskFull ? SQLITE_FULL : code;
  }

  storage::AnyFileSystem files;
  std::string directory;
  std::string name;
  sqlite3_vfs vfs{};
  std::optional<Error> error;
  std::uint64_t temporary_files = 0;  ///< made so far
};

namespace {

constexpr int kPathBytesMax = 512;
constexpr int kSectorBytes = 4096;

struct OpenFile {
  storage::AnyFile file;
  FileVfs::State* vfs;
  std::string remove_on_close;  ///< empty: it stays
};
struct Handle : sqlite3_file {
  OpenFile* open;
};
OpenFile& of(sqlite3_file* file) { return *static_cast<Handle*>(file)->open; }

int file_close(sqlite3_file* file) {
  return guarded([&] {
    const std::unique_ptr<OpenFile> open(static_cast<Handle*>(file)->open);
    if (open->remove_on_close.empty()) return SQLITE_OK;
    const Result<void> removed = open->vfs->files.remove(open->remove_on_close);
    return removed ? SQLITE_OK : open->vfs->failed(removed.error(), SQLITE_IOERR_CLOSE);
  });
}
int file_read(sqlite3_file* file, void* into, int size, sqlite3_int64 offset) {
  return guarded([&] {
    const std::span<std::byte> bytes = bytes_of(into, size);
    const Result<std::size_t> read = of(file).file.read(static_cast<std::uint64_t>(offset), bytes);
    if (!read) return of(file).vfs->failed(read.error(), SQLITE_IOERR_READ);
    std::ranges::fill(bytes.subspan(*read), std::byte{0});
    return *read == bytes.size() ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
  });
}
int file_write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  return guarded([&] {
    const Result<void> written = of(file).file.write(static_cast<std::uint64_t>(offset), bytes_of(from, size));
    return written ? SQLITE_OK : of(file).vfs->failed(written.error(), SQLITE_IOERR_WRITE);
  });
}
int file_truncate(sqlite3_file* file, sqlite3_int64 size) {
  return guarded([&] {
    const Result<void> cut = of(file).file.truncate(static_cast<std::uint64_t>(size));
    return cut ? SQLITE_OK : of(file).vfs->failed(cut.error(), SQLITE_IOERR_TRUNCATE);
  });
}
int file_size(sqlite3_file* file, sqlite3_int64* out) {
  return guarded([&] {
    const Result<std::uint64_t> size = of(file).file.size();
    if (!size) return of(file).vfs->failed(size.error(), SQLITE_IOERR_FSTAT);
    *out = static_cast<sqlite3_int64>(*size);
    return SQLITE_OK;
  });
}
int sync_nothing(sqlite3_file*, int) { return SQLITE_OK; }
int lock_nothing(sqlite3_file*, int) { return SQLITE_OK; }
int check_reserved(sqlite3_file*, int* is_reserved) {
  *is_reserved = 0;
  return SQLITE_OK;
}
int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return kSectorBytes; }
int device_characteristics(sqlite3_file*) { return 0; }

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = sync_nothing,
    .xFileSize = file_size,
    .xLock = lock_nothing,
    .xUnlock = lock_nothing,
    .xCheckReservedLock = check_reserved,
    .xFileControl = control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
    .xShmMap = nullptr,
    .xShmLock = nullptr,
    .xShmBarrier = nullptr,
    .xShmUnmap = nullptr,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

/// Nothing here depends on the time.
int no_time(sqlite3_vfs*, double* out) {
  *out = static_cast<double>(detail::kUnixEpochJulianMs) / detail::kMsPerDay;
  return SQLITE_OK;
}

storage::OpenMode mode_of(int flags) {
  if ((flags & SQLITE_OPEN_CREATE) != 0) return storage::OpenMode::kOpenOrCreate;
  return (flags & SQLITE_OPEN_READWRITE) != 0 ? storage::OpenMode::kReadWrite : storage::OpenMode::kReadOnly;
}

}  // namespace

FileVfs::State::State(storage::AnyFileSystem file_system, std::string where)
    : files(std::move(file_system)),
      directory(std::move(where)),
      name(fmt::format("quorate-files-{:x}", reinterpret_cast<std::uintptr_t>(this))) {
  vfs.iVersion = 1;
  vfs.szOsFile = static_cast<int>(sizeof(Handle));
  vfs.mxPathname = kPathBytesMax;
  vfs.zName = name.c_str();
  vfs.pAppData = this;
  vfs.xOpen = open;
  vfs.xDelete = remove;
  vfs.xAccess = access;
  vfs.xFullPathname = detail::full_path;
  detail::set_machine_methods(vfs);
  vfs.xCurrentTime = no_time;
  const int code = sqlite3_vfs_register(&vfs, 0);
  QUORATE_ASSERT(code == SQLITE_OK);
}

int FileVfs::State::open(sqlite3_vfs* vfs, const char* path, sqlite3_file* out, int flags, int* out_flags) {
  out->pMethods = nullptr;
  if (out_flags != nullptr) *out_flags = flags;
  return guarded([&] {
    State& state = of(vfs);
    const bool is_nameless = path == nullptr;
    const std::string full =
        is_nameless ? fmt::format("{}/temporary-{}", state.directory, ++state.temporary_files) : state.path_of(path);
    Result<storage::AnyFile> file = state.files.open(full, is_nameless ? storage::OpenMode::kCreate : mode_of(flags));
    if (!file) return state.failed(file.error(), SQLITE_CANTOPEN);
    const bool goes = is_nameless || (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    auto* handle = static_cast<Handle*>(out);
    handle->open = new OpenFile{std::move(*file), &state, goes ? full : std::string()};
    handle->pMethods = &kMethods;
    return SQLITE_OK;
  });
}

int FileVfs::State::remove(sqlite3_vfs* vfs, const char* path, int) {
  return guarded([&] {
    State& state = of(vfs);
    const Result<void> removed = state.files.remove(state.path_of(path));
    return removed ? SQLITE_OK : state.failed(removed.error(), SQLITE_IOERR_DELETE);
  });
}

int FileVfs::State::access(sqlite3_vfs* vfs, const char* path, int, int* result) {
  return guarded([&] {
    State& state = of(vfs);
    const Result<bool> exists = state.files.exists(state.path_of(path));
    if (!exists) return state.failed(exists.error(), SQLITE_IOERR_ACCESS);
    *result = *exists ? 1 : 0;
    return SQLITE_OK;
  });
}

FileVfs::FileVfs(storage::AnyFileSystem files, std::string directory)
    : state_(std::make_unique<State>(std::move(files), std::move(directory))) {}
FileVfs::~FileVfs() = default;

const std::string& FileVfs::name() const { return state_->name; }
std::optional<Error> FileVfs::take_error() { return std::exchange(state_->error, std::nullopt); }

}  // namespace quorate::sqlite
