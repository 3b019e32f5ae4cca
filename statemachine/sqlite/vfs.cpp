#include "statemachine/sqlite/vfs.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/detail/vfs_parts.hpp"
#include "statemachine/sqlite/detail/vfs_state.hpp"

namespace quorate::sqlite {

static_assert(kSqliteNotLeader == (SQLITE_IOERR | (40 << 8)));

using detail::bytes_of;
using detail::DatabaseFile;
using detail::guarded;
using detail::kMsPerDay;
using detail::kUnixEpochJulianMs;
using detail::Transaction;

struct Vfs::State {
  State(PageStore& store, VfsOptions vfs_options);
  ~State() { sqlite3_vfs_unregister(&vfs); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  static State& of(sqlite3_vfs* vfs) { return *static_cast<State*>(vfs->pAppData); }
  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* out, int flags, int* out_flags);
  static int remove(sqlite3_vfs* vfs, const char* path, int sync_directory);
  static int access(sqlite3_vfs* vfs, const char* path, int flags, int* result);
  static int current_time_ms(sqlite3_vfs* vfs, sqlite3_int64* out);
  static int current_time_days(sqlite3_vfs* vfs, double* out);

  int open_database(const char* path, sqlite3_file* out);
  int open_memory(const char* path, sqlite3_file* out, int flags);
  int commit_all(const std::string& super_journal);

  VfsOptions options;
  MemoryBudget scratch;
  Transaction transaction;
  std::string name;
  sqlite3_vfs vfs{};
  std::vector<DatabaseFile*> databases;  ///< those that are open
  std::map<std::string, std::shared_ptr<MemoryFile>, std::less<>> super_journals;
};

namespace {

/// One 512-byte "sector" keeps journal headers short; nothing is ever torn, lost or reordered here.
constexpr int kSectorBytes = 512;
constexpr int kCharacteristics = SQLITE_IOCAP_ATOMIC | SQLITE_IOCAP_SAFE_APPEND | SQLITE_IOCAP_SEQUENTIAL |
                                 SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN;
constexpr int kPathBytesMax = 512;

int sector_size(sqlite3_file*) { return kSectorBytes; }
int device_characteristics(sqlite3_file*) { return kCharacteristics; }
int sync_nothing(sqlite3_file*, int) { return SQLITE_OK; }

// --- Files in memory ---

struct MemoryHandle : sqlite3_file {
  std::shared_ptr<MemoryFile>* file;
};
MemoryFile& memory(sqlite3_file* file) { return **static_cast<MemoryHandle*>(file)->file; }

int memory_close(sqlite3_file* file) {
  delete static_cast<MemoryHandle*>(file)->file;
  return SQLITE_OK;
}
int memory_read(sqlite3_file* file, void* into, int size, sqlite3_int64 offset) {
  const std::size_t read = memory(file).read(static_cast<std::uint64_t>(offset), bytes_of(into, size));
  return read == static_cast<std::size_t>(size) ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}
int memory_write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  return guarded([&] {
    return memory(file).write(static_cast<std::uint64_t>(offset), bytes_of(from, size)) ? SQLITE_OK : SQLITE_FULL;
  });
}
int memory_truncate(sqlite3_file* file, sqlite3_int64 size) {
  memory(file).truncate(static_cast<std::uint64_t>(size));
  return SQLITE_OK;
}
int memory_size(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(memory(file).size());
  return SQLITE_OK;
}
int memory_lock(sqlite3_file*, int) { return SQLITE_OK; }
int memory_check_reserved(sqlite3_file*, int* is_reserved) {
  *is_reserved = 0;
  return SQLITE_OK;
}
int memory_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }

