#include <array>
#include <concepts>
#include <limits>
#include <type_traits>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "sim/schedule.hpp"

namespace quorate::sim {

namespace {

namespace json = boost::json;

// The fields of every aggregate, named once for both directions.

template <class Visit>
void fields(Visit& visit, DelayLaw& law) {
  visit("shortest", law.shortest);
  visit("spread", law.spread);
  visit("slow", law.slow);
  visit("slow_spread", law.slow_spread);
}
template <class Visit>
void fields(Visit& visit, LinkFault& fault) {
  visit("passage", fault.passage);
  visit("delay", fault.delay);
  visit("loss", fault.loss);
  visit("duplication", fault.duplication);
  visit("reordering", fault.reordering);
  visit("corruption", fault.corruption);
  visit("bytes_per_second", fault.bytes_per_second);
}
template <class Visit>
void fields(Visit& visit, Arc& arc) {
  visit("from", arc.from);
  visit("to", arc.to);
}
template <class Visit>
void fields(Visit& visit, fault::Links& links) {
  visit("trouble", links.trouble);
  visit("arcs", links.arcs);
  visit("effect", links.effect);
}
template <class Visit>
void fields(Visit& visit, fault::Crash& crash) {
  visit("nodes", crash.nodes);
  visit("ending", crash.ending);
  visit("at_operation", crash.at_operation);
}
template <class Visit>
void fields(Visit& visit, fault::Pause& pause) {
  visit("nodes", pause.nodes);
}
template <class Visit>
void fields(Visit& visit, fault::Wipe& wipe) {
  visit("node", wipe.node);
}
template <class Visit>
void fields(Visit& visit, fault::ClockDrift& drift) {
  visit("node", drift.node);
  visit("ppm", drift.drift);
}
template <class Visit>
void fields(Visit& visit, fault::ClockJump& jump) {
  visit("node", jump.node);
  visit("by", jump.by);
}
template <class Visit>
void fields(Visit& visit, fault::DiskStall& stall) {
  visit("node", stall.node);
}
template <class Visit>
void fields(Visit& visit, fault::DiskSlow& slow) {
  visit("node", slow.node);
  visit("law", slow.law);
}
template <class Visit>
void fields(Visit& visit, fault::DiskTrouble& trouble) {
  visit("node", trouble.node);
  visit("fault", trouble.fault);
}
template <class Visit>
void fields(Visit& visit, fault::DiskFull& full) {
  visit("node", full.node);
  visit("bytes_left", full.bytes_left);
}
template <class Visit>
void fields(Visit& visit, fault::DiskRot& rot) {
  visit("node", rot.node);
  visit("bits", rot.bits);
}
template <class Visit>
void fields(Visit& visit, fault::Interruption& interruption) {
  visit("victim", interruption.victim);
  visit("piece", interruption.piece);
  visit("bits", interruption.bits);
  visit("down", interruption.down);
}
template <class Visit>
void fields(Visit& visit, fault::Reshape& reshape) {
  visit("voters", reshape.voters);
  visit("learners", reshape.learners);
  visit("patience", reshape.patience);
}
template <class Visit>
void fields(Visit& visit, fault::Transfer& transfer) {
  visit("target", transfer.target);
}
template <class Visit>
void fields(Visit& visit, fault::Checkpoint& checkpoint) {
  visit("nodes", checkpoint.nodes);
}
template <class Visit>
void fields(Visit& visit, ClusterShape& shape) {
  visit("voters", shape.voters);
  visit("witnesses", shape.witnesses);
  visit("learners", shape.learners);
  visit("spares", shape.spares);
  visit("heartbeat_interval", shape.heartbeat_interval);
  visit("election_timeout", shape.election_timeout);
  visit("pre_vote", shape.pre_vote);
  visit("check_quorum", shape.check_quorum);
  visit("lease_reads", shape.lease_reads);
  visit("clock_drift_ppm", shape.clock_drift_ppm);
  visit("append_bytes_max", shape.append_bytes_max);
  visit("append_entries_max", shape.append_entries_max);
  visit("window_messages_max", shape.window_messages_max);
  visit("uncommitted_bytes_max", shape.uncommitted_bytes_max);
  visit("trailing_bytes_max", shape.trailing_bytes_max);
  visit("snapshot_chunk_bytes", shape.snapshot_chunk_bytes);
  visit("checkpoint_entries", shape.checkpoint_entries);
  visit("segment_bytes", shape.segment_bytes);
  visit("network", shape.network);
  visit("disk", shape.disk);
}

template <class E>
struct Names;
template <>
struct Names<LinkFault::Passage> {
  static constexpr std::array<const char*, 3> values{"open", "cut", "jammed"};
};
template <>
struct Names<Ending> {
  static constexpr std::array<const char*, 5> values{"kill", "keep-all", "drop-all", "tear", "reorder"};
};
template <>
struct Names<DiskFault> {
  static constexpr std::array<const char*, 5> values{"read-error", "write-error", "sync-error", "lost-write",
                                                     "misdirected-write"};
};
template <>
struct Names<fault::Interruption::Victim> {
  static constexpr std::array<const char*, 2> values{"receiver", "sender"};
};
template <>
struct Names<Switch> {
  static constexpr std::array<const char*, 2> values{"off", "on"};
};
template <>
struct Names<LinkTrouble> {
  static constexpr auto values = kLinkTroubleNames;
};

// Writing.

struct Writer {
  json::object object;

