// Any bytes as a file that an operator writes: peers.json, the settings of automatic backup and restore, the record
// beside backups. What is accepted keeps to the rules; what is refused names the file.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/assert.hpp"
#include "server/settings/backup_record.hpp"
#include "server/settings/backup_settings.hpp"
#include "server/settings/peers_file.hpp"

using namespace quorate;
using namespace quorate::settings;

namespace {

/// Short names are set.
std::optional<std::string> variable(const std::string& name) {
  if (name.size() > 3) return std::nullopt;
  return "value of " + name;
}

template <class T>
bool is_accepted(const Result<T>& result) {
  if (!result) QUORATE_ASSERT(result.error().message.starts_with("file"));
  return result.has_value();
}

void expect_file_name(const std::string& name) {
  QUORATE_ASSERT(!name.empty());
  QUORATE_ASSERT(name.size() <= kFileNameBytesMax);
  QUORATE_ASSERT(name.find('/') == std::string::npos);
  QUORATE_ASSERT(name != "..");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto peers = parse_peers(text, "file"); is_accepted(peers)) {
    QUORATE_ASSERT(!peers->empty());
    QUORATE_ASSERT(!std::ranges::all_of(*peers, &Peer::is_read_replica));
    for (const Peer& peer : *peers) {
      QUORATE_ASSERT(!peer.id.empty());
      QUORATE_ASSERT(std::ranges::count(*peers, peer.id, &Peer::id) == 1);
      QUORATE_ASSERT(std::ranges::count(*peers, peer.address, &Peer::address) == 1);
    }
  }
  if (const auto backup = parse_backup_settings(text, "file", variable); is_accepted(backup)) {
    QUORATE_ASSERT(!backup->directory.empty());
    QUORATE_ASSERT(backup->interval >= kBackupIntervalMin);
    expect_file_name(backup->name);
  }
  if (const auto restore = parse_restore_settings(text, "file", variable); is_accepted(restore)) {
    QUORATE_ASSERT(!restore->path.empty());
    QUORATE_ASSERT(restore->timeout > Duration::zero());
  }
  if (const auto record = parse_backup_record(text, "file"); is_accepted(record)) {
    const auto again = parse_backup_record(print(*record), "file");
    QUORATE_ASSERT(again.has_value());
    QUORATE_ASSERT(*again == *record);
  }
  if (const auto whole = with_variables(text, "file", variable); is_accepted(whole))
    QUORATE_ASSERT(whole->size() <= std::max(size, kSettingsBytesMax));
  return 0;
}