constexpr sqlite3_io_methods kMemoryMethods = {
    .iVersion = 1,
    .xClose = memory_close,
    .xRead = memory_read,
    .xWrite = memory_write,
    .xTruncate = memory_truncate,
    .xSync = sync_nothing,
    .xFileSize = memory_size,
    .xLock = memory_lock,
    .xUnlock = memory_lock,
    .xCheckReservedLock = memory_check_reserved,
    .xFileControl = memory_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
    .xShmMap = nullptr,
    .xShmLock = nullptr,
    .xShmBarrier = nullptr,
    .xShmUnmap = nullptr,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

// --- Databases ---

struct DatabaseHandle : sqlite3_file {
  DatabaseFile* file;
  Transaction* transaction;
  std::vector<DatabaseFile*>* open;
};
DatabaseFile& database(sqlite3_file* file) { return *static_cast<DatabaseHandle*>(file)->file; }

int database_close(sqlite3_file* file) {
  auto* handle = static_cast<DatabaseHandle*>(file);
  std::erase(*handle->open, handle->file);
  delete handle->file;
  return SQLITE_OK;
}
int database_read(sqlite3_file* file, void* into, int size, sqlite3_int64 offset) {
  return guarded([&] { return database(file).read(static_cast<std::uint64_t>(offset), bytes_of(into, size)); });
}
int database_write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  return guarded([&] { return database(file).write(static_cast<std::uint64_t>(offset), bytes_of(from, size)); });
}
int database_truncate(sqlite3_file* file, sqlite3_int64 size) {
  return guarded([&] { return database(file).truncate(static_cast<std::uint64_t>(size)); });
}
int database_size(sqlite3_file* file, sqlite3_int64* size) {
  return guarded([&] {
    *size = static_cast<sqlite3_int64>(database(file).size());
    return SQLITE_OK;
  });
}
int database_lock(sqlite3_file* file, int level) {
  return guarded([&] { return database(file).lock(level); });
}
int database_unlock(sqlite3_file* file, int level) {
  return guarded([&] { return database(file).unlock(level); });
}
int database_check_reserved(sqlite3_file*, int* is_reserved) {
  // SQLite asks this only to find out whether a journal is hot. Saying that somebody is writing ends its suspicion.
  *is_reserved = 1;
  return SQLITE_OK;
}
int database_control(sqlite3_file* file, int operation, void* argument) {
  if (operation != SQLITE_FCNTL_SYNC) return SQLITE_NOTFOUND;
  return guarded([&] {
    auto* handle = static_cast<DatabaseHandle*>(file);
    if (!handle->file->is_commit()) return SQLITE_OK;
    if (argument != nullptr) {
      handle->file->super_journal = static_cast<const char*>(argument);
      return SQLITE_OK;
    }
    return handle->transaction->commit(std::span(&handle->file, 1));
  });
}

constexpr sqlite3_io_methods kDatabaseMethods = {
    .iVersion = 1,
    .xClose = database_close,
    .xRead = database_read,
    .xWrite = database_write,
    .xTruncate = database_truncate,
    .xSync = sync_nothing,
    .xFileSize = database_size,
    .xLock = database_lock,
    .xUnlock = database_unlock,
    .xCheckReservedLock = database_check_reserved,
    .xFileControl = database_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
    .xShmMap = nullptr,
    .xShmLock = nullptr,
    .xShmBarrier = nullptr,
    .xShmUnmap = nullptr,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

}  // namespace

// --- The file system ---

Vfs::State::State(PageStore& store, VfsOptions vfs_options)
    : options(std::move(vfs_options)),
      scratch(options.scratch_bytes_max),
      // The address is unique among the objects that are alive, which is all that names and writers must be.
      transaction(store, options, WriterId{reinterpret_cast<std::uintptr_t>(this)}),
      name(fmt::format("quorate-{:x}", reinterpret_cast<std::uintptr_t>(this))) {
  vfs.iVersion = 2;
  vfs.szOsFile = static_cast<int>(std::max(sizeof(DatabaseHandle), sizeof(MemoryHandle)));
  vfs.mxPathname = kPathBytesMax;
  vfs.zName = name.c_str();
  vfs.pAppData = this;
  vfs.xOpen = open;
  vfs.xDelete = remove;
  vfs.xAccess = access;
  vfs.xFullPathname = detail::full_path;
  detail::set_machine_methods(vfs);
  vfs.xCurrentTime = current_time_days;
  vfs.xCurrentTimeInt64 = current_time_ms;
  const int code = sqlite3_vfs_register(&vfs, 0);
  QUORATE_ASSERT(code == SQLITE_OK);
}

int Vfs::State::open_database(const char* path, sqlite3_file* out) {
  if (path == nullptr || !is_attachable_name(path)) {
    return transaction.failed(
        {ErrorKind::kInvalidArgument,
         fmt::format("'{}' cannot be the name of a database: use at most {} letters, digits, '_', "
                     "'-' and '.'",
                     path == nullptr ? "" : path, kDatabaseNameBytesMax)},
        SQLITE_CANTOPEN);
  }
  auto file = std::make_unique<DatabaseFile>(transaction, path);
  databases.push_back(file.get());
  auto* handle = static_cast<DatabaseHandle*>(out);
  handle->file = file.release();
  handle->transaction = &transaction;
  handle->open = &databases;
  handle->pMethods = &kDatabaseMethods;
  return SQLITE_OK;
}

