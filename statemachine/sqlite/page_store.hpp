// The multi-version store of database pages that everything of the SQLite application meets in: the writer (through the
// VFS), readers, replication, the fold, backups and snapshots.
//
// A version is the state of all databases of the node after one transaction. The leader seals speculative versions,
// each on top of the one before, and commits them in order once the log has them; a follower applies the same
// transactions from their deltas. Two ends of the chain have names: `applied` (the newest committed version, what
// readers pin) and `head` (the newest of all, what a writer pins). Pages live in the base file as of the last fold and,
// where they are newer than that or an older reader needs them, in the overlay.
//
//   fold <= every pinned version <= applied <= head
//
// All of it can be replaced by another node's state (replacement.hpp); every pin fails from then on.
//
// Threads: reading and pinning on any. Of those that move the chain, commit, advance, apply, begin_epoch and
// drop_speculation belong to one thread (the replica's), seal to another (the executor's): a seal may run beside commit
// and advance, and beside drop_speculation, upon which it fails. A third thread may fold.
// Locking: one mutex guards the versions, the overlays, the base tables and the pins. It is held for at most
// kPagesPerHold pages at a time and never across I/O, hashing or compression. A version under construction is invisible
// until its last step publishes it. What is read from the base file outside the mutex counts only if it has the hash
// that was expected under the mutex; otherwise the page has moved and is looked up again.
//
// Durability: only the fold (fold.hpp) writes anything that outlives the process; what is newer comes back from the
// log.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/storage/any_file_system.hpp"
#include "consensus/types.hpp"
#include "statemachine/sqlite/base_file.hpp"
#include "statemachine/sqlite/brief_mutex.hpp"
#include "statemachine/sqlite/delta.hpp"
#include "statemachine/sqlite/overlay.hpp"
#include "statemachine/sqlite/page.hpp"
#include "statemachine/sqlite/superblock.hpp"

namespace quorate::sqlite {

struct PageStoreOptions {
  std::string directory = "pages";  ///< below the file system's root; created if need be
  /// Images in memory beyond which fold_wanted() asks for a fold.
  std::uint64_t overlay_bytes_fold = std::uint64_t{64} << 20;
  /// Images in memory beyond which they move to the spill file.
  std::uint64_t overlay_bytes_max = std::uint64_t{256} << 20;
  /// Beyond this, readers of old versions lose them; if that is not enough, changes are refused until a fold has run.
  std::uint64_t spill_bytes_max = std::uint64_t{4} << 30;
  std::size_t delta_part_bytes = kDeltaPartBytes;
};

class PageStore;

enum class PinKind : std::uint8_t {
  kApplied,  ///< the newest committed version
  kHead,     ///< the newest version, speculation included: for the writer
};

/// Keeps a version readable. Move-only; must not outlive the store.
class Pin {
 public:
  Pin() = default;
  Pin(Pin&& other) noexcept { swap(other); }
  Pin& operator=(Pin&& other) noexcept {
    Pin(std::move(other)).swap(*this);
    return *this;
  }
  ~Pin();

  explicit operator bool() const { return store_ != nullptr; }
  [[nodiscard]] VersionId version() const { return version_; }
  /// The newest entry whose effect the version contains; of a speculative version, the last one applied when it was
  /// pinned.
  [[nodiscard]] LogId last() const { return last_; }

 private:
  friend class PageStore;
  Pin(PageStore& store, PinKind kind, VersionId version, LogId last, std::uint64_t generation)
      : store_(&store), kind_(kind), version_(version), last_(last), generation_(generation) {}
  void swap(Pin& other) noexcept;

  PageStore* store_ = nullptr;
  PinKind kind_ = PinKind::kApplied;
  VersionId version_;
  LogId last_;
  std::uint64_t generation_ = 0;
};

/// One database's share of a transaction, as the VFS collected it, or a load (staging.hpp).
struct DatabaseWrite {
  /// One that does not exist is created; one that is to be adopted or dropped must exist.
  std::string name;
  PageSize page_size;
  PageCount page_count_after;
  std::map<PageNumber, PageImage> pages;  ///< those beyond page_count_after are ignored
  DatabaseFate fate = DatabaseFate::kStays;
};

struct SealedVersion {
  VersionId version;
  Speculation name;
  StateDigest digest;
  std::vector<Payload> parts;  ///< one log entry each, in this order
};

struct StoredPage {
  PageImage image;
  PageHash hash;
  Index modified;  ///< 0 if the version that made it is speculative, or the page was never written
};

/// Identifies who holds the write slot; 0 is nobody.
using WriterId = StrongNumber<struct WriterIdTag>;

enum class SlotAnswer : std::uint8_t {
  kGranted,
  kTaken,      ///< another writer has it
  kStale,      ///< the pinned version is not the head any more
  kNotLeader,  ///< no epoch: this node may not write
};

class PageStore {
 public:
  /// Completes an interrupted fold if there was one. kCorrupt if the durable state contradicts its own digest.
  static Result<std::unique_ptr<PageStore>> open(storage::AnyFileSystem files, PageStoreOptions options);
  ~PageStore();
  PageStore(const PageStore&) = delete;
  PageStore& operator=(const PageStore&) = delete;

