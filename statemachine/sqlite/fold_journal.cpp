#include "statemachine/sqlite/fold_journal.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "consensus/assert.hpp"

namespace quorate::sqlite {
namespace {

constexpr std::uint64_t kMagic = 0x4C4E'524A'444C'4F46;  // "FOLDJRNL"
constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::size_t kRecordHeaderBytes = 4 * 8;

}  // namespace

std::string base_stem(const std::string& directory, DatabaseId id) { return fmt::format("{}/{}", directory, id.value); }
std::string fold_journal_path(const std::string& directory) { return directory + "/fold.journal"; }

// --- Writing ---

struct JournalWriter::Hash {
  Hash() : state(XXH3_createState()) {
    QUORATE_ASSERT(state != nullptr);
    XXH3_64bits_reset(state);
  }
  ~Hash() { XXH3_freeState(state); }
  Hash(const Hash&) = delete;
  Hash& operator=(const Hash&) = delete;
  void update(std::span<const std::byte> bytes) { XXH3_64bits_update(state, bytes.data(), bytes.size()); }
  [[nodiscard]] std::uint64_t value() const { return XXH3_64bits_digest(state); }

  XXH3_state_t* state;
};

JournalWriter::JournalWriter(storage::AnyFile file, std::unique_ptr<Hash> hash)
    : file_(std::move(file)), hash_(std::move(hash)) {}
JournalWriter::JournalWriter(JournalWriter&&) noexcept = default;
JournalWriter& JournalWriter::operator=(JournalWriter&&) noexcept = default;
JournalWriter::~JournalWriter() = default;

Result<JournalWriter> JournalWriter::create(storage::AnyFileSystem& files, const std::string& path,
                                            const Superblock& superblock) {
  Result<storage::AnyFile> file = files.open(path, storage::OpenMode::kCreate);
  if (!file) return tl::unexpected(file.error());
  JournalWriter writer(std::move(*file), std::make_unique<Hash>());
  const std::vector<std::byte> body = encode(superblock);
  writer.buffer_.fixed(kMagic);
  writer.buffer_.fixed(kFoldJournalFormat);
  writer.buffer_.fixed(static_cast<std::uint32_t>(body.size()));
  writer.buffer_.raw(body);
  return writer;
}

Result<void> JournalWriter::add(DatabaseId database, PageNumber page, TableEntry entry,
                                std::span<const std::byte> bytes) {
  QUORATE_ASSERT(bytes.empty() == (entry.hash == PageHash{0}));
  buffer_.fixed(database.value);
  buffer_.fixed(page.value);
  buffer_.fixed(entry.modified.value);
  buffer_.fixed(entry.hash.value);
  buffer_.raw(bytes);
  return buffer_.size() >= kBufferBytes ? flush() : Result<void>{};
}

Result<void> JournalWriter::flush() {
  if (Result<void> written = file_.write(offset_, buffer_.bytes()); !written) return written;
  hash_->update(buffer_.bytes());
  offset_ += buffer_.size();
  buffer_.clear();
  return {};
}

Result<void> JournalWriter::finish() {
  buffer_.fixed(std::uint64_t{0});
  if (Result<void> flushed = flush(); !flushed) return flushed;
  buffer_.fixed(hash_->value());
  if (Result<void> flushed = flush(); !flushed) return flushed;
  return file_.sync();
}

// --- Recovery ---

namespace {

/// Reads a file from front to back through a buffer and hashes what it hands out.
class JournalReader {
 public:
  explicit JournalReader(storage::AnyFile& file) : file_(file), hash_(XXH3_createState()) {
    QUORATE_ASSERT(hash_ != nullptr);
    XXH3_64bits_reset(hash_);
  }
  ~JournalReader() { XXH3_freeState(hash_); }
  JournalReader(const JournalReader&) = delete;
  JournalReader& operator=(const JournalReader&) = delete;

