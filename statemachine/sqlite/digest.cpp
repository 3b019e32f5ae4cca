#include "statemachine/sqlite/digest.hpp"

#include <cstring>

#include <xxhash.h>

#include "consensus/random.hpp"

namespace quorate::sqlite {
namespace {

bool is_all_zero(std::span<const std::byte> bytes) {
  return bytes.empty() ||
         (bytes.front() == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

PageHash hash_page(std::span<const std::byte> bytes) {
  if (is_all_zero(bytes)) return PageHash{0};
  const std::uint64_t hash = XXH3_64bits(bytes.data(), bytes.size());
  return PageHash{hash == 0 ? 1 : hash};
}

std::uint64_t StateDigest::term(DatabaseId database, PageNumber page, PageHash hash) {
  if (hash == PageHash{0}) return 0;
  return mix_bits(hash.value ^ mix_bits(page.value ^ mix_bits(database.value)));
}

std::uint64_t StateDigest::term(const DatabaseShape& shape) {
  std::uint64_t sum = mix_bits(shape.id.value);
  sum = mix_bits(sum ^ shape.page_count.value);
  sum = mix_bits(sum ^ shape.page_size.bytes());
  return mix_bits(sum ^ XXH3_64bits(shape.name.data(), shape.name.size()));
}

}  // namespace quorate::sqlite
