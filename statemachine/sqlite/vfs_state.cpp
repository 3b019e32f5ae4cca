#include "statemachine/sqlite/detail/vfs_state.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/database_header.hpp"

namespace quorate::sqlite::detail {
// --- Transaction ---

Transaction::Transaction(PageStore& page_store, const VfsOptions& options, WriterId id)
    : store(page_store),
      role(options.role),
      id_(id),
      generation_(page_store.generation(kind())),
      adoptions_(page_store.adoptions()),
      page_budget_(options.transaction_bytes_max) {}

int Transaction::failed(const Error& cause, int code_if_io) {
  error = cause;
  switch (cause.kind) {
    case ErrorKind::kUnavailable: return kSqliteNotLeader;
    case ErrorKind::kDiskFull: return SQLITE_FULL;
    case ErrorKind::kCorrupt: return SQLITE_CORRUPT;
    default: return code_if_io;
  }
}

int Transaction::begin() {
  if (locked_ == 0) {
    if (is_outdated()) {
      return failed({ErrorKind::kUnavailable, "what this connection has seen is no more; open a new one"},
                    SQLITE_IOERR_LOCK);
    }
    pin_ = store.pin(kind());
    newest_seen = std::max(newest_seen, pin_.version());
    last_entry = pin_.last();
  }
  ++locked_;
  return SQLITE_OK;
}

void Transaction::end() {
  QUORATE_ASSERT(locked_ > 0);
  if (--locked_ == 0) pin_ = Pin{};
}

int Transaction::join_writing(const std::string& database) {
  switch (store.acquire_write_slot(id_, pin_)) {
    case SlotAnswer::kTaken: return SQLITE_BUSY;
    case SlotAnswer::kStale: return SQLITE_BUSY_SNAPSHOT;
    case SlotAnswer::kNotLeader: return SQLITE_READONLY;
    case SlotAnswer::kGranted: break;
  }
  // The same database attached twice has two pagers that must not both write.
  return writing_.insert(database).second ? SQLITE_OK : SQLITE_BUSY;
}

void Transaction::leave_writing(const std::string& database) {
  writing_.erase(database);
  if (writing_.empty()) release_write_slot();
}

void Transaction::release_write_slot() {
  store.release_write_slot(id_);
  const TransactionFate fate = std::exchange(has_sealed_, false) ? TransactionFate::kSealed : TransactionFate::kDropped;
  if (companion != nullptr) companion->transaction_ended(fate);
}

Result<SealedVersion> Transaction::seal(const Pin& base, std::vector<DatabaseWrite> writes) {
  if (companion != nullptr) {
    Result<std::optional<DatabaseWrite>> share = companion->share(store, base);
    if (!share) return tl::unexpected(std::move(share.error()));
    if (*share) writes.push_back(std::move(**share));
  }
  Result<SealedVersion> version = store.seal(base, std::move(writes), codec_);
  has_sealed_ = version.has_value();
  return version;
}

int Transaction::commit(std::span<DatabaseFile* const> files) {
  for (const DatabaseFile* file : files) {
    if (file->keeps_page_size()) continue;
    return failed({ErrorKind::kInvalidArgument, "a database keeps the page size that it was created with"},
                  SQLITE_IOERR_WRITE);
  }
  std::vector<DatabaseWrite> writes;
  writes.reserve(files.size());
  for (DatabaseFile* file : files) writes.push_back(file->take_write());
  Result<SealedVersion> version = seal(pin_, std::move(writes));
  if (!version) {
    // Too much is waiting to be folded: for SQLite the disk is full, for the client it is worth another try.
    return failed(version.error(), version.error().kind == ErrorKind::kOverloaded ? SQLITE_FULL : SQLITE_IOERR_WRITE);
  }
  newest_seen = version->version;
  // If leadership was lost since, the old pin stays and whatever is read through it fails.
  if (Pin fresh = store.pin(PinKind::kHead); fresh.version() == version->version) pin_ = std::move(fresh);
  sealed.push_back(std::move(*version));
  for (DatabaseFile* file : files) file->mark_committed();
  return SQLITE_OK;
}

Result<void> Transaction::write(std::vector<DatabaseWrite> writes) {
  QUORATE_ASSERT(locked_ == 0);
  const Pin head = store.pin(kind());
  const SlotAnswer answer = store.acquire_write_slot(id_, head);
  if (answer == SlotAnswer::kTaken) return fail(ErrorKind::kOverloaded, "another transaction is being written");
  if (answer != SlotAnswer::kGranted) return fail(ErrorKind::kUnavailable, "this node does not lead any more");
  Result<SealedVersion> version = seal(head, std::move(writes));
  release_write_slot();
  if (!version) return tl::unexpected(version.error());
  newest_seen = version->version;
  sealed.push_back(std::move(*version));
  return {};
}

// --- DatabaseFile ---

Result<void> DatabaseFile::refresh() {
  std::optional<DatabaseRecord> record = transaction_.store.find_database(transaction_.pin(), name_);
  // Through a pin that is not served any more nothing is found; that must not look like an empty database.
  if (Result<void> valid = transaction_.store.check(transaction_.pin()); !valid) return valid;
  record_ = std::move(record);
  page_size_ = record_ ? std::optional(record_->page_size) : std::nullopt;
  return {};
}

std::uint64_t DatabaseFile::page_count() const {
  if (page_count_) return *page_count_;
  return record_ ? record_->page_count.value : 0;
}

std::uint64_t DatabaseFile::size() {
  if (lock_ == SQLITE_LOCK_NONE) {
    const Pin pin = transaction_.momentary_pin();
    const std::optional<DatabaseRecord> record = transaction_.store.find_database(pin, name_);
    return record ? record->page_count.value * record->page_size.bytes() : 0;
  }
  return page_size_ ? page_count() * page_size_->bytes() : 0;
}

int DatabaseFile::read_page(const Pin& pin, const DatabaseRecord* record, PageNumber page, std::size_t offset,
                            std::span<std::byte> into) {
  const auto changed = changed_.find(page);
  if (changed != changed_.end() && !changed->second.empty()) {
    std::memcpy(into.data(), changed->second.bytes().data() + offset, into.size());
    return SQLITE_OK;
  }
  if (changed != changed_.end() || record == nullptr) {
    std::ranges::fill(into, std::byte{0});
    return SQLITE_OK;
  }
  const Result<void> read = transaction_.store.read(pin, record->id, page, offset, into);
  return read ? SQLITE_OK : transaction_.failed(read.error(), SQLITE_IOERR_READ);
}

int DatabaseFile::read(std::uint64_t offset, std::span<std::byte> into) {
  // SQLite looks at the header before it locks the file for the first time.
  if (lock_ == SQLITE_LOCK_NONE) {
    const Pin pin = transaction_.momentary_pin();
    const std::optional<DatabaseRecord> record = transaction_.store.find_database(pin, name_);
    std::ranges::fill(into, std::byte{0});
    if (!record || offset + into.size() > record->page_size.bytes() || record->page_count.value == 0) {
      return SQLITE_IOERR_SHORT_READ;
    }
    return read_page(pin, &*record, PageNumber{1}, static_cast<std::size_t>(offset), into);
  }
  const std::uint64_t end = size();
  while (!into.empty()) {
    if (offset >= end) {
      std::ranges::fill(into, std::byte{0});
      return SQLITE_IOERR_SHORT_READ;
    }
    const std::uint64_t page = offset / page_size_->bytes() + 1;
    const auto at = static_cast<std::size_t>(offset % page_size_->bytes());
    const std::size_t count = std::min(into.size(), page_size_->bytes() - at);
    const int code =
        read_page(transaction_.pin(), record_ ? &*record_ : nullptr, PageNumber{page}, at, into.first(count));
    if (code != SQLITE_OK) return code;
    offset += count;
    into = into.subspan(count);
  }
  return SQLITE_OK;
}

int DatabaseFile::write(std::uint64_t offset, std::span<const std::byte> from) {
  if (!page_size_) page_size_ = PageSize::of(from.size());
  if (lock_ < SQLITE_LOCK_RESERVED || is_committed_ || !page_size_ || from.size() != page_size_->bytes() ||
      offset % from.size() != 0 || offset / from.size() >= kPageNumberMax) {
    return transaction_.failed({ErrorKind::kInvalidArgument,
                                fmt::format("{} bytes written at {}, which is no page of database '{}' or not the "
                                            "time for it",
                                            from.size(), offset, name_)},
                               SQLITE_IOERR_WRITE);
  }
  const PageNumber page{offset / from.size() + 1};
  const auto [changed, is_new] = changed_.try_emplace(page);
  if (is_new && !transaction_.take_pages(from.size())) {
    changed_.erase(changed);
    return transaction_.failed({ErrorKind::kDiskFull, "the transaction changes more than one may; split it"},
                               SQLITE_FULL);
  }
  changed->second = PageImage::copy_of(from);
  page_count_ = std::max(page_count(), page.value);
  return SQLITE_OK;
}

int DatabaseFile::truncate(std::uint64_t size) {
  // After the commit SQLite cuts the file to the size that page 1 has told already.
  if (is_committed_ || !page_size_) return SQLITE_OK;
  const std::uint64_t count = size / page_size_->bytes();
  for (auto cut = changed_.upper_bound(PageNumber{count}); cut != changed_.end(); cut = changed_.erase(cut)) {
    transaction_.give_pages_back(page_size_->bytes());
  }
  // Should the file grow again, what was cut reads as zeros.
  const std::uint64_t pinned = record_ ? record_->page_count.value : 0;
  for (std::uint64_t page = count + 1; page <= pinned; ++page) {
    if (!transaction_.take_pages(page_size_->bytes())) return SQLITE_FULL;
    changed_.emplace(PageNumber{page}, PageImage{});
  }
  page_count_ = count;
  return SQLITE_OK;
}

int DatabaseFile::lock(int level) {
  if (level <= lock_) return SQLITE_OK;
  if (lock_ == SQLITE_LOCK_NONE) {
    if (const int code = transaction_.begin(); code != SQLITE_OK) return code;
    lock_ = SQLITE_LOCK_SHARED;
    if (const Result<void> found = refresh(); !found) {
      unlock(SQLITE_LOCK_NONE);
      return transaction_.failed(found.error(), SQLITE_IOERR_LOCK);
    }
  }
  if (level >= SQLITE_LOCK_RESERVED && lock_ < SQLITE_LOCK_RESERVED) {
    if (const int code = transaction_.join_writing(name_); code != SQLITE_OK) return code;
  }
  lock_ = level;
  return SQLITE_OK;
}

int DatabaseFile::unlock(int level) {
  if (level >= lock_) return SQLITE_OK;
  if (lock_ >= SQLITE_LOCK_RESERVED) {
    drop_changes();
    transaction_.leave_writing(name_);
    static_cast<void>(refresh());  // if it fails, so will the next read
  }
  lock_ = level;
  if (level == SQLITE_LOCK_NONE) {
    record_.reset();
    page_size_.reset();
    transaction_.end();
  }
  return SQLITE_OK;
}

void DatabaseFile::drop_changes() {
  if (page_size_) transaction_.give_pages_back(changed_.size() * page_size_->bytes());
  changed_.clear();
  page_count_.reset();
  super_journal.clear();
  is_committed_ = false;
}

bool DatabaseFile::is_commit() {
  const auto first = changed_.find(PageNumber{1});
  if (is_committed_ || first == changed_.end() || first->second.empty()) return false;
  if (!record_) return true;
  std::array<std::byte, 4> before{};
  const Result<void> read =
      transaction_.store.read(transaction_.pin(), record_->id, PageNumber{1}, kChangeCounterAt, before);
  // If it cannot be read, sealing will fail for the same reason and say so.
  return !read || big_endian_32(before, 0) != big_endian_32(first->second.bytes(), kChangeCounterAt);
}

bool DatabaseFile::keeps_page_size() const {
  const std::uint32_t size = big_endian_16(changed_.at(PageNumber{1}).bytes(), kPageSizeAt);
  return (size == 1 ? kPageBytesMax : size) == page_size_->bytes();
}

DatabaseWrite DatabaseFile::take_write() {
  const std::span<const std::byte> first = changed_.at(PageNumber{1}).bytes();
  DatabaseWrite write{.name = name_,
                      .page_size = *page_size_,
                      .page_count_after = PageCount{big_endian_32(first, kPageCountAt)},
                      .pages = {}};
  transaction_.give_pages_back(changed_.size() * page_size_->bytes());
  write.pages.swap(changed_);
  // Space for the lock bytes exists in the file's address range only.
  write.pages.erase(lock_byte_page(*page_size_));
  return write;
}

void DatabaseFile::mark_committed() {
  static_cast<void>(refresh());  // if it fails, so will the next read
  page_count_.reset();
  super_journal.clear();
  is_committed_ = true;
}

}  // namespace quorate::sqlite::detail