  template <class T>
  void operator()(const char* name, T& value) {
    object[name] = write(value);
  }

  static json::value write(std::uint64_t value) { return value; }
  static json::value write(NodeId node) { return node.value; }
  static json::value write(Duration duration) { return duration.count(); }
  static json::value write(PartsPerMillion probability) { return probability.value; }
  static json::value write(DriftPpm drift) { return drift.value; }
  static json::value write(NodeSet nodes) {
    json::array array;
    for (const NodeId node : nodes) array.emplace_back(node.value);
    return array;
  }
  template <class E>
    requires std::is_enum_v<E>
  static json::value write(E value) {
    return Names<E>::values.at(static_cast<std::size_t>(value));
  }
  template <class T>
  static json::value write(std::vector<T> values) {
    json::array array;
    for (T& value : values) array.push_back(write(value));
    return array;
  }
  template <class T>
    requires std::is_class_v<T>
  static json::value write(T value) {
    Writer inner;
    fields(inner, value);
    return std::move(inner.object);
  }
};

// Reading: the first thing that is wrong is kept, with its place.

class Reader {
 public:
  Reader(const json::value& value, std::string place, std::string& error) : place_(std::move(place)), error_(error) {
    object_ = value.if_object();
    if (object_ == nullptr) complain("expected an object");
  }

  template <class T>
  void operator()(const char* name, T& value) {
    if (!error_.empty()) return;
    const json::value* found = object_->if_contains(name);
    const std::string place = place_ + "." + name;
    if (found == nullptr) return complain_at(place, "is missing");
    read(*found, place, value);
  }

  [[nodiscard]] const json::value* find(const char* name) {
    if (!error_.empty()) return nullptr;
    const json::value* found = object_->if_contains(name);
    if (found == nullptr) complain_at(place_ + "." + name, "is missing");
    return found;
  }

  template <std::integral I>
  void read(const json::value& from, const std::string& place, I& value) {
    boost::system::error_code problem;
    const I number = from.to_number<I>(problem);
    if (problem) return complain_at(place, "expected an integer that fits");
    value = number;
  }
  void read(const json::value& from, const std::string& place, NodeId& node) { read(from, place, node.value); }
  void read(const json::value& from, const std::string& place, Duration& duration) {
    Duration::rep count = 0;
    read(from, place, count);
    duration = Duration{count};
  }
  void read(const json::value& from, const std::string& place, PartsPerMillion& value) {
    read(from, place, value.value);
  }
  void read(const json::value& from, const std::string& place, DriftPpm& value) { read(from, place, value.value); }
  void read(const json::value& from, const std::string& place, std::string& value) {
    const json::string* text = from.if_string();
    if (text == nullptr) return complain_at(place, "expected a string");
    value = std::string(*text);
  }
  void read(const json::value& from, const std::string& place, NodeSet& nodes) {
    std::vector<std::uint64_t> ids;
    read(from, place, ids);
    for (const std::uint64_t id : ids) {
      if (id == 0 || id > kNodesMax) return complain_at(place, "expected node ids from 1 on");
      nodes.insert(NodeId{id});
    }
  }
  template <class E>
    requires std::is_enum_v<E>
  void read(const json::value& from, const std::string& place, E& value) {
    std::string name;
    read(from, place, name);
    for (std::size_t at = 0; at < Names<E>::values.size(); ++at) {
      if (name == Names<E>::values[at]) {
        value = static_cast<E>(at);
        return;
      }
    }
    complain_at(place, "unknown name \"" + name + "\"");
  }
  template <class T>
  void read(const json::value& from, const std::string& place, std::vector<T>& values) {
    const json::array* array = from.if_array();
    if (array == nullptr) return complain_at(place, "expected an array");
    values.clear();
    for (std::size_t at = 0; at < array->size() && error_.empty(); ++at) {
      read((*array)[at], fmt::format("{}[{}]", place, at), values.emplace_back());
    }
  }
  template <class T>
    requires std::is_class_v<T>
  void read(const json::value& from, const std::string& place, T& value) {
    Reader inner(from, place, error_);
    if (error_.empty()) fields(inner, value);
  }

