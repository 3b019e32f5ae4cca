#include "server/offline/verification.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "server/offline/node_reading.hpp"

namespace quorate::server {

using storage::LogDamage;

namespace {

constexpr const char* kNothingMissing = "nothing is missing: its copy was used. Watch the disk";
constexpr const char* kFetches =
    "start the node: it fetches the entry from the other members before it votes for "
    "itself again";
constexpr const char* kCatchesUp = "start the node: it does not vote until a leader has brought it up to date again";
constexpr const char* kJoinAnew =
    "if the cluster has a majority without this node, remove its directory and start it with -join; if not, restore a "
    "copy of the directory";

class Verifier {
 public:
  explicit Verifier(const StoppedNode& node) : node_(node) {}

  Result<Verification> run() {
    auto files = node_.shadow();
    if (!files) return tl::unexpected(files.error());
    auto reading = read_node(node_, *files, storage::ScanDepth::kEverything);
    // What cannot be read at all is what somebody wants to know who verifies.
    if (!reading && reading.error().kind == ErrorKind::kCorrupt) {
      damage(node_.path(), reading.error().message, kJoinAnew);
      return std::move(result_);
    }
    if (!reading) return tl::unexpected(reading.error());
    check_log(reading->log);
    if (auto checked = check_pages_of(*reading, *files); !checked) return tl::unexpected(checked.error());
    if (auto rehearsed = rehearse(*reading, *files); !rehearsed) return tl::unexpected(rehearsed.error());
    return std::move(result_);
  }

 private:
  void damage(std::string where, std::string what, std::string remedy) {
    result_.findings.push_back({Finding::Kind::kDamage, std::move(where), std::move(what), std::move(remedy)});
  }
  void note(std::string where, std::string what, std::string remedy = {}) {
    result_.findings.push_back({Finding::Kind::kNote, std::move(where), std::move(what), std::move(remedy)});
  }

  void check_log(const LogReading& log);
  void judge(const LogReading& log, const LogDamage& damage);
  Result<void> check_pages_of(const NodeReading& reading, ShadowFiles& files);
  void report_pages(const PageReading& pages, const PageCheck& check);
  Result<void> rehearse(const NodeReading& reading, ShadowFiles& files);

