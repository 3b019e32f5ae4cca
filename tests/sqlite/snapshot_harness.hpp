// What the tests of snapshots share: a leader that remembers its log, and ways to carry a snapshot to a follower.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "statemachine/sqlite/snapshot_sink.hpp"
#include "statemachine/sqlite/snapshot_source.hpp"
#include "tests/sqlite/store_harness.hpp"

namespace quorate::sqlite::testing {

inline constexpr const char* kStaging = "incoming";

inline std::vector<std::byte> blob(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// Page n of [from, to] gets the content `content` + n.
inline Change pages_from(std::uint64_t from, std::uint64_t to, std::uint64_t count, std::uint64_t content) {
  Change change{"main", count, {}};
  for (std::uint64_t page = from; page <= to; ++page) change.pages[page] = content + page;
  return change;
}

/// All of a stream, read in pieces of `piece` bytes.
inline std::vector<std::byte> read_all(SnapshotSource& source, std::size_t piece = std::size_t{1} << 20) {
  std::vector<std::byte> stream;
  for (;;) {
    const Result<SnapshotPiece> read = source.read(stream.size(), piece);
    EXPECT_TRUE(read.has_value()) << read.error().message;
    if (!read) return stream;
    stream.insert(stream.end(), read->bytes.bytes().begin(), read->bytes.bytes().end());
    if (read->is_last) return stream;
    EXPECT_EQ(read->bytes.size(), piece);
  }
}

inline std::unique_ptr<SnapshotSource> open_source(PageStore& store, std::string_view application, Index base) {
  Result<std::unique_ptr<SnapshotSource>> source = SnapshotSource::open(store, blob(application), base);
  EXPECT_TRUE(source.has_value()) << source.error().message;
  return std::move(*source);
}

inline SnapshotId id_of(const SnapshotSource& source) { return {source.last(), source.base(), NodeId{1}}; }

inline SnapshotSink open_sink(sim::SimFiles& disk) {
  Result<SnapshotSink> sink = SnapshotSink::open(storage::AnyFileSystem(disk), kStaging);
  EXPECT_TRUE(sink.has_value()) << sink.error().message;
  return std::move(*sink);
}

/// Stages a stream as it is, in chunks; stops at the first error.
inline Result<void> stage(SnapshotSink& sink, const SnapshotId& id, std::span<const std::byte> stream,
                          std::size_t chunk = std::size_t{1} << 20) {
  for (std::size_t at = 0; at < stream.size() || at == 0;) {
    const std::size_t count = std::min(chunk, stream.size() - at);
    const Result<std::uint64_t> next = sink.stage(id, at, stream.subspan(at, count));
    if (!next) return tl::unexpected(next.error());
    at = static_cast<std::size_t>(*next);
    if (count == 0) break;
  }
  return {};
}

/// From one store to another, as a whole or as the difference to what the other has.
inline Result<std::vector<std::byte>> carry(PageStore& from, PageStore& to, sim::SimFiles& disk, Index base,
                                            std::string_view application = "sessions") {
  const std::unique_ptr<SnapshotSource> source = open_source(from, application, base);
  SnapshotSink sink = open_sink(disk);
  if (Result<void> staged = stage(sink, id_of(*source), read_all(*source)); !staged) {
    return tl::unexpected(staged.error());
  }
  return sink.install(to, id_of(*source));
}

/// Every byte that two stores show must be the same, and what they know of it.
inline void expect_equal(PageStore& left, PageStore& right) {
  const auto [left_pin, left_state] = left.pin_state();
  const auto [right_pin, right_state] = right.pin_state();
  ASSERT_EQ(left_state, right_state);
  for (const DatabaseRecord& record : left_state.databases) {
    for (PageNumber page{1}; page.value <= record.page_count.value; ++page.value) {
      const Result<StoredPage> one = left.page(left_pin, record.id, page);
      const Result<StoredPage> other = right.page(right_pin, record.id, page);
      ASSERT_TRUE(one.has_value()) << one.error().message;
      ASSERT_TRUE(other.has_value()) << other.error().message;
      ASSERT_TRUE(one->image == other->image) << "page " << page.value << " of " << record.name;
      ASSERT_EQ(one->hash, other->hash);
      if (one->hash == PageHash{0}) continue;
      ASSERT_EQ(one->modified, other->modified);
    }
  }
}

/// A leader and the entries that it had committed since the beginning.
class Leader {
 public:
  explicit Leader(sim::SimFiles& disk, PageStoreOptions options = {}) : store(disk, std::move(options)) {
    store->begin_epoch(Epoch{1});
  }
  void execute(const std::vector<Change>& changes) {
    const LogId last = store.next_entry();
    log.emplace_back(last, store.execute(changes).parts);
  }
  /// Applies to a follower what it does not have, up to `index`.
  void replicate(PageStore& follower, Index index) const {
    for (const auto& [id, parts] : log) {
      if (id.index <= follower.applied().index || id.index > index) continue;
      const Result<void> applied = follower.apply(id, parts);
      ASSERT_TRUE(applied.has_value()) << applied.error().message;
    }
  }

  Store store;
  std::vector<std::pair<LogId, std::vector<Payload>>> log;
};

}  // namespace quorate::sqlite::testing
