#include "statemachine/sqlite/base_file.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/bytes.hpp"

namespace quorate::sqlite {
namespace {

constexpr std::uint64_t kTableEntryBytes = 16;
constexpr std::size_t kTableReadBytes = std::size_t{64} << 10;

Result<void> set_size(storage::AnyFile& file, std::uint64_t bytes) {
  const Result<std::uint64_t> size = file.size();
  if (!size) return tl::unexpected(size.error());
  if (*size == bytes) return {};
  return file.truncate(bytes);
}

Result<void> cut_to(storage::AnyFile& file, std::uint64_t bytes) {
  const Result<std::uint64_t> size = file.size();
  if (!size) return tl::unexpected(size.error());
  return *size > bytes ? file.truncate(bytes) : Result<void>{};
}

}  // namespace

Result<BaseFile> BaseFile::open(storage::AnyFileSystem& files, const std::string& stem, PageSize size,
                                storage::OpenMode mode) {
  Result<storage::AnyFile> pages = files.open(stem + ".pages", mode);
  if (!pages) return tl::unexpected(pages.error());
  Result<storage::AnyFile> table = files.open(stem + ".table", mode);
  if (!table) return tl::unexpected(table.error());
  return BaseFile(std::move(*pages), std::move(*table), size);
}

Result<void> BaseFile::read(PageNumber page, std::span<std::byte> into) const {
  QUORATE_ASSERT(into.size() == size_.bytes());
  const Result<std::size_t> read = pages_.read((page.value - 1) * size_.bytes(), into);
  if (!read) return tl::unexpected(read.error());
  std::ranges::fill(into.subspan(*read), std::byte{0});
  return {};
}

Result<void> BaseFile::write(PageNumber page, std::span<const std::byte> bytes) {
  QUORATE_ASSERT(bytes.size() == size_.bytes());
  return pages_.write((page.value - 1) * size_.bytes(), bytes);
}

Result<void> BaseFile::write_table(PageNumber first, std::span<const TableEntry> entries) {
  ByteWriter out;
  for (const TableEntry& entry : entries) {
    out.fixed(entry.hash.value);
    out.fixed(entry.modified.value);
  }
  return table_.write((first.value - 1) * kTableEntryBytes, out.bytes());
}

Result<BaseTable> BaseFile::load_table(PageCount pages) const {
  BaseTable table;
  std::vector<std::byte> buffer(kTableReadBytes);
  while (table.size() < pages.value) {
    const std::uint64_t left = (pages.value - table.size()) * kTableEntryBytes;
    const std::span<std::byte> into = std::span(buffer).first(std::min<std::uint64_t>(left, buffer.size()));
    const Result<std::size_t> read = table_.read(table.size() * kTableEntryBytes, into);
    if (!read) return tl::unexpected(read.error());
    // Pages that were never written, at the end of the database, have no entry: they are zeros.
    std::ranges::fill(into.subspan(*read), std::byte{0});
    for (ByteReader reader(into); reader.left() > 0;) {
      const PageHash hash{reader.fixed<std::uint64_t>()};
      table.push_back({.hash = hash, .modified = Index{reader.fixed<std::uint64_t>()}, .version = {}});
    }
  }
  return table;
}

Result<void> BaseFile::resize(PageCount pages) {
  if (Result<void> resized = set_size(pages_, pages.value * size_.bytes()); !resized) return resized;
  return set_size(table_, pages.value * kTableEntryBytes);
}

Result<void> BaseFile::cut(PageCount pages) {
  if (Result<void> cut = cut_to(pages_, pages.value * size_.bytes()); !cut) return cut;
  return cut_to(table_, pages.value * kTableEntryBytes);
}

Result<void> BaseFile::sync() {
  if (Result<void> synced = pages_.sync(); !synced) return synced;
  return table_.sync();
}

}  // namespace quorate::sqlite
