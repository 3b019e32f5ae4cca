#include "statemachine/sqlite/spill.hpp"

#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"

namespace quorate::sqlite {

SpillSlot::SpillSlot(std::shared_ptr<SpillFile> file, std::uint64_t offset, PageSize size)
    : file_(std::move(file)), offset_(offset), size_(size) {}

SpillSlot::~SpillSlot() { file_->release(offset_, size_); }

Result<PageImage> SpillSlot::load() const {
  Result<std::size_t> read = 0;
  PageImage image =
      PageImage::build(size_.bytes(), [&](std::span<std::byte> bytes) { read = file_->file_.read(offset_, bytes); });
  if (!read) return tl::unexpected(read.error());
  if (*read != size_.bytes()) {
    return fail(ErrorKind::kIo, fmt::format("the spill file ends within the page at byte {}", offset_));
  }
  return image;
}

Result<std::shared_ptr<SpillFile>> SpillFile::create(storage::AnyFileSystem& files, const std::string& path,
                                                     std::uint64_t bytes_max) {
  return files.open(path, storage::OpenMode::kCreate).map([&](storage::AnyFile file) {
    return std::make_shared<SpillFile>(std::move(file), bytes_max);
  });
}

Result<SpilledPage> SpillFile::store(std::span<const std::byte> page) {
  const std::optional<PageSize> size = PageSize::of(page.size());
  QUORATE_ASSERT(size.has_value());
  std::uint64_t offset = 0;
  {
    const std::lock_guard lock(mutex_);
    std::vector<std::uint64_t>& free = free_[page.size()];
    if (free.empty() && end_ + page.size() > bytes_max_) {
      return fail(ErrorKind::kOverloaded, fmt::format("the spill file has reached its quota of {} bytes", bytes_max_));
    }
    if (free.empty()) {
      offset = std::exchange(end_, end_ + page.size());
    } else {
      offset = free.back();
      free.pop_back();
    }
    used_ += page.size();
  }
  auto slot = std::make_shared<const SpillSlot>(shared_from_this(), offset, *size);
  // Nobody else knows the slot before it is returned, so that nobody reads or writes the place meanwhile.
  if (Result<void> written = file_.write(offset, page); !written) return tl::unexpected(written.error());
  return slot;
}

std::uint64_t SpillFile::bytes_used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

void SpillFile::release(std::uint64_t offset, PageSize size) {
  const std::lock_guard lock(mutex_);
  free_[size.bytes()].push_back(offset);
  used_ -= size.bytes();
}

}  // namespace quorate::sqlite
