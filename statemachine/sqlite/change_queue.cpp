#include "statemachine/sqlite/change_queue.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/bytes.hpp"
#include "statemachine/sqlite/limits.hpp"

namespace quorate::sqlite {
namespace {

constexpr std::string_view kQueueMagic("Quorate changes\0", 16);
constexpr std::uint32_t kQueueFormat = 1;
constexpr PageNumber kQueueFirstPage{1};
constexpr std::size_t kQueueFirstPageBytes = 44;
constexpr std::uint32_t kQueueDataAt = 16;
constexpr std::size_t kRecordLengthBytes = 4;

tl::unexpected<Error> no_queue() {
  return fail(ErrorKind::kCorrupt, "the queue of the change feed is damaged; restore the database from a backup");
}

struct QueueFirstPage {
  PageNumber first_free;
  ChangePosition head;
  PageNumber tail;
};

struct QueueDataPage {
  PageNumber next;
  std::uint32_t used = 0;
  ChangeIndex next_index;
};

std::uint32_t as_u32(std::uint64_t number) {
  QUORATE_ASSERT(number <= UINT32_MAX);
  return static_cast<std::uint32_t>(number);
}

/// One database of a pinned version.
class QueueFile {
 public:
  QueueFile(const PageStore& store, const Pin& pin, DatabaseRecord record)
      : store_(store), pin_(pin), record_(std::move(record)) {}

  [[nodiscard]] const DatabaseRecord& record() const { return record_; }
  [[nodiscard]] std::uint32_t page_end() const { return as_u32(record_.page_size.bytes()); }

  Result<void> read(PageNumber page, std::size_t offset, std::span<std::byte> into) const {
    if (page.value == 0 || page.value > record_.page_count.value) return no_queue();
    return store_.read(pin_, record_.id, page, offset, into);
  }

  [[nodiscard]] Result<QueueFirstPage> first() const {
    std::array<std::byte, kQueueFirstPageBytes> bytes{};
    if (const Result<void> done = read(kQueueFirstPage, 0, bytes); !done) return tl::unexpected(done.error());
    ByteReader in(bytes);
    const std::span<const std::byte> magic = in.raw(kQueueMagic.size());
    if (std::memcmp(magic.data(), kQueueMagic.data(), kQueueMagic.size()) != 0) return no_queue();
    if (in.fixed<std::uint32_t>() != kQueueFormat)
      return fail(ErrorKind::kUnsupported, "a later release wrote the queue of the change feed; upgrade this node");
    QueueFirstPage first;
    first.first_free = PageNumber{in.fixed<std::uint32_t>()};
    first.head.page = PageNumber{in.fixed<std::uint32_t>()};
    first.head.offset = in.fixed<std::uint32_t>();
    first.head.index = ChangeIndex{in.fixed<std::uint64_t>()};
    first.tail = PageNumber{in.fixed<std::uint32_t>()};
    return first;
  }

  [[nodiscard]] Result<QueueDataPage> data(PageNumber page) const {
    std::array<std::byte, kQueueDataAt> bytes{};
    if (const Result<void> done = read(page, 0, bytes); !done) return tl::unexpected(done.error());
    ByteReader in(bytes);
    QueueDataPage data;
    data.next = PageNumber{in.fixed<std::uint32_t>()};
    data.used = in.fixed<std::uint32_t>();
    data.next_index = ChangeIndex{in.fixed<std::uint64_t>()};
    if (data.used < kQueueDataAt || data.used > page_end()) return no_queue();
    return data;
  }

 private:
  const PageStore& store_;
  const Pin& pin_;
  DatabaseRecord record_;
};

Result<std::optional<QueueFile>> open_queue(const PageStore& store, const Pin& pin) {
  std::optional<DatabaseRecord> record = store.find_database(pin, kChangesDatabase);
  // Through a pin that is not served any more nothing is found; that must not look like an empty queue.
  if (Result<void> valid = store.check(pin); !valid) return tl::unexpected(valid.error());
  if (!record) return std::nullopt;
  if (record->page_size != PageSize()) return no_queue();
  return QueueFile(store, pin, std::move(*record));
}

Result<ChangeQueueState> state_of(const QueueFile& file) {
  const Result<QueueFirstPage> first = file.first();
  if (!first) return tl::unexpected(first.error());
  ChangeQueueState state{.head = first->head, .next = first->head.index, .pages = file.record().page_count};
  if (first->tail == PageNumber{}) return state;
  const Result<QueueDataPage> tail = file.data(first->tail);
  if (!tail) return tl::unexpected(tail.error());
  state.next = tail->next_index;
  if (state.next < state.head.index) return no_queue();
  return state;
}

/// The stream of records, from a place on.
class QueueStream {
 public:
  QueueStream(const QueueFile& file, ChangePosition at) : file_(file), at_(at) {}

  [[nodiscard]] const ChangePosition& position() const { return at_; }

