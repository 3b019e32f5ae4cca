#include "server/bulk_service.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "server/http/gzip.hpp"
#include "server/sql_ends.hpp"
#include "server/sql_text_splitter.hpp"
#include "statemachine/sqlite/backup.hpp"
#include "statemachine/sqlite/dump.hpp"
#include "statemachine/sqlite/load.hpp"
#include "statemachine/sqlite/scratch_database.hpp"
#include "transport/asio_runtime.hpp"

namespace quorate::server {

namespace {

constexpr const char* kDirectory = "bulk";
constexpr const char* kTextFile = "/text";
constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

std::string name_of(sqlite::StateDigest digest) { return fmt::format("{:016x}", digest.value()); }

Error error_of(const sqlite::SqlError& error) { return {ErrorKind::kUnavailable, error.message}; }

std::optional<std::string> sql_error_in(const sqlite::Response& response) {
  if (response.error) return response.error->message;
  for (const sqlite::StatementResult& result : response.results)
    if (result.kind == sqlite::StatementResult::Kind::kError) return result.error.message;
  return std::nullopt;
}

/// Counts what there is at a time.
class Share {
 public:
  explicit Share(std::shared_ptr<std::size_t> count) : count_(std::move(count)) { ++*count_; }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;
  ~Share() { --*count_; }

 private:
  std::shared_ptr<std::size_t> count_;
};

}  // namespace

template <class T>
void BulkService::run_on(ThreadExecutor& thread, std::function<Result<T>()> job, std::function<void(Result<T>)> done) {
  auto result = std::make_shared<std::optional<Result<T>>>();
  thread.run([job = std::move(job), result] { *result = job(); },
             [result, done = std::move(done), life = std::weak_ptr(life_)] {
               if (!life.expired()) done(std::move(**result));
             });
}

// --- Out ---

class BulkService::Copy final : public BackupReader {
 public:
  /// What reads the next piece; on the thread.
  using Source = std::function<Result<std::string>()>;
  struct Opened {
    Source source;
    std::string state;
  };

  Copy(BulkService& service, Opened opened)
      : service_(service),
        life_(service.life_),
        state_(std::move(opened.state)),
        source_(std::make_shared<Source>(std::move(opened.source))),
        share_(service.copies_) {}
  /// The source's files are closed on the thread, behind what is read from them.
  ~Copy() override {
    if (life_.expired()) return;
    service_.thread_->run([source = std::move(source_)]() mutable { source.reset(); }, [] {});
  }

  [[nodiscard]] std::string state() const override { return state_; }
  void read(std::function<void(Result<std::string>)> done) override {
    if (life_.expired()) return done(fail(ErrorKind::kUnavailable, "the node is stopping"));
    service_.run<std::string>([source = source_] { return (*source)(); }, std::move(done));
  }

 private:
  BulkService& service_;
  std::weak_ptr<const char> life_;
  std::string state_;
  std::shared_ptr<Source> source_;
  Share share_;
};

/// A gzip stream of a copy. One piece is packed while nobody else needs the processor.
class BulkService::PackedCopy final : public BackupReader {
 public:
  PackedCopy(BulkService& service, std::unique_ptr<BackupReader> copy)
      : state_(std::make_shared<State>(service, std::move(copy))) {}

  [[nodiscard]] std::string state() const override { return state_->copy->state(); }
  void read(std::function<void(Result<std::string>)> done) override { state_->read(std::move(done)); }

 private:
  /// Outlives whoever reads, as long as something is being packed.
  struct State : std::enable_shared_from_this<State> {
    State(BulkService& of, std::unique_ptr<BackupReader> plain) : service(of), copy(std::move(plain)) {}

