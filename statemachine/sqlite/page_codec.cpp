#include "statemachine/sqlite/page_codec.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <zstd.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/btree_page.hpp"

namespace quorate::sqlite {
namespace {

constexpr int kCompressionLevel = 1;
/// Equal bytes between two changes that are cheaper to repeat than to skip: a change costs two bytes or more.
constexpr std::size_t kGapBytesMin = 4;
/// Moved bytes that are cheaper to name than to repeat.
constexpr std::size_t kMoveBytesMin = 8;
/// How far cell pointers are looked for, in both directions: what a shift of one byte can say.
constexpr std::ptrdiff_t kShiftMax = 126;
/// With every cell that was inserted or deleted, pointers are this much further from where they were.
constexpr std::array<std::ptrdiff_t, 4> kShiftSteps{-2, 2, -4, 4};
/// Searches over all shifts in one page; beyond it, so little is where it was that compression does better.
constexpr int kSearchesMax = 16;
/// A page that lost so many cells may have given them to another one.
constexpr std::size_t kCellsLostMin = 8;

template <class Word>
Word load(std::span<const std::byte> page, std::size_t at) {
  Word word;
  std::memcpy(&word, page.data() + at, sizeof(word));
  return word;
}

/// Bytes of `current` from `at` on that equal those of `previous` from `from` on.
std::size_t match_length(std::span<const std::byte> previous, std::span<const std::byte> current, std::size_t at,
                         std::size_t from) {
  constexpr std::size_t kStride = sizeof(std::uint64_t);
  const std::size_t most = current.size() - std::max(at, from);
  std::size_t length = 0;
  while (length + kStride <= most &&
         load<std::uint64_t>(current, at + length) == load<std::uint64_t>(previous, from + length)) {
    length += kStride;
  }
  while (length < most && current[at + length] == previous[from + length]) ++length;
  return length;
}

/// The first position from `at` on where the pages differ, or their size.
std::size_t next_difference(std::span<const std::byte> previous, std::span<const std::byte> current, std::size_t at) {
  return at + match_length(previous, current, at, at);
}

/// From here on the pages are equal for long enough to end a change.
bool is_gap(std::span<const std::byte> previous, std::span<const std::byte> current, std::size_t at) {
  static_assert(kGapBytesMin == sizeof(std::uint32_t));
  if (at + kGapBytesMin > current.size()) return match_length(previous, current, at, at) == current.size() - at;
  return load<std::uint32_t>(previous, at) == load<std::uint32_t>(current, at);
}

struct Move {
  std::size_t length = 0;
  std::ptrdiff_t shift = 0;
};

/// Finds cell pointers that moved because cells before them were inserted or deleted.
class MoveFinder {
 public:
  MoveFinder(std::span<const std::byte> previous, std::span<const std::byte> current)
      : previous_(previous),
        current_(current),
        previous_end_(cell_pointers(previous).end),
        current_end_(cell_pointers(current).end) {}

  /// Pointers begin at even positions, as pages' headers have an even size.
  Move find(std::size_t at) {
    if (at % kCellPointerBytes != 0 || at + kMoveBytesMin > current_end_) return {};
    if (Move move = with_shift(at, shift_); move.length > 0) return move;
    for (const std::ptrdiff_t step : kShiftSteps) {
      if (Move move = with_shift(at, shift_ + step); move.length > 0) return move;
    }
    // A pointer that is new itself is followed by one that has moved by a step.
    const bool is_second_miss = std::exchange(missed_at_, at) + kCellPointerBytes == at;
    if (!is_second_miss || searches_ == kSearchesMax) return {};
    ++searches_;
    for (std::ptrdiff_t distance = 2; distance <= kShiftMax; distance += 2) {
      if (Move move = with_shift(at, -distance); move.length > 0) return move;
      if (Move move = with_shift(at, distance); move.length > 0) return move;
    }
    return {};
  }

 private:
  Move with_shift(std::size_t at, std::ptrdiff_t shift) {
    static_assert(kMoveBytesMin == sizeof(std::uint64_t));
    const auto from = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(at) + shift);  // huge if it is negative
    if (shift == 0 || std::abs(shift) > kShiftMax || from >= previous_end_ || from + kMoveBytesMin > previous_end_)
      return {};
    if (load<std::uint64_t>(current_, at) != load<std::uint64_t>(previous_, from)) return {};
    shift_ = shift;
    return {match_length(previous_, current_, at, from), shift};
  }

