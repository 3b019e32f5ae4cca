// The parts of a bundle (command.hpp) that have been applied while the last one is still to come. Replicated state like
// any other: part of digests, checkpoints and snapshots. Its parts share their bytes with the log.
//
// Threads: used on the strand.
#pragma once

#include <cstdint>
#include <vector>

#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "statemachine/sqlite/bytes.hpp"
#include "statemachine/sqlite/command.hpp"

namespace quorate::sqlite {

class PartBuffer {
 public:
  /// The next part of the log. Parts of another bundle than this one's are given up: their leader is gone, and no rest
  /// of them will ever come. kCorrupt if a part is missing before it.
  Result<void> add(Term term, const BundlePart& part, Payload bytes);
  /// A new leader has begun: nothing that is here will be completed.
  void clear();
  /// The complete bundle; nothing is left.
  [[nodiscard]] std::vector<Payload> take();

  [[nodiscard]] bool empty() const { return parts_.empty(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t digest() const { return digest_; }
  void save(ByteWriter& out) const;
  /// False if nothing can have been saved like that; unspecified then.
  [[nodiscard]] bool load(ByteReader& in);

 private:
  Term term_;
  BundleName name_;
  std::vector<Payload> parts_;
  std::size_t bytes_ = 0;
  std::uint64_t digest_ = 0;
};

}  // namespace quorate::sqlite
