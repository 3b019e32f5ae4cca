#include "server/commands/inspect.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <ostream>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "server/http/json_writer.hpp"
#include "server/member_address.hpp"
#include "server/offline/entry_listing.hpp"
#include "server/offline/node_reading.hpp"

namespace quorate {
namespace {

using cli::ExitCode;
using http::JsonWriter;
using server::LogReading;
using server::NodeReading;
using server::StoppedNode;

struct EntryRange {
  Index first;
  Index last;
};

/// "7", "7..12", "7.." or "..12".
std::optional<EntryRange> parse_range(std::string_view text) {
  const auto number = [](std::string_view digits, std::uint64_t& value) {
    if (digits.empty()) return true;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return problem == std::errc{} && end == digits.data() + digits.size();
  };
  const std::size_t dots = text.find("..");
  EntryRange range{Index{1}, Index{UINT64_MAX}};
  if (text.empty() || !number(text.substr(0, dots), range.first.value)) return std::nullopt;
  if (dots == std::string_view::npos) return EntryRange{range.first, range.first};
  if (!number(text.substr(dots + 2), range.last.value) || range.last < range.first) return std::nullopt;
  return range;
}

/// How many entries of each kind.
std::array<std::size_t, 3> count_kinds(const std::vector<Entry>& entries) {
  std::array<std::size_t, 3> counts{};
  for (const Entry& entry : entries) ++counts.at(static_cast<std::size_t>(entry.kind));
  return counts;
}

std::string describe(LogId id) { return fmt::format("entry {} of term {}", id.index.value, id.term.value); }

// --- For people ---

void row(std::ostream& out, std::string_view label, const std::string& text) {
  out << fmt::format("{:<14}{}\n", label, text);
}

void print_log(const NodeReading& reading, std::ostream& out) {
  const LogReading& log = reading.log;
  const Recovered& recovered = log.recovered();
  const HardState& state = recovered.hard_state;
  row(out, "term",
      fmt::format("{}, {}", state.term.value,
                  state.voted_for == kNoNode ? "no vote given"
                                             : "voted for " + server::name_of(state.voted_for, reading.configuration)));
  row(out, "last", describe(reading.last()));
  row(out, "committed", fmt::format("up to entry {}, for sure", reading.known_committed().value));
  const auto [noops, commands, configurations] = count_kinds(recovered.entries);
  row(out, "log",
      recovered.entries.empty() ? fmt::format("no entries behind {}", describe(recovered.base))
                                : fmt::format("entries {} to {}: {} commands, {} configurations, {} no-ops",
                                              recovered.entries.front().index.value, log.last().index.value, commands,
                                              configurations, noops));
  row(out, "", fmt::format("segments: {}, with {} bytes on disk", log.segments.size(), log.bytes));
  if (log.scanned.has_torn_tail) row(out, "", "ends in a write that a crash has cut short, which is normal");
  if (!recovered.damaged.empty()) {
    row(out, "",
        fmt::format("DAMAGED: the bodies of {} entries, from {} on", recovered.damaged.size(),
                    describe(recovered.damaged.front())));
  }
  if (recovered.promises_lost) row(out, "", "DAMAGED: ids of entries are lost; the node would not vote");
  if (!log.scanned.damage.empty()) row(out, "", "bytes are damaged: `quorate verify` says which");
}

void print_members(const NodeReading& reading, NodeId self, std::ostream& out) {
  const Configuration& configuration = reading.configuration;
  row(out, "members",
      configuration.members.empty() ? "none known yet: the node has not been let into a cluster"
                                    : fmt::format("generation {}, as of entry {}", configuration.generation.value,
                                                  reading.configuration_index.value));
  const auto print = [&](const Member& member, std::string_view remark) {
    row(out, "",
        fmt::format("{:<12} {:<12} {}{}{}", server::name_in(member.address), server::name_of(member.kind),
                    server::endpoint_in(member.address), member.id == self ? "  (this node)" : "", remark));
  };
  for (const Member& member : configuration.members) print(member, "");
  for (const Member& member : configuration.outgoing) print(member, "  (until the change under way is done)");
}

void print_pages(const NodeReading& reading, std::ostream& out) {
  const sqlite::Superblock& superblock = reading.pages.superblock;
  if (superblock.sequence == 0) {
    row(out, "checkpoint", "none yet: all there is, is in the log");
  } else {
    row(out, "checkpoint",
        fmt::format("number {}: all up to {}, digest {:016x}", superblock.sequence, describe(superblock.last),
                    superblock.digest.value()));
    row(out, "", fmt::format("{} bytes of other state", superblock.application.size()));
  }
  if (reading.pages.had_interrupted_fold) row(out, "", "interrupted: the next start carries it out to its end");
  for (const sqlite::DatabaseRecord& database : superblock.databases) {
    row(out, "",
        fmt::format("database '{}': {} pages of {} bytes ({}/{}.pages)", database.name, database.page_count.value,
                    database.page_size.bytes(), server::kPageDirectory, database.id.value));
  }
}

void print(const StoppedNode& node, const NodeReading& reading, std::ostream& out) {
  const storage::StoreIdentity& identity = reading.log.identity;
  row(out, "node", node.record().name);
  row(out, "cluster", fmt::format("{:016x}", node.record().cluster.value));
  row(out, "identity",
      fmt::format("id {}, incarnation {:016x}, started {} times", node.id().value, identity.incarnation.value,
                  identity.boot.value));
  print_log(reading, out);
  print_members(reading, node.id(), out);
  print_pages(reading, out);
  if (reading.problem) row(out, "PROBLEM", "the node would not start: " + reading.problem->message);
}

void print_entries(const std::vector<Entry>& entries, EntryRange range, std::ostream& out) {
  out << fmt::format("{:>10} {:>8} {:<14} {:>10}  {}\n", "index", "term", "kind", "bytes", "what");
  for (const Entry& entry : entries) {
    if (entry.index < range.first || entry.index > range.last) continue;
    out << fmt::format("{:>10} {:>8} {:<14} {:>10}  {}\n", entry.index.value, entry.term.value,
                       server::name_of(entry.kind), entry.payload.size(), server::describe_payload(entry));
  }
}

// --- For programs ---

void write_id(JsonWriter& json, std::string_view key, LogId id) {
  json.key(key).begin_object();
  json.key("term").unsigned_integer(id.term.value);
  json.key("index").unsigned_integer(id.index.value);
  json.end_object();
}

void write_log(JsonWriter& json, const LogReading& log) {
  const Recovered& recovered = log.recovered();
  const auto [noops, commands, configurations] = count_kinds(recovered.entries);
  json.key("log").begin_object();
  write_id(json, "base", recovered.base);
  write_id(json, "last", log.last());
  json.key("commands").unsigned_integer(commands);
  json.key("configurations").unsigned_integer(configurations);
  json.key("noops").unsigned_integer(noops);
  json.key("segments").begin_array();
  for (const LogReading::Segment& segment : log.segments) {
    json.begin_object();
    json.key("file").string(LogReading::path_of(segment.number));
    json.key("bytes").unsigned_integer(segment.bytes);
    json.end_object();
  }
  json.end_array();
  json.key("bytes").unsigned_integer(log.bytes);
  json.key("torn_tail").boolean(log.scanned.has_torn_tail);
  json.key("promises_lost").boolean(recovered.promises_lost);
  json.key("damaged_entries").begin_array();
  for (const LogId& id : recovered.damaged) json.unsigned_integer(id.index.value);
  json.end_array();
  json.end_object();
}

void write_members(JsonWriter& json, std::string_view key, const std::vector<Member>& members) {
  json.key(key).begin_array();
  for (const Member& member : members) {
    json.begin_object();
    json.key("name").string(server::name_in(member.address));
    json.key("id").string(std::to_string(member.id.value));
    json.key("incarnation").string(std::to_string(member.incarnation.value));
    json.key("kind").string(server::name_of(member.kind));
    json.key("address").string(server::endpoint_in(member.address));
    json.end_object();
  }
  json.end_array();
}

void write_pages(JsonWriter& json, const server::PageReading& pages) {
  json.key("checkpoint").begin_object();
  json.key("number").unsigned_integer(pages.superblock.sequence);
  write_id(json, "last", pages.superblock.last);
  json.key("digest").string(fmt::format("{:016x}", pages.superblock.digest.value()));
  json.key("application_bytes").unsigned_integer(pages.superblock.application.size());
  json.key("interrupted").boolean(pages.had_interrupted_fold);
  json.key("databases").begin_array();
  for (const sqlite::DatabaseRecord& database : pages.superblock.databases) {
    json.begin_object();
    json.key("name").string(database.name);
    json.key("file").string(fmt::format("{}/{}.pages", server::kPageDirectory, database.id.value));
    json.key("pages").unsigned_integer(database.page_count.value);
    json.key("page_bytes").unsigned_integer(database.page_size.bytes());
    json.end_object();
  }
  json.end_array();
  json.end_object();
}

void write(JsonWriter& json, const StoppedNode& node, const NodeReading& reading) {
  const HardState& state = reading.log.recovered().hard_state;
  json.begin_object();
  json.key("node").string(node.record().name);
  json.key("id").string(std::to_string(node.id().value));  // more than 53 bits
  json.key("cluster").string(fmt::format("{:016x}", node.record().cluster.value));
  json.key("incarnation").string(std::to_string(reading.log.identity.incarnation.value));
  json.key("boot").unsigned_integer(reading.log.identity.boot.value);
  json.key("term").unsigned_integer(state.term.value);
  json.key("voted_for").string(std::to_string(state.voted_for.value));
  json.key("committed").unsigned_integer(reading.known_committed().value);
  write_id(json, "last", reading.last());
  write_log(json, reading.log);
  json.key("configuration").begin_object();
  json.key("generation").unsigned_integer(reading.configuration.generation.value);
  json.key("entry").unsigned_integer(reading.configuration_index.value);
  write_members(json, "members", reading.configuration.members);
  write_members(json, "outgoing", reading.configuration.outgoing);
  json.end_object();
  write_pages(json, reading.pages);
  json.key("problem");
  reading.problem ? json.string(reading.problem->message) : json.null();
  json.end_object();
}

void write_entries(JsonWriter& json, const std::vector<Entry>& entries, EntryRange range) {
  json.begin_array();
  for (const Entry& entry : entries) {
    if (entry.index < range.first || entry.index > range.last) continue;
    json.begin_object();
    json.key("index").unsigned_integer(entry.index.value);
    json.key("term").unsigned_integer(entry.term.value);
    json.key("kind").string(server::name_of(entry.kind));
    json.key("time").unsigned_integer(entry.time.value);
    json.key("bytes").unsigned_integer(entry.payload.size());
    json.key("what").string(server::describe_payload(entry));
    json.end_object();
  }
  json.end_array();
}

ExitCode complain(std::ostream& err, const std::string& message) {
  err << "quorate inspect: " << message << '\n';
  return ExitCode::kUsage;
}

}  // namespace

void describe_inspect_options(CLI::App& app, InspectCommand& command) {
  app.footer(
      "Reads what the node would read at its start, and changes nothing; the node must not be running. Of several\n"
      "nodes, the one whose \"last\" has the greatest term, and with the same term the greatest index, knows most.\n\n"
      "  quorate inspect data\n"
      "  quorate inspect data --json\n"
      "  quorate inspect data --entries 100..200\n\n"
      "Exit code: 0 shown, 2 this is not the directory of a stopped node, or cannot be understood at all.");
  app.add_option("directory", command.directory, "The node's data directory")->required()->type_name("DIR");
  app.add_option("--entries", command.entries, "List these entries of the log: A, A..B, A.. or ..B")
      ->type_name("RANGE");
  app.add_flag("--json", command.json, "For programs");
}

ExitCode run_inspect(InspectCommand command, std::ostream& out, std::ostream& err) {
  const std::optional<EntryRange> range = parse_range(command.entries);
  if (!command.entries.empty() && !range) {
    return complain(err, "--entries: expected a range such as 100..200, not \"" + command.entries + "\"");
  }
  const auto node = StoppedNode::open(command.directory);
  if (!node) return complain(err, node.error().message);
  auto files = node->shadow();
  if (!files) return complain(err, files.error().message);
  const auto reading = read_node(*node, *files, storage::ScanDepth::kForRestart);
  if (!reading) return complain(err, reading.error().message);
  const std::vector<Entry>& entries = reading->log.recovered().entries;
  if (!command.json) {
    range ? print_entries(entries, *range, out) : print(*node, *reading, out);
    return ExitCode::kSuccess;
  }
  JsonWriter json(http::JsonLayout::kPretty);
  range ? write_entries(json, entries, *range) : write(json, *node, *reading);
  out << json.buffer() << '\n';
  return ExitCode::kSuccess;
}

}  // namespace quorate
