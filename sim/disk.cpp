#include "sim/disk.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "consensus/assert.hpp"

namespace quorate::sim {
namespace {

using storage::OpenMode;

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::uint64_t sector_of(std::uint64_t offset) { return offset / kSectorBytes; }

}  // namespace

// --- The bytes of a file ---

void detail::FileContent::resize(std::uint64_t size) {
  size_ = size;
  if (written_.size() > size) written_.resize(size);
}

void detail::FileContent::write(std::uint64_t offset, std::span<const std::byte> from) {
  const std::uint64_t end = offset + from.size();
  size_ = std::max(size_, end);
  if (written_.size() < end) written_.resize(end);
  // Not std::ranges::copy, which g++ 12 turns into a loop over single bytes.
  std::copy(from.begin(), from.end(), written_.begin() + static_cast<std::ptrdiff_t>(offset));
}

void detail::FileContent::read(std::uint64_t offset, std::span<std::byte> into) const {
  QUORATE_ASSERT(offset + into.size() <= size_);
  const std::uint64_t first = std::min<std::uint64_t>(offset, written_.size());
  const std::uint64_t count = std::min<std::uint64_t>(into.size(), written_.size() - first);
  std::copy_n(written_.begin() + static_cast<std::ptrdiff_t>(first), count, into.begin());
  std::ranges::fill(into.subspan(count), std::byte{0});
}

std::byte detail::FileContent::at(std::uint64_t offset) const {
  return offset < written_.size() ? written_[offset] : std::byte{0};
}

std::span<const std::byte> detail::FileContent::bytes() {
  written_.resize(size_);
  return written_;
}

// --- A file ---

Result<void> SimFile::check() const { return disk_->check(process_); }

Result<std::size_t> SimFile::read(std::uint64_t offset, std::span<std::byte> into) const {
  if (auto alive = check(); !alive) return tl::unexpected(alive.error());
  if (disk_->take_fault(DiskFault::kReadError)) {
    return fail(ErrorKind::kIo, fmt::format("cannot read {} bytes at offset {} of {}", into.size(), offset, path_));
  }
  const std::uint64_t size = inode_->cached.size();
  const std::uint64_t count = offset < size ? std::min<std::uint64_t>(into.size(), size - offset) : 0;
  if (count > 0) inode_->cached.read(offset, into.first(count));
  return count;
}

Result<void> SimFile::write(std::uint64_t offset, std::span<const std::byte> from) {
  if (auto begun = disk_->begin_change(process_); !begun) return begun;
  if (auto fits = disk_->reserve(*inode_, offset + from.size(), path_); !fits) return fits;
  if (disk_->take_fault(DiskFault::kWriteError)) {
    const auto written = disk_->random_.below(from.size() + 1) / kSectorBytes * kSectorBytes;
    disk_->write_cached(*inode_, offset, from.first(written));
    return fail(ErrorKind::kIo, fmt::format("cannot write {} bytes at offset {} of {}", from.size(), offset, path_));
  }
  disk_->write_cached(*inode_, offset, from);
  return {};
}

Result<void> SimFile::sync() {
  if (auto begun = disk_->begin_change(process_); !begun) return begun;
  if (disk_->take_fault(DiskFault::kSyncError)) {
    disk_->settle(*inode_, CrashPolicy::kReorder);
    return fail(ErrorKind::kIo, "cannot sync " + path_);
  }
  SimFiles::make_durable(*inode_);
  return {};
}

Result<std::uint64_t> SimFile::size() const {
  if (auto alive = check(); !alive) return tl::unexpected(alive.error());
  return inode_->cached.size();
}

Result<void> SimFile::truncate(std::uint64_t size) {
  if (auto begun = disk_->begin_change(process_); !begun) return begun;
  if (auto fits = disk_->reserve(*inode_, size, path_); !fits) return fits;
  inode_->cached.resize(size);
  inode_->pending.push_back({.offset = size, .is_truncation = true});
  return {};
}

Result<void> SimFile::preallocate(std::uint64_t size) {
  if (auto begun = disk_->begin_change(process_); !begun) return begun;
  const std::uint64_t current = inode_->cached.size();
  if (size <= current) return {};
  if (auto fits = disk_->reserve(*inode_, size, path_); !fits) return fits;
  inode_->cached.resize(size);
  inode_->pending.push_back({.offset = size, .is_truncation = true});
  return {};
}

Result<void> SimFiles::check(std::uint64_t process) const {
  if (process != process_) return fail(ErrorKind::kIo, "the process that opened the file is gone");
  if (is_stopped()) return fail(ErrorKind::kIo, "crashed");
  return {};
}

Result<void> SimFiles::begin_change(std::uint64_t process) {
  if (auto alive = check(process); !alive) return alive;
  ++operations_;
  if (operations_left_) --*operations_left_;
  return {};
}

Result<void> SimFiles::reserve(const Inode& inode, std::uint64_t size, const std::string& path) const {
  const std::uint64_t current = inode.cached.size();
  if (size <= current || capacity_bytes_ == UINT64_MAX) return {};
  const std::uint64_t used = used_bytes();
  if (used <= capacity_bytes_ && size - current <= capacity_bytes_ - used) return {};
  return fail(ErrorKind::kDiskFull, fmt::format("cannot extend {} to {} bytes: no space left", path, size));
}

std::uint64_t SimFiles::used_bytes() const {
  std::uint64_t used = 0;
  for (const auto& [path, inode] : cached_names_) used += inode == nullptr ? 0 : inode->cached.size();
  return used;
}

void SimFiles::write_cached(Inode& inode, std::uint64_t offset, std::span<const std::byte> from) {
  inode.cached.write(offset, from);
  if (take_fault(DiskFault::kLostWrite)) return;
  if (take_fault(DiskFault::kMisdirectedWrite))
    offset = random_.below(sector_of(inode.cached.size()) + 1) * kSectorBytes;
  remember(inode, offset, from);
}

void SimFiles::remember(Inode& inode, std::uint64_t offset, std::span<const std::byte> from) {
  inode.pending.push_back({offset, from.size(), inode.pending_bytes.size(), false});
  inode.pending_bytes.insert(inode.pending_bytes.end(), from.begin(), from.end());
}

/// Carries out the part of a pending write that lies in sectors [first, last).
void SimFiles::apply_sectors(Inode& inode, const detail::PendingWrite& write, std::uint64_t first, std::uint64_t last) {
  if (write.is_truncation) {
    if (first < last) inode.durable.resize(write.offset);
    return;
  }
  const std::uint64_t begin = std::max(write.offset, first * kSectorBytes);
  const std::uint64_t end = std::min(write.offset + write.size, last * kSectorBytes);
  if (begin >= end) return;
  inode.durable.write(begin,
                      std::span(inode.pending_bytes).subspan(write.bytes_at + (begin - write.offset), end - begin));
}

void SimFiles::make_durable(Inode& inode) {
  for (const auto& write : inode.pending) apply_sectors(inode, write, 0, UINT64_MAX / kSectorBytes);
  inode.pending.clear();
  inode.pending_bytes.clear();
}

/// Decides which pending writes of a file reach the disk; the others are forgotten. The cache stays as it is.
void SimFiles::settle(Inode& inode, CrashPolicy policy) {
  const std::size_t count = inode.pending.size();
  if (policy == CrashPolicy::kKeepAll) return make_durable(inode);
  if (policy == CrashPolicy::kTear && count > 0) {
    const std::size_t torn = random_.below(count + 1);
    for (std::size_t i = 0; i < torn; ++i) apply_sectors(inode, inode.pending[i], 0, UINT64_MAX / kSectorBytes);
    if (torn < count && !inode.pending[torn].is_truncation) {
      const detail::PendingWrite& write = inode.pending[torn];
      const std::uint64_t first = sector_of(write.offset);
      const std::uint64_t end = sector_of(write.offset + write.size + kSectorBytes - 1);
      apply_sectors(inode, write, first, random_.between(first, end));
    }
  }
  if (policy == CrashPolicy::kReorder) {
    const PartsPerMillion survival = percent(static_cast<std::uint32_t>(random_.between(10, 90)));
    for (const auto& write : inode.pending) {
      const std::uint64_t first = write.is_truncation ? 0 : sector_of(write.offset);
      const std::uint64_t end = write.is_truncation ? 1 : sector_of(write.offset + write.size + kSectorBytes - 1);
      for (std::uint64_t sector = first; sector < end; ++sector) {
        if (random_.chance(survival)) apply_sectors(inode, write, sector, sector + 1);
      }
    }
  }
  inode.pending.clear();
  inode.pending_bytes.clear();
}

/// Changes of the tree come from one journal: a crash keeps a prefix of them, except under kReorder.
void SimFiles::settle_directories(CrashPolicy policy) {
  const std::size_t count = pending_changes_.size();
  std::size_t kept = 0;
  if (policy == CrashPolicy::kKeepAll) kept = count;
  if (policy == CrashPolicy::kTear) kept = random_.below(count + 1);
  for (std::size_t i = 0; i < count; ++i) {
    const bool survives = policy == CrashPolicy::kReorder ? random_.chance(percent(50)) : i < kept;
    if (survives) apply(pending_changes_[i], durable_names_);
  }
  pending_changes_.clear();
  // What is in a directory that does not exist cannot be reached.
  std::erase_if(durable_names_, [this](const auto& entry) {
    const std::string parent = parent_of(entry.first);
    return !parent.empty() && !durable_names_.contains(parent);
  });
}

void SimFiles::crash(CrashPolicy policy) {
  settle_directories(policy);
  cached_names_ = durable_names_;
  for (const auto& [path, inode] : cached_names_) {
    if (inode == nullptr) continue;
    settle(*inode, policy);
    inode->cached = inode->durable;
  }
  kill();
}

void SimFiles::kill() {
  ++process_;
  locks_.clear();
  operations_left_.reset();
}

void SimFiles::wipe() {
  cached_names_.clear();
  durable_names_.clear();
  pending_changes_.clear();
  kill();
}

void SimFiles::apply(const PendingChange& change, Names& names) {
  switch (change.kind) {
    case PendingChange::Kind::kLink:
    case PendingChange::Kind::kDirectory: names[change.path] = change.inode; return;
    case PendingChange::Kind::kUnlink: names.erase(change.path); return;
    case PendingChange::Kind::kRename:
      names[change.path] = change.inode;
      names.erase(change.renamed_from);
      return;
  }
}

void SimFiles::change(PendingChange change) {
  apply(change, cached_names_);
  pending_changes_.push_back(std::move(change));
}

Result<SimFile> SimFiles::open(const std::string& path, OpenMode mode) {
  if (auto alive = check(process_); !alive) return tl::unexpected(alive.error());
  const auto found = cached_names_.find(path);
  const bool may_create = mode == OpenMode::kCreate || mode == OpenMode::kOpenOrCreate;
  if (found != cached_names_.end()) {
    if (found->second == nullptr) return fail(ErrorKind::kIo, path + " is a directory");
    SimFile file(*this, found->second, path, process_);
    if (mode == OpenMode::kCreate) {
      if (auto emptied = file.truncate(0); !emptied) return tl::unexpected(emptied.error());
    }
    return file;
  }
  if (!may_create) return fail(ErrorKind::kNotFound, "there is no file " + path);
  const std::string parent = parent_of(path);
  if (!parent.empty() && !cached_names_.contains(parent)) {
    return fail(ErrorKind::kNotFound, "there is no directory " + parent);
  }
  if (auto begun = begin_change(process_); !begun) return tl::unexpected(begun.error());
  auto inode = std::make_shared<Inode>();
  change({path, inode, PendingChange::Kind::kLink, ""});
  return SimFile(*this, std::move(inode), path, process_);
}

Result<bool> SimFiles::exists(const std::string& path) {
  if (auto alive = check(process_); !alive) return tl::unexpected(alive.error());
  return path.empty() || cached_names_.contains(path);
}

Result<void> SimFiles::rename(const std::string& from, const std::string& to) {
  if (auto alive = check(process_); !alive) return alive;
  const auto found = cached_names_.find(from);
  if (found == cached_names_.end()) return fail(ErrorKind::kNotFound, "there is no file " + from);
  QUORATE_ASSERT(found->second != nullptr);  // nobody renames directories
  if (auto begun = begin_change(process_); !begun) return begun;
  change({to, found->second, PendingChange::Kind::kRename, from});
  return {};
}

Result<void> SimFiles::remove(const std::string& path) {
  if (auto begun = begin_change(process_); !begun) return begun;
  if (cached_names_.contains(path)) change({path, nullptr, PendingChange::Kind::kUnlink, ""});
  return {};
}

Result<void> SimFiles::create_directories(const std::string& path) {
  for (std::size_t end = 0; end != std::string::npos && !path.empty();) {
    end = path.find('/', end + 1);
    const std::string ancestor = path.substr(0, end);
    if (cached_names_.contains(ancestor)) continue;
    if (auto begun = begin_change(process_); !begun) return begun;
    change({ancestor, nullptr, PendingChange::Kind::kDirectory, ""});
  }
  return {};
}

Result<std::vector<std::string>> SimFiles::list(const std::string& path) {
  if (auto alive = check(process_); !alive) return tl::unexpected(alive.error());
  if (!path.empty() && !cached_names_.contains(path))
    return fail(ErrorKind::kNotFound, "there is no directory " + path);
  std::vector<std::string> names;
  for (const auto& [name, inode] : cached_names_) {
    if (parent_of(name) == path) names.push_back(name_of(name));
  }
  return names;
}

Result<void> SimFiles::sync_directory(const std::string& path) {
  if (auto begun = begin_change(process_); !begun) return begun;
  std::erase_if(pending_changes_, [&](const PendingChange& change) {
    if (parent_of(change.path) != path) return false;
    apply(change, durable_names_);
    return true;
  });
  return {};
}

Result<void> SimFiles::lock(const std::string& path) {
  if (auto alive = check(process_); !alive) return alive;
  if (!cached_names_.contains(path)) {
    if (auto created = open(path, OpenMode::kOpenOrCreate); !created) return tl::unexpected(created.error());
  }
  if (!locks_.insert(path).second) return fail(ErrorKind::kLocked, path + " is locked: another process uses it");
  return {};
}

Result<std::uint64_t> SimFiles::free_bytes() {
  if (auto alive = check(process_); !alive) return tl::unexpected(alive.error());
  const std::uint64_t used = used_bytes();
  return used < capacity_bytes_ ? capacity_bytes_ - used : 0;
}

std::vector<std::string> SimFiles::durable_files() const {
  std::vector<std::string> files;
  for (const auto& [path, inode] : durable_names_) {
    if (inode != nullptr) files.push_back(path);
  }
  return files;
}

std::span<const std::byte> SimFiles::durable_bytes(const std::string& path) const {
  const auto found = durable_names_.find(path);
  QUORATE_ASSERT(found != durable_names_.end());
  return found->second->durable.bytes();
}

void SimFiles::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
  const auto bytes = durable_bytes(path);
  QUORATE_ASSERT(offset < bytes.size());
  const std::byte flipped = bytes[offset] ^ (std::byte{1} << bit);
  overwrite(path, offset, std::span(&flipped, 1));
}

void SimFiles::overwrite(const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes) {
  const auto found = durable_names_.find(path);
  QUORATE_ASSERT(found != durable_names_.end());
  Inode& inode = *found->second;
  QUORATE_ASSERT(offset + bytes.size() <= inode.durable.size());
  for (const std::byte byte : bytes) {
    // What the cache holds of later writes stays.
    const std::span<const std::byte> one(&byte, 1);
    const bool is_as_cached = offset < inode.cached.size() && inode.cached.at(offset) == inode.durable.at(offset);
    if (is_as_cached) inode.cached.write(offset, one);
    inode.durable.write(offset++, one);
  }
}

}  // namespace quorate::sim
