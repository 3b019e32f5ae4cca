// Whole databases in and out, as the front ends see it: a copy of what is here as a file or as SQL text, read at the
// pace of whoever takes it, and a file or text that is received piece by piece and then becomes the database. The
// counterpart of database.hpp, implemented by the node and imitated by tests.
//
// Threads: as in database.hpp: everything on the loop, every `done` exactly once, unless the node ends before.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "server/database.hpp"

namespace quorate::server {

struct BackupWish {
  enum class Form : std::uint8_t {
    kFile,         ///< as SQLite would have it on disk
    kCompactFile,  ///< without the room that deleted rows have left
    kSql,
  };
  Form form = Form::kFile;
  std::vector<std::string> tables;  ///< of SQL text: only these; empty: all
  enum class Packing : std::uint8_t { kNone, kGzip } packing = Packing::kNone;
};

/// One copy, of one state of the database.
class BackupReader {
 public:
  virtual ~BackupReader() = default;
  /// Names the state that it is a copy of: the same on all nodes that are in it, another one after any change. Empty if
  /// it is SQL text.
  [[nodiscard]] virtual std::string state() const = 0;
  /// The next piece; empty at the end. One call at a time.
  virtual void read(std::function<void(Result<std::string>)> done) = 0;
};

/// A file on its way in. What was received is thrown away with it.
class IncomingFile {
 public:
  virtual ~IncomingFile() = default;
  /// The next piece. Pieces are taken in order, also without waiting for `done`; an error means that the file is of no
  /// use any more.
  virtual void append(std::string piece, std::function<void(Result<void>)> done) = 0;
  /// Makes it the database's content if it is a sound SQLite file, or executes it if it is SQL text: all of it or
  /// nothing, by `timeout`. To be called once, after everything was handed to append().
  enum class Accepted : std::uint8_t { kFilesAndText, kFilesOnly };
  virtual void load(Accepted accepted, Duration timeout, SqlDone done) = 0;
};

class Bulk {
 public:
  virtual ~Bulk() = default;
  /// Of what is applied here. kUnavailable: this node has no data, or too many copies are being made.
  virtual void open_backup(BackupWish wish, std::function<void(Result<std::unique_ptr<BackupReader>>)> done) = 0;
  /// Null if too many files are on their way in.
  virtual std::shared_ptr<IncomingFile> receive_file() = 0;
};

}  // namespace quorate::server
