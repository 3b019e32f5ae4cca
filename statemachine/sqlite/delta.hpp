// The replicated form of a transaction: for each page that it changed, in any database of the node, how the page
// differs from its previous version. Byte layout in docs/formats/pages.md; all numbers are varints unless a width is
// given.
//
//   part      u8 format (1) | u8 kind (0 more parts follow, 1 last) | section... | 0 | [last: u64 digest after]
//   section   database id (> 0) | u8 fate (DatabaseFate) | u8 log2 of the page size | page count after
//             | [created: name, length first] | page... (none if dropped) | 0
//   page      distance from the page before in this section (> 0) | u8 encoding | u32 hash before
//             | body, length first
//
// A large transaction is cut into parts between pages. Each part can be parsed by itself; pages of one database ascend
// over all parts. Pages beyond the page count after are cut off; they are not listed. Everything takes effect at once,
// with the last part, if and only if the digest of the resulting state is the one that the last part carries.
//
// "Hash before" is the low half of the page's hash: enough to tell which page went astray. The digest decides.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "statemachine/sqlite/digest.hpp"
#include "statemachine/sqlite/page_codec.hpp"

namespace quorate::sqlite {

inline constexpr std::uint8_t kDeltaFormat = 1;

/// What a transaction makes of a database as a whole.
enum class DatabaseFate : std::uint8_t {
  kStays = 0,
  kCreated = 1,
  kAdopted = 2,  ///< a hidden one takes the name that it stands behind, which must be free by then
  kDropped = 3,  ///< with all its pages, which are not listed
};

struct DeltaSection {
  DatabaseId database;
  DatabaseFate fate = DatabaseFate::kStays;
  PageSize page_size;
  PageCount page_count_after;
  std::string_view name;  ///< only if created here
  friend bool operator==(const DeltaSection&, const DeltaSection&) = default;
};

/// Builds the parts of one transaction.
class DeltaWriter {
 public:
  explicit DeltaWriter(PageCodec& codec, std::size_t part_bytes = kDeltaPartBytes);

  /// Databases in ascending order of their ids.
  void begin_section(const DeltaSection& section);
  /// Pages in ascending order, as many as there are or a good number at a time: those of one call may explain each
  /// other. Their spans have the section's page size.
  void add_pages(std::span<const ChangedPage> pages);
  /// The writer is as new afterwards.
  [[nodiscard]] std::vector<Payload> finish(StateDigest after);

 private:
  enum class PartKind : std::uint8_t { kMore = 0, kLast = 1 };

  void add_page(const ChangedPage& page, const PageCodec::Encoded& encoded);
  void open_part();
  void open_section();
  void close_section();
  void close_part(PartKind kind, StateDigest after);

  PageCodec& codec_;
  std::size_t part_bytes_;
  std::vector<Payload> parts_;
  ByteWriter out_;
  DeltaSection section_;
  PageNumber last_page_;  ///< of the section as far as written in this part
  bool in_section_ = false;
};

struct DeltaPage {
  PageNumber page;
  PageEncoding encoding = PageEncoding::kZero;
  std::uint32_t hash_before = 0;
  std::span<const std::byte> body;
};
struct DeltaPart {
  struct Section {
    DeltaSection header;
    std::vector<DeltaPage> pages;
  };
  std::vector<Section> sections;
  bool is_last = false;
  StateDigest digest_after;  ///< of the last part only
};

/// Parses one part; everything in the result refers to `bytes`. kCorrupt if it is not well formed, kUnsupported if a
/// later release wrote it. The pages' bodies are not looked into: PageCodec::decode does that.
[[nodiscard]] Result<DeltaPart> parse_delta_part(std::span<const std::byte> bytes);

/// Whether a part, of which no more than its head is looked at, says that it ends its transaction.
[[nodiscard]] bool is_last_delta_part(std::span<const std::byte> bytes);

/// A name that SQL may give a database: letters, digits, '_', '-' and '.', not starting with '.' or '-'.
[[nodiscard]] bool is_database_name(std::string_view name);
/// The queue of the change feed (change_queue.hpp): a database like any other, but not for SQL to use.
inline constexpr std::string_view kChangesDatabase = "quorate.changes";
/// Whether SQL may attach a database of that name.
[[nodiscard]] inline bool is_attachable_name(std::string_view name) {
  return is_database_name(name) && name != kChangesDatabase;
}
/// A hidden database grows behind the name of another one until it takes its place (staging.hpp): that name, behind a
/// dot. No SQL can name it.
[[nodiscard]] std::string hidden_name(std::string_view name);
[[nodiscard]] bool is_hidden_name(std::string_view name);
/// The name that a hidden database stands behind.
[[nodiscard]] std::string name_behind(std::string_view hidden);

}  // namespace quorate::sqlite
