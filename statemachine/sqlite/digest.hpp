// Hashes of pages, and the rolling digest of everything that is replicated.
//
// The digest of a state is a sum (modulo 2^64) of one term per page and one per database, so that a change costs as
// much as what it touches, in whatever order. A page of zeros has hash 0 and contributes nothing: holes, the lock-byte
// page and pages that were cut off need no bookkeeping. The terms are bound to the database and the page number, so
// that two pages that swapped places are noticed.
//
// This finds rot, misdirected writes and divergence; it is no protection against somebody who forges pages on purpose.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "statemachine/sqlite/page.hpp"

namespace quorate::sqlite {

/// XXH3-64 of a page's bytes, except that a page of zeros has hash 0 (and no other page has).
using PageHash = StrongNumber<struct PageHashTag>;

[[nodiscard]] PageHash hash_page(std::span<const std::byte> bytes);

/// What identifies a database besides its pages.
struct DatabaseShape {
  DatabaseId id;
  std::string_view name;
  PageSize page_size;
  PageCount page_count;
};

class StateDigest {
 public:
  StateDigest() = default;
  explicit StateDigest(std::uint64_t value) : value_(value) {}

  void add(DatabaseId database, PageNumber page, PageHash hash) { value_ += term(database, page, hash); }
  void remove(DatabaseId database, PageNumber page, PageHash hash) { value_ -= term(database, page, hash); }
  void add(const DatabaseShape& shape) { value_ += term(shape); }
  void remove(const DatabaseShape& shape) { value_ -= term(shape); }

  /// All terms of another one, which may be a part of this.
  void add(StateDigest other) { value_ += other.value_; }
  void remove(StateDigest other) { value_ -= other.value_; }

  [[nodiscard]] std::uint64_t value() const { return value_; }
  friend bool operator==(StateDigest, StateDigest) = default;

 private:
  [[nodiscard]] static std::uint64_t term(DatabaseId database, PageNumber page, PageHash hash);
  [[nodiscard]] static std::uint64_t term(const DatabaseShape& shape);

  std::uint64_t value_ = 0;
};

}  // namespace quorate::sqlite
