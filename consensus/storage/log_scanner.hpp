// Reads segments from the first to the last and finds the groups of the log in them, whatever has happened to the
// bytes: tells the torn tail of a crash from damage (invariant W1 of wal_format.hpp), hands what it reads to a
// LogReplay, and finds the place where the log goes on. No I/O; one thread.
//
// The group that comes next is where it must be; or a later one is found further on, which means that what is between
// is damaged, provided that the later one says that it was durable; or there is none, and the log ends here. A damaged
// header or directory is replaced by the copy in the next group; bodies are verified one by one.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/storage/log_replay.hpp"
#include "consensus/storage/wal_format.hpp"

namespace quorate::storage {

/// The largest index with a body in each segment: a segment is needed until a snapshot covers that.
class SegmentExtents {
 public:
  void begin(SegmentNumber segment) { last_index_.emplace(segment, Index{}); }
  void note(SegmentNumber segment, const Item& item);
  /// The oldest segment, if it is not the only one and holds nothing behind `base`.
  [[nodiscard]] std::optional<SegmentNumber> obsolete(Index base) const;
  void remove(SegmentNumber segment) { last_index_.erase(segment); }
  [[nodiscard]] std::size_t count() const { return last_index_.size(); }

 private:
  std::map<SegmentNumber, Index> last_index_;
};

/// Where a log goes on, and behind what.
struct LogTail {
  SegmentNumber segment;       ///< the last one there is; 0: none
  std::uint64_t offset = 0;    ///< of the next group; 0: not even the segment's header is written
  GroupSequence sequence;      ///< of the last group
  std::uint32_t checksum = 0;  ///< of its header
  Directory directory;         ///< of that group
  LogState state;              ///< after it
  Boot boot;                   ///< of its writer
};

/// Bytes that are not what was written, and where they are.
struct LogDamage {
  enum class What : std::uint8_t {
    kSegmentHeader,
    kGroups,  ///< headers or directories of groups; of several in succession, the first one's place
    kBody,    ///< of one entry
    kCopy,    ///< of a directory that is itself whole
  } what = What::kGroups;
  SegmentNumber segment;     ///< 0: not even the file is there
  std::uint64_t offset = 0;  ///< in the segment
  std::uint64_t groups = 0;  ///< that cannot be read
  LogId id;                  ///< of the entry

  friend bool operator==(const LogDamage&, const LogDamage&) = default;
};

enum class ScanDepth : std::uint8_t {
  kForRestart,
  kEverything,  ///< also the copies that nothing depends on as long as the originals are whole
};

struct ScannedLog {
  Recovered recovered;
  LogTail tail;
  SegmentExtents extents;
  bool is_empty = true;  ///< no group was found
  /// The last group, if it is in the last segment: nothing says yet that it was synced. With the segment's header if it
  /// is the segment's first.
  std::vector<std::byte> unproven;
  std::uint64_t unproven_offset = 0;
  bool has_torn_tail = false;        ///< a group was begun behind the last one, and discarded
  std::uint64_t damaged_groups = 0;  ///< whose header or directory could not be read
  /// In the order of the log, also where nothing needs the bytes any more: the body may have been repaired by a later
  /// record, or the entry be gone. A torn tail is not among it.
  std::vector<LogDamage> damage;
};

class LogScanner {
 public:
  explicit LogScanner(const StoreIdentity& identity, ScanDepth depth = ScanDepth::kForRestart)
      : identity_(identity), depth_(depth) {}

  /// Segments in ascending order, each with its whole content. Returns a buffer that the next one may be read into.
  [[nodiscard]] std::vector<std::byte> add(SegmentNumber number, std::vector<std::byte> content);
  [[nodiscard]] ScannedLog finish() &&;

 private:
  struct Place {
    SegmentNumber segment;
    std::uint64_t offset = 0;
  };
  struct Group {
    Place place;
    GroupHeader header;
    std::uint32_t checksum = 0;
    Directory directory;
  };
  struct Bodies {
    std::vector<FoundBody> found;
    std::vector<LogDamage> damage;

    [[nodiscard]] bool are_whole() const { return damage.empty(); }
  };

  [[nodiscard]] std::optional<Group> read_group(Place place) const;
  [[nodiscard]] std::optional<Directory> read_copy(const Group& group) const;
  [[nodiscard]] Bodies read_bodies(const Directory& directory, Place place, std::uint64_t bodies_offset) const;
  [[nodiscard]] std::span<const std::byte> content_of(SegmentNumber segment) const;
  [[nodiscard]] bool continues_the_log(const GroupHeader& header) const;

  void begin_segment();
  void accept(Group group);
  void accept_mark(const Group& mark);
  void check_spares(const Group& group);
  void replay_suspect();
  void fill_hole(const Group& next);
  void replay(Group group, Bodies bodies);
  void note(SegmentNumber segment, const Directory& directory);
  void apply(const Directory& directory, Bodies bodies);

  StoreIdentity identity_;
  ScanDepth depth_;
  std::optional<LogReplay> replay_;  ///< none before the first readable header
  SegmentExtents extents_;
  LogTail tail_;
  Place last_;  ///< of the group before the tail
  bool is_empty_ = true;
  bool is_tail_proven_ = false;  ///< a mark says that the last group was synced
  std::uint64_t damaged_groups_ = 0;
  std::vector<LogDamage> damage_;
  bool has_segment_header_ = true;  ///< or the damage is noted

  SegmentNumber segment_;
  std::vector<std::byte> content_;
  SegmentNumber previous_segment_;
  std::vector<std::byte> previous_content_;

  GroupSequence expected_;              ///< of the next group; 0: not known yet
  std::optional<std::uint32_t> chain_;  ///< what the next group must say about the one before it
  std::vector<Place> hole_;             ///< where the next group might be and cannot be read
  /// The newest group, while a body of it is damaged and no later group says that it was synced.
  std::optional<Group> suspect_;
};

}  // namespace quorate::storage
