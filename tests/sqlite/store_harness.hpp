// What the tests of the page store share: a store on a simulated disk, transactions made of page writes, and the plain
// picture of a state to compare with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sim/disk.hpp"
#include "statemachine/sqlite/fold.hpp"
#include "statemachine/sqlite/page_store.hpp"

namespace quorate::sqlite::testing {

inline constexpr std::size_t kTestPageBytes = 512;

/// A state as a map: database name -> pages, each as one number that stands for its content (0: zeros).
using Picture = std::map<std::string, std::vector<std::uint64_t>>;

/// A page whose content is told by one number.
inline PageImage image_of(std::uint64_t content) {
  if (content == 0) return PageImage{};
  return PageImage::build(kTestPageBytes, [&](std::span<std::byte> page) {
    Random random(content);
    for (std::byte& byte : page) byte = static_cast<std::byte>(random.next());
    // Most of a page stays as it is from one version to the next.
    std::ranges::fill(page.subspan(64), static_cast<std::byte>(content >> 4));
    page[0] = std::byte{1};
  });
}

/// New contents of pages of one database, and its new size.
struct Change {
  std::string database = "main";
  std::uint64_t page_count = 0;
  std::map<std::uint64_t, std::uint64_t> pages;
  DatabaseFate fate = DatabaseFate::kStays;
};

inline DatabaseWrite write_of(const Change& change) {
  DatabaseWrite write{.name = change.database,
                      .page_size = *PageSize::of(kTestPageBytes),
                      .page_count_after = PageCount{change.page_count},
                      .pages = {},
                      .fate = change.fate};
  for (const auto& [page, content] : change.pages) write.pages[PageNumber{page}] = image_of(content);
  return write;
}

inline void change_picture(Picture& picture, const Change& change) {
  if (change.fate == DatabaseFate::kDropped) {
    picture.erase(change.database);
    return;
  }
  std::vector<std::uint64_t>& pages = picture[change.database];
  pages.resize(change.page_count);
  for (const auto& [page, content] : change.pages) {
    if (page <= change.page_count) pages[page - 1] = content;
  }
  if (change.fate == DatabaseFate::kAdopted) {
    picture[name_behind(change.database)] = std::move(pages);
    picture.erase(change.database);
  }
}

/// What a pin sees, page by page, must be the picture.
inline void expect_picture(const PageStore& store, const Pin& pin, const Picture& picture) {
  std::map<std::string, DatabaseRecord> found;
  for (DatabaseRecord& record : store.databases(pin)) found.emplace(record.name, record);
  ASSERT_EQ(found.size(), picture.size());
  for (const auto& [name, pages] : picture) {
    ASSERT_TRUE(found.contains(name));
    ASSERT_EQ(found.at(name).page_count.value, pages.size());
    for (std::uint64_t page = 1; page <= pages.size(); ++page) {
      const Result<StoredPage> stored = store.page(pin, found.at(name).id, PageNumber{page});
      ASSERT_TRUE(stored.has_value()) << stored.error().message;
      ASSERT_TRUE(stored->image == image_of(pages[page - 1]))
          << "page " << page << " of " << name << " is not content " << pages[page - 1];
    }
  }
}

/// A store on a disk that survives it.
class Store {
 public:
  explicit Store(sim::SimFiles& disk, PageStoreOptions options = {}) : disk_(disk), options_(std::move(options)) {
    reopen();
  }

  void reopen() {
    store_.reset();
    Result<std::unique_ptr<PageStore>> opened = PageStore::open(storage::AnyFileSystem(disk_), options_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    store_ = std::move(*opened);
  }
  PageStore& operator*() { return *store_; }
  PageStore* operator->() { return store_.get(); }

  SealedVersion seal(const std::vector<Change>& changes) {
    const Pin head = store_->pin(PinKind::kHead);
    std::vector<DatabaseWrite> writes;
    for (const Change& change : changes) writes.push_back(write_of(change));
    Result<SealedVersion> sealed = store_->seal(head, std::move(writes), codec_);
    EXPECT_TRUE(sealed.has_value()) << sealed.error().message;
    return std::move(*sealed);
  }
  /// Seals and commits.
  SealedVersion execute(const std::vector<Change>& changes) {
    SealedVersion sealed = seal(changes);
    store_->commit(sealed.name, next_entry());
    return sealed;
  }
  void fold() {
    Result<Fold> fold = Fold::begin(*store_, {});
    ASSERT_TRUE(fold.has_value()) << fold.error().message;
    const Result<void> done = fold->run();
    ASSERT_TRUE(done.has_value()) << done.error().message;
  }
  [[nodiscard]] LogId next_entry() const { return {Term{1}, store_->applied().index + 1}; }

 private:
  sim::SimFiles& disk_;
  PageStoreOptions options_;
  PageCodec codec_;
  std::unique_ptr<PageStore> store_;
};

}  // namespace quorate::sqlite::testing
