#include "sim/nemesis_links.hpp"

#include <utility>

#include "consensus/assert.hpp"

namespace quorate::sim {

namespace {

using namespace std::chrono_literals;

constexpr LinkFault kCut{.passage = LinkFault::Passage::kCut};
constexpr LinkFault kJam{.passage = LinkFault::Passage::kJammed};

NodeSet some(Random& random, NodeSet nodes) {
  const std::vector<NodeId> order = shuffled(random, nodes);
  NodeSet picked;
  for (std::size_t count = random.between(1, order.size()); count > 0; --count) picked.insert(order[count - 1]);
  return picked;
}

std::vector<Arc> both_ways(NodeSet a, NodeSet b) { return {{a, b}, {b, a}}; }

/// Two groups that share one node only, or none.
std::vector<Arc> halves(Random& random, NodeSet nodes, std::size_t shared) {
  const std::vector<NodeId> order = shuffled(random, nodes);
  NodeSet left;
  NodeSet right;
  const std::size_t middle = order.size() < 2 ? 0 : random.between(1, order.size() - 1);
  for (std::size_t at = shared; at < order.size(); ++at) (at <= middle ? left : right).insert(order[at]);
  return both_ways(left, right);
}

/// Everybody hears the nearest ones of a circle: as many as make a majority, another one for every node.
std::vector<Arc> ring(Random& random, NodeSet nodes) {
  const std::vector<NodeId> order = shuffled(random, nodes);
  const std::size_t size = order.size();
  const std::size_t reach = size / 4 + 1;
  std::vector<Arc> arcs;
  for (std::size_t at = 0; at < size; ++at) {
    NodeSet heard{order[at]};
    for (std::size_t step = 1; step <= reach; ++step) {
      heard.insert(order[(at + step) % size]);
      heard.insert(order[(at + size - step % size) % size]);
    }
    if (const NodeSet deaf_to = nodes - heard; !deaf_to.empty()) arcs.push_back({deaf_to, {order[at]}});
  }
  return arcs;
}

class Trouble {
 public:
  Trouble(Random& random, LinkTrouble trouble, NodeSet nodes, WorldTime at)
      : random_(random), trouble_(trouble), nodes_(nodes), at_(at) {}

  std::vector<Fault> draw() {
    switch (trouble_) {
      case LinkTrouble::kHalves: add({halves(random_, nodes_, 0), kCut, span(100ms, 4s)}); break;
      case LinkTrouble::kOneWay: add_one_way(kCut, span(100ms, 4s)); break;
      case LinkTrouble::kBridge: add({halves(random_, nodes_, 1), kCut, span(100ms, 4s)}); break;
      case LinkTrouble::kRing: add({ring(random_, nodes_), kCut, span(100ms, 4s)}); break;
      case LinkTrouble::kIsolated: add_isolated(); break;
      case LinkTrouble::kFlapping: add_flapping(); break;
      case LinkTrouble::kClogged: add_one_way(kJam, span(50ms, 3s)); break;
      case LinkTrouble::kSwizzled: add_swizzled(); break;
      case LinkTrouble::kSlow:
        add_everywhere({.delay = {.shortest = span(0ms, 30ms),
                                  .spread = span(1ms, 150ms),
                                  .slow = percent(2),
                                  .slow_spread = span(1ms, 2s)}});
        break;
      case LinkTrouble::kLossy: add_everywhere({.loss = probability(40)}); break;
      case LinkTrouble::kDuplicating:
        add_everywhere({.delay = {.spread = span(0ms, 50ms)}, .duplication = probability(50)});
        break;
      case LinkTrouble::kReordering:
        add_everywhere({.delay = {.spread = span(1ms, 100ms)}, .reordering = probability(100)});
        break;
      case LinkTrouble::kCorrupting: add_everywhere({.corruption = probability(20)}); break;
      case LinkTrouble::kNarrow: add_everywhere({.bytes_per_second = random_.between(2'000, 200'000)}); break;
      case LinkTrouble::kCount: break;
    }
    return std::move(faults_);
  }

 private:
  Duration span(Duration shortest, Duration longest) { return random_.between(shortest, longest); }
  PartsPerMillion probability(std::uint32_t percent_max) {
    return {static_cast<std::uint32_t>(random_.between(1, percent(percent_max).value))};
  }

  /// To be called with braces, which draw from left to right. Compilers order a function's arguments as they like.
  struct Spell {
    std::vector<Arc> arcs;
    LinkFault effect;
    Duration lasts;
  };
  void add(Spell spell) {
    std::erase_if(spell.arcs, [](const Arc& arc) { return arc.from.empty() || arc.to.empty(); });
    if (spell.arcs.empty()) return;
    faults_.push_back({at_, spell.lasts, fault::Links{trouble_, std::move(spell.arcs), spell.effect}});
  }

  void add_one_way(const LinkFault& effect, Duration lasts) {
    add({{{some(random_, nodes_), some(random_, nodes_)}}, effect, lasts});
  }

  void add_everywhere(const LinkFault& effect) {
    const Duration lasts = span(200ms, 5s);
    if (random_.chance(percent(50))) {
      add({{{nodes_, nodes_}}, effect, lasts});
    } else {
      add_one_way(effect, lasts);
    }
  }

  void add_isolated() {
    const NodeSet alone{shuffled(random_, nodes_).front()};
    add({both_ways(alone, nodes_ - alone), kCut, span(100ms, 4s)});
  }

  void add_flapping() {
    const std::vector<Arc> arcs = random_.chance(percent(50))
                                      ? halves(random_, nodes_, 0)
                                      : std::vector<Arc>{{some(random_, nodes_), some(random_, nodes_)}};
    const Duration cut = span(10ms, 300ms);
    const Duration open = span(10ms, 300ms);
    for (std::uint64_t count = random_.between(3, 15); count > 0; --count) {
      add({arcs, kCut, cut});
      at_ += cut + open;
    }
  }

  /// Half of the nodes are clogged one after the other, and unclogged in another order.
  void add_swizzled() {
    const std::vector<NodeId> clogged = shuffled(random_, some(random_, nodes_));
    const Duration until = span(500ms, 3s);
    for (const NodeId node : clogged) {
      const Duration lasts = until + span(0ms, 1s);
      add({both_ways({node}, nodes_ - NodeSet{node}), kJam, lasts});
      at_ += span(1ms, 300ms);
    }
  }

  Random& random_;
  LinkTrouble trouble_;
  NodeSet nodes_;
  WorldTime at_;
  std::vector<Fault> faults_;
};

}  // namespace

std::vector<Fault> draw_link_trouble(Random& random, LinkTrouble trouble, NodeSet nodes, WorldTime at) {
  QUORATE_ASSERT(!nodes.empty());
  return Trouble(random, trouble, nodes, at).draw();
}

}  // namespace quorate::sim
