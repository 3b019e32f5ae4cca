// The file `identity` of a log directory: whose log it is, and how often it was opened. Two slots hold the same facts;
// a change goes to the older one, so that neither a crash nor the loss of a block loses both.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "consensus/storage/file_system.hpp"
#include "consensus/storage/wal_format.hpp"

namespace quorate::storage {

template <FileSystem Files>
class IdentityFile {
 public:
  /// kNotFound if there is none.
  static Result<IdentityFile> open(Files& files, const std::string& path) {
    auto file = files.open(path, OpenMode::kReadWrite);
    if (!file) return tl::unexpected(file.error());
    IdentityFile identity(std::move(*file));
    Error problem{ErrorKind::kCorrupt, ""};
    bool is_known = false;
    for (const std::uint64_t slot : {0U, 1U}) {
      auto found = identity.read_slot(slot);
      if (!found) {
        // A version that is not understood outweighs damage: nothing may be changed then.
        if (problem.message.empty() || found.error().kind == ErrorKind::kUnsupported) problem = found.error();
        continue;
      }
      if (!is_known || found->boot > identity.identity_.boot) identity.identity_ = *found;
      is_known = true;
    }
    if (is_known && problem.kind == ErrorKind::kCorrupt) return identity;
    return fail(problem.kind, problem.message + " (" + path + ")");
  }

  /// There is a complete one when this returns, or none.
  static Result<IdentityFile> create(Files& files, const std::string& directory, const StoreIdentity& identity) {
    const std::string path = directory + "/identity";
    const std::string draft = path + ".new";
    {
      auto file = files.open(draft, OpenMode::kCreate);
      if (!file) return tl::unexpected(file.error());
      IdentityFile made(std::move(*file));
      made.identity_ = identity;
      for (const std::uint64_t slot : {0U, 1U}) {
        if (auto written = made.write_slot(slot); !written) return tl::unexpected(written.error());
      }
    }
    if (auto renamed = files.rename(draft, path); !renamed) return tl::unexpected(renamed.error());
    if (auto synced = files.sync_directory(directory); !synced) return tl::unexpected(synced.error());
    return open(files, path);
  }

  [[nodiscard]] const StoreIdentity& get() const { return identity_; }

  /// Durable when it returns.
  Result<void> set_boot(Boot boot) {
    identity_.boot = boot;
    return write_slot(boot.value % 2);
  }

 private:
  explicit IdentityFile(typename Files::File file) : file_(std::move(file)) {}

  Result<StoreIdentity> read_slot(std::uint64_t slot) const {
    std::array<std::byte, kIdentitySlotBytes> bytes{};
    if (auto count = file_.read(slot * kIdentitySlotStride, bytes); !count) return tl::unexpected(count.error());
    return decode_identity(bytes);
  }
  Result<void> write_slot(std::uint64_t slot) {
    std::array<std::byte, kIdentitySlotBytes> bytes{};
    encode(identity_, bytes);
    if (auto written = file_.write(slot * kIdentitySlotStride, bytes); !written) return written;
    return file_.sync();
  }

  typename Files::File file_;
  StoreIdentity identity_;
};

}  // namespace quorate::storage
