#include "statemachine/sqlite/page_codec.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <zstd.h>

#include "consensus/assert.hpp"

namespace quorate::sqlite {
namespace {

constexpr int kCompressionLevel = 1;
/// Equal bytes between two changes that are cheaper to repeat than to skip: a change costs two bytes or more.
constexpr std::size_t kGapBytesMin = 4;
/// Moved bytes that are cheaper to name than to repeat.
constexpr std::size_t kMoveBytesMin = 8;
/// How far cell pointers are looked for, in both directions: what a shift of one byte can say.
constexpr std::ptrdiff_t kShiftMax = 126;
/// Searches over all shifts in one page; beyond it, so little is where it was that compression does better.
constexpr int kSearchesMax = 64;
constexpr std::size_t kCellPointerBytes = 2;

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

/// Where the array of cell pointers ends that a b-tree page begins with; 0 if this is none.
std::size_t pointers_end(std::span<const std::byte> page) {
  std::size_t header = 0;
  switch (std::to_integer<int>(page[0])) {
    case 0x02:
    case 0x05: header = 12; break;
    case 0x0A:
    case 0x0D: header = 8; break;
    default: return 0;
  }
  const std::size_t cells = std::to_integer<std::size_t>(page[3]) << 8 | std::to_integer<std::size_t>(page[4]);
  return std::min(header + kCellPointerBytes * cells, page.size());
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
        previous_end_(pointers_end(previous)),
        current_end_(pointers_end(current)) {}

  /// Pointers begin at even positions, as pages' headers have an even size.
  Move find(std::size_t at) {
    if (at % kCellPointerBytes != 0 || at + kMoveBytesMin > current_end_) return {};
    if (Move move = with_shift(at, shift_); move.length > 0) return move;
    if (searches_ == kSearchesMax) return {};
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
    if (shift == 0 || from >= previous_end_ || from + kMoveBytesMin > previous_end_) return {};
    if (load<std::uint64_t>(current_, at) != load<std::uint64_t>(previous_, from)) return {};
    shift_ = shift;
    return {match_length(previous_, current_, at, from), shift};
  }

  std::span<const std::byte> previous_;
  std::span<const std::byte> current_;
  std::size_t previous_end_;
  std::size_t current_end_;
  std::ptrdiff_t shift_ = 0;  ///< of the last move
  int searches_ = 0;
};

// What a change is, in the lowest bit of its length.
constexpr std::uint64_t kLiteral = 0;
constexpr std::uint64_t kMoved = 1;

enum class Changes : std::uint8_t { kAll, kTooMany };

/// Gives up when they come to more than half of the page: compression finds what has stayed the same, too.
Changes write_changes(std::span<const std::byte> previous, std::span<const std::byte> current, ByteWriter& out) {
  MoveFinder moves(previous, current);
  std::size_t done = 0;
  const auto begin_change = [&](std::size_t at, std::size_t length, std::uint64_t kind) {
    out.varint(at - done);
    out.varint(length << 1 | kind);
    done = at + length;
  };
  for (std::size_t at = next_difference(previous, current, 0); at < current.size();
       at = next_difference(previous, current, done)) {
    if (out.size() > current.size() / 2) return Changes::kTooMany;
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
  return Changes::kAll;
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

PageCodec::Encoded PageCodec::encode(std::span<const std::byte> previous, std::span<const std::byte> current) {
  QUORATE_ASSERT(previous.size() == current.size());
  QUORATE_ASSERT(PageSize::of(current.size()).has_value());
  if (std::memcmp(current.data(), zero_page(*PageSize::of(current.size())).data(), current.size()) == 0) {
    return {PageEncoding::kZero, {}};
  }
  changes_.clear();
  const Changes changes = write_changes(previous, current, changes_);
  const std::size_t changes_size = changes == Changes::kAll ? changes_.size() : current.size();
  if (changes_size <= std::min(kChangesBytesCheap, current.size() / 4))
    return {PageEncoding::kChanges, changes_.bytes()};

  compressed_.resize(ZSTD_compressBound(current.size()));
  ZSTD_CCtx_refPrefix(zstd_->compressor, previous.data(), previous.size());
  const std::size_t size =
      ZSTD_compress2(zstd_->compressor, compressed_.data(), compressed_.size(), current.data(), current.size());
  QUORATE_ASSERT(ZSTD_isError(size) == 0);
  if (size < std::min(changes_size, current.size())) return {PageEncoding::kZstd, std::span(compressed_).first(size)};
  if (changes_size < current.size()) return {PageEncoding::kChanges, changes_.bytes()};
  return {PageEncoding::kFull, current};
}

Result<PageImage> PageCodec::decode(PageEncoding encoding, std::span<const std::byte> body,
                                    std::span<const std::byte> previous) {
  bool is_valid = false;
  const auto fill = [&](std::span<std::byte> page) {
    switch (encoding) {
      case PageEncoding::kZero: break;
      case PageEncoding::kFull:
        is_valid = body.size() == page.size();
        if (is_valid) std::memcpy(page.data(), body.data(), page.size());
        break;
      case PageEncoding::kChanges:
        std::memcpy(page.data(), previous.data(), page.size());
        is_valid = apply_changes(body, previous, page);
        break;
      case PageEncoding::kZstd: {
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