  std::span<const std::byte> previous_;
  std::span<const std::byte> current_;
  std::size_t previous_end_;
  std::size_t current_end_;
  std::ptrdiff_t shift_ = 0;  ///< of the last move
  std::size_t missed_at_ = 0;
  int searches_ = 0;
};

// What a change is, in the lowest bit of its length.
constexpr std::uint64_t kLiteral = 0;
constexpr std::uint64_t kMoved = 1;

/// Changes up to this size are used as they are.
std::size_t cheap_max(std::size_t page_size) { return std::min(kChangesBytesCheap, page_size / 4); }

enum class Changes : std::uint8_t { kAll, kTooMany };

/// Gives up when they come to more than so many bytes: compression finds what has stayed the same, too.
Changes write_changes(std::span<const std::byte> previous, std::span<const std::byte> current, std::size_t most,
                      ByteWriter& out) {
  MoveFinder moves(previous, current);
  std::size_t done = 0;
  const auto begin_change = [&](std::size_t at, std::size_t length, std::uint64_t kind) {
    out.varint(at - done);
    out.varint(length << 1 | kind);
    done = at + length;
  };
  for (std::size_t at = next_difference(previous, current, 0); at < current.size();
       at = next_difference(previous, current, done)) {
    if (out.size() > most) return Changes::kTooMany;
    Move move;
    std::size_t end = at;
    const std::size_t end_max = std::min(current.size(), at + current.size() / 2 + 1);
    for (; end < end_max && !is_gap(previous, current, end); ++end) {
      move = moves.find(end);
      if (move.length > 0) break;
    }
    if (end > at) {
      begin_change(at, end - at, kLiteral);
      out.raw(current.subspan(at, end - at));
    }
    if (move.length > 0) {
      begin_change(end, move.length, kMoved);
      out.fixed(static_cast<std::uint8_t>(move.shift));
    }
  }
  return out.size() > most ? Changes::kTooMany : Changes::kAll;
}

/// Whether `body` was a sequence of changes within the page.
bool apply_changes(std::span<const std::byte> body, std::span<const std::byte> previous, std::span<std::byte> page) {
  ByteReader reader(body);
  std::size_t at = 0;
  while (reader.left() > 0) {
    at += static_cast<std::size_t>(reader.varint_at_most(page.size() - at));
    const std::uint64_t tag = reader.varint_at_most((page.size() - at) << 1 | 1);
    const auto length = static_cast<std::size_t>(tag >> 1);
    if ((tag & 1) == kLiteral) {
      const std::span<const std::byte> bytes = reader.raw(length);
      if (!bytes.empty()) std::memcpy(page.data() + at, bytes.data(), bytes.size());
    } else {
      const auto shift = static_cast<std::int8_t>(reader.fixed<std::uint8_t>());
      const std::ptrdiff_t from = static_cast<std::ptrdiff_t>(at) + shift;
      if (from < 0 || static_cast<std::size_t>(from) + length > previous.size()) return false;
      std::memcpy(page.data() + at, previous.data() + from, length);
    }
    if (reader.failed()) return false;
    at += length;
  }
  return true;
}

}  // namespace

struct PageCodec::Zstd {
  Zstd() : compressor(ZSTD_createCCtx()), decompressor(ZSTD_createDCtx()) {
    QUORATE_ASSERT(compressor != nullptr);
    QUORATE_ASSERT(decompressor != nullptr);
    ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, kCompressionLevel);
    // The receiver knows the size of a page, and the page's hash stands in the delta.
    ZSTD_CCtx_setParameter(compressor, ZSTD_c_contentSizeFlag, 0);
  }
  ~Zstd() {
    ZSTD_freeCCtx(compressor);
    ZSTD_freeDCtx(decompressor);
  }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  ZSTD_CCtx* compressor;
  ZSTD_DCtx* decompressor;
};

PageCodec::PageCodec() : zstd_(std::make_unique<Zstd>()) {}
PageCodec::~PageCodec() = default;
PageCodec::PageCodec(PageCodec&&) noexcept = default;
PageCodec& PageCodec::operator=(PageCodec&&) noexcept = default;

PageCodec::Draft PageCodec::draft(std::span<const std::byte> previous, std::span<const std::byte> current) {
  QUORATE_ASSERT(previous.size() == current.size());
  const std::optional<PageSize> size = PageSize::of(current.size());
  QUORATE_ASSERT(size.has_value());
  if (std::memcmp(current.data(), zero_page(*size).data(), current.size()) == 0) return {Draft::Kind::kZero};
  changes_.clear();
  if (write_changes(previous, current, cheap_max(current.size()), changes_) == Changes::kTooMany)
    return {Draft::Kind::kCostly};
  const Draft cheap{Draft::Kind::kCheap, cheap_.size(), changes_.size()};
  cheap_.raw(changes_.bytes());
  return cheap;
}

PageCodec::Encoded PageCodec::encode(std::span<const std::byte> previous, std::span<const std::byte> current) {
  Encoded encoded{};
  const ChangedPage alone{.page = {}, .before = {}, .previous = previous, .current = current};
  encode(std::span(&alone, 1), [&encoded](const ChangedPage&, const Encoded& result) { encoded = result; });
  return encoded;
}

