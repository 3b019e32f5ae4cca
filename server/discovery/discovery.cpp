#include "server/discovery/discovery.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "server/discovery/consul_store.hpp"
#include "server/discovery/etcd_store.hpp"
#include "server/discovery/node_addresses.hpp"
#include "server/http/go_text.hpp"

namespace quorate::discovery {

namespace {

/// Instead of what the DNS says.
constexpr std::array<const char*, 2> kHostVariables{"RQLITE_DISCO_DNS_HOSTS", "QUORATE_DISCO_DNS_HOSTS"};
constexpr std::size_t kKeyBytesMax = 512;

std::string time_text() {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
}

tl::unexpected<Error> refuse(std::string message) { return fail(ErrorKind::kInvalidArgument, std::move(message)); }

/// The flag that was wrong, in front of what was wrong with it.
template <class T>
Result<T> of_flag(const char* flag, Result<T> result) {
  if (result) return result;
  return fail(result.error().kind, std::string(flag) + ": " + result.error().message);
}

Result<void> check_key(const std::string& key) {
  const bool is_plain = std::ranges::all_of(key, [](char c) { return c >= ' ' && c <= '~'; });
  if (!key.empty() && key.size() <= kKeyBytesMax && is_plain) return {};
  return refuse("-disco-key: expected is a text of 1 to " + std::to_string(kKeyBytesMax) + " plain letters");
}

Result<std::unique_ptr<KeyValueStore>> open_store(Mode mode, const std::string& key, const std::string& config,
                                                  StopFlag stop) {
  if (mode == Mode::kConsul) {
    auto parsed = parse_consul_config(config);
    if (!parsed) return tl::unexpected(parsed.error());
    return ConsulStore::open(key, std::move(*parsed), std::move(stop));
  }
  const auto parsed = parse_etcd_config(config);
  if (!parsed) return tl::unexpected(parsed.error());
  return EtcdStore::open(key, *parsed, std::move(stop));
}

Result<std::variant<DnsConfig, DnsSrvConfig>> parse_names(Mode mode, const std::string& config) {
  if (mode == Mode::kDns) return parse_dns_config(config);
  return parse_dns_srv_config(config);
}

Result<std::vector<std::string>> hosts_in(const Environment& environment) {
  for (const char* variable : kHostVariables)
    if (const auto hosts = environment(variable)) return of_flag(variable, parse_hosts(*hosts));
  return std::vector<std::string>();
}

Result<LeaderRecord> decode(const KeyValueStore& store, const std::string& text) {
  auto record = decode_leader_record(text);
  if (record) return record;
  return fail(record.error().kind,
              store.key() + ": " + record.error().message + "; choose another -disco-key, or delete it");
}

Whereabouts nobody_yet(std::string note) { return {.addresses = {}, .is_founder = false, .note = std::move(note)}; }

Result<Whereabouts> ask_store(KeyValueStore& store, const LeaderRecord& self, Founding founding) {
  auto text = store.read();
  if (!text) return tl::unexpected(text.error());
  if (!*text && founding == Founding::kAllowed) {
    LeaderRecord claim = self;
    claim.is_founding = true;
    const auto created = store.create(encode(claim));
    if (!created) return tl::unexpected(created.error());
    if (*created) return Whereabouts{.addresses = {}, .is_founder = true, .note = {}};
    text = store.read();  // somebody else was faster
    if (!text) return tl::unexpected(text.error());
  }
  if (!*text) return nobody_yet("there is no key " + store.key() + ": no node has begun the cluster yet");
  const auto record = decode(store, **text);
  if (!record) return tl::unexpected(record.error());
  const bool is_self = record->id == self.id;
  if (is_self && record->is_founding && founding == Founding::kAllowed)
    return Whereabouts{.addresses = {}, .is_founder = true, .note = {}};
  if (is_self)
    return nobody_yet(store.key() +
                      " names this node, which has no data, as the leader: it waits for another leader; "
                      "if the cluster is gone for good, delete the key");
  if (record->is_founding)
    return nobody_yet(
        fmt::format("node {} at {} has claimed {} to begin the cluster, and has not done so yet; if it "
                    "is gone for good, delete the key",
                    record->id, record->addr, store.key()));
  return Whereabouts{.addresses = {record->addr}, .is_founder = false, .note = {}};
}

/// Only if something else stands there, or nothing.
Result<void> write_self(KeyValueStore& store, const LeaderRecord& self) {
  const auto text = store.read();
  if (!text) return tl::unexpected(text.error());
  const auto record = *text ? decode_leader_record(**text) : LeaderRecord{};
  if (record && *record == self) return {};
  return store.write(encode(self));
}

}  // namespace

Result<std::unique_ptr<Discovery>> Discovery::open(const DiscoveryOptions& options, const LeaderRecord& self,
                                                   Surroundings surroundings) {
  const auto mode = mode_named(options.mode);
  if (!mode) return refuse("-disco-mode: \"" + options.mode + "\" is none of consul-kv, etcd-kv, dns, dns-srv");
  if (auto checked = check_key(options.key); !checked) return tl::unexpected(checked.error());
  const auto text = of_flag("-disco-config", read_config(options.config));
  if (!text) return tl::unexpected(text.error());
  const auto config = of_flag("-disco-config", expand_environment(*text, surroundings.environment));
  if (!config) return tl::unexpected(config.error());
  std::unique_ptr<Discovery> made(new Discovery(*mode, self, std::move(surroundings)));
  if (options.has_store()) {
    auto store = of_flag("-disco-config", open_store(*mode, options.key, *config, made->stop_));
    if (!store) return tl::unexpected(store.error());
    made->store_ = std::move(*store);
    return made;
  }
  auto names = of_flag("-disco-config", parse_names(*mode, *config));
  if (!names) return tl::unexpected(names.error());
  auto hosts = hosts_in(made->surroundings_.environment);
  if (!hosts) return tl::unexpected(hosts.error());
  made->addresses_ = std::make_shared<NodeAddresses>(std::move(*names), std::move(*hosts), made->stop_);
  return made;
}

Discovery::Discovery(Mode mode, const LeaderRecord& self, Surroundings surroundings)
    : mode_(mode), self_(self), surroundings_(std::move(surroundings)) {}

Discovery::Discovery(Mode mode, std::unique_ptr<KeyValueStore> store, const LeaderRecord& self,
                     Surroundings surroundings)
    : Discovery(mode, self, std::move(surroundings)) {
  store_ = std::move(store);
}

Discovery::~Discovery() { stop_->store(true); }

void Discovery::note(const std::optional<Error>& error) {
  last_error_ = error ? error->message : std::string();
  if (!error) last_contact_ = time_text();
}

void Discovery::find(Founding founding, std::function<void(Result<Whereabouts>)> done) {
  const auto answer = std::make_shared<Result<Whereabouts>>();
  const auto job = [answer, store = store_, addresses = addresses_, self = self_, founding] {
    if (store != nullptr) {
      *answer = ask_store(*store, self, founding);
      return;
    }
    *answer = addresses->look_up().map(
        [](std::vector<std::string> found) { return Whereabouts{.addresses = std::move(found), .note = {}}; });
  };
  surroundings_.run(job, [this, answer, done = std::move(done), life = std::weak_ptr(life_)] {
    if (life.expired()) return;
    note(*answer ? std::nullopt : std::optional(answer->error()));
    if (*answer) last_addresses_ = (*answer)->addresses;
    done(std::move(*answer));
  });
}

void Discovery::lead(bool is_leader) {
  if (store_ == nullptr || is_leader == is_leader_) return;
  is_leader_ = is_leader;
  ++leadership_;
  has_reported_ = false;
  report_problem_.clear();
  report_pause_.reset();
  if (is_leader_) report(leadership_);
}

void Discovery::report(std::uint64_t leadership) {
  if (leadership != leadership_) return;
  const auto outcome = std::make_shared<Result<void>>();
  surroundings_.run([outcome, store = store_, self = self_] { *outcome = write_self(*store, self); },
                    [this, outcome, leadership, life = std::weak_ptr(life_)] {
                      if (!life.expired()) reported(leadership, *outcome);
                    });
}

void Discovery::reported(std::uint64_t leadership, const Result<void>& outcome) {
  note(outcome ? std::nullopt : std::optional(outcome.error()));
  if (leadership != leadership_) return;
  if (!outcome && std::exchange(report_problem_, outcome.error().message) != outcome.error().message)
    surroundings_.warn("cannot keep " + store_->key() + " up to date, by which other nodes find this leader: " +
                       outcome.error().message + "; trying again");
  if (outcome && (!std::exchange(has_reported_, true) || !report_problem_.empty())) {
    surroundings_.inform(store_->key() + " names this node as the leader");
    report_problem_.clear();
  }
  if (outcome) report_pause_.reset();
  surroundings_.after(outcome ? kReportInterval : report_pause_.next(),
                      [this, leadership, life = std::weak_ptr(life_)] {
                        if (!life.expired()) report(leadership);
                      });
}

void Discovery::write_status(http::StatusTree& status) const {
  status["mode"] = name_of(mode_);
  if (store_ != nullptr) {
    status["name"] = mode_ == Mode::kConsul ? "consul" : "etcd";
    status["key"] = store_->key();
    status["report_interval"] = http::format_duration(kReportInterval);
  } else {
    status["name"] = addresses_->name();
    http::StatusTree::List addresses(last_addresses_.begin(), last_addresses_.end());
    status["last_addresses"] = std::move(addresses);
  }
  if (!last_contact_.empty()) status["last_contact"] = last_contact_;
  if (!last_error_.empty()) status["last_error"] = last_error_;
}

}  // namespace quorate::discovery
