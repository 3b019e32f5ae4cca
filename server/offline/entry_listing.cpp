#include "server/offline/entry_listing.hpp"

#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "consensus/configuration_codec.hpp"
#include "server/member_address.hpp"
#include "server/offline/node_reading.hpp"
#include "statemachine/sqlite/command.hpp"
#include "statemachine/sqlite/delta.hpp"

namespace quorate::server {

namespace {

std::string describe_configuration(std::span<const std::byte> bytes) {
  const auto configuration = decode_configuration(bytes);
  if (!configuration) return configuration.error().message;
  std::string text = fmt::format("generation {}:", configuration->generation.value);
  const auto add = [&](const std::vector<Member>& half) {
    for (const Member& member : half) text += fmt::format(" {} {},", member.address, name_of(member.kind));
    text.pop_back();
  };
  add(configuration->members);
  if (!configuration->is_joint()) return text;
  text += "; leaving";
  add(configuration->outgoing);
  return text;
}

struct Share {
  std::string name;
  std::uint64_t pages = 0;
  std::uint64_t count_after = 0;
};

std::string describe_command(std::span<const std::byte> bytes) {
  const auto part = sqlite::parse_bundle_part(bytes);
  if (!part) return part.error().message;
  std::map<sqlite::DatabaseId, Share> shares;
  std::size_t transactions = 0;
  for (const std::span<const std::byte> bytes_of_delta : part->deltas) {
    const auto delta = sqlite::parse_delta_part(bytes_of_delta);
    if (!delta) return delta.error().message;
    transactions += delta->is_last ? 1 : 0;
    for (const sqlite::DeltaPart::Section& section : delta->sections) {
      Share& share = shares[section.header.database];
      if (!section.header.name.empty()) share.name = section.header.name;
      share.pages += section.pages.size();
      share.count_after = section.header.page_count_after.value;
    }
  }
  std::string text;
  const auto add = [&](const std::string& one) { text += (text.empty() ? "" : "; ") + one; };
  for (const auto& [id, share] : shares) {
    const std::string created = share.name.empty() ? std::string() : fmt::format(" (creates '{}')", share.name);
    add(fmt::format("database {}{}: {} pages changed, {} pages then", id.value, created, share.pages,
                    share.count_after));
  }
  if (transactions > 0) add(fmt::format("versions ended here: {}", transactions));
  if (!part->outcomes.empty()) add(fmt::format("outcomes: {}", part->outcomes.size()));
  if (!part->is_last || part->number > 0) {
    add(fmt::format("part {}{} of its bundle", part->number + 1, part->is_last ? ", the last," : ""));
  }
  if (text.empty()) add("changes nothing");
  return text;
}

}  // namespace

const char* name_of(EntryKind kind) {
  switch (kind) {
    case EntryKind::kNoop: return "no-op";
    case EntryKind::kCommand: return "command";
    case EntryKind::kConfiguration: return "configuration";
  }
  return "?";
}

std::string describe_payload(const Entry& entry) {
  if (entry.payload.is_absent()) return "damaged";
  switch (entry.kind) {
    case EntryKind::kNoop: return {};
    case EntryKind::kCommand: return describe_command(entry.payload.bytes());
    case EntryKind::kConfiguration: return describe_configuration(entry.payload.bytes());
  }
  return {};
}

}  // namespace quorate::server