    void read(std::function<void(Result<std::string>)> done) {
      if (is_ended) return done(std::string());
      copy->read([self = shared_from_this(), done = std::move(done)](Result<std::string> piece) {
        if (!piece) return done(std::move(piece));
        self->pack(std::move(*piece), done);
      });
    }
    void pack(std::string piece, std::function<void(Result<std::string>)> done) {
      is_ended = piece.empty();
      const auto self = shared_from_this();
      const auto job = [self, piece = std::move(piece)]() -> Result<std::string> {
        return piece.empty() ? self->gzip.finish() : self->gzip.write(piece);
      };
      service.run_on<std::string>(*service.packer_, job, [self, done = std::move(done)](Result<std::string> bytes) {
        if (bytes->empty()) return self->read(done);
        done(std::move(bytes));
      });
    }

    BulkService& service;
    std::unique_ptr<BackupReader> copy;
    http::GzipWriter gzip;
    bool is_ended = false;  ///< nothing comes behind what is being packed
  };

  std::shared_ptr<State> state_;
};

namespace {

/// Reads a file-like backup piece by piece.
template <class B>
std::function<Result<std::string>()> pieces_of(std::shared_ptr<B> backup) {
  return [backup = std::move(backup), offset = std::uint64_t{0}]() mutable -> Result<std::string> {
    std::string piece(static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, backup->size() - offset)), '\0');
    const auto read = backup->read(offset, std::as_writable_bytes(std::span(piece)));
    if (!read) return tl::unexpected(read.error());
    piece.resize(*read);
    offset += *read;
    return piece;
  };
}

std::function<Result<std::string>()> pieces_of(std::shared_ptr<sqlite::Dump> dump) {
  return [dump = std::move(dump), is_ended = false]() mutable -> Result<std::string> {
    if (is_ended) return std::string();
    sqlite::SqlResult<sqlite::Dump::Piece> piece = dump->next(kPieceBytes);
    if (!piece) return tl::unexpected(error_of(piece.error()));
    is_ended = piece->end == sqlite::Dump::Piece::End::kReached;
    return std::move(piece->text);
  };
}

}  // namespace

void BulkService::open_backup(BackupWish wish, std::function<void(Result<std::unique_ptr<BackupReader>>)> done) {
  if (replica_ == nullptr) return done(fail(ErrorKind::kUnavailable, "this node does not belong to a cluster yet"));
  if (*copies_ >= kBulkTransfersMax) {
    return done(fail(ErrorKind::kOverloaded, fmt::format("{} backups are being made already", *copies_)));
  }
  auto open = [store = &replica_->store(), readers = readers_.get(), files = files_, wish,
               directory = new_directory()]() -> Result<Copy::Opened> {
    if (wish.form == BackupWish::Form::kSql) {
      sqlite::SqlResult<sqlite::Reader> reader = readers->take();
      if (!reader) return tl::unexpected(error_of(reader.error()));
      sqlite::SqlResult<sqlite::Dump> dump = sqlite::Dump::open(std::move(*reader), {wish.tables});
      if (!dump) return tl::unexpected(error_of(dump.error()));
      return Copy::Opened{pieces_of(std::make_shared<sqlite::Dump>(std::move(*dump))), {}};
    }
    Result<sqlite::Backup> backup = sqlite::Backup::open(*store, "main");
    if (!backup) return tl::unexpected(backup.error());
    std::string state = name_of(backup->digest());
    if (wish.form == BackupWish::Form::kFile)
      return Copy::Opened{pieces_of(std::make_shared<sqlite::Backup>(std::move(*backup))), std::move(state)};
    auto compact = sqlite::CompactBackup::make(*backup, files, directory);
    if (!compact) return tl::unexpected(compact.error());
    return Copy::Opened{pieces_of(std::shared_ptr<sqlite::CompactBackup>(std::move(*compact))), std::move(state)};
  };
  const bool is_packed = wish.packing == BackupWish::Packing::kGzip;
  run<Copy::Opened>(std::move(open), [this, is_packed, done = std::move(done)](Result<Copy::Opened> opened) {
    if (!opened) return done(tl::unexpected(opened.error()));
    std::unique_ptr<BackupReader> copy = std::make_unique<Copy>(*this, std::move(*opened));
    if (is_packed) copy = std::make_unique<PackedCopy>(*this, std::move(copy));
    done(std::move(copy));
  });
}

