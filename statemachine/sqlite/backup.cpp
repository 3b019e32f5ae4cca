#include "statemachine/sqlite/backup.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace quorate::sqlite {

Result<Backup> Backup::open(PageStore& store, std::string_view database) {
  Pin pin = store.pin(PinKind::kApplied);
  std::optional<DatabaseRecord> record = store.find_database(pin, database);
  if (Result<void> valid = store.check(pin); !valid) return tl::unexpected(valid.error());
  return Backup(store, std::move(pin), record ? std::move(*record) : DatabaseRecord{});
}

Result<std::size_t> Backup::read(std::uint64_t offset, std::span<std::byte> into) const {
  if (offset >= size()) return 0;
  into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size() - offset)));
  const std::size_t page_bytes = record_.page_size.bytes();
  for (std::size_t done = 0; done < into.size();) {
    const std::uint64_t at = offset + done;
    const auto within = static_cast<std::size_t>(at % page_bytes);
    const std::size_t count = std::min(into.size() - done, page_bytes - within);
    const PageNumber page{at / page_bytes + 1};
    if (Result<void> read = store_->read(pin_, record_.id, page, within, into.subspan(done, count)); !read) {
      return tl::unexpected(read.error());
    }
    done += count;
  }
  return into.size();
}

}  // namespace quorate::sqlite
