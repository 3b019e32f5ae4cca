// Finding rot in the base files before a reader does, and healing it with the help of the other replicas: because all
// of them are the same byte for byte, a page that was lost here is fetched by its hash from any of them.
//
//   Scrubber::step -> wanted_pages -> (to a peer) answer_page_request -> (back) take_page
//
// What travels (little-endian; a varint as in docs/formats/pages.md):
//   request:  u8 format (1) | varint database | varint page | u64 hash | varint modified
//   answer:   u8 format (1) | u8 PageVerdict | the page's bytes, if it was found
//
// A page that no peer has any more in that version has been changed since: the next fold that knows of the change
// overwrites the damage.
//
// Threads: everything here reads or writes files and belongs on the thread for that; one Scrubber, one thread at a
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "statemachine/sqlite/page_store.hpp"

namespace quorate::sqlite {

struct ScrubReport {
  std::uint64_t rounds = 0;         ///< how often everything has been looked at
  std::uint64_t pages_checked = 0;  ///< since the beginning
  std::uint64_t pages_damaged = 0;  ///< found since the beginning
};

class Scrubber {
 public:
  /// The store outlives the scrubber.
  explicit Scrubber(PageStore& store) : store_(&store) {}

  /// Looks at the next pages, at most so many, and begins again behind the last one. Damage is no error: it is in
  /// PageStore::damaged_pages(). kIo: the file cannot be read at all.
  Result<void> step(std::size_t pages_max);
  [[nodiscard]] const ScrubReport& report() const { return report_; }

 private:
  PageStore* store_;
  PageStore::PageName cursor_{DatabaseId{}, PageNumber{1}};
  ScrubReport report_;
};

struct PageRequest {
  PageStore::PageName name;
  PageHash hash;
  Index modified;

  friend bool operator==(const PageRequest&, const PageRequest&) = default;
};
enum class PageVerdict : std::uint8_t {
  kFound = 0,
  kBehind = 1,     ///< the peer has not applied the entry that made this version
  kGone = 2,       ///< the peer has another version of the page only
  kDamaged = 3,    ///< the peer should have it, and cannot read it
  kMalformed = 4,  ///< the peer does not understand the request
};

/// What damaged_pages() are to be replaced by; at most so many.
[[nodiscard]] std::vector<PageRequest> wanted_pages(const PageStore& store, std::size_t pages_max);

[[nodiscard]] Payload encode(const PageRequest& request);
/// kCorrupt if the bytes are not a request, kUnsupported if a later release made them.
[[nodiscard]] Result<PageRequest> parse_page_request(std::span<const std::byte> bytes);

/// What a replica answers to whatever it was sent as a request.
[[nodiscard]] Payload answer_page_request(const PageStore& store, std::span<const std::byte> request);
/// Nothing if that is no answer of this release.
[[nodiscard]] std::optional<PageVerdict> verdict_of(std::span<const std::byte> answer);
/// Puts the page back if the answer has it. kNotFound: the peer does not have it (ask another, or wait for a fold);
/// kCorrupt: that is no answer to this request; kOverloaded: the base files are busy, try again later.
Result<void> take_page(PageStore& store, const PageRequest& request, std::span<const std::byte> answer);

}  // namespace quorate::sqlite
