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
    draft.fate = write.fate;
    draft.before = draft.after = *before;
    draft.digest_before = draft.digest = pages_digest(base, before->id);
    if (write.fate == DatabaseFate::kDropped) return draft;
  } else {
    if (write.fate != DatabaseFate::kStays) {
      return fail(ErrorKind::kUnavailable, fmt::format("there is no database '{}' any more", write.name));
    }
    if (databases(base).size() >= kDatabasesMax) {
      return fail(ErrorKind::kDiskFull, fmt::format("a node has at most {} databases", kDatabasesMax));
    }
    draft.fate = DatabaseFate::kCreated;
    draft.after = {
        .id = DatabaseId{++newest.value}, .name = write.name, .page_size = write.page_size, .page_count = {}};
  }
  draft.after.page_count = write.page_count_after;
  if (draft.fate == DatabaseFate::kAdopted) draft.after.name = name_behind(draft.after.name);
  return draft;
}

Result<PageStore::DatabaseDraft> PageStore::draft_of(const Pin& base, const DeltaSection& section) const {
  const std::lock_guard lock(mutex_);
  const auto known = databases_.find(section.database);
  const bool is_new = section.fate == DatabaseFate::kCreated;
  const Shape* shape = known == databases_.end() ? nullptr : known->second.shape_at(base.version_);
  const bool fits = (shape == nullptr) == is_new && (is_new || known->second.page_size == section.page_size) &&
                    (section.fate != DatabaseFate::kAdopted || is_hidden_name(shape->name));
  if (!fits) {
    return fail(ErrorKind::kCorrupt, fmt::format("this replica's list of databases differs from the leader's at "
                                                 "database {}",
                                                 section.database.value));
  }
  DatabaseDraft draft;
  draft.fate = section.fate;
  draft.after = {.id = section.database,
                 .name = std::string(section.name),
                 .page_size = section.page_size,
                 .page_count = section.page_count_after};
  if (is_new) return draft;
  draft.before = record_locked(known->second, base.version_);
  draft.digest_before = draft.digest = shape->pages;
  draft.after.name = section.fate == DatabaseFate::kAdopted ? name_behind(shape->name) : shape->name;
  return draft;
}

StateDigest PageStore::pages_digest(const Pin& base, DatabaseId id) const {
  const std::lock_guard lock(mutex_);
  const auto known = databases_.find(id);
  const Shape* shape = known == databases_.end() ? nullptr : known->second.shape_at(base.version_);
  return shape == nullptr ? StateDigest{} : shape->pages;
}

Result<void> PageStore::encode_changes(const Pin& base, const DatabaseWrite& write, DatabaseDraft& database,
                                       DeltaWriter& out) const {
  const bool is_new = database.fate == DatabaseFate::kCreated;
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
    database.digest.remove(database.after.id, number, before->hash);
    database.digest.add(database.after.id, number, hash);
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

Result<void> PageStore::decode_changes(const Pin& base, const DeltaPart::Section& section, DatabaseDraft& database) {
  const bool is_new = database.fate == DatabaseFate::kCreated;
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
    database.digest.remove(database.after.id, change.page, before->hash);
    database.digest.add(database.after.id, change.page, hash);
    database.pages.push_back({change.page, hash, hash == PageHash{0} ? PageImage{} : std::move(*image)});
  }
  return {};
}

void PageStore::cut_pages(const Pin& base, DatabaseDraft& database) const {
  if (!database.before || database.fate == DatabaseFate::kDropped) return;
  const std::uint64_t last = database.before->page_count.value;
  for (std::uint64_t next = database.after.page_count.value + 1; next <= last;) {
    const std::lock_guard lock(mutex_);
    const auto found = databases_.find(database.after.id);
    if (found == databases_.end()) break;  // dropped with the speculation that created it, and so is this draft
    for (std::size_t held = 0; held < kPagesPerHold && next <= last; ++held, ++next) {
      const PageNumber page{next};
      const PageHash hash = locate_locked(found->second, page, base.version_).hash;
      if (hash == PageHash{0}) continue;
      database.digest.remove(database.after.id, page, hash);
      database.pages.push_back({page, PageHash{0}, PageImage{}});
    }
  }
}

void PageStore::conclude(Draft& draft, DatabaseDraft database) {
  if (database.before) {
    draft.digest.remove(database.before->shape());
    draft.digest.remove(database.digest_before);
  }
  if (database.fate != DatabaseFate::kDropped) {
    draft.digest.add(database.after.shape());
    draft.digest.add(database.digest);
  }
  draft.databases.push_back(std::move(database));
}

bool PageStore::has_unique_names(const Pin& base, const Draft& draft) const {
  const bool has_new = std::ranges::any_of(draft.databases, [](const DatabaseDraft& database) {
    return database.fate == DatabaseFate::kCreated || database.fate == DatabaseFate::kAdopted;
  });
  if (!has_new) return true;
  std::map<DatabaseId, std::string> names;
  for (DatabaseRecord& record : databases(base)) names.emplace(record.id, std::move(record.name));
  for (const DatabaseDraft& database : draft.databases) {
    names.erase(database.after.id);
    if (database.fate != DatabaseFate::kDropped) names.emplace(database.after.id, database.after.name);
  }
  std::set<std::string_view> different;
  for (const auto& [id, name] : names) different.insert(name);
  return different.size() == names.size();
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
                 .page_size = draft.after.page_size,
                 .shapes = {},
                 .overlay = {},
                 .base = {},
                 .table = {},
                 .first_page = {}};
  Database& database = databases_.try_emplace(draft.after.id, std::move(fresh)).first->second;
  const bool is_dropped = draft.fate == DatabaseFate::kDropped;
  database.shapes.push_back(
      {version.version, is_dropped ? std::string() : draft.after.name, draft.after.page_count, draft.digest});
  version.touched.push_back({draft.after.id, {}});
  version.touched.back().pages.reserve(draft.pages.size());
}

