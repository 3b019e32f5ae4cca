// The endpoints of the change feed that take a document as a line: standard output, and files.
//
// A line in a file has been synced when deliver() returns. Lines that could not be written whole are cut off again; if
// the process ended meanwhile, the next one begins a new line behind what is left of it. A file that was moved away, or
// removed, is created anew.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "server/cdc/sink.hpp"

namespace quorate::cdc {

class FileSink final : public Sink {
 public:
  explicit FileSink(std::string path) : path_(std::move(path)) {}
  ~FileSink() override;
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;

  [[nodiscard]] Result<void> deliver(std::string_view document) override;
  /// A disk does not wait for anybody.
  void give_up() override {}

 private:
  [[nodiscard]] bool is_current() const;
  Result<void> open();
  void close();
  [[nodiscard]] tl::unexpected<Error> problem(const std::string& what) const;

  const std::string path_;
  int file_ = -1;
  bool is_line_open_ = false;  ///< the last line in the file has no end
};

class StandardOutputSink final : public Sink {
 public:
  [[nodiscard]] Result<void> deliver(std::string_view document) override;
  void give_up() override { is_given_up_ = true; }

 private:
  std::atomic<bool> is_given_up_ = false;
};

}  // namespace quorate::cdc
