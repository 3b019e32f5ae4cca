// The changes that a transaction has made so far, in the form in which they will be kept, and where they can be taken
// back to: what SQLite undoes is cut off again. Groups end where they are told to, and where they become large.
//
// Knows nothing of SQLite. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "statemachine/sqlite/bytes.hpp"
#include "statemachine/sqlite/change.hpp"

namespace quorate::sqlite {

class ChangeBuffer {
 public:
  /// A group that has grown to `group_bytes` is continued in the next one.
  explicit ChangeBuffer(std::size_t group_bytes) : group_bytes_(group_bytes) {}

  /// Of this table, under the number given.
  [[nodiscard]] std::size_t add_table(std::shared_ptr<const ChangedTable> table);
  /// The changes to a row: `body` is what stands behind the head of a change.
  void add(std::size_t table, ChangeKind kind, std::span<const std::byte> body);
  /// What has been added since the last end takes effect at once. Without any it means nothing.
  void end_group();
  /// A group that tells of nothing but this.
  void add_replacement(std::string database);

  /// A place to come back to.
  [[nodiscard]] std::size_t position() const { return changes_.size(); }
  /// Takes back whatever was added since.
  void cut(std::size_t position);
  void clear();
  [[nodiscard]] bool is_empty() const { return changes_.size() == 0 && groups_.empty(); }
  /// Counts the times that clear() had anything to do: numbers of tables are of one life only.
  [[nodiscard]] std::uint64_t life() const { return life_; }

  /// All groups, of which the last must have been ended, each in the form in which it is kept, numbered from `first`.
  /// The bytes are valid during the call.
  void visit(ChangeIndex first, std::int64_t unix_time_ms,
             const std::function<void(std::span<const std::byte>)>& visitor) const;

 private:
  struct Group {
    std::size_t end = 0;
    bool is_continued = false;
    std::string replaced_database;
  };
  [[nodiscard]] std::size_t last_end() const { return groups_.empty() ? 0 : groups_.back().end; }

  const std::size_t group_bytes_;
  std::vector<std::shared_ptr<const ChangedTable>> tables_;
  ByteWriter changes_;  ///< each as in change.hpp, with the numbers of tables_
  std::vector<Group> groups_;
  std::uint64_t life_ = 1;
};

}  // namespace quorate::sqlite
