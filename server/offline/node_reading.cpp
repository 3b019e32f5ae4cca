#include "server/offline/node_reading.hpp"

#include <fmt/format.h>

#include "consensus/configuration_codec.hpp"
#include "consensus/core.hpp"
#include "server/member_address.hpp"

namespace quorate::server {

namespace {

void find_configuration(NodeReading& reading) {
  reading.configuration = reading.checkpoint.configuration;
  // When it came is not part of a checkpoint, only that it came no later.
  if (!reading.configuration.members.empty()) reading.configuration_index = reading.checkpoint.last.index;
  for (const Entry& entry : reading.log.recovered().entries) {
    if (entry.kind != EntryKind::kConfiguration || entry.index <= reading.checkpoint.last.index) continue;
    if (entry.payload.is_absent()) continue;  // damaged, which is told elsewhere
    auto configuration = decode_configuration(entry.payload.bytes());
    if (!configuration) continue;
    reading.configuration = std::move(*configuration);
    reading.configuration_index = entry.index;
  }
}

}  // namespace

Result<NodeReading> read_node(const StoppedNode& node, ShadowFiles& files, storage::ScanDepth depth) {
  NodeReading reading;
  auto log = read_log(files, node.record().cluster, node.id(), depth);
  if (!log) return tl::unexpected(log.error());
  reading.log = std::move(*log);
  auto pages = read_pages(files);
  if (!pages) return tl::unexpected(pages.error());
  reading.pages = std::move(*pages);
  const auto machine = open_machine(files, node.id());
  if (machine) {
    reading.checkpoint = (*machine)->recovered();
    const auto fits = Core::validate_recovered(reading.log.recovered(), reading.checkpoint);
    if (!fits) reading.problem = fits.error();
  } else {
    reading.problem = machine.error();
    reading.checkpoint.last = reading.pages.superblock.last;
  }
  find_configuration(reading);
  return reading;
}

const char* name_of(MemberKind kind) {
  switch (kind) {
    case MemberKind::kVoter: return "voter";
    case MemberKind::kLearner: return "read replica";
    case MemberKind::kWitness: return "witness";
  }
  return "?";
}

std::string name_of(NodeId node, const Configuration& configuration) {
  const Member* member = configuration.find(node);
  return member != nullptr && !member->address.empty() ? name_in(member->address) : fmt::format("node {}", node.value);
}

}  // namespace quorate::server
