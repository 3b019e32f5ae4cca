#include "statemachine/sqlite/scrub.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "statemachine/sqlite/bytes.hpp"

namespace quorate::sqlite {
namespace {

constexpr std::uint8_t kFormat = 1;

Payload encode(PageVerdict verdict, std::span<const std::byte> page = {}) {
  ByteWriter out;
  out.fixed(kFormat);
  out.fixed(static_cast<std::uint8_t>(verdict));
  out.raw(page);
  return Payload::copy_of(out.bytes());
}

std::string_view words_for(PageVerdict verdict) {
  switch (verdict) {
    case PageVerdict::kFound: return "has it";
    case PageVerdict::kBehind: return "has not applied the entry that made it";
    case PageVerdict::kGone: return "has another version of it only";
    case PageVerdict::kDamaged: return "cannot read it";
    case PageVerdict::kMalformed: return "does not understand the request";
  }
  return "gave an answer of a later release";
}

}  // namespace

// --- Scrubber ---

Result<void> Scrubber::step(std::size_t pages_max) {
  const std::vector<DatabaseRecord> databases = store_->base_databases();
  auto database = std::ranges::lower_bound(databases, cursor_.database, {}, &DatabaseRecord::id);
  for (std::size_t done = 0; done < pages_max;) {
    if (database == databases.end()) {
      cursor_ = {DatabaseId{}, PageNumber{1}};
      ++report_.rounds;
      return {};
    }
    if (cursor_.database != database->id) cursor_ = {database->id, PageNumber{1}};
    if (cursor_.page.value > database->page_count.value) {
      ++database;
      continue;
    }
    const PageStore::PageName page = cursor_;
    ++cursor_.page.value;
    ++report_.pages_checked;
    ++done;
    const Result<void> checked = store_->scrub(page.database, page.page);
    if (checked) continue;
    if (checked.error().kind != ErrorKind::kCorrupt) return checked;
    ++report_.pages_damaged;
  }
  return {};
}

// --- The exchange ---

std::vector<PageRequest> wanted_pages(const PageStore& store, std::size_t pages_max) {
  std::vector<PageRequest> requests;
  for (const PageStore::PageName& name : store.damaged_pages()) {
    if (requests.size() == pages_max) break;
    const std::optional<TableEntry> entry = store.base_entry(name);
    if (entry && entry->hash != PageHash{0}) requests.push_back({name, entry->hash, entry->modified});
  }
  return requests;
}

Payload encode(const PageRequest& request) {
  ByteWriter out;
  out.fixed(kFormat);
  out.varint(request.name.database.value);
  out.varint(request.name.page.value);
  out.fixed(request.hash.value);
  out.varint(request.modified.value);
  return Payload::copy_of(out.bytes());
}

Result<PageRequest> parse_page_request(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  const auto format = in.fixed<std::uint8_t>();
  if (format > kFormat) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("a request for a page has format {}, this release knows {}", format, kFormat));
  }
  PageRequest request;
  request.name.database = DatabaseId{in.varint()};
  request.name.page = PageNumber{in.varint_at_most(kPageNumberMax)};
  request.hash = PageHash{in.fixed<std::uint64_t>()};
  request.modified = Index{in.varint()};
  if (!in.finished() || format == 0 || request.name.page == PageNumber{0} || request.hash == PageHash{0}) {
    return fail(ErrorKind::kCorrupt, "these bytes are no request for a page");
  }
  return request;
}

Payload answer_page_request(const PageStore& store, std::span<const std::byte> bytes) {
  const Result<PageRequest> request = parse_page_request(bytes);
  if (!request) return encode(PageVerdict::kMalformed);
  const Result<PageImage> page = store.find_page(request->name, request->hash);
  if (page) return encode(PageVerdict::kFound, page->bytes());
  if (page.error().kind != ErrorKind::kNotFound) return encode(PageVerdict::kDamaged);
  if (store.applied().index < request->modified) return encode(PageVerdict::kBehind);
  const std::optional<TableEntry> own = store.base_entry(request->name);
  return encode(own && own->hash == request->hash ? PageVerdict::kDamaged : PageVerdict::kGone);
}

std::optional<PageVerdict> verdict_of(std::span<const std::byte> answer) {
  ByteReader in(answer);
  const auto format = in.fixed<std::uint8_t>();
  const auto verdict = static_cast<PageVerdict>(in.fixed<std::uint8_t>());
  if (in.failed() || format != kFormat || verdict > PageVerdict::kMalformed) return std::nullopt;
  return verdict;
}

Result<void> take_page(PageStore& store, const PageRequest& request, std::span<const std::byte> answer) {
  ByteReader in(answer);
  const auto format = in.fixed<std::uint8_t>();
  const auto verdict = static_cast<PageVerdict>(in.fixed<std::uint8_t>());
  if (in.failed() || format != kFormat) return fail(ErrorKind::kCorrupt, "these bytes are no answer with a page");
  if (verdict != PageVerdict::kFound) {
    return fail(ErrorKind::kNotFound,
                fmt::format("page {} of database {} is damaged here, and the other node {}", request.name.page.value,
                            request.name.database.value, words_for(verdict)));
  }
  const std::span<const std::byte> page = in.raw(in.left());
  if (hash_page(page) != request.hash) return fail(ErrorKind::kCorrupt, "another page came than was asked for");
  return store.repair(request.name.database, request.name.page, page);
}

}  // namespace quorate::sqlite
