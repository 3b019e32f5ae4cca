// Random lives of a page store against a plain model: every pin sees its picture, whatever happens around it, a replica
// that applies the deltas stays equal, and a crash comes back to the last fold plus the log.
#include <deque>
#include <optional>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/sqlite/store_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::Change;
using testing::Picture;
using testing::Store;

bool sees(const PageStore& store, const Pin& pin, const Picture& picture) {
  std::size_t databases = 0;
  for (const DatabaseRecord& record : store.databases(pin)) {
    ++databases;
    const auto pages = picture.find(record.name);
    if (pages == picture.end() || pages->second.size() != record.page_count.value) return false;
    for (std::uint64_t page = 1; page <= record.page_count.value; ++page) {
      const Result<StoredPage> stored = store.page(pin, record.id, PageNumber{page});
      if (!stored || !(stored->image == testing::image_of(pages->second[page - 1]))) return false;
    }
  }
  return databases == picture.size();
}

class Life {
 public:
  explicit Life(Random random) : random_(random) {
    options_.overlay_bytes_max = (2 + random_.below(40)) * testing::kTestPageBytes;
    store_.emplace(disk_, options_);
    (*store_)->begin_epoch(Epoch{++epoch_});
  }

  void step() {
    switch (random_.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: return seal();
      case 5:
      case 6:
      case 7:
      case 8: return commit();
      case 9: return drop();
      case 10:
      case 11: return pin();
      case 12:
        if (!pins_.empty()) pins_.erase(pins_.begin() + static_cast<std::ptrdiff_t>(random_.below(pins_.size())));
        return;
      case 13:
      case 14: return fold_step();
      default:
        if (random_.below(4) == 0) crash();
    }
  }

  void check() {
    PageStore& store = **store_;
    RC_ASSERT(sees(store, store.pin(PinKind::kApplied), applied_));
    RC_ASSERT(sees(store, store.pin(PinKind::kHead), head()));
    for (const auto& [pin, picture] : pins_) RC_ASSERT(sees(store, pin, picture));
    RC_ASSERT(sees(*replica_, replica_->pin(PinKind::kApplied), applied_));
    RC_ASSERT(replica_->digest() == store.digest());
  }

 private:
  struct Pending {
    SealedVersion sealed;
    Picture after;
  };
  struct Logged {
    std::vector<Payload> parts;
  };

  [[nodiscard]] const Picture& head() const { return pending_.empty() ? applied_ : pending_.back().after; }

  Change random_change(const std::string& name, const Picture& picture) {
    const auto known = picture.find(name);
    const std::uint64_t before = known == picture.end() ? 0 : known->second.size();
    Change change{name, before, {}};
    if (before == 0 || random_.below(3) == 0) change.page_count = 1 + random_.below(80);
    const std::uint64_t writes = 1 + random_.below(6);
    for (std::uint64_t i = 0; i < writes; ++i) {
      change.pages[1 + random_.below(change.page_count)] = random_.below(8) == 0 ? 0 : ++contents_;
    }
    return change;
  }

  std::vector<Change> change() {
    std::vector<Change> changes{random_change("main", head())};
    if (random_.below(4) == 0) changes.push_back(random_change("other", head()));
    return changes;
  }
  /// A step of a database that grows behind another one, takes its place, or comes to nothing.
  std::vector<Change> load() {
    Change hidden = random_change(".main", head());
    const auto staged = head().find(".main");
    if (staged == head().end()) return {hidden};
    const std::uint64_t what = random_.below(8);
    if (what == 0) return {{".main", staged->second.size(), {}, DatabaseFate::kDropped}};
    if (what > 2) return {hidden};
    hidden.fate = DatabaseFate::kAdopted;
    // What is dropped must be gone when its name is taken, in whichever order they are told.
    if (!head().contains("main")) return {hidden};
    return {{"main", head().at("main").size(), {}, DatabaseFate::kDropped}, hidden};
  }

  void seal() {
    std::vector<Change> changes = random_.below(3) == 0 ? load() : change();
    Picture after = head();
    for (const Change& change : changes) testing::change_picture(after, change);
    pending_.push_back({store_->seal(changes), std::move(after)});
  }
  void commit() {
    if (pending_.empty()) return;
    Pending oldest = std::move(pending_.front());
    pending_.pop_front();
    const LogId entry = store_->next_entry();
    (*store_)->commit(oldest.sealed.name, entry);
    const Result<void> applied = replica_->apply(entry, oldest.sealed.parts);
    RC_ASSERT(applied.has_value());
    log_.push_back({std::move(oldest.sealed.parts)});
    applied_ = std::move(oldest.after);
  }
  void drop() {
    (*store_)->drop_speculation();
    pending_.clear();
    (*store_)->begin_epoch(Epoch{++epoch_});
  }
  void pin() {
    if (pins_.size() < 5) pins_.emplace_back((*store_)->pin(PinKind::kApplied), applied_);
  }
  void fold_step() {
    if (!fold_) {
      Result<Fold> begun = Fold::begin(**store_, {});
      RC_ASSERT(begun.has_value());
      fold_.emplace(std::move(*begun));
    }
    const std::uint64_t steps = 1 + random_.below(8);
    for (std::uint64_t i = 0; i < steps; ++i) {
      const Result<Fold::Progress> progress = fold_->step();
      RC_ASSERT(progress.has_value());
      if (*progress == Fold::Progress::kDone) return fold_.reset();
    }
  }
  void crash() {
    fold_.reset();
    pins_.clear();
    pending_.clear();
    const LogId applied = (*store_)->applied();
    store_.reset();
    disk_.crash(static_cast<sim::CrashPolicy>(random_.below(4)));
    store_.emplace(disk_, options_);
    // The log has everything behind the fold.
    for (std::uint64_t index = (*store_)->applied().index.value + 1; index <= applied.index.value; ++index) {
      const Result<void> replayed = (*store_)->apply({Term{1}, Index{index}}, log_[index - 1].parts);
      RC_ASSERT(replayed.has_value());
    }
    (*store_)->begin_epoch(Epoch{++epoch_});
  }

  Random random_;
  PageStoreOptions options_;
  sim::SimFiles disk_{Random(random_.next())};
  sim::SimFiles replica_disk_{Random(random_.next())};
  std::optional<Store> store_;
  Store replica_{replica_disk_};
  std::vector<std::pair<Pin, Picture>> pins_;
  std::optional<Fold> fold_;
  std::deque<Pending> pending_;
  std::vector<Logged> log_;
  Picture applied_;
  std::uint64_t epoch_ = 0;
  std::uint64_t contents_ = 0;
};

RC_GTEST_PROP(PageStoreModel, EveryPinSeesItsPicture, ()) {
  Life life(Random(*rc::gen::arbitrary<std::uint64_t>()));
  const auto steps = *rc::gen::inRange(1, 150);
  for (int i = 0; i < steps; ++i) {
    life.step();
    if (i % 8 == 0) life.check();
  }
  life.check();
}

}  // namespace
}  // namespace quorate::sqlite