// --- In ---

/// Executes the text of a file in one transaction, a piece at a time.
class BulkService::TextLoad : public std::enable_shared_from_this<TextLoad> {
 public:
  TextLoad(BulkService& service, storage::AnyFile file, Instant deadline, SqlDone done)
      : service_(service),
        file_(std::make_shared<storage::AnyFile>(std::move(file))),
        deadline_(deadline),
        done_(std::move(done)) {}

  void start() {
    service_.replica_->executor().begin(
        deadline_, [self = shared_from_this()](const sqlite::Execution& execution, std::string token) {
          SqlEnd end = end_of(execution);
          if (end.kind != SqlEnd::Kind::kDone) return self->done_(std::move(end));
          self->token_ = std::move(token);
          self->next();
        });
    service_.replica_->watch_executor();
  }

 private:
  struct Text {
    std::string statements;
    bool is_last = false;
  };

  void next() {
    service_.run<Text>([self = shared_from_this()] { return self->read(); },
                       [self = shared_from_this()](Result<Text> text) {
                         if (!text) return self->undo(end_of(text.error()));
                         self->execute(std::move(*text));
                       });
  }

  /// On the thread.
  Result<Text> read() {
    std::vector<std::byte> bytes(kPieceBytes);
    for (;;) {
      const Result<std::size_t> size = file_->read(offset_, bytes);
      if (!size) return tl::unexpected(size.error());
      offset_ += *size;
      if (*size == 0) return Text{splitter_.finish(), true};
      const std::string_view piece(reinterpret_cast<const char*>(bytes.data()), *size);
      if (Result<void> added = splitter_.add(piece); !added) return tl::unexpected(added.error());
      if (std::optional<std::string> statements = splitter_.take()) return Text{std::move(*statements), false};
    }
  }

  void execute(Text text) {
    if (service_.replica_ == nullptr) return done_(refused("the node is stopping"));
    sqlite::Request request;
    request.statements.push_back({std::move(text.statements), {}});
    request.kind = sqlite::RequestKind::kMixed;
    service_.replica_->executor().execute_in(
        token_, {.request = std::move(request), .deadline = deadline_},
        [self = shared_from_this(), is_last = text.is_last](const sqlite::Execution& execution) {
          SqlEnd end = end_of(execution);
          if (end.kind != SqlEnd::Kind::kDone) return self->undo(std::move(end));
          if (std::optional<std::string> error = sql_error_in(execution.response))
            return self->undo({.kind = SqlEnd::Kind::kInvalid, .error = std::move(*error)});
          if (!is_last) return self->next();
          self->finish(sqlite::TransactionEnd::kCommit, std::nullopt);
        });
    service_.replica_->watch_executor();
  }

  void undo(SqlEnd why) { finish(sqlite::TransactionEnd::kRollBack, std::move(why)); }

  void finish(sqlite::TransactionEnd how, std::optional<SqlEnd> why) {
    if (service_.replica_ == nullptr) return done_(refused("the node is stopping"));
    service_.replica_->executor().end(
        token_, how, deadline_, [self = shared_from_this(), why = std::move(why)](const sqlite::Execution& execution) {
          SqlEnd end = end_of(execution);
          if (const auto error = sql_error_in(execution.response); error && end.kind == SqlEnd::Kind::kDone)
            end = {.kind = SqlEnd::Kind::kInvalid, .error = *error};
          if (why) end = *why;
          self->done_(std::move(end));
        });
    service_.replica_->watch_executor();
  }

  BulkService& service_;
  std::shared_ptr<storage::AnyFile> file_;
  Instant deadline_;
  SqlDone done_;
  std::string token_;
  std::uint64_t offset_ = 0;  // with what follows, of the thread
  SqlTextSplitter splitter_;
};