  // --- Where the store stands ---
  [[nodiscard]] LogId applied() const;
  [[nodiscard]] StateDigest digest() const;  ///< of the applied version
  /// What the durable state (the last fold) contains, and the application's own bytes in it.
  [[nodiscard]] Superblock durable() const;
  /// Whether the overlay has grown so far that it is time for a fold.
  [[nodiscard]] bool fold_wanted() const;
  [[nodiscard]] std::uint64_t overlay_bytes() const;

  // --- Reading ---
  [[nodiscard]] Pin pin(PinKind kind);
  /// Pins the applied version, with all that a superblock says of it but its sequence and the application's state.
  [[nodiscard]] std::pair<Pin, Superblock> pin_state();
  /// Whether the pin still serves, and has until now; if not, the error that reading through it gives.
  [[nodiscard]] Result<void> check(const Pin& pin) const;
  /// Changes whenever connections that pinned before must be closed: speculation was dropped (writers), or the whole
  /// state was replaced (everybody).
  [[nodiscard]] std::uint64_t generation(PinKind kind) const;
  /// How often another database has taken the place of one, in what is applied. Connections that were opened before
  /// may know another text encoding than it has.
  [[nodiscard]] std::uint64_t adoptions() const;
  [[nodiscard]] std::vector<DatabaseRecord> databases(const Pin& pin) const;
  [[nodiscard]] std::optional<DatabaseRecord> find_database(const Pin& pin, std::string_view name) const;
  /// Whether there is a database that grows behind another one (delta.hpp), in the newest version.
  [[nodiscard]] bool has_hidden() const;
  /// Copies from one page, from `offset` on. Pages behind the end read as zeros. kOverloaded: the version was given up
  /// for room, or for another node's state ("snapshot too old"); kUnavailable: it was speculation that has been
  /// dropped, or the state is just being replaced; kCorrupt: the base file's page fails its hash, see damaged_pages().
  Result<void> read(const Pin& pin, DatabaseId database, PageNumber page, std::size_t offset,
                    std::span<std::byte> into) const;
  Result<StoredPage> page(const Pin& pin, DatabaseId database, PageNumber page) const;
  /// What is known of at most kPagesPerHold consecutive pages without reading them.
  Result<void> list(const Pin& pin, DatabaseId database, PageNumber first, std::span<TableEntry> into) const;

  // --- The leader ---
  /// Versions may be sealed from now on; their sequence starts at 0.
  void begin_epoch(Epoch epoch);
  /// Forgets all versions that are not committed, and ends the epoch.
  void drop_speculation();
  [[nodiscard]] SlotAnswer acquire_write_slot(WriterId writer, const Pin& pin);
  void release_write_slot(WriterId writer);
  /// Makes a new head out of what changed since `base`, which must be the head. Nothing happens on failure:
  /// kUnavailable if the epoch has ended meanwhile, kOverloaded if a fold must run first, kDiskFull beyond the limits
  /// of a delta.
  Result<SealedVersion> seal(const Pin& base, std::vector<DatabaseWrite> writes, PageCodec& codec);
  /// The oldest speculative version has been committed as entry `last`. An entry may carry several versions.
  void commit(Speculation name, LogId last);

  // --- Everybody ---
  /// Makes the transaction whose parts are given the applied version, as entry `last`, or as one of several that the
  /// entry carries. There must be no speculation.
  /// Nothing happens on failure: kCorrupt if the bytes are malformed, or this replica's pages are not those that the
  /// leader had; kOverloaded if a fold must run first.
  Result<void> apply(LogId last, std::span<const Payload> parts);
  /// Reads the pages that these transactions change, as far as they are in the base files alone, and compares them
  /// with their hashes. kCorrupt: one is damaged, and is among damaged_pages() now; or the parts are malformed.
  Result<void> check_pages_under(std::span<const Payload> parts);
  /// Entry `last` is applied; it did not change any page.
  void advance(LogId last);

