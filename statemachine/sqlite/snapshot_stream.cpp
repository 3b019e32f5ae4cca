#include "statemachine/sqlite/snapshot_stream.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/bytes.hpp"

namespace quorate::sqlite {
namespace {

constexpr std::uint64_t kMagic = 0x4547'4150'504E'5351;  // "QSNPPAGE"
constexpr std::size_t kFixedHeadBytes = 8 + 4 + 4 + 8;
constexpr std::size_t kGroupHeadBytes = 8 + 4;
constexpr std::size_t kEntryBytes = 3 * 8;
constexpr std::size_t kChecksumBytes = 8;

std::uint64_t checksum(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::vector<std::byte> with_checksum(ByteWriter out) {
  out.fixed(checksum(out.bytes()));
  return std::move(out.buffer());
}

/// Whether the bytes end with the checksum of what is before it.
bool has_checksum(std::span<const std::byte> bytes) {
  const std::size_t size = bytes.size() - kChecksumBytes;
  return ByteReader(bytes.subspan(size)).fixed<std::uint64_t>() == checksum(bytes.first(size));
}

tl::unexpected<Error> corrupt(std::string_view what) {
  return fail(ErrorKind::kCorrupt, fmt::format("the snapshot is damaged: {}", what));
}

}  // namespace

// --- Writing ---

std::vector<std::byte> encode(const SnapshotHead& head) {
  const std::vector<std::byte> state = encode(head.state);
  ByteWriter out;
  out.fixed(kMagic);
  out.fixed(kSnapshotStreamFormat);
  out.fixed(static_cast<std::uint32_t>(state.size()));
  out.fixed(head.base.value);
  out.raw(state);
  return with_checksum(std::move(out));
}

std::size_t SnapshotGroup::size(PageSize page_size) const {
  const auto with_content = std::ranges::count_if(entries, [](const SnapshotEntry& entry) { return !entry.is_run(); });
  return kGroupHeadBytes + entries.size() * kEntryBytes + kChecksumBytes +
         static_cast<std::size_t>(with_content) * page_size.bytes();
}

std::vector<std::byte> encode_head(const SnapshotGroup& group) {
  QUORATE_ASSERT(!group.entries.empty());
  QUORATE_ASSERT(group.entries.size() <= kSnapshotGroupEntriesMax);
  ByteWriter out;
  out.fixed(group.database.value);
  out.fixed(static_cast<std::uint32_t>(group.entries.size()));
  for (const SnapshotEntry& entry : group.entries) {
    out.fixed(entry.page.value);
    out.fixed(entry.is_run() ? entry.zeros.value : entry.entry.modified.value);
    out.fixed(entry.entry.hash.value);
  }
  return with_checksum(std::move(out));
}

std::vector<std::byte> encode_end(std::uint64_t groups, std::uint64_t stream_bytes) {
  ByteWriter out;
  out.fixed(std::uint64_t{0});
  out.fixed(groups);
  out.fixed(stream_bytes);
  return with_checksum(std::move(out));
}

// --- Reading ---

Result<SnapshotReader> SnapshotReader::open(const storage::AnyFile& file) {
  const Result<std::uint64_t> size = file.size();
  if (!size) return tl::unexpected(size.error());
  SnapshotReader reader(file, *size);
  if (Result<void> read = reader.read_head(); !read) return tl::unexpected(read.error());
  return reader;
}

Result<void> SnapshotReader::fill(std::span<std::byte> into) {
  const Result<bool> whole = reader_.read(into);
  if (!whole) return tl::unexpected(whole.error());
  if (!*whole) return corrupt("it is cut short");
  return {};
}

Result<void> SnapshotReader::read_head() {
  std::vector<std::byte> bytes(kFixedHeadBytes);
  if (Result<void> filled = fill(bytes); !filled) return filled;
  ByteReader fixed(bytes);
  if (fixed.fixed<std::uint64_t>() != kMagic) return corrupt("it does not begin like one");
  const auto format = fixed.fixed<std::uint32_t>();
  if (format > kSnapshotStreamFormat) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("the snapshot has format {}, this release knows {}; use the release of the node that "
                            "sent it",
                            format, kSnapshotStreamFormat));
  }
  const auto state_bytes = fixed.fixed<std::uint32_t>();
  head_.base = Index{fixed.fixed<std::uint64_t>()};
  if (format == 0 || state_bytes > size_) return corrupt("its head makes no sense");
  bytes.resize(kFixedHeadBytes + state_bytes + kChecksumBytes);
  if (Result<void> filled = fill(std::span(bytes).subspan(kFixedHeadBytes)); !filled) return filled;
  if (!has_checksum(bytes)) return corrupt("its head fails its checksum");
  Result<Superblock> state = parse_superblock(std::span(bytes).subspan(kFixedHeadBytes, state_bytes));
  if (!state) return tl::unexpected(state.error());
  head_.state = std::move(*state);
  return {};
}