  const StoppedNode& node_;
  Verification result_;
};

void Verifier::check_log(const LogReading& log) {
  result_.log_bytes = log.bytes;
  result_.entries = log.recovered().entries.size();
  for (const std::size_t slot : {0U, 1U}) {
    if (log.identity_slot_is_whole[slot]) continue;
    damage(fmt::format("{}/identity, offset {}", kLogDirectory, slot * storage::kIdentitySlotStride),
           "one of the two copies of the log's identity is damaged", kNothingMissing);
  }
  for (const LogDamage& damaged : log.scanned.damage) judge(log, damaged);
  if (log.scanned.has_torn_tail) {
    note(LogReading::path_of(log.scanned.tail.segment), "ends in a write that a crash has cut short",
         "none: it was never acknowledged, and the next start writes over it");
  }
  if (log.recovered().promises_lost) {
    damage(kLogDirectory, "so much in succession is damaged that the node does not know any more what it promised",
           kCatchesUp);
  }
}

void Verifier::judge(const LogReading& log, const LogDamage& found) {
  const std::string where = found.segment == storage::SegmentNumber{}
                                ? std::string(kLogDirectory)
                                : fmt::format("{}, offset {}", LogReading::path_of(found.segment), found.offset);
  switch (found.what) {
    case LogDamage::What::kSegmentHeader:
      damage(where, "the header of the segment is damaged", "nothing is missing: what it says is in every group too");
      break;
    case LogDamage::What::kGroups:
      damage(where,
             found.groups == 1 ? "the header or the directory of a group of records is damaged"
                               : fmt::format("{} groups of records in succession are damaged", found.groups),
             log.recovered().promises_lost ? kCatchesUp : kNothingMissing);
      break;
    case LogDamage::What::kCopy:
      damage(where, "the spare copy of a group's directory is damaged", "nothing is missing: the original is whole");
      break;
    case LogDamage::What::kBody: {
      const std::string what = fmt::format("entry {} of term {} is damaged", found.id.index.value, found.id.term.value);
      if (std::ranges::binary_search(log.recovered().damaged, found.id)) {
        damage(where, what, kFetches);
      } else {
        note(where, what + ", and not needed: it was repaired, or is covered by a checkpoint");
      }
    }
  }
}

Result<void> Verifier::check_pages_of(const NodeReading& reading, ShadowFiles& files) {
  result_.checkpoint = reading.pages.superblock.last;
  const auto check = check_pages(files, reading.pages.superblock);
  if (!check && check.error().kind == ErrorKind::kNotFound) {
    damage(kPageDirectory, check.error().message, kJoinAnew);
    return {};
  }
  if (!check) return tl::unexpected(check.error());
  result_.pages = check->pages;
  result_.page_bytes = check->bytes;
  report_pages(reading.pages, *check);
  if (reading.problem) damage(node_.path(), "the node would not start: " + reading.problem->message, kJoinAnew);
  return {};
}

void Verifier::report_pages(const PageReading& pages, const PageCheck& check) {
  for (const std::size_t slot : {0U, 1U}) {
    if (pages.superblock_files[slot] != PageReading::SuperblockFile::kDamaged) continue;
    damage(fmt::format("{}/superblock.{}", kPageDirectory, slot), "one of the two superblocks is damaged",
           kNothingMissing);
  }
  if (pages.had_interrupted_fold) {
    note(kPageDirectory, "a checkpoint was interrupted", "none: the next start carries it out to its end");
  }
  for (const PageDamage& page : check.damage) {
    const bool is_table = page.what == PageDamage::What::kTable;
    const std::string what = is_table ? "the table's entry for page {} of database '{}' is damaged"
                             : check.tables_have_digest
                                 ? "page {} of database '{}' is damaged"
                                 : "page {} of database '{}', or the hash that the table has for it, is damaged";
    damage(fmt::format("{}, offset {}", page.file, page.offset),
           fmt::format(fmt::runtime(what), page.page.value, page.database), kJoinAnew);
  }
}

/// What the next start would do, up to the moment when it asks others.
Result<void> Verifier::rehearse(const NodeReading& reading, ShadowFiles& files) {
  if (reading.problem) return {};
  auto machine = open_machine(files, node_.id());
  if (!machine) return tl::unexpected(machine.error());
  const auto applied = apply_committed(**machine, reading.log.recovered());
  if (!applied) {
    damage(node_.path(), applied.error().message, kJoinAnew);
    return {};
  }
  result_.rehearsed = *applied;
  if (reading.log.recovered().hard_state.commit > applied->index) {
    note(kLogDirectory,
         fmt::format("entries from {} to {} are committed, and could not be checked together with the pages: the log "
                     "is damaged before them",
                     applied->index.value + 1, reading.log.recovered().hard_state.commit.value));
  }
  sqlite::PageStore& store = (*machine)->store();
  result_.databases = store.databases(store.pin(sqlite::PinKind::kApplied)).size();
  const auto complaints = complaints_of_sqlite(**machine);
  if (!complaints) return tl::unexpected(complaints.error());
  for (const std::string& complaint : *complaints) {
    damage(kPageDirectory, complaint,
           "if pages are damaged, that is why; if none is, every member has the same: dump the database and load the "
           "dump into a new cluster");
  }
  return {};
}

}  // namespace

bool Verification::is_whole() const {
  return std::ranges::none_of(findings, [](const Finding& finding) { return finding.kind == Finding::Kind::kDamage; });
}

Result<Verification> verify(const StoppedNode& node) { return Verifier(node).run(); }

}  // namespace quorate::server