  void complain(const char* what) { complain_at(place_, what); }
  void complain_at(const std::string& place, const std::string& what) {
    if (error_.empty()) error_ = place + ": " + what;
  }

 private:
  const json::object* object_ = nullptr;
  std::string place_;
  std::string& error_;
};

json::value write_fault(const Fault& fault) {
  json::object object;
  object["at"] = fault.at.time_since_epoch().count();
  object["lasts"] = fault.lasts.count();
  object["kind"] = name_of_fault(fault.body.index());
  object["what"] = std::visit([](const auto& body) { return Writer::write(body); }, fault.body);
  return object;
}

template <std::size_t... kKinds>
bool emplace_fault(FaultBody& body, std::string_view name, std::index_sequence<kKinds...>) {
  return ((name == name_of_fault(kKinds) && (body.emplace<kKinds>(), true)) || ...);
}

Fault read_fault(const json::value& from, const std::string& place, std::string& error) {
  Fault fault;
  Reader reader(from, place, error);
  Duration at{};
  std::string kind;
  reader("at", at);
  reader("lasts", fault.lasts);
  reader("kind", kind);
  fault.at = WorldTime{at};
  if (!error.empty()) return fault;
  if (!emplace_fault(fault.body, kind, std::make_index_sequence<kFaultKinds>{})) {
    reader.complain_at(place + ".kind", "unknown fault \"" + kind + "\"");
    return fault;
  }
  std::visit([&](auto& body) { reader("what", body); }, fault.body);
  return fault;
}

json::value write_operation(const PlannedOperation& operation) {
  return json::array{operation.at.time_since_epoch().count(),
                     operation.id,
                     operation.client,
                     operation.kind,
                     operation.key,
                     operation.argument};
}

PlannedOperation read_operation(Reader& reader, const json::value& from, const std::string& place) {
  PlannedOperation operation;
  const json::array* fields = from.if_array();
  if (fields == nullptr || fields->size() != 6) {
    reader.complain_at(place, "expected [time, id, client, kind, key, argument]");
    return operation;
  }
  Duration at{};
  reader.read((*fields)[0], place, at);
  reader.read((*fields)[1], place, operation.id);
  reader.read((*fields)[2], place, operation.client);
  reader.read((*fields)[3], place, operation.kind);
  reader.read((*fields)[4], place, operation.key);
  reader.read((*fields)[5], place, operation.argument);
  operation.at = WorldTime{at};
  return operation;
}

template <class T, class Write>
std::string lines(const std::vector<T>& values, Write&& write) {
  std::string text = "[";
  for (std::size_t at = 0; at < values.size(); ++at) {
    text += at == 0 ? "\n" : ",\n";
    text += "    " + json::serialize(write(values[at]));
  }
  return text + (values.empty() ? "]" : "\n  ]");
}

}  // namespace

std::string to_json(const Plan& plan) {
  return fmt::format(
      "{{\n  \"application\": {},\n  \"seed\": {},\n  \"duration\": {},\n  \"shape\": {},\n  \"faults\": {},\n"
      "  \"operations\": {}\n}}\n",
      json::serialize(json::value(plan.application)), plan.seed, plan.duration.count(),
      json::serialize(Writer::write(plan.shape)), lines(plan.faults, write_fault),
      lines(plan.operations, write_operation));
}

Result<Plan> plan_from_json(std::string_view text) {
  boost::system::error_code problem;
  const json::value root = json::parse(json::string_view(text.data(), text.size()), problem);
  if (problem) return fail(ErrorKind::kInvalidArgument, "the schedule is not JSON: " + problem.message());

  Plan plan;
  std::string error;
  Reader reader(root, "schedule", error);
  reader("application", plan.application);
  reader("seed", plan.seed);
  reader("duration", plan.duration);
  reader("shape", plan.shape);
  const auto each = [&](const char* name, auto&& take) {
    const json::value* found = reader.find(name);
    if (found == nullptr) return;
    if (!found->is_array()) return reader.complain_at(std::string("schedule.") + name, "expected an array");
    for (std::size_t at = 0; at < found->get_array().size() && error.empty(); ++at) {
      take(found->get_array()[at], fmt::format("schedule.{}[{}]", name, at));
    }
  };
  each("faults", [&](const json::value& value, const std::string& place) {
    plan.faults.push_back(read_fault(value, place, error));
  });
  each("operations", [&](const json::value& value, const std::string& place) {
    plan.operations.push_back(read_operation(reader, value, place));
  });
  if (!error.empty()) return fail(ErrorKind::kInvalidArgument, error);
  return plan;
}

}  // namespace quorate::sim