class BulkService::Incoming final : public IncomingFile {
 public:
  enum class Whose : std::uint8_t { kOthers, kRestore };

  Incoming(BulkService& service, std::string directory, Whose whose)
      : service_(service),
        whose_(whose),
        life_(service.life_),
        state_(std::make_shared<State>(service.files_, std::move(directory))),
        share_(service.incoming_) {}
  ~Incoming() override {
    if (life_.expired()) return;
    service_.thread_->run([state = std::move(state_)]() mutable { state->remove(); }, [] {});
  }

  void append(std::string piece, std::function<void(Result<void>)> done) override {
    if (life_.expired()) return done(fail(ErrorKind::kUnavailable, "the node is stopping"));
    service_.run<void>([state = state_, piece = std::move(piece)] { return state->append(piece); }, std::move(done));
  }

  void load(Accepted accepted, Duration timeout, SqlDone done) override {
    if (life_.expired() || service_.replica_ == nullptr) return done(refused("this node belongs to no cluster yet"));
    if (service_.is_restoring_ && whose_ == Whose::kOthers)
      return done(refused("the database is being restored from a backup"));
    const Instant deadline = transport::AsioRuntime::now() + timeout;
    service_.run<bool>([state = state_, accepted] { return state->check(accepted); },
                       [&service = service_, deadline, state = state_, done = std::move(done)](Result<bool> is_text) {
                         if (!is_text) return done(end_of(is_text.error()));
                         if (service.replica_ == nullptr) return done(refused("the node is stopping"));
                         service.replica_->await_executor(deadline, [&service, deadline, state, is_text, done] {
                           if (service.replica_ == nullptr) return done(refused("the node is stopping"));
                           *is_text ? execute(service, state, deadline, done) : replace(service, state, deadline, done);
                         });
                       });
  }

 private:
  /// Of the thread, but for what is said.
  struct State {
    State(storage::AnyFileSystem file_system, std::string where)
        : files(std::move(file_system)), directory(std::move(where)) {}

    storage::AnyFileSystem files;
    std::string directory;
    std::shared_ptr<sqlite::Load> file;
    std::optional<storage::AnyFile> text;
    std::uint64_t text_bytes = 0;
    std::optional<Error> failure;

    Result<void> append(const std::string& piece) {
      if (failure) return tl::unexpected(*failure);
      const Result<void> added = add(std::as_bytes(std::span(piece)));
      if (!added) failure = added.error();
      return added;
    }
    Result<void> add(std::span<const std::byte> piece) {
      if (file == nullptr && !text) {
        if (Result<void> begun = begin(piece); !begun) return begun;
      }
      if (file != nullptr) return file->append(piece);
      if (Result<void> written = text->write(text_bytes, piece); !written) return written;
      text_bytes += piece.size();
      return {};
    }
    Result<void> begin(std::span<const std::byte> piece) {
      Result<std::unique_ptr<sqlite::Load>> load = sqlite::Load::begin(files, {.directory = directory});
      if (!load) return tl::unexpected(load.error());
      if (sqlite::Load::is_database(piece)) {
        file = std::move(*load);
        return {};
      }
      load->reset();
      Result<storage::AnyFile> opened = files.open(directory + kTextFile, storage::OpenMode::kCreate);
      if (!opened) return tl::unexpected(opened.error());
      text = std::move(*opened);
      return {};
    }
    /// Whether it is text.
    Result<bool> check(Accepted accepted) {
      if (failure) return tl::unexpected(*failure);
      if (file == nullptr && accepted == Accepted::kFilesOnly)
        return fail(ErrorKind::kInvalidArgument, "this is not a SQLite database; nothing was loaded");
      if (file == nullptr && !text) return fail(ErrorKind::kInvalidArgument, "there is nothing to load");
      if (file == nullptr) return true;
      if (Result<void> sound = file->verify(); !sound) return tl::unexpected(sound.error());
      return false;
    }
    void remove() {
      file.reset();
      // What cannot be removed now is removed at the next start.
      if (std::exchange(text, std::nullopt)) static_cast<void>(files.remove(directory + kTextFile));
    }
  };

