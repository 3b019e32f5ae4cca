#include "statemachine/sqlite/fold_journal.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/sequential_reader.hpp"

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

/// Hashes what it hands out.
class JournalReader {
 public:
  explicit JournalReader(const storage::AnyFile& file) : reader_(file), hash_(XXH3_createState()) {
    QUORATE_ASSERT(hash_ != nullptr);
    XXH3_64bits_reset(hash_);
  }
  ~JournalReader() { XXH3_freeState(hash_); }
  JournalReader(const JournalReader&) = delete;
  JournalReader& operator=(const JournalReader&) = delete;

  /// False at the end of the file, or if it ends within.
  Result<bool> read(std::span<std::byte> into) {
    const Result<bool> whole = reader_.read(into);
    if (whole && *whole) XXH3_64bits_update(hash_, into.data(), into.size());
    return whole;
  }
  [[nodiscard]] std::uint64_t hash() const { return XXH3_64bits_digest(hash_); }

 private:
  SequentialReader reader_;
  XXH3_state_t* hash_;
};

struct JournalPage {
  DatabaseId database;
  PageNumber page;
  TableEntry entry;
  std::span<const std::byte> bytes;
};
using VisitPage = std::function<Result<void>(const JournalPage&)>;

const DatabaseRecord* find_record(const Superblock& superblock, DatabaseId id) {
  const auto record = std::ranges::find(superblock.databases, id, &DatabaseRecord::id);
  return record == superblock.databases.end() ? nullptr : &*record;
}

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
    const DatabaseRecord* record = find_record(superblock, page.database);
    if (record == nullptr || page.page == PageNumber{}) return false;
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

}  // namespace

Result<void> remove_base(storage::AnyFileSystem& files, const std::string& stem) {
  if (Result<void> removed = files.remove(stem + ".pages"); !removed) return removed;
  return files.remove(stem + ".table");
}

Result<void> carry_out(storage::AnyFileSystem& files, const std::string& directory, const Superblock& before,
                       const Superblock& after) {
  const Result<storage::AnyFile> journal = files.open(fold_journal_path(directory), storage::OpenMode::kReadOnly);
  if (!journal) return tl::unexpected(journal.error());
  std::map<DatabaseId, BaseFile> bases;
  for (const DatabaseRecord& record : after.databases) {
    const DatabaseRecord* known = find_record(before, record.id);
    const bool goes_on = known != nullptr && known->page_size == record.page_size;
    Result<BaseFile> base = BaseFile::open(files, base_stem(directory, record.id), record.page_size,
                                           goes_on ? storage::OpenMode::kReadWrite : storage::OpenMode::kCreate);
    if (!base) return tl::unexpected(base.error());
    bases.emplace(record.id, std::move(*base));
  }
  JournalReader reader(*journal);
  if (Result<std::optional<Superblock>> header = read_header(reader, UINT64_MAX); !header) {
    return tl::unexpected(header.error());
  }
  const auto write = [&](const JournalPage& page) -> Result<void> {
    BaseFile& base = bases.at(page.database);
    const DatabaseRecord& record = *find_record(after, page.database);
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
  if (Result<void> written = write_superblock(files, directory, after); !written) return written;
  // The other superblock's file may be new.
  if (Result<void> synced = files.sync_directory(directory); !synced) return synced;
  for (const DatabaseRecord& record : before.databases) {
    if (find_record(after, record.id) != nullptr) continue;
    if (Result<void> removed = remove_base(files, base_stem(directory, record.id)); !removed) return removed;
  }
  return {};
}

namespace {

/// The database that a file belongs to, if it is one of a base.
std::optional<DatabaseId> owner_of(std::string_view name) {
  DatabaseId id;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id.value);
  const std::string_view rest = name.substr(static_cast<std::size_t>(end - name.data()));
  if (error != std::errc{} || (rest != ".pages" && rest != ".table")) return std::nullopt;
  return id;
}

/// What a crash has left of databases that were being created or dropped.
Result<void> remove_strays(storage::AnyFileSystem& files, const std::string& directory, const Superblock& state) {
  const Result<std::vector<std::string>> names = files.list(directory);
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    const std::optional<DatabaseId> owner = owner_of(name);
    if (!owner || find_record(state, *owner) != nullptr) continue;
    if (Result<void> removed = files.remove(directory + "/" + name); !removed) return removed;
  }
  return {};
}

Result<Superblock> find_state(storage::AnyFileSystem& files, const std::string& directory) {
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
  if (Result<void> done = carry_out(files, directory, **newest, **successor); !done) {
    return tl::unexpected(done.error());
  }
  return std::move(**successor);
}

}  // namespace

Result<Superblock> recover(storage::AnyFileSystem& files, const std::string& directory) {
  Result<Superblock> state = find_state(files, directory);
  if (!state) return state;
  if (Result<void> removed = remove_strays(files, directory, *state); !removed) return tl::unexpected(removed.error());
  return state;
}

}  // namespace quorate::sqlite
