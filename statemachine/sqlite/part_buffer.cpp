#include "statemachine/sqlite/part_buffer.hpp"

#include <utility>

#include "consensus/fingerprint.hpp"
#include "statemachine/sqlite/limits.hpp"

namespace quorate::sqlite {

Result<void> PartBuffer::add(Term term, const BundlePart& part, Payload bytes) {
  if (term != term_ || part.name != name_) {
    clear();
    term_ = term;
    name_ = part.name;
  }
  if (part.number != parts_.size()) {
    return fail(ErrorKind::kCorrupt, "a part of a large transaction is missing in the log");
  }
  digest_ = fingerprint(bytes.bytes(), fingerprint(term.value, digest_));
  bytes_ += bytes.size();
  parts_.push_back(std::move(bytes));
  return {};
}

void PartBuffer::clear() {
  term_ = {};
  name_ = {};
  parts_.clear();
  bytes_ = 0;
  digest_ = 0;
}

std::vector<Payload> PartBuffer::take() {
  std::vector<Payload> parts = std::move(parts_);
  clear();
  return parts;
}

void PartBuffer::save(ByteWriter& out) const {
  out.varint(term_.value);
  out.varint(parts_.size());
  for (const Payload& part : parts_) out.string(part.bytes());
}

bool PartBuffer::load(ByteReader& in) {
  clear();
  const Term term{in.varint()};
  const std::uint64_t count = in.varint_at_most(kBundlePartsMax);
  for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
    const Payload bytes = Payload::copy_of(in.string(in.left()));
    const Result<BundlePart> part = parse_bundle_part(bytes.bytes());
    if (!part || part->is_last || (i > 0 && part->name != name_) || !add(term, *part, bytes)) return false;
  }
  return !in.failed();
}

}  // namespace quorate::sqlite