  // --- Looking after the base files ---
  struct PageName {
    DatabaseId database;
    PageNumber page;
    friend auto operator<=>(const PageName&, const PageName&) = default;
  };
  /// Pages of the base files that were found damaged and have not been repaired.
  [[nodiscard]] std::vector<PageName> damaged_pages() const;
  /// What the base files hold, as of the last fold.
  [[nodiscard]] std::vector<DatabaseRecord> base_databases() const;
  /// What the table says of a page of the base file; nullopt if there is no such page.
  [[nodiscard]] std::optional<TableEntry> base_entry(PageName name) const;
  /// Reads a page of the base file and compares it with its hash.
  Result<void> scrub(DatabaseId database, PageNumber page);
  /// The bytes of any version of a page that is here and has this hash. kNotFound if none has.
  Result<PageImage> find_page(PageName name, PageHash hash) const;
  /// Puts back a page that another replica supplied; kInvalidArgument if it is not the page that is missing.
  Result<void> repair(DatabaseId database, PageNumber page, std::span<const std::byte> bytes);

 private:
  friend class Pin;
  friend class Fold;
  friend class Replacement;

  /// What a database is, apart from its pages, from one version on.
  struct Shape {
    VersionId version;
    std::string name;  ///< empty: the database is no more
    PageCount count;
    StateDigest pages;  ///< their part of the digest

    [[nodiscard]] bool is_gone() const { return name.empty(); }
  };
  struct Database {
    DatabaseId id;
    PageSize page_size;
    std::vector<Shape> shapes;  ///< ascending; the first is the creation, or the oldest anybody needs
    Overlay overlay;
    std::shared_ptr<BaseFile> base;  ///< null until the first fold
    BaseTable table;
    mutable PageImage first_page;  ///< page 1 of the base file, once read: every transaction looks at it

    /// Null if it does not exist then.
    [[nodiscard]] const Shape* shape_at(VersionId version) const;
    /// For people: the newest.
    [[nodiscard]] std::string_view name() const;
    [[nodiscard]] BasePage base_page(PageNumber page) const;
  };
  /// A version of a page as far as it is known under the mutex.
  struct Located {
    PageSize size;
    PageHash hash;
    Index modified;
    PageImage image;
    SpilledPage spilled;                   ///< if set, the image is there
    std::shared_ptr<const BaseFile> base;  ///< if set, the image is there
    bool is_lost = false;                  ///< it was damaged in the base file before a fold overwrote it
  };
  struct PageChange {
    PageNumber page;
    PageHash hash;
    PageImage image;
  };
  struct DatabaseDraft {
    DatabaseFate fate = DatabaseFate::kStays;
    std::optional<DatabaseRecord> before;
    DatabaseRecord after;  ///< of one that is dropped: as it was
    StateDigest digest_before;
    StateDigest digest;  ///< of its pages
    std::vector<PageChange> pages;
  };
  /// A version that is being put together.
  struct Draft {
    std::vector<DatabaseDraft> databases;
    StateDigest digest;
  };
  struct Touched {
    DatabaseId database;
    std::vector<PageNumber> pages;
  };
  struct VersionRecord {
    VersionId version;
    Speculation name;
    StateDigest digest;
    DatabaseId newest_database;
    std::uint64_t adoptions = 0;  ///< in this version
    std::vector<Touched> touched;
  };

  PageStore(storage::AnyFileSystem files, PageStoreOptions options);
  using Databases = std::map<DatabaseId, Database>;
  /// What the base files hold, as version `version`. kCorrupt if it contradicts its superblock.
  Result<Databases> load(const Superblock& superblock, VersionId version);
  /// Begins again from what has been loaded; nothing older can be read any more. What there was is left in `loaded`.
  void start_from_locked(const Superblock& superblock, VersionId version, Databases& loaded);

  // Every method whose name ends in _locked expects the mutex to be held.
  [[nodiscard]] Result<void> check_locked(const Pin& pin) const;
  [[nodiscard]] Superblock applied_state_locked() const;
  [[nodiscard]] std::optional<DatabaseRecord> record_locked(const Database& database, VersionId version) const;
  [[nodiscard]] Result<Located> locate(const Pin& pin, DatabaseId database, PageNumber page) const;
  [[nodiscard]] Located locate_locked(const Database& database, PageNumber page, VersionId version) const;
  Result<PageImage> load_image(const Located& located, const Pin& pin, DatabaseId database, PageNumber page) const;
  Result<PageImage> load_from_base(Located located, const Pin& pin, DatabaseId database, PageNumber page) const;
  [[nodiscard]] static tl::unexpected<Error> lost_page(const Database& database, PageNumber page);
  void unpin(const Pin& pin) noexcept;
  [[nodiscard]] std::uint64_t overlay_bytes_locked() const;

