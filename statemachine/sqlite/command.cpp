#include "statemachine/sqlite/command.hpp"

#include <utility>

#include "consensus/assert.hpp"

namespace quorate::sqlite {
namespace {

enum class Record : std::uint8_t { kEnd = 0, kDelta = 1, kOutcome = 2 };

BundleWriter::OutcomeRecord take_outcome(ByteReader& in) {
  BundleWriter::OutcomeRecord record;
  record.key = in.text(kKeyBytesMax);
  record.fingerprint = in.fixed<std::uint64_t>();
  record.position = static_cast<std::uint32_t>(in.varint_at_most(UINT32_MAX));
  if (const std::uint64_t size = in.varint_at_most(kKeptResponseBytesMax + 1); size > 0)
    record.response = in.raw(size - 1);
  if (record.key.empty()) in.fail();
  return record;
}

}  // namespace

BundleWriter::BundleWriter(BundleName name, std::size_t part_bytes) : name_(name), part_bytes_(part_bytes) {
  open_part();
}

void BundleWriter::open_part() {
  out_.fixed(kCommandFormat);
  out_.fixed(static_cast<std::uint8_t>(Kind::kMore));
  out_.varint(name_.epoch.value);
  out_.varint(name_.sequence);
  out_.varint(parts_.size());
}

void BundleWriter::close_part(Kind kind) {
  out_.fixed(static_cast<std::uint8_t>(Record::kEnd));
  out_.buffer()[1] = static_cast<std::byte>(kind);
  parts_.push_back(Payload::copy_of(out_.bytes()));
  out_.clear();
}

/// A part is closed once it has its fill, so that it exceeds it by one record at most.
void BundleWriter::make_room(std::size_t bytes) {
  if (out_.size() < part_bytes_ && out_.size() + bytes <= 2 * part_bytes_) return;
  close_part(Kind::kMore);
  open_part();
}

void BundleWriter::add_delta(const Payload& part) {
  make_room(part.size());
  out_.fixed(static_cast<std::uint8_t>(Record::kDelta));
  out_.string(part.bytes());
}

void BundleWriter::add_outcome(const OutcomeRecord& record) {
  QUORATE_ASSERT(!record.key.empty());
  QUORATE_ASSERT(record.key.size() <= kKeyBytesMax);
  QUORATE_ASSERT(!record.response || record.response->size() <= kKeptResponseBytesMax);
  make_room(record.response ? record.response->size() : 0);
  out_.fixed(static_cast<std::uint8_t>(Record::kOutcome));
  out_.string(record.key);
  out_.fixed(record.fingerprint);
  out_.varint(record.position);
  out_.varint(record.response ? record.response->size() + 1 : 0);
  if (record.response) out_.raw(*record.response);
}

std::vector<Payload> BundleWriter::finish() {
  close_part(Kind::kLast);
  return std::move(parts_);
}

Result<BundlePart> parse_bundle_part(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  if (in.fixed<std::uint8_t>() > kCommandFormat) {
    return fail(ErrorKind::kUnsupported,
                "a later release wrote this entry of the SQLite application; upgrade this node");
  }
  BundlePart part;
  const auto kind = in.fixed<std::uint8_t>();
  if (kind > 1) in.fail();
  part.is_last = kind == 1;
  part.name = {Epoch{in.varint()}, in.varint()};
  part.number = in.varint_at_most(kBundlePartsMax);
  for (bool is_open = true; is_open && !in.failed();) {
    switch (static_cast<Record>(in.fixed<std::uint8_t>())) {
      case Record::kEnd: is_open = false; break;
      case Record::kDelta: part.deltas.push_back(in.string(in.left())); break;
      case Record::kOutcome: part.outcomes.push_back(take_outcome(in)); break;
      default: in.fail();
    }
  }
  if (!in.finished() || bytes[0] == std::byte{0}) {
    return fail(ErrorKind::kCorrupt, "an entry is not one of the SQLite application");
  }
  return part;
}

}  // namespace quorate::sqlite
