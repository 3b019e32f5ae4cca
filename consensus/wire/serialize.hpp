// How the engine's aggregates are laid out by the archives of archive.hpp: their fields, in order. Reading also
// enforces the named limits of limits.hpp and the rules that hold between fields. Include it in .cpp files only.
#pragma once

#include "consensus/configuration.hpp"
#include "consensus/entry.hpp"
#include "consensus/limits.hpp"
#include "consensus/message.hpp"
#include "consensus/wire/archive.hpp"

namespace quorate::wire {

template <>
struct LastEnumerator<EntryKind> {
  static constexpr EntryKind value = EntryKind::kConfiguration;
};
template <>
struct LastEnumerator<Vote> {
  static constexpr Vote value = Vote::kGranted;
};
template <>
struct LastEnumerator<CampaignKind> {
  static constexpr CampaignKind value = CampaignKind::kTransfer;
};
template <>
struct LastEnumerator<MemberKind> {
  static constexpr MemberKind value = MemberKind::kWitness;
};

template <class Archive>
void serialize(Archive& archive, LogId& id) {
  archive(id.term, id.index);
}
template <class Archive>
void serialize(Archive& archive, Entry& entry) {
  archive(entry.term, entry.index, entry.kind, entry.time, entry.payload);
}

inline void save(WireWriter& writer, const Member& member) {
  writer(member.id, member.incarnation, member.kind, member.priority, member.address);
}
inline void load(WireReader& reader, Member& member) {
  reader(member.id, member.incarnation, member.kind, member.priority);
  load_bounded(reader, member.address, kAddressBytesMax);
}
inline void save(WireWriter& writer, const Configuration& configuration) {
  writer(configuration.generation, configuration.members, configuration.outgoing);
}
inline void load(WireReader& reader, Configuration& configuration) {
  reader(configuration.generation);
  load_bounded(reader, configuration.members, kMembersMax);
  load_bounded(reader, configuration.outgoing, kMembersMax);
}

template <class Archive>
void serialize(Archive& archive, PreVoteRequest& request) {
  archive(request.last);
}
template <class Archive>
void serialize(Archive& archive, PreVoteResponse& response) {
  archive(response.vote);
}
template <class Archive>
void serialize(Archive& archive, VoteRequest& request) {
  archive(request.last, request.kind);
}
template <class Archive>
void serialize(Archive& archive, VoteResponse& response) {
  archive(response.vote);
}

/// Entries follow `previous` without a gap, so their indexes are not sent; bytes that say otherwise do not exist.
inline void save(WireWriter& writer, const AppendRequest& request) {
  QUORATE_ASSERT(request.entries.size() <= kAppendEntriesMax);
  writer(request.previous, request.commit);
  writer.put_count(request.entries.size());
  Index index = request.previous.index;
  for (const Entry& entry : request.entries) {
    ++index;
    QUORATE_ASSERT(entry.index == index);
    writer(entry.term, entry.kind, entry.time, entry.payload);
  }
}
inline constexpr std::size_t kAppendedEntryBytesMin = 8 + 1 + 8 + 4;
inline void load(WireReader& reader, AppendRequest& request) {
  reader(request.previous, request.commit);
  const std::size_t count = reader.take_count(kAppendedEntryBytesMin, kAppendEntriesMax);
  if (count > UINT64_MAX - request.previous.index.value) return reader.refuse("indexes beyond the last one");
  request.entries.resize(count);
  Index index = request.previous.index;
  for (Entry& entry : request.entries) {
    entry.index = ++index;
    reader(entry.term, entry.kind, entry.time, entry.payload);
  }
}
template <class Archive>
void serialize(Archive& archive, AppendAccepted& accepted) {
  archive(accepted.match);
}
template <class Archive>
void serialize(Archive& archive, AppendRejected& rejected) {
  archive(rejected.previous, rejected.hint);
}

template <class Archive>
void serialize(Archive& archive, Heartbeat& heartbeat) {
  archive(heartbeat.commit, heartbeat.round, heartbeat.sent_ns);
}
template <class Archive>
void serialize(Archive& archive, HeartbeatResponse& response) {
  archive(response.round, response.sent_ns);
}

template <class Archive>
void serialize(Archive& archive, SnapshotId& id) {
  archive(id.last, id.base, id.origin);
}
template <class Archive>
void serialize(Archive& archive, SnapshotOffer& offer) {
  archive(offer.last);
}
inline void save(WireWriter& writer, const SnapshotChunk& chunk) {
  writer(chunk.id, chunk.offset, chunk.bytes, chunk.is_last);
}
inline void load(WireReader& reader, SnapshotChunk& chunk) {
  reader(chunk.id, chunk.offset, chunk.bytes, chunk.is_last);
  if (chunk.bytes.is_absent()) reader.refuse("a snapshot chunk without its bytes");
  if (chunk.is_last > 1) reader.refuse("neither last nor not last");
}
template <class Archive>
void serialize(Archive& archive, SnapshotProgress& progress) {
  archive(progress.id, progress.next_offset, progress.applied);
}

template <class Archive>
void serialize(Archive& archive, ReadIndexRequest& request) {
  archive(request.read);
}
template <class Archive>
void serialize(Archive& archive, ReadIndexResponse& response) {
  archive(response.read, response.index);
}

inline void save(WireWriter& writer, const FetchRequest& request) { writer(request.ids); }
inline void load(WireReader& reader, FetchRequest& request) { load_bounded(reader, request.ids, kFetchIdsMax); }
inline void save(WireWriter& writer, const FetchResponse& response) { writer(response.entries); }
inline void load(WireReader& reader, FetchResponse& response) { load_bounded(reader, response.entries, kFetchIdsMax); }

template <class Archive>
void serialize(Archive& archive, Message& message) {
  archive(message.from, message.to, message.from_incarnation, message.to_incarnation, message.generation, message.term,
          message.boot, message.echo, message.body);
}

}  // namespace quorate::wire