  /// False at the end of the file, or if it ends within.
  Result<bool> read(std::span<std::byte> into) {
    for (std::size_t done = 0; done < into.size();) {
      if (position_ == buffer_.size()) {
        buffer_.resize(kBufferBytes);
        const Result<std::size_t> read = file_.read(offset_, buffer_);
        if (!read) return tl::unexpected(read.error());
        buffer_.resize(*read);
        offset_ += *read;
        position_ = 0;
        if (*read == 0) return false;
      }
      const std::size_t count = std::min(into.size() - done, buffer_.size() - position_);
      std::memcpy(into.data() + done, buffer_.data() + position_, count);
      position_ += count;
      done += count;
    }
    XXH3_64bits_update(hash_, into.data(), into.size());
    return true;
  }
  [[nodiscard]] std::uint64_t hash() const { return XXH3_64bits_digest(hash_); }

 private:
  storage::AnyFile& file_;
  XXH3_state_t* hash_;
  std::vector<std::byte> buffer_;
  std::size_t position_ = 0;
  std::uint64_t offset_ = 0;
};

struct JournalPage {
  DatabaseId database;
  PageNumber page;
  TableEntry entry;
  std::span<const std::byte> bytes;
};
using VisitPage = std::function<Result<void>(const JournalPage&)>;

/// The journal's superblock, if it begins as one should.
Result<std::optional<Superblock>> read_header(JournalReader& reader, std::uint64_t file_size) {
  std::vector<std::byte> bytes(16);
  Result<bool> read = reader.read(bytes);
  if (!read) return tl::unexpected(read.error());
  if (!*read) return std::nullopt;
  ByteReader header(bytes);
  if (header.fixed<std::uint64_t>() != kMagic) return std::nullopt;
  if (header.fixed<std::uint32_t>() != kFoldJournalFormat) return std::nullopt;
  const auto length = header.fixed<std::uint32_t>();
  if (length > file_size) return std::nullopt;
  bytes.resize(length);
  read = reader.read(bytes);
  if (!read) return tl::unexpected(read.error());
  if (!*read) return std::nullopt;
  Result<Superblock> superblock = parse_superblock(bytes);
  if (!superblock) return std::nullopt;
  return std::move(*superblock);
}

/// Visits every page; false if the journal is not whole. Pages may have been visited then.
Result<bool> read_pages(JournalReader& reader, const Superblock& superblock, const VisitPage& visit) {
  std::vector<std::byte> header(kRecordHeaderBytes);
  std::vector<std::byte> bytes;
  for (;;) {
    Result<bool> read = reader.read(std::span(header).first(8));
    if (!read || !*read) return read;
    JournalPage page{
        .database = DatabaseId{ByteReader(header).fixed<std::uint64_t>()}, .page = {}, .entry = {}, .bytes = {}};
    if (page.database == DatabaseId{}) break;
    read = reader.read(std::span(header).subspan(8));
    if (!read || !*read) return read;
    ByteReader fields(std::span<const std::byte>(header).subspan(8));
    page.page = PageNumber{fields.fixed<std::uint64_t>()};
    page.entry.modified = Index{fields.fixed<std::uint64_t>()};
    page.entry.hash = PageHash{fields.fixed<std::uint64_t>()};
    const auto record = std::ranges::find(superblock.databases, page.database, &DatabaseRecord::id);
    if (record == superblock.databases.end() || page.page == PageNumber{}) return false;
    bytes.resize(page.entry.hash == PageHash{0} ? 0 : record->page_size.bytes());
    read = reader.read(bytes);
    if (!read || !*read) return read;
    page.bytes = bytes;
    if (Result<void> visited = visit(page); !visited) return tl::unexpected(visited.error());
  }
  const std::uint64_t expected = reader.hash();
  const Result<bool> read = reader.read(std::span(header).first(8));
  if (!read || !*read) return read;
  return ByteReader(header).fixed<std::uint64_t>() == expected;
}

/// The successor of `before` that a whole journal leads to; nullopt if there is no such journal.
Result<std::optional<Superblock>> find_successor(storage::AnyFile& journal, const Superblock& before) {
  const Result<std::uint64_t> size = journal.size();
  if (!size) return tl::unexpected(size.error());
  JournalReader reader(journal);
  Result<std::optional<Superblock>> after = read_header(reader, *size);
  if (!after || !*after || (*after)->sequence != before.sequence + 1) return std::optional<Superblock>{};
  const Result<bool> whole = read_pages(reader, **after, [](const JournalPage&) { return Result<void>{}; });
  if (!whole) return tl::unexpected(whole.error());
  return *whole ? std::move(after) : std::optional<Superblock>{};
}

/// Carries a whole journal out. May be repeated.
Result<void> carry_out(storage::AnyFileSystem& files, const std::string& directory, storage::AnyFile& journal,
                       const Superblock& before, const Superblock& after) {
  std::map<DatabaseId, BaseFile> bases;
  for (const DatabaseRecord& record : after.databases) {
    const bool is_known = std::ranges::find(before.databases, record.id, &DatabaseRecord::id) != before.databases.end();
    Result<BaseFile> base = BaseFile::open(files, base_stem(directory, record.id), record.page_size,
                                           is_known ? storage::OpenMode::kReadWrite : storage::OpenMode::kCreate);
    if (!base) return tl::unexpected(base.error());
    bases.emplace(record.id, std::move(*base));
  }
  JournalReader reader(journal);
  if (Result<std::optional<Superblock>> header = read_header(reader, UINT64_MAX); !header) {
    return tl::unexpected(header.error());
  }
  const auto write = [&](const JournalPage& page) -> Result<void> {
    BaseFile& base = bases.at(page.database);
    const DatabaseRecord& record = *std::ranges::find(after.databases, page.database, &DatabaseRecord::id);
    if (page.page.value > record.page_count.value) return {};  // cut off, with everything behind it
    const std::span<const std::byte> bytes = page.bytes.empty() ? zero_page(record.page_size) : page.bytes;
    if (Result<void> written = base.write(page.page, bytes); !written) return written;
    return base.write_table(page.page, std::span(&page.entry, 1));
  };
  const Result<bool> whole = read_pages(reader, after, write);
  if (!whole) return tl::unexpected(whole.error());
  if (!*whole) return fail(ErrorKind::kIo, "the fold journal reads differently a second time; check the disk");
  for (const DatabaseRecord& record : after.databases) {
    BaseFile& base = bases.at(record.id);
    if (Result<void> resized = base.resize(record.page_count); !resized) return resized;
    if (Result<void> synced = base.sync(); !synced) return synced;
  }
  if (Result<void> synced = files.sync_directory(directory); !synced) return synced;
  return write_superblock(files, directory, after);
}

}  // namespace

Result<Superblock> recover(storage::AnyFileSystem& files, const std::string& directory) {
  Result<std::optional<Superblock>> newest = read_superblock(files, directory);
  if (!newest) return tl::unexpected(newest.error());
  if (!*newest) {
    const Superblock empty;
    if (Result<void> written = write_superblock(files, directory, empty); !written) {
      return tl::unexpected(written.error());
    }
    if (Result<void> synced = files.sync_directory(directory); !synced) return tl::unexpected(synced.error());
    return empty;
  }
  const Result<bool> exists = files.exists(fold_journal_path(directory));
  if (!exists) return tl::unexpected(exists.error());
  if (!*exists) return std::move(**newest);
  Result<storage::AnyFile> journal = files.open(fold_journal_path(directory), storage::OpenMode::kReadOnly);
  if (!journal) return tl::unexpected(journal.error());
  Result<std::optional<Superblock>> successor = find_successor(*journal, **newest);
  if (!successor) return tl::unexpected(successor.error());
  if (!*successor) return std::move(**newest);
  if (Result<void> done = carry_out(files, directory, *journal, **newest, **successor); !done) {
    return tl::unexpected(done.error());
  }
  return std::move(**successor);
}

}  // namespace quorate::sqlite