  [[nodiscard]] StateDigest pages_digest(const Pin& base, DatabaseId id) const;

  // Drafting: neither needs nor changes anything but what is pinned.
  Result<DatabaseDraft> draft_of(const Pin& base, const DatabaseWrite& write, DatabaseId& newest) const;
  Result<DatabaseDraft> draft_of(const Pin& base, const DeltaSection& section) const;
  Result<void> encode_changes(const Pin& base, const DatabaseWrite& write, DatabaseDraft& database,
                              DeltaWriter& out) const;
  Result<void> decode_changes(const Pin& base, const DeltaPart::Section& section, DatabaseDraft& database);
  /// Adds the pages that a shrinking database loses, as zeros.
  void cut_pages(const Pin& base, DatabaseDraft& database) const;
  /// Takes the database over into the state that the draft leads to.
  static void conclude(Draft& draft, DatabaseDraft database);
  /// Whether every database of that state has a name of its own.
  [[nodiscard]] bool has_unique_names(const Pin& base, const Draft& draft) const;

  /// Puts the draft's pages into the overlays, as a version that nobody sees yet. False if speculation was dropped
  /// since `base` was pinned; the caller then uninstalls what there is.
  [[nodiscard]] bool install(const Pin& base, Draft& draft, Index modified, VersionRecord& version);
  void begin_database_locked(const DatabaseDraft& draft, VersionRecord& version);
  static void describe(const Draft& draft, VersionRecord& version);
  void install_locked(DatabaseDraft& draft, Index modified, VersionRecord& version, std::size_t from, std::size_t to);
  void uninstall(const VersionRecord& version);
  /// The last step of a seal: the version is what writers see from now on. False, with nothing done, if leadership was
  /// lost since `base` was pinned.
  bool become_head(const Pin& base, VersionRecord& version);
  void publish_applied_locked(const VersionRecord& version, LogId last);
  /// Drops the versions of these pages, the shapes, and the databases that nobody needs any more.
  void prune(const std::vector<Touched>& touched);
  void prune_locked(Database& database, PageNumber page);
  void prune_shapes_locked(Database& database);
  /// Takes the databases out that are gone and that nobody reads; they may be large, and are destroyed by the caller,
  /// without the mutex.
  [[nodiscard]] Databases take_gone_locked();
  /// Visits all pages, a bounded number of them each time the mutex is taken.
  template <class Visit>
  void for_each_page(const std::vector<Touched>& touched, Visit&& visit);

  /// Moves images to the spill file until those in memory are within their limit.
  Result<void> make_room();
  Result<void> spill_some();
  /// Lets go of all versions before the applied one, whoever reads them. False if nobody did.
  bool give_up_old_versions();
  /// Cuts off what an attempt to write the base files that failed has left behind their ends. Whoever calls it has set
  /// is_base_busy_.
  Result<void> trim_bases();

  storage::AnyFileSystem files_;
  const PageStoreOptions options_;
  std::shared_ptr<SpillFile> spill_;
  PageCodec apply_codec_;

  mutable BriefMutex mutex_;
  Databases databases_;
  Positions positions_;  ///< pinned versions, and the applied one
  VersionId next_version_{2};
  VersionId applied_{1};
  VersionId head_{1};
  VersionId oldest_readable_{1};
  LogId applied_entry_;
  StateDigest applied_digest_;
  StateDigest head_digest_;
  DatabaseId newest_database_;             ///< the highest id given to any, as applied: no id is given twice
  std::uint64_t adoptions_ = 0;            ///< applied, in this process
  std::deque<VersionRecord> speculative_;  ///< applied < versions <= head, ascending
  Epoch epoch_;
  std::uint64_t next_sequence_ = 0;
  WriterId writer_;
  std::uint64_t drops_ = 0;     ///< generation of writers
  std::uint64_t restores_ = 0;  ///< generation of readers
  Superblock durable_;
  mutable std::set<PageName> damaged_;
  PageName spill_cursor_{DatabaseId{}, PageNumber{1}};
  std::optional<VersionId> folding_;  ///< among the positions, and never given up
  bool is_base_busy_ = false;         ///< somebody writes the base files
  bool is_replacing_ = false;         ///< ... with another node's state, and nothing can be read
};

}  // namespace quorate::sqlite
