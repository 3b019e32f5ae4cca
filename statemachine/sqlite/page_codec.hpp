// Encodes one page as a change to its previous version, and back.
//
//   zero     no bytes: the page is all zeros now
//   full     the page as it is
//   changes  { varint skip, varint 2 * length + kind, then by kind 0: length bytes; 1: i8 shift }... until the body
//   ends.
//            What is skipped stays as it was. Kind 1 takes the bytes from the previous version, `shift` further on:
//            cell pointers move by two for every cell that is inserted before them.
//   zstd     a zstd frame of the page, with the previous version as prefix of its window
//
// Changes are nearly free and win for what a transaction typically does to a page; compression is tried only when they
// come to more than kChangesBytesCheap or a quarter of a small page. Both sides must hold the same previous version;
// the transaction delta makes sure.
//
// Decoding is safe on any bytes: it writes exactly one page and fails on everything that does not fit. The bytes that
// encode() makes may differ between versions of zstd, what decode() makes of them may not.
//
// A codec keeps compression state of some hundred KiB; use one per thread and keep it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "consensus/result.hpp"
#include "statemachine/sqlite/bytes.hpp"
#include "statemachine/sqlite/page.hpp"

namespace quorate::sqlite {

enum class PageEncoding : std::uint8_t { kZero = 0, kFull = 1, kChanges = 2, kZstd = 3 };

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
  /// Both spans have the size of one page.
  [[nodiscard]] Encoded encode(std::span<const std::byte> previous, std::span<const std::byte> current);

  /// The new page; empty if it is all zeros. kCorrupt if `body` is no encoding of a page of this size.
  [[nodiscard]] Result<PageImage> decode(PageEncoding encoding, std::span<const std::byte> body,
                                         std::span<const std::byte> previous);

 private:
  struct Zstd;

  ByteWriter changes_;
  std::vector<std::byte> compressed_;
  std::unique_ptr<Zstd> zstd_;
};

}  // namespace quorate::sqlite
