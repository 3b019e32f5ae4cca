#include "consensus/bootstrap.hpp"

#include "consensus/assert.hpp"
#include "consensus/configuration_codec.hpp"

namespace quorate {

PersistBatch bootstrap_batch(const Configuration& founders) {
  QUORATE_ASSERT(validate(founders).has_value());
  QUORATE_ASSERT(!founders.is_joint());
  PersistBatch batch;
  batch.hard_state = HardState{Term{1}, kNoNode, Index{0}};
  batch.entries.push_back({Term{1}, Index{1}, EntryKind::kConfiguration, LogTime{0}, encode(founders)});
  return batch;
}

}  // namespace quorate
