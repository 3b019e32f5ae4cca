// The values of a history: small, typed, and interned, so that a search compares and copies 32-bit numbers. `Values`
// belongs to a history and only grows; `DerivedValues` belongs to one search over that history and holds what comes
// into being only there, such as the text that some order of appends would leave. Not thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sim/checker/fingerprint.hpp"
#include "sim/checker/fingerprint_table.hpp"

namespace quorate::checker {

struct Value;
using List = std::vector<Value>;

/// Nil, a truth value, an integer, a text or a list.
struct Value {
  std::variant<std::monostate, bool, std::int64_t, std::string, List> data;

  friend bool operator==(const Value&, const Value&) = default;
};

/// For people: nil, true, 7, "text", [1 2]. Long values are cut in the middle.
[[nodiscard]] std::string to_text(const Value& value);
/// The same cut of a text that is already there.
[[nodiscard]] std::string shortened(std::string text);

/// Stands for a value of one history; equal values have equal ids.
struct ValueId {
  std::uint32_t number = 0;

  friend constexpr auto operator<=>(const ValueId&, const ValueId&) = default;
};
/// These three are the same in every history.
inline constexpr ValueId kNil{0};
inline constexpr ValueId kFalse{1};
inline constexpr ValueId kTrue{2};
[[nodiscard]] constexpr ValueId truth(bool value) { return value ? kTrue : kFalse; }

class Values {
 public:
  Values();

  ValueId intern(Value value);
  [[nodiscard]] const Value& operator[](ValueId id) const { return entries_[id.number].value; }
  [[nodiscard]] Fingerprint fingerprint(ValueId id) const { return index_[id.number]; }
  /// Of a list's elements whatever their order: the sum of as_member() over them. Nothing if it is not a list.
  [[nodiscard]] std::optional<Fingerprint> members(ValueId id) const;
  [[nodiscard]] static Fingerprint as_member(Fingerprint element);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  friend class DerivedValues;

  struct Entry {
    Value value;
    SequenceHash sequence;  ///< of a text or a list
    Fingerprint members;    ///< of a list
  };

  std::vector<Entry> entries_;
  FingerprintIndex index_;
};

class DerivedValues {
 public:
  /// `base` must not change or move while this exists.
  explicit DerivedValues(const Values& base) : base_(&base) {}

  /// A text lengthened by a text, or a list by one element (which may be a list itself). The first must be a text or a
  /// list, and a text is lengthened only by a text.
  ValueId append(ValueId sequence, ValueId tail);
  /// For a value that may be in none of the history's operations, such as an initial one.
  ValueId intern(const Value& value);

  /// False only if no appends to a text or list can ever make `target` of it. A quick look, not a proof of the
  /// opposite.
  [[nodiscard]] bool may_grow_into(ValueId sequence, ValueId target) const;

  [[nodiscard]] bool is_text(ValueId id) const;
  [[nodiscard]] bool is_list(ValueId id) const;
  [[nodiscard]] const Values& base() const { return *base_; }
  [[nodiscard]] Value value(ValueId id) const;
  [[nodiscard]] std::size_t bytes() const;

 private:
  /// Either a value of its own or `prefix` lengthened by `tail`.
  struct Derived {
    SequenceHash sequence;
    ValueId prefix;
    ValueId tail;
    std::uint32_t own;  ///< number in own_, or kNone
    bool is_text;
  };
  static constexpr std::uint32_t kNone = UINT32_MAX;

  [[nodiscard]] bool is_base(ValueId id) const { return id.number < base_->size(); }
  [[nodiscard]] const Derived& derived(ValueId id) const { return derived_[id.number - base_->size()]; }
  [[nodiscard]] const SequenceHash& sequence(ValueId id) const;
  [[nodiscard]] Fingerprint fingerprint(ValueId id) const;
  ValueId find_or_add(Fingerprint fingerprint, const Derived& derived);

  const Values* base_;
  std::vector<Derived> derived_;
  std::vector<Value> own_;
  FingerprintIndex index_;
};

}  // namespace quorate::checker