void PageCodec::encode(std::span<const ChangedPage> pages, const Take& take) {
  drafts_.clear();
  cheap_.clear();
  for (const ChangedPage& page : pages) drafts_.push_back(draft(page.previous, page.current));

  const auto is_costly = [](const Draft& draft) { return draft.kind == Draft::Kind::kCostly; };
  origins_.clear();
  if (std::ranges::any_of(drafts_, is_costly)) {
    for (std::uint32_t i = 0; i < pages.size(); ++i) {
      const std::size_t left = cell_pointers(pages[i].current).count();
      if (is_costly(drafts_[i]) || cell_pointers(pages[i].previous).count() >= left + kCellsLostMin) {
        origins_.add(i, pages[i].previous);
      }
    }
  }
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const Draft& draft = drafts_[i];
    if (is_costly(draft)) {
      const std::optional<std::uint32_t> origin = origins_.find(pages[i].current);
      take(pages[i], origin && *origin != i ? encode_with(pages[*origin], pages[i].current)
                                            : encode_costly(pages[i].previous, pages[i].current));
    } else if (draft.kind == Draft::Kind::kCheap) {
      take(pages[i], {PageEncoding::kChanges, cheap_.bytes().subspan(draft.begin, draft.size)});
    } else {
      take(pages[i], {PageEncoding::kZero, {}});
    }
  }
}

PageCodec::Encoded PageCodec::encode_costly(std::span<const std::byte> previous, std::span<const std::byte> current) {
  changes_.clear();
  const Changes changes = write_changes(previous, current, current.size() / 2, changes_);
  const std::size_t changes_size = changes == Changes::kAll ? changes_.size() : current.size();
  compressed_.clear();
  const std::size_t size = compress(previous, current);
  if (size < std::min(changes_size, current.size())) return {PageEncoding::kZstd, compressed_};
  if (changes_size < current.size()) return {PageEncoding::kChanges, changes_.bytes()};
  return {PageEncoding::kFull, current};
}

PageCodec::Encoded PageCodec::encode_with(const ChangedPage& origin, std::span<const std::byte> current) {
  changes_.clear();
  changes_.varint(origin.page.value);
  const std::vector<std::byte> name = changes_.buffer();
  if (write_changes(origin.previous, current, cheap_max(current.size()), changes_) == Changes::kAll)
    return {PageEncoding::kChangesOfAnother, changes_.bytes()};
  compressed_ = name;
  const std::size_t size = compress(origin.previous, current);
  if (size < current.size()) return {PageEncoding::kZstdOfAnother, compressed_};
  return {PageEncoding::kFull, current};
}

/// Appends the frame to what is in `compressed_`; the size of both.
std::size_t PageCodec::compress(std::span<const std::byte> prefix, std::span<const std::byte> page) {
  const std::size_t before = compressed_.size();
  compressed_.resize(before + ZSTD_compressBound(page.size()));
  ZSTD_CCtx_refPrefix(zstd_->compressor, prefix.data(), prefix.size());
  const std::size_t size = ZSTD_compress2(zstd_->compressor, compressed_.data() + before, compressed_.size() - before,
                                          page.data(), page.size());
  QUORATE_ASSERT(ZSTD_isError(size) == 0);
  compressed_.resize(before + size);
  return compressed_.size();
}

Result<PageImage> PageCodec::decode(PageEncoding encoding, std::span<const std::byte> body,
                                    std::span<const std::byte> previous, const OtherPages& others) {
  const PageSize size = *PageSize::of(previous.size());
  PageImage other;
  if (encoding == PageEncoding::kChangesOfAnother || encoding == PageEncoding::kZstdOfAnother) {
    ByteReader reader(body);
    const PageNumber page{reader.varint_at_most(kPageNumberMax)};
    if (page == PageNumber{} || !others) {
      return fail(ErrorKind::kCorrupt,
                  "the encoding of a page refers to a page that there is not; the entry is damaged");
    }
    Result<PageImage> found = others(page);
    if (!found) return found;
    other = std::move(*found);
    previous = bytes_of(other, size);
    body = reader.raw(reader.left());
  }
  bool is_valid = false;
  const auto fill = [&](std::span<std::byte> page) {
    switch (encoding) {
      case PageEncoding::kZero: break;
      case PageEncoding::kFull:
        is_valid = body.size() == page.size();
        if (is_valid) std::memcpy(page.data(), body.data(), page.size());
        break;
      case PageEncoding::kChanges:
      case PageEncoding::kChangesOfAnother:
        std::memcpy(page.data(), previous.data(), page.size());
        is_valid = apply_changes(body, previous, page);
        break;
      case PageEncoding::kZstd:
      case PageEncoding::kZstdOfAnother: {
        ZSTD_DCtx_reset(zstd_->decompressor, ZSTD_reset_session_only);
        ZSTD_DCtx_refPrefix(zstd_->decompressor, previous.data(), previous.size());
        is_valid =
            ZSTD_decompressDCtx(zstd_->decompressor, page.data(), page.size(), body.data(), body.size()) == page.size();
        break;
      }
    }
  };
  if (encoding == PageEncoding::kZero) {
    if (body.empty()) return PageImage{};
    return fail(ErrorKind::kCorrupt, "a page that is encoded as zeros has a body; the sender is broken");
  }
  PageImage image = PageImage::build(previous.size(), fill);
  if (!is_valid) return fail(ErrorKind::kCorrupt, "the encoding of a page is malformed; the entry is damaged");
  return image;
}

}  // namespace quorate::sqlite