Result<const SnapshotGroup*> SnapshotReader::next() {
  std::vector<std::byte> bytes(8);
  if (Result<void> filled = fill(bytes); !filled) return tl::unexpected(filled.error());
  const DatabaseId database{ByteReader(bytes).fixed<std::uint64_t>()};
  if (database == DatabaseId{}) {
    if (Result<void> end = read_end(); !end) return tl::unexpected(end.error());
    return nullptr;
  }
  if (Result<void> head = read_group_head(database); !head) return tl::unexpected(head.error());
  if (Result<void> pages = read_pages(); !pages) return tl::unexpected(pages.error());
  ++groups_;
  return &group_;
}

Result<void> SnapshotReader::read_group_head(DatabaseId database) {
  ByteWriter start;
  start.fixed(database.value);
  std::vector<std::byte> bytes = std::move(start.buffer());
  bytes.resize(kGroupHeadBytes);
  if (Result<void> filled = fill(std::span(bytes).subspan(8)); !filled) return filled;
  const auto count = ByteReader(std::span(bytes).subspan(8)).fixed<std::uint32_t>();
  if (count == 0 || count > kSnapshotGroupEntriesMax) return corrupt("a group has an impossible size");
  bytes.resize(kGroupHeadBytes + count * kEntryBytes + kChecksumBytes);
  if (Result<void> filled = fill(std::span(bytes).subspan(kGroupHeadBytes)); !filled) return filled;
  if (!has_checksum(bytes)) return corrupt("a group fails its checksum");
  const auto record = std::ranges::find(head_.state.databases, database, &DatabaseRecord::id);
  if (record == head_.state.databases.end()) return corrupt("it holds pages of no database");

  group_.database = database;
  group_.entries.clear();
  page_size_ = record->page_size;
  ByteReader fields(std::span<const std::byte>(bytes).subspan(kGroupHeadBytes));
  for (std::uint32_t i = 0; i < count; ++i) {
    SnapshotEntry entry;
    entry.page = PageNumber{fields.fixed<std::uint64_t>()};
    const auto modified_or_zeros = fields.fixed<std::uint64_t>();
    entry.entry.hash = PageHash{fields.fixed<std::uint64_t>()};
    (entry.is_run() ? entry.zeros.value : entry.entry.modified.value) = modified_or_zeros;
    group_.entries.push_back(entry);
  }
  return {};
}

Result<void> SnapshotReader::read_pages() {
  pages_.clear();
  places_.clear();
  for (const SnapshotEntry& entry : group_.entries) {
    places_.push_back(pages_.size());
    if (!entry.is_run()) pages_.resize(pages_.size() + page_size_.bytes());
  }
  if (Result<void> filled = fill(pages_); !filled) return filled;
  for (std::size_t i = 0; i < group_.entries.size(); ++i) {
    const SnapshotEntry& entry = group_.entries[i];
    if (!entry.is_run() && hash_page(bytes(i)) != entry.entry.hash) {
      return corrupt(fmt::format("page {} of database {} fails its checksum", entry.page.value, group_.database.value));
    }
  }
  return {};
}

Result<void> SnapshotReader::read_end() {
  const std::vector<std::byte> expected = encode_end(groups_, reader_.offset() - 8 + kSnapshotEndBytes);
  std::vector<std::byte> bytes(kSnapshotEndBytes);
  if (Result<void> filled = fill(std::span(bytes).subspan(8)); !filled) return filled;
  if (bytes != expected) return corrupt("its end is not that of what comes before");
  if (reader_.offset() != size_) return corrupt("something follows its end");
  return {};
}

std::span<const std::byte> SnapshotReader::bytes(std::size_t entry) const {
  QUORATE_ASSERT(!group_.entries[entry].is_run());
  return std::span(pages_).subspan(places_[entry], page_size_.bytes());
}

}  // namespace quorate::sqlite
