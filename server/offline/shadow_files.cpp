#include "server/offline/shadow_files.hpp"

#include <algorithm>
#include <utility>

namespace quorate::server {

using storage::OpenMode;

// --- Content ---

Result<std::shared_ptr<ShadowContent>> ShadowContent::of(storage::PosixFile file) {
  const Result<std::uint64_t> size = file.size();
  if (!size) return tl::unexpected(size.error());
  auto content = std::make_shared<ShadowContent>();
  content->original_ = std::move(file);
  content->visible_ = content->size_ = *size;
  return content;
}

/// What the disk does not have, or not any more, reads as zeros.
Result<void> ShadowContent::read_original(std::uint64_t offset, std::span<std::byte> into) const {
  std::size_t count = 0;
  if (offset < visible_) {
    const Result<std::size_t> read =
        original_->read(offset, into.first(std::min<std::uint64_t>(into.size(), visible_ - offset)));
    if (!read) return tl::unexpected(read.error());
    count = *read;
  }
  std::ranges::fill(into.subspan(count), std::byte{0});
  return {};
}

Result<std::size_t> ShadowContent::read(std::uint64_t offset, std::span<std::byte> into) const {
  if (offset >= size_) return 0;
  into = into.first(std::min<std::uint64_t>(into.size(), size_ - offset));
  if (into.empty()) return 0;
  if (Result<void> read = read_original(offset, into); !read) return tl::unexpected(read.error());
  const std::uint64_t end = offset + into.size();
  for (auto at = changed_.lower_bound(offset / kBlockBytes); at != changed_.end() && at->first * kBlockBytes < end;
       ++at) {
    const std::uint64_t begins = at->first * kBlockBytes;
    const std::uint64_t from = std::max(offset, begins);
    const std::uint64_t to = std::min(end, begins + kBlockBytes);
    std::ranges::copy(std::span(at->second).subspan(from - begins, to - from),
                      into.begin() + static_cast<std::ptrdiff_t>(from - offset));
  }
  return into.size();
}

auto ShadowContent::block_to_change(std::uint64_t number) -> Result<Block*> {
  if (const auto found = changed_.find(number); found != changed_.end()) return &found->second;
  Block block(kBlockBytes);
  if (Result<void> read = read_original(number * kBlockBytes, block); !read) return tl::unexpected(read.error());
  return &changed_.emplace(number, std::move(block)).first->second;
}

Result<void> ShadowContent::write(std::uint64_t offset, std::span<const std::byte> from) {
  if (from.empty()) return {};
  const std::uint64_t end = offset + from.size();
  while (!from.empty()) {
    const Result<Block*> block = block_to_change(offset / kBlockBytes);
    if (!block) return tl::unexpected(block.error());
    const std::size_t within = offset % kBlockBytes;
    const std::size_t count = std::min(from.size(), kBlockBytes - within);
    std::ranges::copy(from.first(count), (*block)->begin() + static_cast<std::ptrdiff_t>(within));
    from = from.subspan(count);
    offset += count;
  }
  size_ = std::max(size_, end);
  return {};
}

Result<void> ShadowContent::resize(std::uint64_t size) {
  if (size < size_) {
    changed_.erase(changed_.lower_bound((size + kBlockBytes - 1) / kBlockBytes), changed_.end());
    const auto last = changed_.find(size / kBlockBytes);
    if (last != changed_.end()) std::ranges::fill(std::span(last->second).subspan(size % kBlockBytes), std::byte{0});
    visible_ = std::min(visible_, size);
  }
  size_ = size;
  return {};
}

// --- Names ---

Result<ShadowFiles> ShadowFiles::below(const std::string& directory) {
  auto files = storage::PosixFiles::below(directory);
  if (!files) return tl::unexpected(files.error());
  return ShadowFiles(std::move(*files));
}

Result<std::shared_ptr<ShadowContent>> ShadowFiles::find(const std::string& path) {
  if (const auto found = known_.find(path); found != known_.end()) return found->second;
  auto file = files_.open(path, OpenMode::kReadOnly);
  if (!file && file.error().kind == ErrorKind::kNotFound) return nullptr;
  if (!file) return tl::unexpected(file.error());
  auto content = ShadowContent::of(std::move(*file));
  if (content) known_[path] = *content;
  return content;
}

Result<ShadowFile> ShadowFiles::open(const std::string& path, OpenMode mode) {
  auto found = find(path);
  if (!found) return tl::unexpected(found.error());
  const bool may_create = mode == OpenMode::kCreate || mode == OpenMode::kOpenOrCreate;
  if (*found == nullptr && !may_create) return fail(ErrorKind::kNotFound, path + " does not exist");
  if (*found == nullptr) *found = known_[path] = std::make_shared<ShadowContent>();
  if (mode == OpenMode::kCreate) {
    if (Result<void> emptied = (*found)->resize(0); !emptied) return tl::unexpected(emptied.error());
  }
  return ShadowFile(std::move(*found));
}

Result<bool> ShadowFiles::exists(const std::string& path) {
  if (const auto found = known_.find(path); found != known_.end()) return found->second != nullptr;
  if (directories_.contains(path)) return true;
  return files_.exists(path);
}

Result<void> ShadowFiles::rename(const std::string& from, const std::string& to) {
  auto found = find(from);
  if (!found) return tl::unexpected(found.error());
  if (*found == nullptr) return fail(ErrorKind::kNotFound, from + " does not exist");
  known_[from] = nullptr;
  known_[to] = std::move(*found);
  return {};
}

Result<void> ShadowFiles::remove(const std::string& path) {
  known_[path] = nullptr;
  return {};
}

Result<void> ShadowFiles::create_directories(const std::string& path) {
  directories_.insert(path);
  return {};
}

Result<std::vector<std::string>> ShadowFiles::list(const std::string& path) {
  std::set<std::string> names;
  auto original = files_.list(path);
  if (!original && (original.error().kind != ErrorKind::kNotFound || !directories_.contains(path))) return original;
  if (original) names.insert(original->begin(), original->end());
  const std::string prefix = path.empty() ? path : path + "/";
  for (const auto& [known, content] : known_) {
    if (!known.starts_with(prefix) || known.find('/', prefix.size()) != std::string::npos) continue;
    const std::string name = known.substr(prefix.size());
    if (content == nullptr) {
      names.erase(name);
    } else {
      names.insert(name);
    }
  }
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace quorate::server
