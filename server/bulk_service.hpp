// Copies of the database and files that become it (bulk.hpp), over the node's replica: what takes long or blocks is
// done on a thread of its own, quorate-bulk, in files below "bulk" in the data directory, which is emptied at every
// start.
//
//   backup   a pinned version, page by page; vacuumed: through a scratch file; SQL text: through a reader of its own;
//            each of them may be packed on its way, on another thread, quorate-pack, behind everybody else
//   load     a file is collected, verified (header, integrity_check), and copied over the database in one transaction
//   of
//            the executor; SQL text is collected, and executed in one interactive transaction, a piece at a time
//
// Threads: loop only, the destructor included, which ends the thread. Not before the replica is there: a node that
// still looks for its cluster refuses everything. Destroy it before the replica.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "consensus/storage/any_file_system.hpp"
#include "consensus/storage/posix_files.hpp"
#include "server/bulk.hpp"
#include "server/config.hpp"
#include "server/replica.hpp"
#include "server/thread_executor.hpp"
#include "statemachine/sqlite/reader_pool.hpp"

namespace quorate::server {

/// Copies and incoming files at a time, each.
inline constexpr std::size_t kBulkTransfersMax = 8;

class BulkService final : public Bulk {
 public:
  using Post = std::function<void(std::function<void()>)>;

  /// `files` is the data directory.
  static Result<std::unique_ptr<BulkService>> open(storage::PosixFiles files, const NodeConfig& config, Post post);
  ~BulkService() override;

  /// Null while there is none.
  void serve(Replica* replica);

  void open_backup(BackupWish wish, std::function<void(Result<std::unique_ptr<BackupReader>>)> done) override;
  std::shared_ptr<IncomingFile> receive_file() override;

  /// How a state is named (bulk.hpp): of what is applied here now. Empty without a replica.
  [[nodiscard]] std::string current_state() const;
  /// While it lasts, files of others are received, and refused when they are to be loaded.
  void mark_restoring(bool is_restoring) { is_restoring_ = is_restoring; }
  /// A file that may be loaded all the same.
  std::shared_ptr<IncomingFile> receive_restore();

 private:
  class Copy;
  class PackedCopy;
  class Incoming;
  class TextLoad;

  BulkService(storage::PosixFiles files, const NodeConfig& config, Post post);
  [[nodiscard]] std::string new_directory();
  /// Runs `job` on a thread and hands its result to `done`, on the loop, unless the service is gone by then.
  template <class T>
  void run_on(ThreadExecutor& thread, std::function<Result<T>()> job, std::function<void(Result<T>)> done);
  template <class T>
  void run(std::function<Result<T>()> job, std::function<void(Result<T>)> done) {
    run_on<T>(*thread_, std::move(job), std::move(done));
  }

  storage::PosixFiles posix_files_;
  storage::AnyFileSystem files_;
  sqlite::ConnectionOptions connection_;
  Replica* replica_ = nullptr;
  std::unique_ptr<sqlite::ReaderPool> readers_;
  std::uint64_t directories_made_ = 0;
  bool is_restoring_ = false;
  std::shared_ptr<std::size_t> copies_ = std::make_shared<std::size_t>(0);
  std::shared_ptr<std::size_t> incoming_ = std::make_shared<std::size_t>(0);
  std::unique_ptr<ThreadExecutor> thread_;
  std::unique_ptr<ThreadExecutor> packer_;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace quorate::server