  Result<void> read(std::span<std::byte> into) {
    while (!into.empty()) {
      if (!data_) {
        const Result<QueueDataPage> data = file_.data(at_.page);
        if (!data) return tl::unexpected(data.error());
        data_ = *data;
      }
      if (at_.offset >= data_->used) {
        at_.page = data_->next;
        at_.offset = kQueueDataAt;
        data_.reset();
        continue;
      }
      const std::size_t count = std::min<std::size_t>(into.size(), data_->used - at_.offset);
      if (const Result<void> done = file_.read(at_.page, at_.offset, into.first(count)); !done) return done;
      at_.offset += as_u32(count);
      into = into.subspan(count);
    }
    return {};
  }

  Result<ChangeGroup> next(std::uint64_t bytes_max, std::size_t& bytes_read) {
    std::array<std::byte, kRecordLengthBytes> prefix{};
    if (const Result<void> done = read(prefix); !done) return tl::unexpected(done.error());
    const auto length = ByteReader(prefix).fixed<std::uint32_t>();
    if (length > bytes_max) return no_queue();
    std::vector<std::byte> bytes(length);
    if (const Result<void> done = read(bytes); !done) return tl::unexpected(done.error());
    Result<ChangeGroup> group = parse_change_group(bytes);
    if (!group) return group;
    if (group->index != at_.index) return no_queue();
    ++at_.index.value;
    bytes_read += length;
    return group;
  }

