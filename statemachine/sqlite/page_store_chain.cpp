// How the chain of versions grows and shrinks: sealing, committing, dropping, applying. A version is drafted outside
// the mutex, put into the overlays page by page, and published by its last step alone.
#include <algorithm>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/page_store.hpp"

namespace quorate::sqlite {

template <class Visit>
void PageStore::for_each_page(const std::vector<Touched>& touched, Visit&& visit) {
  for (const Touched& part : touched) {
    for (std::size_t begin = 0; begin < part.pages.size(); begin += kPagesPerHold) {
      const std::lock_guard lock(mutex_);
      const auto database = databases_.find(part.database);
      if (database == databases_.end()) break;
      const std::size_t end = std::min(part.pages.size(), begin + kPagesPerHold);
      for (std::size_t i = begin; i < end; ++i) visit(database->second, part.pages[i]);
    }
  }
}

// --- Drafting ---

Result<PageStore::DatabaseDraft> PageStore::draft_of(const Pin& base, const DatabaseWrite& write,
                                                     DatabaseId& newest) const {
  DatabaseDraft draft;
  const std::optional<DatabaseRecord> before = find_database(base, write.name);
  if (before && before->page_size != write.page_size) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("database '{}' has pages of {} bytes, which cannot be changed to {}", write.name,
                            before->page_size.bytes(), write.page_size.bytes()));
  }
  if (before) {
    draft.count_before = before->page_count;
    draft.after = *before;
  } else {
    if (newest.value >= kDatabasesMax) {
      return fail(ErrorKind::kDiskFull, fmt::format("a node has at most {} databases", kDatabasesMax));
    }
    draft.origin = DatabaseOrigin::kCreated;
    draft.after = {
        .id = DatabaseId{++newest.value}, .name = write.name, .page_size = write.page_size, .page_count = {}};
  }
  draft.after.page_count = write.page_count_after;
  return draft;
}

Result<PageStore::DatabaseDraft> PageStore::draft_of(const Pin& base, const DeltaSection& section) const {
  const std::lock_guard lock(mutex_);
  const auto known = databases_.find(section.database);
  const bool exists = known != databases_.end() && known->second.count_at(base.version_) != nullptr;
  const bool is_new = section.origin == DatabaseOrigin::kCreated;
  if (exists == is_new || (exists && known->second.page_size != section.page_size)) {
    return fail(ErrorKind::kCorrupt, fmt::format("this replica's list of databases differs from the leader's at "
                                                 "database {}",
                                                 section.database.value));
  }
  DatabaseDraft draft;
  draft.origin = section.origin;
  draft.after = {.id = section.database,
                 .name = is_new ? std::string(section.name) : known->second.name,
                 .page_size = section.page_size,
                 .page_count = section.page_count_after};
  if (!is_new) draft.count_before = known->second.count_at(base.version_)->count;
  return draft;
}

Result<void> PageStore::encode_changes(const Pin& base, const DatabaseWrite& write, Draft& draft,
                                       DatabaseDraft& database, DeltaWriter& out) const {
  const bool is_new = database.origin == DatabaseOrigin::kCreated;
  const PageSize size = write.page_size;
  std::vector<PageImage> previous;  // keeps alive what `changes` refers to
  std::vector<ChangedPage> changes;
  for (const auto& [number, image] : write.pages) {
    if (number.value > write.page_count_after.value) break;
    Result<StoredPage> before = is_new ? StoredPage{} : page(base, database.after.id, number);
    if (!before) return tl::unexpected(before.error());
    const PageHash hash = hash_page(bytes_of(image, size));
    if (hash == before->hash) continue;
    previous.push_back(std::move(before->image));
    changes.push_back({number, before->hash, bytes_of(previous.back(), size), bytes_of(image, size)});
    draft.digest.remove(database.after.id, number, before->hash);
    draft.digest.add(database.after.id, number, hash);
    database.pages.push_back({number, hash, hash == PageHash{0} ? PageImage{} : image});
    if (changes.size() == kPagesEncodedTogether) {
      out.add_pages(changes);
      changes.clear();
      previous.clear();
    }
  }
  out.add_pages(changes);
  return {};
}

