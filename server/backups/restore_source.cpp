#include "server/backups/restore_source.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

namespace quorate::server {

namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;
constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

}  // namespace

Result<RestoreSource> RestoreSource::open(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    return fail(errno == ENOENT ? ErrorKind::kNotFound : ErrorKind::kInvalidArgument,
                "cannot open " + path + ": " + std::generic_category().message(errno));
  }
  RestoreSource source(path, std::move(stream));
  if (auto filled = source.fill(); !filled) return tl::unexpected(filled.error());
  if (source.room_.empty()) return fail(ErrorKind::kInvalidArgument, path + " is empty");
  if (http::looks_like_gzip(source.room_)) source.gzip_.emplace();
  return source;
}

/// Only called when everything before has been used.
Result<void> RestoreSource::fill() {
  room_.resize(kReadBytes);
  at_ = 0;
  stream_.read(room_.data(), static_cast<std::streamsize>(room_.size()));
  const std::streamsize count = stream_.gcount();
  room_.resize(static_cast<std::size_t>(count));
  if (stream_.bad() || (count == 0 && !stream_.eof()))
    return fail(ErrorKind::kInvalidArgument, "cannot read " + path_ + ": " + std::generic_category().message(errno));
  return {};
}

Result<std::string> RestoreSource::next() {
  if (gzip_) return next_unpacked();
  if (at_ == room_.size()) {
    if (auto filled = fill(); !filled) return tl::unexpected(filled.error());
  }
  std::string piece = room_.substr(at_);
  at_ = room_.size();
  return piece;
}

Result<std::string> RestoreSource::next_unpacked() {
  std::string piece;
  while (piece.size() < kPieceBytes) {
    const auto used = gzip_->read(std::string_view(room_).substr(at_), kPieceBytes - piece.size(), piece);
    if (!used) return fail(used.error().kind, path_ + ": " + used.error().message);
    at_ += *used;
    if (piece.size() == kPieceBytes) break;
    if (auto filled = fill(); !filled) return tl::unexpected(filled.error());
    if (!room_.empty()) continue;
    if (gzip_->is_whole()) break;
    return fail(ErrorKind::kCorrupt, path_ + ": the gzip stream ends too early");
  }
  return piece;
}

}  // namespace quorate::server
