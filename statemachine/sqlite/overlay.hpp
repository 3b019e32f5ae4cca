// The versions of one database's pages that are newer than its base file, or that some reader still needs after the
// base file moved on. Memory only; the page store's mutex guards every call.
//
// A page at version v is the newest of its versions <= v, where the base file's page counts as one more version; on a
// tie the overlay wins, because the base file may just be being overwritten.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "consensus/types.hpp"
#include "statemachine/sqlite/digest.hpp"
#include "statemachine/sqlite/page.hpp"
#include "statemachine/sqlite/spill.hpp"

namespace quorate::sqlite {

struct PageVersion {
  VersionId version;
  Index modified;  ///< the log index that made it; 0 while speculative
  PageHash hash;
  PageImage image;      ///< empty if the page is all zeros, or spilled
  SpilledPage spilled;  ///< null unless the image is in the spill file
};

/// The versions at which somebody reads, or will: what no page may be missing at. Counted, ordered.
class Positions {
 public:
  void add(VersionId version) { ++counts_[version]; }
  void remove(VersionId version);
  /// Whether a position p with from <= p < until exists.
  [[nodiscard]] bool any_within(VersionId from, VersionId until) const;
  [[nodiscard]] VersionId oldest() const;
  /// Forgets all positions before `version`; returns how many there were.
  std::size_t remove_before(VersionId version);

 private:
  std::map<VersionId, std::size_t> counts_;
};

class Overlay {
 public:
  /// The newest version <= at, or null.
  [[nodiscard]] const PageVersion* find(PageNumber page, VersionId at) const;
  /// Adds a version: the newest of the page, or what the base file holds before it is overwritten.
  void install(PageNumber page, PageVersion version);
  /// Notes which log index a speculative version came to.
  void set_modified(PageNumber page, VersionId version, Index modified);
  /// Removes all versions newer than `version`.
  void remove_newer(PageNumber page, VersionId version);
  /// Removes one version, if it is there.
  void remove(PageNumber page, VersionId version);
  /// Removes the versions up to `applied` that no position needs, given which version the base file has of the page.
  void prune(PageNumber page, VersionId base, VersionId applied, const Positions& positions);
  /// Replaces the image of a version by its place in the spill file, if it still is that image.
  void set_spilled(PageNumber page, VersionId version, const PageImage& image, SpilledPage spilled);

  /// The first page >= from that has versions here; 0 if there is none.
  [[nodiscard]] PageNumber next_page(PageNumber from) const;
  /// Ascending versions; empty if there are none.
  [[nodiscard]] const std::vector<PageVersion>& versions(PageNumber page) const;
  /// Memory that the images take.
  [[nodiscard]] std::size_t image_bytes() const { return image_bytes_; }

 private:
  using Chain = std::vector<PageVersion>;
  static constexpr std::size_t kLeafPages = 64;
  struct Leaf {
    std::array<Chain, kLeafPages> chains;
    std::size_t used = 0;
  };

  [[nodiscard]] const Chain* chain(PageNumber page) const;
  [[nodiscard]] Chain* chain(PageNumber page);
  Chain& chain_or_new(PageNumber page);
  /// Erases [from, to) of the page's chain, and its leaf with the last one.
  void erase(PageNumber page, std::size_t from, std::size_t to);

  std::vector<std::unique_ptr<Leaf>> leaves_;  ///< by (page - 1) / kLeafPages; null where there is nothing
  std::size_t image_bytes_ = 0;
};

}  // namespace quorate::sqlite