Result<void> PageStore::decode_changes(const Pin& base, const DeltaPart::Section& section, Draft& draft,
                                       DatabaseDraft& database) {
  const bool is_new = database.origin == DatabaseOrigin::kCreated;
  const PageSize size = section.header.page_size;
  const auto others = [&](PageNumber number) -> Result<PageImage> {
    if (is_new) return PageImage{};
    Result<StoredPage> other = page(base, section.header.database, number);
    if (!other) return tl::unexpected(other.error());
    return std::move(other->image);
  };
  for (const DeltaPage& change : section.pages) {
    if (!database.pages.empty() && database.pages.back().page >= change.page) {
      return fail(ErrorKind::kCorrupt, "the parts of a transaction overlap");
    }
    const Result<StoredPage> before = is_new ? StoredPage{} : page(base, section.header.database, change.page);
    if (!before) return tl::unexpected(before.error());
    if (static_cast<std::uint32_t>(before->hash.value) != change.hash_before) {
      return fail(ErrorKind::kCorrupt,
                  fmt::format("page {} of database '{}' differs from the leader's: this replica has diverged and needs "
                              "a snapshot from another node",
                              change.page.value, database.after.name));
    }
    Result<PageImage> image = apply_codec_.decode(change.encoding, change.body, bytes_of(before->image, size), others);
    if (!image) return tl::unexpected(image.error());
    const PageHash hash = hash_page(bytes_of(*image, size));
    draft.digest.remove(database.after.id, change.page, before->hash);
    draft.digest.add(database.after.id, change.page, hash);
    database.pages.push_back({change.page, hash, hash == PageHash{0} ? PageImage{} : std::move(*image)});
  }
  return {};
}

void PageStore::cut_pages(const Pin& base, Draft& draft, DatabaseDraft& database) const {
  const DatabaseRecord& after = database.after;
  for (std::uint64_t next = after.page_count.value + 1; next <= database.count_before.value;) {
    const std::lock_guard lock(mutex_);
    const auto found = databases_.find(after.id);
    if (found == databases_.end()) break;  // dropped with the speculation that created it, and so is this draft
    for (std::size_t held = 0; held < kPagesPerHold && next <= database.count_before.value; ++held, ++next) {
      const PageNumber page{next};
      const PageHash hash = locate_locked(found->second, page, base.version_).hash;
      if (hash == PageHash{0}) continue;
      draft.digest.remove(after.id, page, hash);
      database.pages.push_back({page, PageHash{0}, PageImage{}});
    }
  }
  if (database.origin == DatabaseOrigin::kExisting) {
    DatabaseShape before = after.shape();
    before.page_count = database.count_before;
    draft.digest.remove(before);
  }
  draft.digest.add(after.shape());
}

// --- Installing ---

void PageStore::install_locked(DatabaseDraft& draft, Index modified, VersionRecord& version, std::size_t from,
                               std::size_t to) {
  Database& database = databases_.at(draft.after.id);
  for (std::size_t i = from; i < to; ++i) {
    PageChange& change = draft.pages[i];
    database.overlay.install(change.page, PageVersion{.version = version.version,
                                                      .modified = modified,
                                                      .hash = change.hash,
                                                      .image = std::move(change.image),
                                                      .spilled = {}});
    version.touched.back().pages.push_back(change.page);
  }
}

void PageStore::begin_database_locked(const DatabaseDraft& draft, VersionRecord& version) {
  Database fresh{.id = draft.after.id,
                 .name = draft.after.name,
                 .page_size = draft.after.page_size,
                 .counts = {},
                 .overlay = {},
                 .base = {},
                 .table = {},
                 .first_page = {}};
  Database& database = databases_.try_emplace(draft.after.id, std::move(fresh)).first->second;
  database.counts.push_back({version.version, draft.after.page_count});
  version.touched.push_back({draft.after.id, {}});
  version.touched.back().pages.reserve(draft.pages.size());
}

bool PageStore::install(const Pin& base, Draft& draft, Index modified, VersionRecord& version) {
  version.digest = draft.digest;
  for (DatabaseDraft& part : draft.databases) {
    std::size_t done = 0;
    do {
      const std::lock_guard lock(mutex_);
      if (!check_locked(base)) return false;
      if (done == 0) begin_database_locked(part, version);
      const std::size_t end = std::min(part.pages.size(), done + kPagesPerHold);
      install_locked(part, modified, version, done, end);
      done = end;
    } while (done < part.pages.size());
  }
  return true;
}

