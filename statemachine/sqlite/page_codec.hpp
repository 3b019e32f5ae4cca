// Encodes pages as changes to previous versions, their own or those of other pages of the same database, and back.
//
//   zero       no bytes: the page is all zeros now
//   full       the page as it is
//   changes    { varint skip, varint 2 * length + kind, then by kind 0: length bytes; 1: i8 shift }..., to the end.
//              What is skipped stays as it was. Kind 1 takes the bytes from the previous version, `shift` further on:
//              cell pointers move by two for every cell that is inserted before them.
//   zstd       a zstd frame of the page, with the previous version as prefix of its window
//   changes of another, zstd of another
//              varint page, then the same with that page's previous version instead of the own one
//
// Changes are nearly free and win for what a transaction typically does to a page; compression is tried only when they
// come to more than kChangesBytesCheap or a quarter of a small page. Such a page is often one that a balance of its
// b-tree gave the cells of a sibling, or the sibling's number (cell_origins.hpp): the sibling's previous version
// explains it. Both sides must hold the same previous versions; the transaction delta makes sure.
//
// Decoding is safe on any bytes: it writes exactly one page and fails on everything that does not fit. The bytes that
// encode() makes may differ between versions of zstd, what decode() makes of them may not.
//
// A codec keeps compression state of some hundred KiB; use one per thread and keep it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "consensus/result.hpp"
#include "statemachine/sqlite/bytes.hpp"
#include "statemachine/sqlite/cell_origins.hpp"
#include "statemachine/sqlite/digest.hpp"
#include "statemachine/sqlite/page.hpp"

namespace quorate::sqlite {

enum class PageEncoding : std::uint8_t {
  kZero = 0,
  kFull = 1,
  kChanges = 2,
  kZstd = 3,
  kChangesOfAnother = 4,
  kZstdOfAnother = 5,
};
inline constexpr auto kLastPageEncoding = PageEncoding::kZstdOfAnother;

/// A page that a transaction changes; both spans have the size of one page.
struct ChangedPage {
  PageNumber page;
  PageHash before;
  std::span<const std::byte> previous;
  std::span<const std::byte> current;
};

class PageCodec {
 public:
  PageCodec();
  ~PageCodec();
  PageCodec(PageCodec&&) noexcept;
  PageCodec& operator=(PageCodec&&) noexcept;

  struct Encoded {
    PageEncoding encoding;
    std::span<const std::byte> body;  ///< valid until the next call of encode() and while `current` is
  };
  /// A page by itself. Both spans have the size of one page.
  [[nodiscard]] Encoded encode(std::span<const std::byte> previous, std::span<const std::byte> current);

  using Take = std::function<void(const ChangedPage&, const Encoded&)>;
  /// Pages of one database that one transaction changes, each of which may be explained by another one's previous
  /// version; `take` is called for each, in order, and must not keep the bytes.
  void encode(std::span<const ChangedPage> pages, const Take& take);

  /// The previous version of another page of the same database.
  using OtherPages = std::function<Result<PageImage>(PageNumber)>;
  /// The new page; empty if it is all zeros. kCorrupt if `body` is no encoding of a page of this size; otherwise an
  /// error of `others`.
  [[nodiscard]] Result<PageImage> decode(PageEncoding encoding, std::span<const std::byte> body,
                                         std::span<const std::byte> previous, const OtherPages& others = {});

 private:
  struct Zstd;
  /// What is known of a page after a first look.
  struct Draft {
    enum class Kind : std::uint8_t { kZero, kCheap, kCostly };
    Kind kind = Kind::kZero;
    std::size_t begin = 0;  ///< of its changes among all, if they are cheap
    std::size_t size = 0;
  };

  [[nodiscard]] Draft draft(std::span<const std::byte> previous, std::span<const std::byte> current);
  [[nodiscard]] Encoded encode_costly(std::span<const std::byte> previous, std::span<const std::byte> current);
  [[nodiscard]] Encoded encode_with(const ChangedPage& origin, std::span<const std::byte> current);
  [[nodiscard]] std::size_t compress(std::span<const std::byte> prefix, std::span<const std::byte> page);

  std::vector<Draft> drafts_;
  ByteWriter cheap_;  ///< the changes of all pages that are cheap
  CellOrigins origins_;
  ByteWriter changes_;
  std::vector<std::byte> compressed_;
  std::unique_ptr<Zstd> zstd_;
};

}  // namespace quorate::sqlite
