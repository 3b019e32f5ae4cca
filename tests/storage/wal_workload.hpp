// A model of the log, and random batches that a core could hand to it. Include gtest first.
#pragma once

#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/effect.hpp"
#include "consensus/random.hpp"
#include "consensus/storage/wal.hpp"
#include "sim/disk.hpp"

namespace quorate {

inline void PrintTo(const LogId& id, std::ostream* out) {
  *out << '(' << id.term.value << ", " << id.index.value << ')';
}
inline void PrintTo(const Entry& entry, std::ostream* out) {
  PrintTo(entry.id(), out);
  *out << ':' << (entry.payload.is_absent() ? "absent" : std::to_string(entry.payload.size()) + " bytes");
}
inline void PrintTo(const HardState& state, std::ostream* out) {
  *out << "term " << state.term.value << " vote " << state.voted_for.value << " commit " << state.commit.value;
}

}  // namespace quorate

namespace quorate::testing {

/// What a log must hold: the batches, carried out on plain values.
struct LogModel {
  HardState hard_state;
  LogId base;
  std::vector<Entry> entries;

  [[nodiscard]] LogId last() const { return entries.empty() ? base : entries.back().id(); }
  [[nodiscard]] Index first_index() const { return base.index + 1; }

  void apply(const PersistBatch& batch) {
    if (batch.reset_to) {
      base = *batch.reset_to;
      entries.clear();
    }
    if (batch.truncate_after && *batch.truncate_after < last().index)
      entries.resize(*batch.truncate_after - base.index);
    if (batch.hard_state) hard_state = *batch.hard_state;
    entries.insert(entries.end(), batch.entries.begin(), batch.entries.end());
    for (const Entry& repair : batch.repairs) entries.at(repair.index - first_index()).payload = repair.payload;
  }
  void compact(LogId through) {
    entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(through.index - base.index));
    base = through;
    hard_state.commit = std::max(hard_state.commit, base.index);  // covered by a snapshot, therefore committed
  }

  friend bool operator==(const LogModel&, const LogModel&) = default;
};

inline LogModel model_of(const Recovered& recovered) {
  return {recovered.hard_state, recovered.base, recovered.entries};
}

inline void PrintTo(const LogModel& model, std::ostream* out) {
  PrintTo(model.hard_state, out);
  *out << " base ";
  PrintTo(model.base, out);
  for (const Entry& entry : model.entries) {
    *out << ' ';
    PrintTo(entry, out);
  }
}

inline Entry make_entry(LogId id, std::size_t size, Random& random) {
  const Payload body = Payload::build(size, [&](std::span<std::byte> out) {
    for (std::byte& byte : out) byte = static_cast<std::byte>(random.next());
  });
  const auto kind = random.below(5) == 0 ? EntryKind::kNoop : EntryKind::kCommand;
  return {id.term, id.index, kind, LogTime{id.index.value * 10}, body};
}

/// A batch that may follow `model`, as Raft would have it: terms grow, nothing committed is truncated.
inline PersistBatch random_batch(const LogModel& model, Random& random) {
  PersistBatch batch;
  HardState hard_state = model.hard_state;
  LogId last = model.last();
  if (random.below(40) == 0) {
    last = {hard_state.term, last.index + 1 + random.below(5)};
    batch.reset_to = last;
    hard_state.commit = last.index;
    batch.hard_state = hard_state;
  } else if (random.below(6) == 0 && hard_state.commit < last.index) {
    hard_state.term = hard_state.term + 1;
    const Index after{random.between(hard_state.commit.value, last.index.value - 1)};
    batch.truncate_after = after;
    batch.hard_state = hard_state;
    last = after == model.base.index ? model.base : model.entries[after - model.first_index()].id();
  }
  if (random.below(3) == 0) {
    hard_state.term = hard_state.term + random.below(2);
    hard_state.voted_for = NodeId{random.below(4)};
    hard_state.commit = Index{random.between(hard_state.commit.value, last.index.value)};
    batch.hard_state = hard_state;
  }
  for (std::uint64_t count = random.below(5); count > 0 && hard_state.term > Term{}; --count) {
    last = {hard_state.term, last.index + 1};
    batch.entries.push_back(make_entry(last, random.below(10) == 0 ? random.below(3000) : random.below(100), random));
  }
  return batch;
}

/// What a crash may leave of what was not durable.
inline constexpr sim::CrashPolicy kCrashPolicies[] = {sim::CrashPolicy::kKeepAll, sim::CrashPolicy::kDropAll,
                                                      sim::CrashPolicy::kTear, sim::CrashPolicy::kReorder};

inline Entry entry(std::uint64_t term, std::uint64_t index, std::string_view body = "body",
                   EntryKind kind = EntryKind::kCommand) {
  return {Term{term}, Index{index}, kind, LogTime{index * 10}, Payload::copy_of(body)};
}

inline storage::WalOptions small_wal() {
  return {.cluster = ClusterId{0xc1},
          .node = NodeId{1},
          .entropy = 42,
          .segment_bytes = 16384,
          .reserve_bytes = 4096,
          .block_bytes = 512};
}

using SimWal = storage::Wal<sim::SimFiles>;

}  // namespace quorate::testing
