// The files of a log directory: segments, and the two preallocated files that the next ones are made of. Knows nothing
// of what is in them.
//
// A segment is preallocated with written zeros and synced before it gets its name, so that a write to it needs neither
// space nor metadata. `spare` is the next segment in the making; an obsolete segment becomes the spare if there is
// none. `reserve` is a small one, set aside while there is room, for records without which a node on a full disk could
// not take part in elections.
//
// Every change of names is durable when the call returns.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "consensus/storage/file_system.hpp"
#include "consensus/storage/wal_format.hpp"

namespace quorate::storage {

/// What a new segment is for.
enum class SegmentPurpose {
  kAnything,
  kEssential,  ///< may use the reserve
};

template <FileSystem Files>
class SegmentFiles {
 public:
  using File = typename Files::File;

  SegmentFiles(Files& files, std::string directory, std::uint64_t segment_bytes, std::uint64_t reserve_bytes)
      : files_(&files),
        directory_(std::move(directory)),
        segment_bytes_(segment_bytes),
        reserve_bytes_(reserve_bytes) {}

  /// Of the segments that exist, ascending.
  Result<std::vector<SegmentNumber>> list() {
    auto names = files_->list(directory_);
    if (!names) return tl::unexpected(names.error());
    std::vector<SegmentNumber> numbers;
    for (const std::string& name : *names) {
      if (const auto number = parse_segment_name(name)) numbers.push_back(*number);
    }
    std::ranges::sort(numbers);
    return numbers;
  }

  Result<File> open(SegmentNumber number) { return files_->open(path_of(number), OpenMode::kReadWrite); }

  /// All of a segment. The memory of `buffer` is used again: large blocks are dear to get from the kernel.
  Result<std::vector<std::byte>> read(SegmentNumber number, std::vector<std::byte> buffer) {
    auto file = files_->open(path_of(number), OpenMode::kReadOnly);
    if (!file) return tl::unexpected(file.error());
    auto size = file->size();
    if (!size) return tl::unexpected(size.error());
    buffer.resize(*size);
    auto count = file->read(0, buffer);
    if (!count) return tl::unexpected(count.error());
    buffer.resize(*count);
    return buffer;
  }

  /// Makes the segment `number`, with room for at least `bytes`. kDiskFull: nothing has changed.
  Result<File> create(SegmentNumber number, std::uint64_t bytes, SegmentPurpose purpose) {
    auto prepared = allocate("spare", std::max(bytes, segment_bytes_));
    std::string source = "spare";
    if (!prepared && prepared.error().kind == ErrorKind::kDiskFull && purpose == SegmentPurpose::kEssential &&
        bytes <= reserve_bytes_) {
      auto reserved = files_->exists(path_of("reserve"));
      if (!reserved) return tl::unexpected(reserved.error());
      if (*reserved) {
        prepared = {};
        source = "reserve";
      }
    }
    if (!prepared) return tl::unexpected(prepared.error());
    if (auto renamed = files_->rename(path_of(source), path_of(number)); !renamed)
      return tl::unexpected(renamed.error());
    if (auto synced = files_->sync_directory(directory_); !synced) return tl::unexpected(synced.error());
    return open(number);
  }

  /// Does away with an obsolete segment.
  Result<void> retire(SegmentNumber number) {
    auto has_spare = files_->exists(path_of("spare"));
    if (!has_spare) return tl::unexpected(has_spare.error());
    auto size = open(number).and_then([](const File& file) { return file.size(); });
    if (!size) return tl::unexpected(size.error());
    const bool is_reusable = !*has_spare && *size == segment_bytes_;
    auto gone = is_reusable ? files_->rename(path_of(number), path_of("spare")) : files_->remove(path_of(number));
    if (!gone) return gone;
    return files_->sync_directory(directory_);
  }

  /// Works a little on the spare, for moments when nothing else is to be done. True: there is more to do.
  Result<bool> prepare_spare(std::uint64_t bytes_max) {
    auto file = files_->open(path_of("spare"), OpenMode::kOpenOrCreate);
    if (!file) return tl::unexpected(file.error());
    auto size = file->size();
    if (!size) return tl::unexpected(size.error());
    if (*size >= segment_bytes_) return false;
    const std::uint64_t target = std::min(segment_bytes_, *size + bytes_max);
    if (auto done = file->preallocate(target); !done) {
      if (done.error().kind != ErrorKind::kDiskFull) return tl::unexpected(done.error());
      if (auto removed = files_->remove(path_of("spare")); !removed) return tl::unexpected(removed.error());
      return false;
    }
    if (target < segment_bytes_) return true;
    if (auto synced = file->sync(); !synced) return tl::unexpected(synced.error());
    return false;
  }

  /// Sets the reserve aside if there is none and there is room.
  Result<void> ensure_reserve() {
    auto exists = files_->exists(path_of("reserve"));
    if (!exists) return tl::unexpected(exists.error());
    if (*exists) return {};
    if (auto allocated = allocate("reserve.new", reserve_bytes_); !allocated) {
      return allocated.error().kind == ErrorKind::kDiskFull ? Result<void>{} : allocated;
    }
    if (auto renamed = files_->rename(path_of("reserve.new"), path_of("reserve")); !renamed) return renamed;
    return files_->sync_directory(directory_);
  }

 private:
  [[nodiscard]] std::string path_of(const std::string& name) const { return directory_ + "/" + name; }
  [[nodiscard]] std::string path_of(SegmentNumber number) const { return path_of(segment_name(number)); }

  /// Makes sure that the file has at least `bytes`, all of them allocated. kDiskFull: the file is gone.
  Result<void> allocate(const std::string& name, std::uint64_t bytes) {
    auto file = files_->open(path_of(name), OpenMode::kOpenOrCreate);
    if (!file) return tl::unexpected(file.error());
    auto done = file->preallocate(bytes);
    if (done) done = file->sync();
    if (done || done.error().kind != ErrorKind::kDiskFull) return done;
    // What there was room for is of no use; others may need it.
    if (auto removed = files_->remove(path_of(name)); !removed) return removed;
    return done;
  }

  Files* files_;
  std::string directory_;
  std::uint64_t segment_bytes_;
  std::uint64_t reserve_bytes_;
};

}  // namespace quorate::storage
