#include "statemachine/sqlite/change_buffer.hpp"

#include <map>
#include <utility>

#include "consensus/assert.hpp"

namespace quorate::sqlite {
namespace {

/// A change as it stands in the buffer.
struct BufferedChange {
  std::size_t table = 0;
  ChangeKind kind = ChangeKind::kInsert;
  std::span<const std::byte> body;
};

BufferedChange next_change(ByteReader& in) {
  BufferedChange change;
  change.table = static_cast<std::size_t>(in.varint());
  change.kind = static_cast<ChangeKind>(in.fixed<std::uint8_t>());
  change.body = in.string(in.left());
  QUORATE_ASSERT(!in.failed());
  return change;
}

}  // namespace

std::size_t ChangeBuffer::add_table(std::shared_ptr<const ChangedTable> table) {
  tables_.push_back(std::move(table));
  return tables_.size() - 1;
}

void ChangeBuffer::add(std::size_t table, ChangeKind kind, std::span<const std::byte> body) {
  QUORATE_ASSERT(table < tables_.size());
  put_change_head(changes_, table, kind, body.size());
  changes_.raw(body);
  if (changes_.size() - last_end() >= group_bytes_) {
    groups_.push_back({.end = changes_.size(), .is_continued = true, .replaced_database = {}});
  }
}

void ChangeBuffer::end_group() {
  if (changes_.size() > last_end()) {
    groups_.push_back({.end = changes_.size(), .is_continued = false, .replaced_database = {}});
  } else if (!groups_.empty()) {
    groups_.back().is_continued = false;
  }
}

void ChangeBuffer::add_replacement(std::string database) {
  end_group();
  groups_.push_back({.end = changes_.size(), .is_continued = false, .replaced_database = std::move(database)});
}

void ChangeBuffer::cut(std::size_t position) {
  QUORATE_ASSERT(position <= changes_.size());
  changes_.buffer().resize(position);
  while (!groups_.empty() && groups_.back().end > position) groups_.pop_back();
}

void ChangeBuffer::clear() {
  if (is_empty() && tables_.empty()) return;
  // A large transaction should not leave its memory to all that follow.
  constexpr std::size_t kKept = std::size_t{1} << 20;
  if (changes_.buffer().capacity() > kKept) {
    changes_ = ByteWriter();
  } else {
    changes_.clear();
  }
  groups_.clear();
  tables_.clear();
  ++life_;
}

void ChangeBuffer::visit(ChangeIndex first, std::int64_t unix_time_ms,
                         const std::function<void(std::span<const std::byte>)>& visitor) const {
  QUORATE_ASSERT(last_end() == changes_.size());
  ByteWriter out;
  std::size_t begin = 0;
  for (const Group& group : groups_) {
    const std::span<const std::byte> bytes = changes_.bytes().subspan(begin, group.end - begin);
    begin = group.end;
    // The group's own list of tables has those alone that it needs.
    std::map<std::size_t, std::size_t> numbers;
    std::vector<const ChangedTable*> tables;
    std::size_t count = 0;
    for (ByteReader in(bytes); in.left() > 0; ++count) {
      const auto [number, is_new] = numbers.try_emplace(next_change(in).table, tables.size());
      if (is_new) tables.push_back(tables_[number->first].get());
    }
    out.clear();
    put_group_head(out, {.index = first,
                         .unix_time_ms = unix_time_ms,
                         .is_continued = group.is_continued,
                         .replaced_database = group.replaced_database,
                         .tables = {},
                         .changes = {}});
    out.varint(tables.size());
    for (const ChangedTable* table : tables) put_table(out, *table);
    out.varint(count);
    for (ByteReader in(bytes); in.left() > 0;) {
      const BufferedChange change = next_change(in);
      put_change_head(out, numbers.at(change.table), change.kind, change.body.size());
      out.raw(change.body);
    }
    visitor(out.bytes());
    ++first.value;
  }
}

}  // namespace quorate::sqlite
