#include "statemachine/sqlite/outcomes.hpp"

#include <utility>

#include "consensus/assert.hpp"
#include "consensus/fingerprint.hpp"
#include "statemachine/sqlite/limits.hpp"

namespace quorate::sqlite {

std::uint64_t OutcomeTable::term_of(const std::string& key, const KeptOutcome& outcome) {
  std::uint64_t term = quorate::fingerprint(key);
  for (const std::uint64_t number :
       {outcome.fingerprint, outcome.index.value, std::uint64_t{outcome.position}, outcome.time.value}) {
    term = quorate::fingerprint(number, term);
  }
  return outcome.response ? quorate::fingerprint(outcome.response->bytes(), term) : term;
}

const KeptOutcome* OutcomeTable::find(std::string_view key) const {
  const auto found = outcomes_.find(key);
  return found == outcomes_.end() ? nullptr : &found->second;
}

void OutcomeTable::forget(Outcomes::iterator outcome) {
  digest_ -= term_of(outcome->first, outcome->second);
  by_place_.erase({outcome->second.index, outcome->second.position});
  outcomes_.erase(outcome);
}

void OutcomeTable::expire(LogTime now) {
  while (!by_place_.empty()) {
    const auto oldest = by_place_.begin()->second;
    if (now.value - oldest->second.time.value <= limits_.age_ms_max) return;
    forget(oldest);
  }
}

void OutcomeTable::record(std::string key, KeptOutcome outcome) {
  const auto [at, is_new] = outcomes_.try_emplace(std::move(key), std::move(outcome));
  if (!is_new) return;
  const bool is_placed = by_place_.emplace(Place{at->second.index, at->second.position}, at).second;
  QUORATE_ASSERT(is_placed);
  digest_ += term_of(at->first, at->second);
  while (outcomes_.size() > limits_.outcomes_max) forget(by_place_.begin()->second);
}

void OutcomeTable::save(ByteWriter& out) const {
  out.varint(outcomes_.size());
  for (const auto& [key, outcome] : outcomes_) {
    out.string(key);
    out.fixed(outcome.fingerprint);
    out.varint(outcome.index.value);
    out.varint(outcome.position);
    out.varint(outcome.time.value);
    out.varint(outcome.response ? outcome.response->size() + 1 : 0);
    if (outcome.response) out.raw(outcome.response->bytes());
  }
}

bool OutcomeTable::load(ByteReader& in) {
  outcomes_.clear();
  by_place_.clear();
  digest_ = 0;
  const std::uint64_t count = in.varint_at_most(in.left());
  for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
    std::string key(in.text(kKeyBytesMax));
    KeptOutcome outcome;
    outcome.fingerprint = in.fixed<std::uint64_t>();
    outcome.index = Index{in.varint()};
    outcome.position = static_cast<std::uint32_t>(in.varint_at_most(UINT32_MAX));
    outcome.time = LogTime{in.varint()};
    if (const std::uint64_t size = in.varint_at_most(kKeptResponseBytesMax + 1); size > 0) {
      outcome.response = Payload::copy_of(in.raw(size - 1));
    }
    if (in.failed() || outcomes_.contains(key) || by_place_.contains({outcome.index, outcome.position})) return false;
    record(std::move(key), std::move(outcome));
  }
  return !in.failed();
}

}  // namespace quorate::sqlite
