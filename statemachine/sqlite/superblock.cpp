#include "statemachine/sqlite/superblock.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "statemachine/sqlite/bytes.hpp"
#include "statemachine/sqlite/delta.hpp"

namespace quorate::sqlite {
namespace {

constexpr std::uint64_t kMagic = 0x4B4C'4252'5055'5351;  // "QSUPRBLK"
constexpr std::size_t kEnvelopeBytes = 8 + 4 + 4 + 8;
/// More than any application state that the limits of sessions allow.
constexpr std::uint64_t kSuperblockBytesMax = std::uint64_t{1} << 30;

std::string path_of(const std::string& directory, std::uint64_t sequence) {
  return fmt::format("{}/superblock.{}", directory, sequence % 2);
}

DatabaseRecord parse_database(ByteReader& reader) {
  DatabaseRecord record;
  record.id = DatabaseId{reader.varint()};
  record.name = reader.text(kStoredNameBytesMax);
  const auto log2 = reader.fixed<std::uint8_t>();
  const std::optional<PageSize> size = log2 < 32 ? PageSize::of(std::uint64_t{1} << log2) : std::nullopt;
  record.page_count = PageCount{reader.varint_at_most(kPageNumberMax)};
  if (!size || !(is_database_name(record.name) || is_hidden_name(record.name))) return reader.fail(), record;
  record.page_size = *size;
  return record;
}

Result<Superblock> parse_body(std::span<const std::byte> body) {
  ByteReader reader(body);
  Superblock superblock;
  superblock.sequence = reader.varint();
  superblock.last.term = Term{reader.varint()};
  superblock.last.index = Index{reader.varint()};
  superblock.digest = StateDigest(reader.fixed<std::uint64_t>());
  const std::uint64_t databases = reader.varint_at_most(kDatabasesMax);
  for (std::uint64_t i = 0; i < databases && !reader.failed(); ++i) {
    superblock.databases.push_back(parse_database(reader));
  }
  const std::span<const std::byte> application = reader.string(body.size());
  superblock.application.assign(application.begin(), application.end());
  if (reader.left() > 0) superblock.newest_gone = DatabaseId{reader.varint()};
  const bool is_ascending = std::ranges::adjacent_find(superblock.databases, std::ranges::greater_equal{},
                                                       &DatabaseRecord::id) == superblock.databases.end();
  if (!reader.finished() || !is_ascending) return fail(ErrorKind::kCorrupt, "the superblock's body is malformed");
  return superblock;
}

/// nullopt if the file does not exist.
Result<std::optional<std::vector<std::byte>>> read_file(storage::AnyFileSystem& files, const std::string& path) {
  const Result<bool> exists = files.exists(path);
  if (!exists) return tl::unexpected(exists.error());
  if (!*exists) return std::nullopt;
  const Result<storage::AnyFile> file = files.open(path, storage::OpenMode::kReadOnly);
  if (!file) return tl::unexpected(file.error());
  const Result<std::uint64_t> size = file->size();
  if (!size) return tl::unexpected(size.error());
  std::vector<std::byte> bytes(std::min(*size, kSuperblockBytesMax));
  const Result<std::size_t> read = file->read(0, bytes);
  if (!read) return tl::unexpected(read.error());
  bytes.resize(*read);
  return bytes;
}

}  // namespace

std::vector<std::byte> encode(const Superblock& superblock) {
  ByteWriter body;
  body.varint(superblock.sequence);
  body.varint(superblock.last.term.value);
  body.varint(superblock.last.index.value);
  body.fixed(superblock.digest.value());
  body.varint(superblock.databases.size());
  for (const DatabaseRecord& database : superblock.databases) {
    body.varint(database.id.value);
    body.string(database.name);
    body.fixed(database.page_size.log2());
    body.varint(database.page_count.value);
  }
  body.string(superblock.application);
  if (superblock.newest_gone != DatabaseId{}) body.varint(superblock.newest_gone.value);

  ByteWriter out;
  out.fixed(kMagic);
  out.fixed(kSuperblockFormat);
  out.fixed(static_cast<std::uint32_t>(body.size()));
  out.raw(body.bytes());
  out.fixed(static_cast<std::uint64_t>(XXH3_64bits(out.bytes().data(), out.size())));
  return std::move(out.buffer());
}

Result<Superblock> parse_superblock(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  const auto magic = reader.fixed<std::uint64_t>();
  const auto format = reader.fixed<std::uint32_t>();
  const auto length = reader.fixed<std::uint32_t>();
  const std::span<const std::byte> body = reader.raw(length);
  const auto checksum = reader.fixed<std::uint64_t>();
  if (reader.failed() || magic != kMagic) return fail(ErrorKind::kCorrupt, "not a whole superblock");
  if (checksum != XXH3_64bits(bytes.data(), kEnvelopeBytes - 8 + length)) {
    return fail(ErrorKind::kCorrupt, "the superblock fails its checksum");
  }
  if (format != kSuperblockFormat) {
    return fail(
        ErrorKind::kUnsupported,
        fmt::format("the superblock has format {}, this build knows {}; run the release that wrote it or a later one",
                    format, kSuperblockFormat));
  }
  return parse_body(body);
}

Result<std::optional<Superblock>> read_superblock(storage::AnyFileSystem& files, const std::string& directory) {
  std::optional<Superblock> newest;
  std::array<bool, 2> exists{};
  for (std::uint64_t slot = 0; slot < 2; ++slot) {
    const auto bytes = read_file(files, path_of(directory, slot));
    if (!bytes) return tl::unexpected(bytes.error());
    if (!*bytes) continue;
    exists[slot] = true;
    Result<Superblock> superblock = parse_superblock(**bytes);
    if (!superblock && superblock.error().kind == ErrorKind::kUnsupported) return tl::unexpected(superblock.error());
    if (superblock && (!newest || superblock->sequence > newest->sequence)) newest = std::move(*superblock);
  }
  // The very first one goes to slot 0, before anything else exists: torn, it means that nothing was ever stored.
  if (!newest && exists[1]) {
    return fail(ErrorKind::kCorrupt, fmt::format("both superblocks in {} are damaged; replace this node's data by a "
                                                 "snapshot from another node",
                                                 directory));
  }
  return newest;
}

Result<void> write_superblock(storage::AnyFileSystem& files, const std::string& directory,
                              const Superblock& superblock) {
  const std::vector<std::byte> bytes = encode(superblock);
  Result<storage::AnyFile> file = files.open(path_of(directory, superblock.sequence), storage::OpenMode::kOpenOrCreate);
  if (!file) return tl::unexpected(file.error());
  if (Result<void> written = file->write(0, bytes); !written) return written;
  if (Result<void> cut = file->truncate(bytes.size()); !cut) return cut;
  return file->sync();
}

}  // namespace quorate::sqlite