 private:
  const QueueFile& file_;
  ChangePosition at_;
  std::optional<QueueDataPage> data_;
};

PageImage first_page_image(const QueueFirstPage& first, PageSize size) {
  ByteWriter out;
  out.raw(std::as_bytes(std::span(kQueueMagic)));
  out.fixed(kQueueFormat);
  out.fixed(as_u32(first.first_free.value));
  out.fixed(as_u32(first.head.page.value));
  out.fixed(first.head.offset);
  out.fixed(first.head.index.value);
  out.fixed(as_u32(first.tail.value));
  QUORATE_ASSERT(out.size() == kQueueFirstPageBytes);
  out.buffer().resize(size.bytes());
  return PageImage::copy_of(out.bytes());
}

void put_data_head(std::span<std::byte> page, const QueueDataPage& data) {
  ByteWriter out;
  out.fixed(as_u32(data.next.value));
  out.fixed(data.used);
  out.fixed(data.next_index.value);
  std::ranges::copy(out.bytes(), page.begin());
}

}  // namespace

Result<ChangeQueueState> change_queue_state(const PageStore& store, const Pin& pin) {
  const Result<std::optional<QueueFile>> file = open_queue(store, pin);
  if (!file) return tl::unexpected(file.error());
  if (!*file) return ChangeQueueState{};
  return state_of(**file);
}

Result<ChangeBatch> read_changes(const PageStore& store, const Pin& pin, ChangePosition from,
                                 ChangeBatchLimits limits) {
  const Result<std::optional<QueueFile>> file = open_queue(store, pin);
  if (!file) return tl::unexpected(file.error());
  if (!*file) return ChangeBatch{.groups = {}, .after = {}};
  const Result<ChangeQueueState> state = state_of(**file);
  if (!state) return tl::unexpected(state.error());
  // A place before which everything has been dropped may be on a page that is used anew.
  QueueStream stream(**file, from.index <= state->head.index ? state->head : from);
  const std::uint64_t bytes_max = state->pages.value * (*file)->page_end();
  ChangeBatch batch;
  for (std::size_t bytes = 0; batch.groups.size() < limits.groups && bytes < limits.bytes;) {
    if (stream.position().index >= state->next) break;
    Result<ChangeGroup> group = stream.next(bytes_max, bytes);
    if (!group) return tl::unexpected(group.error());
    batch.groups.push_back(std::move(*group));
  }
  batch.after = stream.position();
  return batch;
}

// --- Appending ---

Result<ChangeAppender> ChangeAppender::open(const PageStore& store, const Pin& base) {
  ChangeAppender appender(store, base);
  const Result<std::optional<QueueFile>> file = open_queue(store, base);
  if (!file) return tl::unexpected(file.error());
  if (!*file) {
    appender.is_first_page_changed_ = true;
    return appender;
  }
  const Result<QueueFirstPage> first = (*file)->first();
  if (!first) return tl::unexpected(first.error());
  appender.record_ = (*file)->record();
  appender.head_ = first->head;
  appender.first_free_ = first->first_free;
  appender.tail_ = first->tail;
  appender.next_ = first->head.index;
  appender.pages_ = appender.record_->page_count;
  if (first->tail == PageNumber{}) return appender;
  if (Result<void> opened = appender.open_tail(first->tail); !opened) return tl::unexpected(opened.error());
  return appender;
}

Result<void> ChangeAppender::open_tail(PageNumber page) {
  const QueueFile file(*store_, *base_, *record_);
  const Result<QueueDataPage> data = file.data(page);
  if (!data) return tl::unexpected(data.error());
  tail_bytes_.resize(file.page_end());
  if (const Result<void> read = file.read(page, 0, tail_bytes_); !read) return read;
  tail_used_ = data->used;
  next_ = data->next_index;
  return {};
}

Result<PageNumber> ChangeAppender::free_page() {
  if (first_free_ != PageNumber{}) {
    const PageNumber page = first_free_;
    const Result<QueueDataPage> data = QueueFile(*store_, *base_, *record_).data(page);
    if (!data) return tl::unexpected(data.error());
    first_free_ = data->next;
    return page;
  }
  do ++pages_.value;
  while (PageNumber{pages_.value} == lock_byte_page(PageSize()));
  if (pages_.value > kPageNumberMax)
    return fail(ErrorKind::kDiskFull, "the change feed holds more than it can; see why nothing of it is delivered");
  return PageNumber{pages_.value};
}

void ChangeAppender::close_tail(PageNumber next) {
  put_data_head(tail_bytes_, {.next = next, .used = tail_used_, .next_index = next_});
  changed_.insert_or_assign(tail_, PageImage::copy_of(tail_bytes_));
}

Result<void> ChangeAppender::put(std::span<const std::byte> bytes) {
  const std::size_t page_end = PageSize().bytes();
  while (!bytes.empty()) {
    if (tail_ == PageNumber{} || tail_used_ == page_end) {
      const Result<PageNumber> page = free_page();
      if (!page) return tl::unexpected(page.error());
      if (tail_ != PageNumber{}) close_tail(*page);
      if (head_.page == PageNumber{}) head_ = {.page = *page, .offset = kQueueDataAt, .index = head_.index};
      tail_ = *page;
      tail_used_ = kQueueDataAt;
      tail_bytes_.assign(page_end, std::byte{0});
      is_first_page_changed_ = true;
    }
    const std::size_t count = std::min(bytes.size(), page_end - tail_used_);
    std::ranges::copy(bytes.first(count), tail_bytes_.begin() + tail_used_);
    tail_used_ += as_u32(count);
    bytes = bytes.subspan(count);
  }
  return {};
}

Result<void> ChangeAppender::append(std::span<const std::byte> group) {
  if (group.size() > UINT32_MAX) return fail(ErrorKind::kDiskFull, "the changes to one row are too large to be told");
  ByteWriter prefix;
  prefix.fixed(as_u32(group.size()));
  if (Result<void> done = put(prefix.bytes()); !done) return done;
  if (Result<void> done = put(group); !done) return done;
  ++next_.value;
  return {};
}

DatabaseWrite ChangeAppender::finish() {
  if (tail_ != PageNumber{}) close_tail(PageNumber{});
  if (is_first_page_changed_) {
    changed_.insert_or_assign(kQueueFirstPage,
                              first_page_image({.first_free = first_free_, .head = head_, .tail = tail_}, PageSize()));
  }
  return {.name = std::string(kChangesDatabase),
          .page_size = PageSize(),
          .page_count_after = pages_,
          .pages = std::move(changed_)};
}

// --- Dropping ---

Result<std::optional<DatabaseWrite>> drop_changes(const PageStore& store, const Pin& base,
                                                  const ChangePosition& until) {
  const Result<std::optional<QueueFile>> file = open_queue(store, base);
  if (!file) return tl::unexpected(file.error());
  if (!*file) return std::nullopt;
  const Result<QueueFirstPage> first = (*file)->first();
  if (!first) return tl::unexpected(first.error());
  const Result<ChangeQueueState> state = state_of(**file);
  if (!state) return tl::unexpected(state.error());
  if (until.index <= state->head.index) return std::nullopt;
  if (until.index > state->next) return fail(ErrorKind::kInvalidArgument, "the change feed has not come so far");

  const PageSize size = (*file)->record().page_size;
  DatabaseWrite write{.name = std::string(kChangesDatabase),
                      .page_size = size,
                      .page_count_after = (*file)->record().page_count,
                      .pages = {}};
  QueueFirstPage after = *first;
  if (until.index == state->next) {
    after = {.first_free = {}, .head = {.page = {}, .offset = 0, .index = state->next}, .tail = {}};
    write.page_count_after = PageCount{1};
  } else {
    after.head = until;
    PageNumber last;  // of those that become free
    QueueDataPage data;
    for (PageNumber page = first->head.page; page != until.page; page = data.next) {
      const Result<QueueDataPage> read = (*file)->data(page);
      if (!read) return tl::unexpected(read.error());
      last = page;
      data = *read;
    }
    if (last != PageNumber{}) {
      std::vector<std::byte> bytes(size.bytes());
      if (const Result<void> read = (*file)->read(last, 0, bytes); !read) return tl::unexpected(read.error());
      put_data_head(bytes, {.next = first->first_free, .used = data.used, .next_index = data.next_index});
      write.pages.emplace(last, PageImage::copy_of(bytes));
      after.first_free = first->head.page;
    }
  }
  write.pages.emplace(kQueueFirstPage, first_page_image(after, size));
  return write;
}

}  // namespace quorate::sqlite
