// Files that are read again when they have changed, by name, size or time of the last change. Looks every two seconds,
// on a thread of its own, and when it is told to.
//
// Loop thread only, except for reading. What was being read when the watch is destroyed is thrown away.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "server/alarms.hpp"
#include "server/thread_executor.hpp"

namespace quorate::server {

class FileWatch {
 public:
  /// Reads the files, on the watch's thread. What it returns is called on the loop, to put them into force.
  using Read = std::function<Result<std::function<void()>>()>;

  FileWatch(const ThreadExecutor::Post& post, Alarms& alarms);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  /// What the files are as of now counts as read. `what` is for the log.
  void add(std::string what, std::vector<std::string> files, Read read);
  void look();

 private:
  struct Stamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t bytes = 0;
    std::int64_t changed_ns = 0;

    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  struct Watched {
    std::string what;
    std::vector<std::string> files;
    Read read;
    std::vector<Stamp> stamps;  ///< of the watch's thread, once it looks
  };
  struct Found;

  static std::vector<Stamp> stamps_of(const std::vector<std::string>& files);
  void look_later();

  Alarms& alarms_;
  Alarms::Id alarm_;
  std::vector<std::shared_ptr<Watched>> watched_;
  bool is_looking_ = false;
  bool must_look_again_ = false;
  ThreadExecutor reader_;  ///< last: its thread ends first
};

}  // namespace quorate::server
