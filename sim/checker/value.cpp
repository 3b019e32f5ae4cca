#include "sim/checker/value.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "consensus/assert.hpp"

namespace quorate::checker {
namespace {

constexpr std::size_t kTextShownMax = 96;

/// Keeps the kinds of values apart in their fingerprints.
enum class ValueKind : std::uint64_t { kNil, kTruth, kInteger, kText, kList, kMember };

Fingerprint plain(ValueKind kind, std::uint64_t bits) {
  return scramble(scramble(bits), static_cast<std::uint64_t>(kind));
}
Fingerprint sequence_fingerprint(ValueKind kind, const SequenceHash& sequence) {
  return sequence.fingerprint(static_cast<std::uint64_t>(kind));
}

struct Hashed {
  Fingerprint fingerprint;
  SequenceHash sequence = {};
  Fingerprint members = {};
};

Hashed hash_of(const Value& value);

struct Hasher {
  Hashed operator()(std::monostate) const { return {plain(ValueKind::kNil, 0)}; }
  Hashed operator()(bool truth) const { return {plain(ValueKind::kTruth, truth ? 1 : 0)}; }
  Hashed operator()(std::int64_t number) const {
    return {plain(ValueKind::kInteger, static_cast<std::uint64_t>(number))};
  }
  Hashed operator()(const std::string& text) const {
    SequenceHash sequence;
    for (const char character : text) {
      const std::uint64_t symbol = std::uint64_t{static_cast<unsigned char>(character)} + 1;
      sequence.push({symbol, symbol});
    }
    return {sequence_fingerprint(ValueKind::kText, sequence), sequence};
  }
  Hashed operator()(const List& list) const {
    SequenceHash sequence;
    Fingerprint members;
    for (const Value& element : list) {
      const Fingerprint fingerprint = hash_of(element).fingerprint;
      sequence.push(fingerprint);
      members = members + Values::as_member(fingerprint);
    }
    return {sequence_fingerprint(ValueKind::kList, sequence), sequence, members};
  }
};

Hashed hash_of(const Value& value) { return std::visit(Hasher{}, value.data); }

struct Printer {
  std::string operator()(std::monostate) const { return "nil"; }
  std::string operator()(bool truth) const { return truth ? "true" : "false"; }
  std::string operator()(std::int64_t number) const { return std::to_string(number); }
  std::string operator()(const std::string& text) const { return '"' + text + '"'; }
  std::string operator()(const List& list) const {
    std::string text = "[";
    for (const Value& element : list) {
      if (text.size() > 1) text += ' ';
      text += std::visit(Printer{}, element.data);
    }
    return text + ']';
  }
};

}  // namespace

std::string shortened(std::string text) {
  if (text.size() <= kTextShownMax) return text;
  constexpr std::string_view kGap = " ... ";
  constexpr std::size_t kSide = (kTextShownMax - kGap.size()) / 2;
  return text.substr(0, kSide).append(kGap).append(text, text.size() - kSide);
}

std::string to_text(const Value& value) { return shortened(std::visit(Printer{}, value.data)); }

Values::Values() {
  QUORATE_ASSERT(intern({}) == kNil);
  QUORATE_ASSERT(intern({false}) == kFalse);
  QUORATE_ASSERT(intern({true}) == kTrue);
}

ValueId Values::intern(Value value) {
  const Hashed hashed = hash_of(value);
  const auto [number, is_new] = index_.insert(hashed.fingerprint);
  if (is_new) entries_.push_back({std::move(value), hashed.sequence, hashed.members});
  return {number};
}

std::optional<Fingerprint> Values::members(ValueId id) const {
  const Entry& entry = entries_[id.number];
  return std::holds_alternative<List>(entry.value.data) ? std::optional(entry.members) : std::nullopt;
}

Fingerprint Values::as_member(Fingerprint element) {
  return scramble(element, static_cast<std::uint64_t>(ValueKind::kMember));
}

ValueId DerivedValues::append(ValueId sequence_id, ValueId tail) {
  const bool text = is_text(sequence_id);
  QUORATE_ASSERT(text ? is_text(tail) : is_list(sequence_id));
  SequenceHash longer = sequence(sequence_id);
  if (text) {
    longer.append(sequence(tail));
  } else {
    longer.push(fingerprint(tail));
  }
  return find_or_add(sequence_fingerprint(text ? ValueKind::kText : ValueKind::kList, longer),
                     {longer, sequence_id, tail, kNone, text});
}

ValueId DerivedValues::intern(const Value& value) {
  const Hashed hashed = hash_of(value);
  const bool text = std::holds_alternative<std::string>(value.data);
  const std::size_t before = derived_.size();
  const ValueId id =
      find_or_add(hashed.fingerprint, {hashed.sequence, kNil, kNil, static_cast<std::uint32_t>(own_.size()), text});
  if (derived_.size() > before) own_.push_back(value);
  return id;
}

bool DerivedValues::may_grow_into(ValueId from, ValueId target) const {
  if (from == target) return true;
  if (!is_base(target)) return true;
  const std::uint64_t length = sequence(from).length();
  if (const auto* text = std::get_if<std::string>(&(*base_)[target].data)) {
    if (!is_text(from) || length > text->size()) return false;
    // What was appended last is what tells orders of appends apart.
    const ValueId last = is_base(from) || derived(from).own != kNone ? from : derived(from).tail;
    if (!is_base(last)) return true;
    const auto& end = std::get<std::string>((*base_)[last].data);
    return text->compare(length - end.size(), end.size(), end) == 0;
  }
  if (const auto* list = std::get_if<List>(&(*base_)[target].data)) {
    if (!is_list(from) || length > list->size()) return false;
    if (length == 0 || is_base(from) || derived(from).own != kNone) return true;
    return (*list)[length - 1] == value(derived(from).tail);
  }
  return false;
}

bool DerivedValues::is_text(ValueId id) const {
  return is_base(id) ? std::holds_alternative<std::string>((*base_)[id].data) : derived(id).is_text;
}

bool DerivedValues::is_list(ValueId id) const {
  if (is_base(id)) return std::holds_alternative<List>((*base_)[id].data);
  const Derived& found = derived(id);
  return !found.is_text && (found.own == kNone || std::holds_alternative<List>(own_[found.own].data));
}

Value DerivedValues::value(ValueId id) const {
  std::vector<ValueId> tails;
  while (!is_base(id) && derived(id).own == kNone) {
    tails.push_back(derived(id).tail);
    id = derived(id).prefix;
  }
  Value whole = is_base(id) ? (*base_)[id] : own_[derived(id).own];
  for (auto tail = tails.rbegin(); tail != tails.rend(); ++tail) {
    if (auto* text = std::get_if<std::string>(&whole.data)) {
      *text += std::get<std::string>(value(*tail).data);
    } else {
      std::get<List>(whole.data).push_back(value(*tail));
    }
  }
  return whole;
}

std::size_t DerivedValues::bytes() const { return derived_.capacity() * sizeof(Derived) + index_.bytes(); }

const SequenceHash& DerivedValues::sequence(ValueId id) const {
  return is_base(id) ? base_->entries_[id.number].sequence : derived(id).sequence;
}

Fingerprint DerivedValues::fingerprint(ValueId id) const {
  return is_base(id) ? base_->fingerprint(id) : index_[id.number - static_cast<std::uint32_t>(base_->size())];
}

ValueId DerivedValues::find_or_add(Fingerprint fingerprint, const Derived& derived) {
  if (const auto known = base_->index_.find(fingerprint)) return {*known};
  const auto [number, is_new] = index_.insert(fingerprint);
  if (is_new) derived_.push_back(derived);
  return {static_cast<std::uint32_t>(base_->size()) + number};
}

}  // namespace quorate::checker
