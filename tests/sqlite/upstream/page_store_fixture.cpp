// Puts SQLite's own test programs on the page store. scripts/sqlite-tests links this file into their `testfixture` with
// --wrap, so that every connection to a database file that they open gets a Vfs of its own, and every transaction that
// they commit becomes a version, committed and from time to time folded, of a store in a temporary directory.
//
// The programs believe in files: they look whether `test.db` is there, and delete it to begin anew. A file of that name
// stands for the database; it holds the database's name in the store. If it is gone, so is the database.
//
// One thread, one process, no replication.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sqlite3.h>
#include <stdlib.h>

#include "consensus/storage/posix_files.hpp"
#include "statemachine/sqlite/fold.hpp"
#include "statemachine/sqlite/page_store.hpp"
#include "statemachine/sqlite/vfs.hpp"

namespace quorate::sqlite {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = "quorate ";
/// Small, so that the programs read much of what they wrote from the base file.
constexpr std::uint64_t kOverlayBytes = std::uint64_t{256} << 10;

template <class T>
T checked(tl::expected<T, Error> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class Fixture {
 public:
  static Fixture& instance() {
    // Never destroyed: connections that are left open at exit still refer to it.
    static auto* fixture = new Fixture;
    return *fixture;
  }

  int open(const char* path, sqlite3** database, int flags, int (*really)(const char*, sqlite3**, int, const char*)) {
    if (open_.empty() && none_is_left()) begin_anew();
    VfsOptions options{.role = ConnectionRole::kWriter, .unix_time_ms = unix_time_ms};
    auto vfs = std::make_unique<Vfs>(*store_, std::move(options));
    sqlite3_vfs* const methods = sqlite3_vfs_find(vfs->name().c_str());
    methods->xFullPathname = full_path;
    methods->mxPathname = static_cast<int>(kDatabaseNameBytesMax);
    const int code = really(path, database, flags, vfs->name().c_str());
    open_.emplace(*database, std::move(vfs));
    return code;
  }
  /// What is left of a connection that closes later than it was told to stays until the end.
  void closed(sqlite3* database, bool is_surely_gone) {
    const auto found = open_.find(database);
    if (found == open_.end()) return;
    commit();
    if (!is_surely_gone) lingering_.push_back(std::move(found->second));
    open_.erase(found);
  }
  void commit() {
    for (const auto& [database, vfs] : open_) {
      for (const SealedVersion& sealed : vfs->take_sealed()) {
        store_->commit(sealed.name, {Term{1}, store_->applied().index + 1});
      }
    }
    if (store_->fold_wanted()) checked(checked(Fold::begin(*store_, {})).run());
  }

 private:
  Fixture() {
    std::string directory = (fs::temp_directory_path() / "quorate-testfixture-XXXXXX").string();
    if (::mkdtemp(directory.data()) == nullptr) throw std::runtime_error("cannot create " + directory);
    directory_ = directory;
    std::atexit([] { fs::remove_all(instance().directory_); });
    begin_anew();
  }

  static std::int64_t unix_time_ms() {
    sqlite3_vfs* const machine = sqlite3_vfs_find("unix");
    sqlite3_int64 now = 0;
    machine->xCurrentTimeInt64(machine, &now);
    return now - 210'866'760'000'000;
  }

  /// No file stands for any of the databases any more: the store may go, before it has more than it may have.
  [[nodiscard]] bool none_is_left() const {
    return std::ranges::none_of(names_, [](const auto& name) { return fs::exists(name.first); });
  }
  void begin_anew() {
    lingering_.clear();
    names_.clear();
    store_.reset();
    const fs::path below = directory_ / std::to_string(++stores_);
    fs::create_directory(below);
    files_ = std::make_unique<storage::PosixFiles>(checked(storage::PosixFiles::below(below.string())));
    PageStoreOptions options;
    options.overlay_bytes_fold = kOverlayBytes;
    options.overlay_bytes_max = 4 * kOverlayBytes;
    store_ = checked(PageStore::open(storage::AnyFileSystem(*files_), std::move(options)));
    store_->begin_epoch(Epoch{1});
  }

  /// The name of the database that a file stands for. A file that is something else is none of ours.
  std::string name_of(const fs::path& path) {
    std::ifstream file(path);
    std::string content;
    if (std::getline(file, content) && content.starts_with(kMark)) return content.substr(kMark.size());
    if (file.is_open() && !content.empty()) return path.string();
    std::string name = "db" + std::to_string(++names_ever_);
    std::ofstream(path) << kMark << name << '\n';
    names_.emplace(path, name);
    return name;
  }
  static int full_path(sqlite3_vfs*, const char* path, int size, char* out) {
    const std::string name = instance().name_of(fs::absolute(path));
    if (name.size() >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
    std::ranges::copy(name, out);
    out[name.size()] = '\0';
    return SQLITE_OK;
  }

  fs::path directory_;
  std::unique_ptr<storage::PosixFiles> files_;
  std::unique_ptr<PageStore> store_;
  std::uint64_t stores_ = 0;
  std::map<fs::path, std::string> names_;
  std::uint64_t names_ever_ = 0;
  std::map<sqlite3*, std::unique_ptr<Vfs>> open_;
  std::vector<std::unique_ptr<Vfs>> lingering_;
};

bool is_file(const char* name) {
  const std::string_view text = name == nullptr ? "" : name;
  return !text.empty() && text != ":memory:" && !text.starts_with("file:");
}

}  // namespace
}  // namespace quorate::sqlite

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names
extern "C" {
using quorate::sqlite::Fixture;

int __real_sqlite3_open_v2(const char* name, sqlite3** database, int flags, const char* vfs);
int __real_sqlite3_close(sqlite3* database);
int __real_sqlite3_close_v2(sqlite3* database);
int __real_sqlite3_step(sqlite3_stmt* statement);
int __real_sqlite3_exec(sqlite3* database, const char* sql, int (*row)(void*, int, char**, char**), void* context,
                        char** error);

int __wrap_sqlite3_open_v2(const char* name, sqlite3** database, int flags, const char* vfs) {
  if (vfs != nullptr || !quorate::sqlite::is_file(name)) return __real_sqlite3_open_v2(name, database, flags, vfs);
  return Fixture::instance().open(name, database, flags, __real_sqlite3_open_v2);
}
int __wrap_sqlite3_open(const char* name, sqlite3** database) {
  return __wrap_sqlite3_open_v2(name, database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
}
int __wrap_sqlite3_close(sqlite3* database) {
  const int code = __real_sqlite3_close(database);
  if (code == SQLITE_OK) Fixture::instance().closed(database, true);
  return code;
}
int __wrap_sqlite3_close_v2(sqlite3* database) {
  const int code = __real_sqlite3_close_v2(database);
  if (code == SQLITE_OK) Fixture::instance().closed(database, false);
  return code;
}
int __wrap_sqlite3_step(sqlite3_stmt* statement) {
  const int code = __real_sqlite3_step(statement);
  Fixture::instance().commit();
  return code;
}
int __wrap_sqlite3_exec(sqlite3* database, const char* sql, int (*row)(void*, int, char**, char**), void* context,
                        char** error) {
  const int code = __real_sqlite3_exec(database, sql, row, context, error);
  Fixture::instance().commit();
  return code;
}
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
