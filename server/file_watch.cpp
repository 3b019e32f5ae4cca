#include "server/file_watch.hpp"

#include <chrono>
#include <utility>

#include <sys/stat.h>

#include "server/log.hpp"

namespace quorate::server {

namespace {
constexpr Duration kLookPause = std::chrono::seconds(2);
}  // namespace

/// What the thread found, for the loop.
struct FileWatch::Found {
  struct Change {
    std::string what;
    Result<std::function<void()>> read;
  };
  std::vector<Change> changes;
};

FileWatch::FileWatch(const ThreadExecutor::Post& post, Alarms& alarms)
    : alarms_(alarms), reader_("quorate-files", post) {
  look_later();
}

FileWatch::~FileWatch() { alarms_.cancel(alarm_); }

void FileWatch::add(std::string what, std::vector<std::string> files, Read read) {
  std::erase(files, "");
  auto stamps = stamps_of(files);
  watched_.push_back(
      std::make_shared<Watched>(Watched{std::move(what), std::move(files), std::move(read), std::move(stamps)}));
}

/// Zeros for what is not there.
std::vector<FileWatch::Stamp> FileWatch::stamps_of(const std::vector<std::string>& files) {
  std::vector<Stamp> stamps;
  for (const std::string& file : files) {
    struct stat status{};
    Stamp stamp;
    if (::stat(file.c_str(), &status) == 0)
      stamp = {status.st_dev, status.st_ino, status.st_size,
               std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
    stamps.push_back(stamp);
  }
  return stamps;
}

void FileWatch::look() {
  if (std::exchange(is_looking_, true)) {
    must_look_again_ = true;
    return;
  }
  const auto found = std::make_shared<Found>();
  const auto search = [found, all = watched_] {
    for (const auto& watched : all) {
      auto stamps = stamps_of(watched->files);
      if (stamps == watched->stamps) continue;
      watched->stamps = std::move(stamps);
      found->changes.push_back({watched->what, watched->read()});
    }
  };
  reader_.run(search, [this, found] {
    is_looking_ = false;
    for (const auto& [what, read] : found->changes) {
      if (read) (*read)();
      if (read)
        log_info(what + " have changed and were read again");
      else
        log_error(what +
                  " have changed, and cannot be used; what was read before stays in force: " + read.error().message);
    }
    if (std::exchange(must_look_again_, false)) look();
  });
}

void FileWatch::look_later() {
  alarm_ = alarms_.after(kLookPause, [this] {
    look();
    look_later();
  });
}

}  // namespace quorate::server