  static void replace(BulkService& service, const std::shared_ptr<State>& state, Instant deadline, SqlDone done) {
    service.replica_->loader().load(
        {.file = state->file, .deadline = deadline},
        [state, done = std::move(done)](const sqlite::Execution& execution) { done(end_of(execution)); });
    service.replica_->watch_executor();
  }
  static void execute(BulkService& service, const std::shared_ptr<State>& state, Instant deadline, SqlDone done) {
    Result<storage::AnyFile> text = state->files.open(state->directory + kTextFile, storage::OpenMode::kReadOnly);
    if (!text) return done(end_of(text.error()));
    std::make_shared<TextLoad>(service, std::move(*text), deadline, [state, done = std::move(done)](SqlEnd end) {
      done(std::move(end));
    })->start();
  }

  BulkService& service_;
  Whose whose_;
  std::weak_ptr<const char> life_;
  std::shared_ptr<State> state_;
  Share share_;
};

std::shared_ptr<IncomingFile> BulkService::receive_file() {
  if (replica_ == nullptr || *incoming_ >= kBulkTransfersMax) return nullptr;
  return std::make_shared<Incoming>(*this, new_directory(), Incoming::Whose::kOthers);
}

std::shared_ptr<IncomingFile> BulkService::receive_restore() {
  return std::make_shared<Incoming>(*this, new_directory(), Incoming::Whose::kRestore);
}

// --- The service ---

Result<std::unique_ptr<BulkService>> BulkService::open(storage::PosixFiles files, const NodeConfig& config, Post post) {
  std::unique_ptr<BulkService> service(new BulkService(std::move(files), config, std::move(post)));
  storage::AnyFileSystem& all = service->files_;
  if (Result<void> made = all.create_directories(kDirectory); !made) return tl::unexpected(made.error());
  const Result<std::vector<std::string>> left = all.list(kDirectory);
  if (!left) return tl::unexpected(left.error());
  for (const std::string& name : *left) {  // of an earlier life
    const Result<void> emptied = sqlite::ScratchDatabase::empty(all, fmt::format("{}/{}", kDirectory, name));
    if (!emptied) return tl::unexpected(emptied.error());
  }
  return service;
}

BulkService::BulkService(storage::PosixFiles files, const NodeConfig& config, Post post)
    : posix_files_(std::move(files)), files_(posix_files_) {
  connection_.now = transport::AsioRuntime::now;
  connection_.vfs.unix_time_ms = [] {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::int64_t{std::chrono::duration_cast<std::chrono::milliseconds>(now).count()};
  };
  connection_.foreign_keys =
      config.enforce_foreign_keys ? sqlite::ForeignKeys::kEnforced : sqlite::ForeignKeys::kIgnored;
  connection_.extensions = config.extensions;
  thread_ = std::make_unique<ThreadExecutor>("quorate-bulk", post);
  packer_ = std::make_unique<ThreadExecutor>("quorate-pack", std::move(post), ThreadExecutor::Urgency::kBackground);
}

BulkService::~BulkService() {
  life_.reset();
  packer_.reset();
  thread_.reset();
}

void BulkService::serve(Replica* replica) {
  replica_ = replica;
  if (replica == nullptr) return;
  readers_ = std::make_unique<sqlite::ReaderPool>(replica->store(), connection_, 1);
}

std::string BulkService::current_state() const {
  return replica_ == nullptr ? std::string() : name_of(replica_->store().digest());
}

std::string BulkService::new_directory() { return fmt::format("{}/{}", kDirectory, ++directories_made_); }

}  // namespace quorate::server