int Vfs::State::open_memory(const char* path, sqlite3_file* out, int flags) {
  std::shared_ptr<MemoryFile> file;
  if ((flags & SQLITE_OPEN_SUPER_JOURNAL) != 0) {
    // The only file that is looked up again by its name: a rollback asks whether it is still there.
    std::shared_ptr<MemoryFile>& known = super_journals[path];
    if (known == nullptr) known = std::make_shared<MemoryFile>(scratch);
    file = known;
  } else {
    file = std::make_shared<MemoryFile>(scratch);
  }
  auto* handle = static_cast<MemoryHandle*>(out);
  handle->file = new std::shared_ptr<MemoryFile>(std::move(file));
  handle->pMethods = &kMemoryMethods;
  return SQLITE_OK;
}

int Vfs::State::open(sqlite3_vfs* vfs, const char* path, sqlite3_file* out, int flags, int* out_flags) {
  out->pMethods = nullptr;
  if (out_flags != nullptr) *out_flags = flags;
  return guarded([&] {
    State& state = of(vfs);
    const bool is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    return is_database ? state.open_database(path, out) : state.open_memory(path, out, flags);
  });
}

int Vfs::State::commit_all(const std::string& super_journal) {
  std::vector<DatabaseFile*> files;
  std::ranges::copy_if(databases, std::back_inserter(files),
                       [&](const DatabaseFile* file) { return file->super_journal == super_journal; });
  return files.empty() ? SQLITE_OK : transaction.commit(files);
}

int Vfs::State::remove(sqlite3_vfs* vfs, const char* path, int sync_directory) {
  return guarded([&] {
    State& state = of(vfs);
    const auto super_journal = state.super_journals.find(std::string_view(path));
    // All others are gone with their handles.
    if (super_journal == state.super_journals.end()) return SQLITE_OK;
    // Removing the super-journal durably is the commit of all its databases; any other removal is a clean-up.
    if (sync_directory != 0) {
      // On failure the journal stays, and SQLite rolls every database back.
      if (const int code = state.commit_all(super_journal->first); code != SQLITE_OK) return code;
    }
    state.super_journals.erase(super_journal);
    return SQLITE_OK;
  });
}

int Vfs::State::access(sqlite3_vfs* vfs, const char* path, int, int* result) {
  return guarded([&] {
    *result = of(vfs).super_journals.contains(std::string_view(path)) ? 1 : 0;
    return SQLITE_OK;
  });
}

int Vfs::State::current_time_ms(sqlite3_vfs* vfs, sqlite3_int64* out) {
  return guarded([&] {
    *out = of(vfs).options.unix_time_ms() + kUnixEpochJulianMs;
    return SQLITE_OK;
  });
}

int Vfs::State::current_time_days(sqlite3_vfs* vfs, double* out) {
  sqlite3_int64 ms = 0;
  const int code = current_time_ms(vfs, &ms);
  *out = static_cast<double>(ms) / kMsPerDay;
  return code;
}

// --- The object ---

Vfs::Vfs(PageStore& store, VfsOptions options) {
  QUORATE_ASSERT(options.unix_time_ms != nullptr);
  state_ = std::make_unique<State>(store, std::move(options));
}
Vfs::~Vfs() = default;

const std::string& Vfs::name() const { return state_->name; }
PageStore& Vfs::store() { return state_->transaction.store; }
void Vfs::set_companion(CommitCompanion* companion) { state_->transaction.companion = companion; }
Result<void> Vfs::write(std::vector<DatabaseWrite> writes) { return state_->transaction.write(std::move(writes)); }
std::vector<SealedVersion> Vfs::take_sealed() { return std::exchange(state_->transaction.sealed, {}); }
VersionId Vfs::newest_seen() const { return state_->transaction.newest_seen; }
LogId Vfs::last_entry() const { return state_->transaction.last_entry; }
std::optional<Error> Vfs::take_error() { return std::exchange(state_->transaction.error, std::nullopt); }
bool Vfs::is_outdated() const { return state_->transaction.is_outdated() || state_->transaction.is_superseded(); }

}  // namespace quorate::sqlite
