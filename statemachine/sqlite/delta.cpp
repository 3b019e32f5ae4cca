#include "statemachine/sqlite/delta.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "consensus/assert.hpp"

namespace quorate::sqlite {
namespace {

DeltaPage parse_page(ByteReader& reader, PageNumber previous, std::uint64_t distance, const DeltaSection& section) {
  DeltaPage page{.page = PageNumber{previous.value + distance}};
  const auto encoding = reader.fixed<std::uint8_t>();
  page.encoding = static_cast<PageEncoding>(encoding);
  page.hash_before = reader.fixed<std::uint32_t>();
  page.body = reader.string(section.page_size.bytes());
  if (encoding > static_cast<std::uint8_t>(kLastPageEncoding)) reader.fail();
  if (page.page.value > section.page_count_after.value) reader.fail();
  return page;
}

DeltaPart::Section parse_section(ByteReader& reader, std::uint64_t id) {
  DeltaPart::Section section;
  section.header.database = DatabaseId{id};
  const auto fate = reader.fixed<std::uint8_t>();
  const auto log2 = reader.fixed<std::uint8_t>();
  section.header.page_count_after = PageCount{reader.varint_at_most(kPageNumberMax)};
  const std::optional<PageSize> size = log2 < 32 ? PageSize::of(std::uint64_t{1} << log2) : std::nullopt;
  if (!size || fate > static_cast<std::uint8_t>(DatabaseFate::kDropped)) return reader.fail(), section;
  section.header.page_size = *size;
  section.header.fate = static_cast<DatabaseFate>(fate);
  if (section.header.fate == DatabaseFate::kCreated) {
    section.header.name = reader.text(kStoredNameBytesMax);
    if (!is_database_name(section.header.name) && !is_hidden_name(section.header.name)) reader.fail();
  }
  PageNumber last{};
  while (!reader.failed()) {
    const std::uint64_t distance = reader.varint_at_most(kPageNumberMax - last.value);
    if (distance == 0) break;
    section.pages.push_back(parse_page(reader, last, distance, section.header));
    last = section.pages.back().page;
  }
  if (section.header.fate == DatabaseFate::kDropped && !section.pages.empty()) reader.fail();
  return section;
}

}  // namespace

bool is_last_delta_part(std::span<const std::byte> bytes) { return bytes.size() > 1 && bytes[1] == std::byte{1}; }

bool is_database_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  };
  return !name.empty() && name.size() <= kDatabaseNameBytesMax && name.front() != '.' && name.front() != '-' &&
         std::ranges::all_of(name, is_allowed);
}

std::string hidden_name(std::string_view name) { return "." + std::string(name); }
bool is_hidden_name(std::string_view name) { return name.starts_with('.') && is_database_name(name.substr(1)); }
std::string name_behind(std::string_view hidden) { return std::string(hidden.substr(1)); }

DeltaWriter::DeltaWriter(PageCodec& codec, std::size_t part_bytes) : codec_(codec), part_bytes_(part_bytes) {
  QUORATE_ASSERT(part_bytes > 0);
}

void DeltaWriter::open_part() {
  out_.fixed(kDeltaFormat);
  out_.fixed(static_cast<std::uint8_t>(PartKind::kMore));
}

void DeltaWriter::open_section() {
  out_.varint(section_.database.value);
  out_.fixed(static_cast<std::uint8_t>(section_.fate));
  out_.fixed(section_.page_size.log2());
  out_.varint(section_.page_count_after.value);
  if (section_.fate == DatabaseFate::kCreated) out_.string(section_.name);
  last_page_ = PageNumber{};
  in_section_ = true;
}

void DeltaWriter::close_section() {
  if (std::exchange(in_section_, false)) out_.varint(0);
}

void DeltaWriter::close_part(PartKind kind, StateDigest after) {
  close_section();
  out_.varint(0);
  if (kind == PartKind::kLast) out_.fixed(after.value());
  out_.buffer()[1] = static_cast<std::byte>(kind);
  parts_.push_back(Payload::copy_of(out_.bytes()));
  out_.clear();
}

void DeltaWriter::begin_section(const DeltaSection& section) {
  QUORATE_ASSERT(section.database > section_.database);
  if (out_.size() == 0) open_part();
  close_section();
  section_ = section;
  open_section();
}

void DeltaWriter::add_pages(std::span<const ChangedPage> pages) {
  QUORATE_ASSERT(in_section_);
  QUORATE_ASSERT(section_.fate != DatabaseFate::kDropped);
  codec_.encode(pages, [this](const ChangedPage& page, const PageCodec::Encoded& encoded) { add_page(page, encoded); });
}

void DeltaWriter::add_page(const ChangedPage& page, const PageCodec::Encoded& encoded) {
  QUORATE_ASSERT(page.page > last_page_);
  QUORATE_ASSERT(page.page.value <= section_.page_count_after.value);
  QUORATE_ASSERT(page.current.size() == section_.page_size.bytes());
  if (out_.size() >= part_bytes_) {
    close_part(PartKind::kMore, {});
    open_part();
    open_section();
  }
  out_.varint(page.page.value - last_page_.value);
  out_.fixed(static_cast<std::uint8_t>(encoded.encoding));
  out_.fixed(static_cast<std::uint32_t>(page.before.value));
  out_.string(encoded.body);
  last_page_ = page.page;
}

std::vector<Payload> DeltaWriter::finish(StateDigest after) {
  if (out_.size() == 0) open_part();
  close_part(PartKind::kLast, after);
  section_ = {};
  return std::exchange(parts_, {});
}

Result<DeltaPart> parse_delta_part(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  if (reader.fixed<std::uint8_t>() != kDeltaFormat) {
    return reader.failed() ? fail(ErrorKind::kCorrupt, "a transaction delta is empty")
                           : fail(ErrorKind::kUnsupported,
                                  "a transaction delta has a format that this build does not know; upgrade this node");
  }
  DeltaPart part;
  const auto kind = reader.fixed<std::uint8_t>();
  part.is_last = kind == 1;
  DatabaseId last{};
  while (!reader.failed()) {
    const std::uint64_t id = reader.varint();
    if (id == 0) break;
    if (id <= last.value || part.sections.size() == kDatabasesMax) reader.fail();
    last = DatabaseId{id};
    part.sections.push_back(parse_section(reader, id));
  }
  if (part.is_last) part.digest_after = StateDigest(reader.fixed<std::uint64_t>());
  if (kind > 1 || !reader.finished()) return fail(ErrorKind::kCorrupt, "a transaction delta is malformed");
  return part;
}

}  // namespace quorate::sqlite