void PageStore::describe(const Draft& draft, VersionRecord& version) {
  version.digest = draft.digest;
  for (const DatabaseDraft& database : draft.databases) {
    if (database.fate == DatabaseFate::kCreated) version.newest_database = database.after.id;
    if (database.fate == DatabaseFate::kAdopted) ++version.adoptions;
  }
}

bool PageStore::install(const Pin& base, Draft& draft, Index modified, VersionRecord& version) {
  describe(draft, version);
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
    std::erase_if(database->second.shapes, [&](const Shape& shape) { return shape.version == version.version; });
    if (database->second.shapes.empty()) databases_.erase(database);
  }
}

void PageStore::prune_locked(Database& database, PageNumber page) {
  database.overlay.prune(page, database.base_page(page).version, applied_, positions_);
}

void PageStore::prune_shapes_locked(Database& database) {
  std::vector<Shape>& shapes = database.shapes;
  for (std::size_t i = shapes.size() - 1; i-- > 0;) {
    const bool is_committed = shapes[i + 1].version <= applied_;
    if (is_committed && !positions_.any_within(shapes[i].version, shapes[i + 1].version)) {
      shapes.erase(shapes.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

PageStore::Databases PageStore::take_gone_locked() {
  Databases gone;
  for (auto at = databases_.begin(); at != databases_.end();) {
    const auto next = std::next(at);
    Database& database = at->second;
    if (database.shapes.back().is_gone()) prune_shapes_locked(database);
    if (database.shapes.front().is_gone()) {
      std::erase_if(damaged_, [&](const PageName& page) { return page.database == database.id; });
      gone.insert(databases_.extract(at));
    }
    at = next;
  }
  return gone;
}

void PageStore::prune(const std::vector<Touched>& touched) {
  for_each_page(touched, [this](Database& database, PageNumber page) { prune_locked(database, page); });
  Databases gone;
  const std::lock_guard lock(mutex_);
  for (const Touched& part : touched) {
    const auto database = databases_.find(part.database);
    if (database != databases_.end()) prune_shapes_locked(database->second);
  }
  gone = take_gone_locked();
}

void PageStore::publish_applied_locked(const VersionRecord& version, LogId last) {
  positions_.add(version.version);
  positions_.remove(applied_);
  applied_ = version.version;
  applied_entry_ = last;
  applied_digest_ = version.digest;
  newest_database_ = std::max(newest_database_, version.newest_database);
  adoptions_ += version.adoptions;
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
    newest = newest_database_;
    if (!databases_.empty()) newest = std::max(newest, databases_.rbegin()->first);
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
    out.begin_section({part.after.id, part.fate, part.after.page_size, part.after.page_count,
                       part.fate == DatabaseFate::kCreated ? std::string_view(part.after.name) : ""});
    if (part.fate != DatabaseFate::kDropped) {
      if (Result<void> encoded = encode_changes(base, *write, part, out); !encoded) {
        return tl::unexpected(encoded.error());
      }
    }
    cut_pages(base, part);
    conclude(draft, std::move(part));
  }
  QUORATE_ASSERT(has_unique_names(base, draft));
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
    publish_applied_locked(version, last);
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
  std::vector<DatabaseDraft> databases;
  for (const Payload& bytes : parts) {
    const Result<DeltaPart> part = parse_delta_part(bytes.bytes());
    if (!part) return tl::unexpected(part.error());
    if (part->is_last != (&bytes == &parts.back())) {
      return fail(ErrorKind::kCorrupt, "a transaction does not end with its last part");
    }
    expected = part->digest_after;
    for (const DeltaPart::Section& section : part->sections) {
      const bool goes_on = !databases.empty() && databases.back().after.id >= section.header.database;
      if (!goes_on) {
        Result<DatabaseDraft> database = draft_of(base, section.header);
        if (!database) return tl::unexpected(database.error());
        databases.push_back(std::move(*database));
      }
      DatabaseDraft& database = databases.back();
      if (database.after.id != section.header.database ||
          database.after.page_count != section.header.page_count_after ||
          database.after.page_size != section.header.page_size || database.fate != section.header.fate) {
        return fail(ErrorKind::kCorrupt, "the parts of a transaction contradict each other");
      }
      if (Result<void> decoded = decode_changes(base, section, database); !decoded) return decoded;
    }
  }
  for (DatabaseDraft& database : databases) {
    cut_pages(base, database);
    conclude(draft, std::move(database));
  }
  if (draft.digest != expected || !has_unique_names(base, draft)) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("after entry {} this replica's state has digest {:016x}, the leader's had {:016x}: it has "
                            "diverged and needs a snapshot from another node",
                            last.index.value, draft.digest.value(), expected.value()));
  }
  const bool is_installed = install(base, draft, last.index, version);
  QUORATE_ASSERT(is_installed);
  {
    const std::lock_guard lock(mutex_);
    publish_applied_locked(version, last);
    head_ = version.version;
    head_digest_ = version.digest;
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