void PageStore::uninstall(const VersionRecord& version) {
  for_each_page(version.touched,
                [&](Database& database, PageNumber page) { database.overlay.remove(page, version.version); });
  const std::lock_guard lock(mutex_);
  for (const Touched& part : version.touched) {
    const auto database = databases_.find(part.database);
    if (database == databases_.end()) continue;  // the whole state has been replaced meanwhile
    std::erase_if(database->second.counts, [&](const CountVersion& c) { return c.version == version.version; });
    if (database->second.counts.empty()) databases_.erase(database);
  }
}

void PageStore::prune_locked(Database& database, PageNumber page) {
  database.overlay.prune(page, database.base_page(page).version, applied_, positions_);
}

void PageStore::prune_counts_locked(Database& database) {
  std::vector<CountVersion>& counts = database.counts;
  for (std::size_t i = counts.size() - 1; i-- > 0;) {
    const bool is_committed = counts[i + 1].version <= applied_;
    if (is_committed && !positions_.any_within(counts[i].version, counts[i + 1].version)) {
      counts.erase(counts.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

void PageStore::prune(const std::vector<Touched>& touched) {
  for_each_page(touched, [this](Database& database, PageNumber page) { prune_locked(database, page); });
  const std::lock_guard lock(mutex_);
  for (const Touched& part : touched) prune_counts_locked(databases_.at(part.database));
}

void PageStore::publish_applied_locked(VersionId version, LogId last) {
  positions_.add(version);
  positions_.remove(applied_);
  applied_ = version;
  applied_entry_ = last;
}

// --- The leader ---

void PageStore::begin_epoch(Epoch epoch) {
  QUORATE_ASSERT(epoch != Epoch{});
  const std::lock_guard lock(mutex_);
  QUORATE_ASSERT(speculative_.empty());
  epoch_ = epoch;
  next_sequence_ = 0;
}

void PageStore::drop_speculation() {
  std::deque<VersionRecord> dropped;
  {
    const std::lock_guard lock(mutex_);
    ++drops_;
    epoch_ = {};
    writer_ = {};
    head_ = applied_;
    head_digest_ = applied_digest_;
    dropped.swap(speculative_);
  }
  while (!dropped.empty()) {
    uninstall(dropped.back());
    dropped.pop_back();
  }
}

SlotAnswer PageStore::acquire_write_slot(WriterId writer, const Pin& pin) {
  QUORATE_ASSERT(writer != WriterId{});
  const std::lock_guard lock(mutex_);
  if (epoch_ == Epoch{} || pin.kind_ != PinKind::kHead) return SlotAnswer::kNotLeader;
  if (writer_ != WriterId{} && writer_ != writer) return SlotAnswer::kTaken;
  if (!check_locked(pin) || pin.version_ != head_) return SlotAnswer::kStale;
  writer_ = writer;
  return SlotAnswer::kGranted;
}

void PageStore::release_write_slot(WriterId writer) {
  const std::lock_guard lock(mutex_);
  if (writer_ == writer) writer_ = {};
}

Result<SealedVersion> PageStore::seal(const Pin& base, std::vector<DatabaseWrite> writes, PageCodec& codec) {
  if (Result<void> room = make_room(); !room) return tl::unexpected(room.error());
  Draft draft;
  DatabaseId newest;
  VersionRecord version;
  {
    const std::lock_guard lock(mutex_);
    if (Result<void> valid = check_locked(base); !valid) return tl::unexpected(valid.error());
    QUORATE_ASSERT(base.version_ == head_);
    if (!databases_.empty()) newest = databases_.rbegin()->first;
    draft.digest = head_digest_;
    version.version = VersionId{next_version_.value++};
    version.name = {epoch_, next_sequence_};
  }
  std::vector<std::pair<DatabaseDraft, const DatabaseWrite*>> parts;
  for (const DatabaseWrite& write : writes) {
    Result<DatabaseDraft> part = draft_of(base, write, newest);
    if (!part) return tl::unexpected(part.error());
    parts.emplace_back(std::move(*part), &write);
  }
  std::ranges::sort(parts, {}, [](const auto& part) { return part.first.after.id; });

  DeltaWriter out(codec, options_.delta_part_bytes);
  for (auto& [part, write] : parts) {
    out.begin_section({part.after.id, part.origin, part.after.page_size, part.after.page_count,
                       part.origin == DatabaseOrigin::kCreated ? std::string_view(part.after.name) : ""});
    if (Result<void> encoded = encode_changes(base, *write, draft, part, out); !encoded) {
      return tl::unexpected(encoded.error());
    }
    cut_pages(base, draft, part);
    draft.databases.push_back(std::move(part));
  }
  SealedVersion sealed{version.version, version.name, draft.digest, out.finish(draft.digest)};
  if (sealed.parts.size() > kDeltaPartsMax) {
    return fail(ErrorKind::kDiskFull, fmt::format("the transaction comes to {} entries of the log, the limit is {}; "
                                                  "split it",
                                                  sealed.parts.size(), kDeltaPartsMax));
  }

  if (!install(base, draft, Index{}, version) || !become_head(base, version)) {
    uninstall(version);
    return fail(ErrorKind::kUnavailable, "leadership was lost before the transaction was sealed; it had no effect");
  }
  return sealed;
}

bool PageStore::become_head(const Pin& base, VersionRecord& version) {
  const std::lock_guard lock(mutex_);
  if (!check_locked(base)) return false;
  head_ = version.version;
  head_digest_ = version.digest;
  ++next_sequence_;
  writer_ = {};
  speculative_.push_back(std::move(version));
  return true;
}

void PageStore::commit(Speculation name, LogId last) {
  VersionRecord version;
  {
    const std::lock_guard lock(mutex_);
    QUORATE_ASSERT(!speculative_.empty());
    QUORATE_ASSERT(speculative_.front().name == name);
    QUORATE_ASSERT(last.index >= applied_entry_.index);
    version = std::move(speculative_.front());
    speculative_.pop_front();
  }
  for_each_page(version.touched, [&](Database& database, PageNumber page) {
    database.overlay.set_modified(page, version.version, last.index);
  });
  {
    const std::lock_guard lock(mutex_);
    publish_applied_locked(version.version, last);
    applied_digest_ = version.digest;
  }
  prune(version.touched);
}

// --- Everybody ---

Result<void> PageStore::apply(LogId last, std::span<const Payload> parts) {
  QUORATE_ASSERT(!parts.empty());
  if (Result<void> room = make_room(); !room) return room;
  const Pin base = pin(PinKind::kApplied);
  Draft draft;
  VersionRecord version;
  {
    const std::lock_guard lock(mutex_);
    QUORATE_ASSERT(speculative_.empty());
    QUORATE_ASSERT(last.index >= applied_entry_.index);
    draft.digest = applied_digest_;
    version.version = VersionId{next_version_.value++};
  }
  StateDigest expected;
  for (const Payload& bytes : parts) {
    const Result<DeltaPart> part = parse_delta_part(bytes.bytes());
    if (!part) return tl::unexpected(part.error());
    if (part->is_last != (&bytes == &parts.back())) {
      return fail(ErrorKind::kCorrupt, "a transaction does not end with its last part");
    }
    expected = part->digest_after;
    for (const DeltaPart::Section& section : part->sections) {
      const bool goes_on = !draft.databases.empty() && draft.databases.back().after.id >= section.header.database;
      if (!goes_on) {
        Result<DatabaseDraft> database = draft_of(base, section.header);
        if (!database) return tl::unexpected(database.error());
        draft.databases.push_back(std::move(*database));
      }
      DatabaseDraft& database = draft.databases.back();
      if (database.after.id != section.header.database ||
          database.after.page_count != section.header.page_count_after ||
          database.after.page_size != section.header.page_size) {
        return fail(ErrorKind::kCorrupt, "the parts of a transaction contradict each other");
      }
      if (Result<void> decoded = decode_changes(base, section, draft, database); !decoded) return decoded;
    }
  }
  for (DatabaseDraft& database : draft.databases) cut_pages(base, draft, database);
  if (draft.digest != expected) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("after entry {} this replica's state has digest {:016x}, the leader's had {:016x}: it has "
                            "diverged and needs a snapshot from another node",
                            last.index.value, draft.digest.value(), expected.value()));
  }
  const bool is_installed = install(base, draft, last.index, version);
  QUORATE_ASSERT(is_installed);
  {
    const std::lock_guard lock(mutex_);
    publish_applied_locked(version.version, last);
    head_ = version.version;
    applied_digest_ = head_digest_ = version.digest;
  }
  prune(version.touched);
  return {};
}

void PageStore::advance(LogId last) {
  const std::lock_guard lock(mutex_);
  QUORATE_ASSERT(last.index > applied_entry_.index);
  applied_entry_ = last;
}

}  // namespace quorate::sqlite
