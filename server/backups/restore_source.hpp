// The file that a database is restored from, read piece by piece: a SQLite file or SQL text, as it is or as a gzip
// stream, which is detected. Memory stays as it is, however large the file. Blocking calls; one thread at a time.
#pragma once

#include <fstream>
#include <optional>
#include <string>

#include "consensus/result.hpp"
#include "server/http/gzip_reader.hpp"

namespace quorate::server {

class RestoreSource {
 public:
  /// kNotFound: there is no such file; kInvalidArgument: it cannot be read, or is empty.
  static Result<RestoreSource> open(const std::string& path);

  /// The next piece; empty at the end. kCorrupt: it is a gzip stream that is damaged, or ends too early.
  Result<std::string> next();

 private:
  RestoreSource(std::string path, std::ifstream stream) : path_(std::move(path)), stream_(std::move(stream)) {}
  Result<void> fill();
  Result<std::string> next_unpacked();

  std::string path_;
  std::ifstream stream_;
  std::string room_;  ///< what has been read, and not been used before at_
  std::size_t at_ = 0;
  std::optional<http::GzipReader> gzip_;
};

}  // namespace quorate::server
