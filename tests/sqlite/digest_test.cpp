#include "statemachine/sqlite/digest.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace quorate::sqlite {
namespace {

PageHash hash_of(std::initializer_list<int> first_bytes) {
  std::vector<std::byte> page(512);
  std::size_t at = 0;
  for (int value : first_bytes) page[at++] = static_cast<std::byte>(value);
  return hash_page(page);
}

TEST(Digest, PagesOfZerosCountForNothing) {
  EXPECT_EQ(hash_of({}), PageHash{0});
  EXPECT_NE(hash_of({0, 1}), PageHash{0});
  StateDigest digest;
  digest.add(DatabaseId{1}, PageNumber{9}, PageHash{0});
  EXPECT_EQ(digest, StateDigest{});
}

TEST(Digest, IsIndependentOfTheOrderAndUndoesWhatItDid) {
  StateDigest one;
  one.add(DatabaseId{1}, PageNumber{1}, hash_of({1}));
  one.add(DatabaseId{1}, PageNumber{2}, hash_of({2}));
  StateDigest other;
  other.add(DatabaseId{1}, PageNumber{2}, hash_of({2}));
  other.add(DatabaseId{1}, PageNumber{3}, hash_of({3}));
  other.add(DatabaseId{1}, PageNumber{1}, hash_of({1}));
  other.remove(DatabaseId{1}, PageNumber{3}, hash_of({3}));
  EXPECT_EQ(one, other);
}

TEST(Digest, NoticesPagesThatSwappedPlaces) {
  const auto digest_of = [](DatabaseId database, int first, int second) {
    StateDigest digest;
    digest.add(database, PageNumber{1}, hash_of({first}));
    digest.add(database, PageNumber{2}, hash_of({second}));
    return digest;
  };
  EXPECT_NE(digest_of(DatabaseId{1}, 1, 2), digest_of(DatabaseId{1}, 2, 1));
  EXPECT_NE(digest_of(DatabaseId{1}, 1, 2), digest_of(DatabaseId{2}, 1, 2));
}

TEST(Digest, CoversTheShapeOfADatabase) {
  const DatabaseShape shape{DatabaseId{1}, "main", PageSize{}, PageCount{3}};
  StateDigest digest;
  digest.add(shape);
  for (DatabaseShape other : {DatabaseShape{DatabaseId{2}, "main", PageSize{}, PageCount{3}},
                              DatabaseShape{DatabaseId{1}, "mine", PageSize{}, PageCount{3}},
                              DatabaseShape{DatabaseId{1}, "main", *PageSize::of(512), PageCount{3}},
                              DatabaseShape{DatabaseId{1}, "main", PageSize{}, PageCount{4}}}) {
    StateDigest changed;
    changed.add(other);
    EXPECT_NE(changed, digest);
  }
}

}  // namespace
}  // namespace quorate::sqlite
