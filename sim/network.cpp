#include "sim/network.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "consensus/assert.hpp"
#include "consensus/wire/codec.hpp"
#include "consensus/wire/frame.hpp"

namespace quorate::sim {

namespace {

constexpr std::uint64_t kSlotBits = 24;
constexpr std::uint64_t kSlotsMax = std::uint64_t{1} << kSlotBits;

void add(LinkFault& sum, const LinkFault& fault) {
  // A jam hides a cut: what waits behind it meets the cut when the jam ends.
  sum.passage = std::max(sum.passage, fault.passage);
  sum.delay.shortest += fault.delay.shortest;
  sum.delay.spread += fault.delay.spread;
  sum.delay.slow = std::max(sum.delay.slow, fault.delay.slow);
  sum.delay.slow_spread += fault.delay.slow_spread;
  sum.loss = std::max(sum.loss, fault.loss);
  sum.duplication = std::max(sum.duplication, fault.duplication);
  sum.reordering = std::max(sum.reordering, fault.reordering);
  sum.corruption = std::max(sum.corruption, fault.corruption);
  if (fault.bytes_per_second != 0) {
    sum.bytes_per_second =
        sum.bytes_per_second == 0 ? fault.bytes_per_second : std::min(sum.bytes_per_second, fault.bytes_per_second);
  }
}

constexpr ClusterId kCluster{1};
/// A frame with up to this many turned bits is always recognised, whatever its length: CRC-32C's distance is 4.
constexpr std::uint64_t kBitFlipsMax = 3;
/// Senders' queues are bounded: what a narrow link cannot take within this time never leaves.
constexpr Duration kBacklogMax = std::chrono::seconds(2);

/// As a receiver reads it from a connection.
std::optional<Message> read_frame(std::span<const std::byte> frame) {
  const auto head = frame.first<wire::kFrameHeaderBytes>();
  const std::span<const std::byte> body = frame.subspan(wire::kFrameHeaderBytes);
  const Result<wire::FrameHeader> header = wire::parse_frame_header(head, kCluster);
  if (!header || header->type != wire::FrameType::kMessage || header->body_bytes != body.size()) return std::nullopt;
  if (!wire::verify_frame(*header, body)) return std::nullopt;
  Result<Message> message = wire::decode_message(body);
  if (!message) return std::nullopt;
  return std::move(*message);
}

}  // namespace

Duration DelayLaw::draw(Random& random) const {
  Duration delay = shortest;
  if (spread > Duration::zero()) delay += random.between(Duration::zero(), spread);
  if (random.chance(slow)) delay += random.between(Duration::zero(), slow_spread);
  return delay;
}

const char* name_of(Fate fate) {
  switch (fate) {
    case Fate::kSent: return "sent";
    case Fate::kDelivered: return "delivered";
    case Fate::kCut: return "cut";
    case Fate::kLost: return "lost";
    case Fate::kDuplicated: return "duplicated";
    case Fate::kReordered: return "reordered";
    case Fate::kCorrupted: return "corrupted";
    case Fate::kJammed: return "jammed";
    case Fate::kForged: return "forged";
    case Fate::kCount: break;
  }
  return "?";
}

Network::Network(World& world, std::uint64_t nodes, DelayLaw law)
    : world_(world),
      law_(law),
      nodes_(nodes),
      stride_(nodes + 1),
      calls_random_(world.randomness(0x63616c6c)),
      receivers_(nodes + 1, nullptr) {
  QUORATE_ASSERT(nodes <= kNodesMax);
  links_.reserve(stride_ * stride_);
  const Random source = world.randomness(0x6e6574);
  for (std::size_t at = 0; at < stride_ * stride_; ++at) links_.push_back({.effect = {}, .random = source.fork(at)});
  recompute();
}

void Network::attach(NodeId node, NetworkReceiver& receiver) {
  QUORATE_ASSERT(node.value >= 1);
  QUORATE_ASSERT(node.value <= nodes_);
  receivers_[node.value] = &receiver;
}

void Network::send(Message message) {
  if (message.to.value == 0 || message.to.value > nodes_) return;
  Link& link = this->link(message.from, message.to);
  if (link.random.chance(link.effect.duplication)) {
    note({}, Fate::kDuplicated, message);
    transmit(message, link);
  }
  transmit(std::move(message), link);
}

void Network::call(NodeId from, NodeId to, Payload request, std::function<void(Payload)> done) {
  if (to.value == 0 || to.value > nodes_ || receivers_[to.value] == nullptr) return;
  carry(from, to, [this, from, to, request = std::move(request), done = std::move(done)]() mutable {
    receivers_[to.value]->called(from, std::move(request), [this, from, to, done = std::move(done)](Payload answer) {
      carry(to, from, [done, answer = std::move(answer)] { done(answer); });
    });
  });
}

void Network::carry(NodeId from, NodeId to, std::function<void()> arrive) {
  const LinkFault& effect = link(from, to).effect;
  if (!is_open(from, to) || calls_random_.chance(effect.loss)) return;
  world_.at(world_.now() + effect.delay.draw(calls_random_), [this, from, to, arrive = std::move(arrive)] {
    if (is_open(from, to)) arrive();
  });
}

void Network::transmit(Message message, Link& link) {
  const std::size_t slot = take_slot(std::move(message));
  note(slots_[slot].id, Fate::kSent, slots_[slot].message);
  if (delivery_ == Delivery::kManual) {
    slots_[slot].state = Slot::State::kWaiting;
    return;
  }
  depart(slot, link);
}

void Network::depart(std::size_t slot, Link& link) {
  Slot& entry = slots_[slot];
  const LinkFault& effect = link.effect;
  if (effect.passage == LinkFault::Passage::kCut || link.random.chance(effect.loss)) {
    note(entry.id, effect.passage == LinkFault::Passage::kCut ? Fate::kCut : Fate::kLost, entry.message);
    take_out(slot);
    return;
  }
  entry.is_corrupt = link.random.chance(effect.corruption);
  if (link.free_at > world_.now() + kBacklogMax) {
    note(entry.id, Fate::kLost, entry.message);
    take_out(slot);
    return;
  }
  WorldTime arrival = world_.now() + transmission(entry.message, link) + effect.delay.draw(link.random);
  if (arrival < link.last_arrival) {
    if (link.random.chance(effect.reordering)) {
      note(entry.id, Fate::kReordered, entry.message);
    } else {
      arrival = link.last_arrival;
    }
  }
  link.last_arrival = std::max(link.last_arrival, arrival);
  entry.state = Slot::State::kScheduled;
  world_.schedule(arrival, *this, (entry.id.value << kSlotBits) | slot);
}

Duration Network::transmission(const Message& message, Link& link) {
  if (link.effect.bytes_per_second == 0) return Duration::zero();
  const auto rate = static_cast<std::int64_t>(link.effect.bytes_per_second);
  const auto bytes = static_cast<std::int64_t>(approximate_bytes(message));
  link.free_at = std::max(link.free_at, world_.now()) + Duration(std::chrono::seconds(bytes)) / rate;
  return link.free_at - world_.now();
}

void Network::fire(std::uint64_t token) {
  const std::size_t slot = token & (kSlotsMax - 1);
  Slot& entry = slots_[slot];
  if (entry.state != Slot::State::kScheduled || entry.id.value != token >> kSlotBits) return;
  switch (link(entry.message.from, entry.message.to).effect.passage) {
    case LinkFault::Passage::kOpen: arrive(slot); break;
    case LinkFault::Passage::kCut:
      note(entry.id, Fate::kCut, entry.message);
      take_out(slot);
      break;
    case LinkFault::Passage::kJammed:
      note(entry.id, Fate::kJammed, entry.message);
      entry.state = Slot::State::kWaiting;
      break;
  }
}

void Network::arrive(std::size_t slot) {
  const MessageId id = slots_[slot].id;
  const bool is_corrupt = slots_[slot].is_corrupt;
  Message message = take_out(slot);
  NetworkReceiver* receiver = receivers_[message.to.value];
  if (receiver == nullptr) return;
  if (is_corrupt) {
    note(id, Fate::kCorrupted, message);
    receive_damaged(message, link(message.from, message.to).random);
    return;
  }
  note(id, Fate::kDelivered, message);
  receiver->deliver(std::move(message));
}

void Network::receive_damaged(const Message& message, Random& random) {
  frame_.clear();
  wire::append_frame(kCluster, message, frame_);
  // An odd number: two flips of one bit would leave the frame as it was.
  for (std::uint64_t flips = random.chance(percent(50)) ? 1 : kBitFlipsMax; flips > 0; --flips) {
    const std::uint64_t bit = random.below(frame_.size() * 8);
    frame_[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  NetworkReceiver& receiver = *receivers_[message.to.value];
  if (std::optional<Message> accepted = read_frame(frame_)) {
    note({}, Fate::kForged, *accepted);
    receiver.deliver(std::move(*accepted));
    return;
  }
  receiver.disconnected(message.from);
}

void Network::break_connections(NodeId node) {
  for (std::uint64_t peer = 1; peer <= nodes_; ++peer) {
    const NodeId to{peer};
    if (to == node || receivers_[peer] == nullptr || !is_open(node, to)) continue;
    Link& out = link(node, to);
    const WorldTime arrival = std::max(world_.now() + out.effect.delay.draw(out.random), out.last_arrival);
    world_.at(arrival, [this, node, to] {
      if (is_open(node, to)) receivers_[to.value]->disconnected(node);
    });
  }
}

void Network::lay(FaultId fault, NodeSet from, NodeSet to, const LinkFault& effect) {
  faults_.push_back({fault, from, to, effect});
  recompute();
}

void Network::lift(FaultId fault) {
  std::erase_if(faults_, [fault](const LaidFault& laid) { return laid.id == fault; });
  recompute();
  flush_unjammed_links();
}

void Network::lift_all() {
  faults_.clear();
  recompute();
  flush_unjammed_links();
}

void Network::recompute() {
  for (Link& each : links_) each.effect = LinkFault{.delay = law_};
  for (const LaidFault& fault : faults_) {
    for (const NodeId from : fault.from) {
      for (const NodeId to : fault.to) {
        if (from != to) add(link(from, to).effect, fault.effect);
      }
    }
  }
}

void Network::flush_unjammed_links() {
  if (delivery_ == Delivery::kManual) return;
  std::vector<MessageId> unjammed;
  for (const Slot& slot : slots_) {
    if (slot.state != Slot::State::kWaiting) continue;
    const LinkFault& effect = link(slot.message.from, slot.message.to).effect;
    if (effect.passage != LinkFault::Passage::kJammed) unjammed.push_back(slot.id);
  }
  std::ranges::sort(unjammed);
  for (const MessageId id : unjammed) {
    const std::size_t slot = find(id);
    slots_[slot].state = Slot::State::kScheduled;
    world_.schedule(world_.now(), *this, (id.value << kSlotBits) | slot);
  }
}

void Network::set_delivery(Delivery delivery) {
  delivery_ = delivery;
  flush_unjammed_links();
}

std::vector<MessageId> Network::on_the_way(NodeId from, NodeId to, std::string_view kind) const {
  std::vector<MessageId> found;
  for (const Slot& slot : slots_) {
    if (slot.state != Slot::State::kScheduled && slot.state != Slot::State::kWaiting) continue;
    if (slot.message.from != from || slot.message.to != to) continue;
    if (kind.empty() || kind == quorate::name_of(slot.message.body)) found.push_back(slot.id);
  }
  std::ranges::sort(found);
  return found;
}

const Message& Network::message(MessageId id) const { return slots_[find(id)].message; }

void Network::deliver(MessageId id) { arrive(find(id)); }

void Network::drop(MessageId id) {
  const std::size_t slot = find(id);
  note(id, Fate::kLost, slots_[slot].message);
  take_out(slot);
}

MessageId Network::duplicate(MessageId id) {
  const std::size_t original = find(id);
  const Slot::State state = slots_[original].state;
  const std::size_t copy = take_slot(slots_[original].message);
  Slot& entry = slots_[copy];
  note(entry.id, Fate::kDuplicated, entry.message);
  entry.state = state == Slot::State::kScheduled ? Slot::State::kWaiting : state;
  if (state == Slot::State::kScheduled) depart(copy, link(entry.message.from, entry.message.to));
  return MessageId{next_id_ - 1};
}

void Network::corrupt(MessageId id) {
  const std::size_t slot = find(id);
  slots_[slot].is_corrupt = true;
  arrive(slot);
}

void Network::hold(MessageId id, const std::string& name) {
  slots_[find(id)].state = Slot::State::kHeld;
  held_[name].push_back(id);
}

std::size_t Network::release(const std::string& name) {
  const auto found = held_.find(name);
  if (found == held_.end()) return 0;
  const std::vector<MessageId> ids = std::move(found->second);
  held_.erase(found);
  for (const MessageId id : ids) arrive(find(id));
  return ids.size();
}

std::size_t Network::take_slot(Message message) {
  std::size_t slot = slots_.size();
  if (free_.empty()) {
    QUORATE_ASSERT(slot < kSlotsMax);
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Slot& entry = slots_[slot];
  entry.id = MessageId{next_id_++};
  entry.is_corrupt = false;
  entry.message = std::move(message);
  return slot;
}

Message Network::take_out(std::size_t slot) {
  slots_[slot].state = Slot::State::kFree;
  free_.push_back(slot);
  return std::move(slots_[slot].message);
}

std::size_t Network::find(MessageId id) const {
  const auto found = std::ranges::find_if(
      slots_, [id](const Slot& slot) { return slot.id == id && slot.state != Slot::State::kFree; });
  QUORATE_ASSERT(found != slots_.end());
  return static_cast<std::size_t>(found - slots_.begin());
}

void Network::note(MessageId id, Fate fate, const Message& message) {
  ++fates_[static_cast<std::size_t>(fate)];
  if (observer_ != nullptr) observer_->on_message(id, fate, message);
}

std::size_t approximate_bytes(const Message& message) {
  constexpr std::size_t kEnvelopeBytes = 80;
  std::size_t bytes = kEnvelopeBytes;
  const auto add_entries = [&bytes](const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) bytes += entry_cost_bytes(entry);
  };
  if (const auto* append = std::get_if<AppendRequest>(&message.body)) add_entries(append->entries);
  if (const auto* fetched = std::get_if<FetchResponse>(&message.body)) add_entries(fetched->entries);
  if (const auto* chunk = std::get_if<SnapshotChunk>(&message.body)) bytes += chunk->bytes.size();
  return bytes;
}

}  // namespace quorate::sim
