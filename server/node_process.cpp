#include "server/node_process.hpp"

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <sys/resource.h>

#include "server/alarms.hpp"
#include "server/data_directory.hpp"
#include "server/entrance.hpp"
#include "server/http/service.hpp"
#include "server/log.hpp"
#include "server/member_address.hpp"
#include "server/membership_service.hpp"
#include "server/node_status.hpp"
#include "server/peer_protocol.hpp"
#include "server/replica.hpp"
#include "server/signals.hpp"
#include "server/sql_database.hpp"
#include "server/version.hpp"
#include "transport/asio_runtime.hpp"
#include "transport/asio_transport.hpp"
#include "transport/http_server.hpp"

namespace quorate::server {

using transport::AsioRuntime;
using transport::AsioTransport;
using transport::PeerCall;

namespace {

/// For requests that are under way when the node is told to stop.
constexpr Duration kStopGrace = std::chrono::seconds(2);
constexpr Duration kLeaveTimeout = std::chrono::seconds(5);

std::uint64_t random_number() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) ^ device();
}

/// Every connection needs a descriptor; the limit that a shell sets is for other programs.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// The Date field, made once a second.
class DateField {
 public:
  std::string_view now() {
    const std::time_t second = std::time(nullptr);
    if (second != second_) {
      second_ = second;
      std::tm parts{};
      gmtime_r(&second, &parts);
      char text[64];
      text_.assign(text, std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts));
    }
    return text_;
  }

 private:
  std::time_t second_ = -1;
  std::string text_;
};

class NodeProcess {
 public:
  NodeProcess(NodeConfig config, DataDirectory directory, std::optional<NodeRecord> record, std::string name)
      : config_(std::move(config)),
        directory_(std::move(directory)),
        record_(std::move(record)),
        name_(std::move(name)),
        signals_([this](int) { runtime_.post([this] { told_to_stop(); }); }),
        alarms_(runtime_),
        database_({.transaction_idle_max = config_.transaction_idle_max, .transaction_max = config_.transaction_max}) {}
  /// Clients first: what they wait for must not outlive what answers them.
  ~NodeProcess() {
    http_server_.reset();
    entrance_.reset();
    database_.serve(nullptr);
    if (cluster_) cluster_->serve(nullptr);
    replica_.reset();
    transport_.reset();
  }

  Result<void> run();

 private:
  Result<void> listen();
  http::HttpServiceOptions service_options();
  void called(PeerCall call);
  void look_for_cluster();
  Result<void> open_replica();
  void open_replica_or_stop();
  void changed();

  void told_to_stop();
  void leave();
  void hand_over();
  void finish(std::optional<Error> failure);
  [[nodiscard]] StatusSources status_sources();

  NodeConfig config_;
  DataDirectory directory_;
  std::optional<NodeRecord> record_;
  std::string name_;

  AsioRuntime runtime_;
  Signals signals_;
  Alarms alarms_;
  DateField date_;
  const std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
  NodeDescription self_;

  std::unique_ptr<AsioTransport> transport_;
  std::unique_ptr<MembershipService> cluster_;
  SqlDatabase database_;
  std::unique_ptr<http::HttpService> service_;
  std::unique_ptr<http::HttpServer> http_server_;
  std::unique_ptr<Entrance> entrance_;
  std::unique_ptr<Replica> replica_;

  NodeId known_leader_;
  bool was_member_ = false;
  bool is_stopping_ = false;
  std::optional<Error> failure_;
};

Result<void> NodeProcess::run() {
  log_info(fmt::format("{}: node {}, data in {}", describe_build(), name_, directory_.path()));
  if (auto listening = listen(); !listening) return listening;
  log_info(fmt::format("serving clients at http://{}, nodes at {}", config_.http_advertised, config_.raft_advertised));
  Entrance::Events events{
      .found =
          [this] {
            record_ = {.name = name_, .cluster = ClusterId{random_number()}, .stage = NodeRecord::Stage::kFounding};
            log_info(fmt::format("beginning cluster {:016x}", record_->cluster.value));
            open_replica_or_stop();
          },
      .joins =
          [this](ClusterId cluster) {
            record_ = {.name = name_, .cluster = cluster, .stage = NodeRecord::Stage::kMember};
            log_info(fmt::format("joining cluster {:016x}", cluster.value));
            open_replica_or_stop();
          },
      .entered = [this] { log_info(fmt::format("node {} is a member of the cluster", name_)); },
      .refused = [this](std::string why) { finish(Error{ErrorKind::kUnavailable, std::move(why)}); },
  };
  entrance_ = std::make_unique<Entrance>(*transport_, alarms_, config_, name_, std::move(events));
  if (record_) {
    runtime_.post([this] { open_replica_or_stop(); });
  } else {
    look_for_cluster();
  }
  runtime_.run();
  if (failure_) return tl::unexpected(*failure_);
  log_info("stopped");
  return {};
}

Result<void> NodeProcess::listen() {
  auto raft_address = transport::parse_host_port(config_.raft_address);
  if (!raft_address) return tl::unexpected(raft_address.error());
  auto started = AsioTransport::start(
      runtime_, {.listen = *raft_address, .identity = {.node = id_of(name_)}, .seed = random_number()},
      {.received =
           [this](Message message) {
             if (replica_) replica_->receive(std::move(message));
           },
       .called = [this](PeerCall call) { called(std::move(call)); },
       .lost =
           [this](NodeId peer) {
             if (replica_) replica_->peer_lost(peer);
           }});
  if (!started) return tl::unexpected(started.error());
  transport_ = std::move(*started);

  const std::string version = "v" + std::string(build_info().version);
  MembershipService::Self self{.name = name_,
                               .address = config_.raft_advertised,
                               .api_url = "http://" + config_.http_advertised,
                               .version = version};
  cluster_ = std::make_unique<MembershipService>(*transport_, alarms_, std::move(self));
  self_ = cluster_->describe_self();
  service_ = std::make_unique<http::HttpService>(service_options(), database_, *cluster_);
  auto http_address = transport::parse_host_port(config_.http_address);
  if (!http_address) return tl::unexpected(http_address.error());
  http::HttpServerOptions options{.listen = *http_address,
                                  .common_header_lines = http::common_header_lines(version, config_.allow_origin),
                                  .date = [this] { return date_.now(); }};
  options.limits.body_bytes_max = config_.http_body_bytes_max;
  options.limits.connections_max = config_.http_connections_max;
  auto server = http::HttpServer::start(runtime_, std::move(options), *service_);
  if (!server) return tl::unexpected(server.error());
  http_server_ = std::move(*server);
  return {};
}

http::HttpServiceOptions NodeProcess::service_options() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return {.context = {.now = AsioRuntime::now,
                      .post = [this](std::function<void()> task) { runtime_.post(std::move(task)); },
                      .after = [this](Duration delay,
                                      std::function<void()> task) { alarms_.after(delay, std::move(task)); },
                      .api_address = config_.http_advertised,
                      .node_address = config_.raft_advertised},
          .first_sequence_number =
              static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count()),
          .status = [this](http::StatusTree& status) { write_status(status_sources(), status); },
          .metrics = [this](http::MetricsText& metrics) { write_metrics(status_sources(), metrics); }};
}

StatusSources NodeProcess::status_sources() {
  return {config_, self_, started_, replica_.get(), transport_.get(), http_server_.get()};
}

/// What another node asks of this one. Whoever has no cluster yet may ask for nothing that is in it.
void NodeProcess::called(PeerCall call) {
  using transport::CallVerdict;
  const auto request = parse_peer_request(call.request);
  const bool is_stranger = replica_ != nullptr && call.cluster == ClusterId{};
  if (!request || (is_stranger && request->kind == PeerRequestKind::kForwarded))
    return call.reply(CallVerdict::kRefused, {});
  switch (request->kind) {
    case PeerRequestKind::kDescribe: return call.reply(CallVerdict::kServed, encode(cluster_->describe_self()));
    case PeerRequestKind::kJoin: {
      const auto join = decode_join_request(request->body);
      if (!join) return call.reply(CallVerdict::kRefused, {});
      return cluster_->take_in(*join, [reply = std::move(call.reply)](const JoinAnswer& answer) {
        reply(CallVerdict::kServed, encode(answer));
      });
    }
    case PeerRequestKind::kForwarded: break;
  }
  service_->handle_forwarded(request->body, [this, reply = std::move(call.reply)](std::optional<Payload> answer) {
    const CallVerdict verdict = answer ? CallVerdict::kServed : CallVerdict::kRefused;
    runtime_.post([reply, verdict, bytes = std::move(answer).value_or(Payload())] { reply(verdict, bytes); });
  });
}

void NodeProcess::look_for_cluster() {
  if (config_.has_to_find_others()) return entrance_->look_for_cluster();
  if (config_.is_read_replica)
    return finish(
        Error{ErrorKind::kInvalidArgument, "a read replica cannot begin a cluster; name its nodes with -join"});
  runtime_.post([this] {
    record_ = {.name = name_, .cluster = ClusterId{random_number()}, .stage = NodeRecord::Stage::kFounding};
    log_info(fmt::format("beginning cluster {:016x}", record_->cluster.value));
    open_replica_or_stop();
  });
}

void NodeProcess::open_replica_or_stop() {
  if (is_stopping_) return;
  if (auto opened = open_replica(); !opened) finish(opened.error());
}

Result<void> NodeProcess::open_replica() {
  if (auto recorded = directory_.set_record(*record_); !recorded) return recorded;
  auto opened = Replica::open(directory_, *record_, config_, {runtime_, *transport_, alarms_},
                              {.stopped = [this](const std::string& why) { finish(Error{ErrorKind::kIo, why}); },
                               .changed = [this] { changed(); }});
  if (!opened) return tl::unexpected(opened.error());
  replica_ = std::move(*opened);
  // The first entry is durable: nothing may ever begin this cluster again.
  record_->stage = NodeRecord::Stage::kMember;
  if (auto recorded = directory_.set_record(*record_); !recorded) return recorded;

  const Core& core = replica_->core();
  const Configuration& configuration = core.configuration();
  log_info(fmt::format("log from {} to {}, {} members, database at {}", core.log().base().index.value + 1,
                       core.log().last().index.value, configuration.members.size(), core.applied().value));
  const bool is_alone = configuration.members.size() == 1 && configuration.contains(core.id());
  if (is_alone && core.log().last().index > Index{1} && !config_.join.empty() && config_.bootstrap_expect == 0)
    return fail(ErrorKind::kInvalidArgument,
                "this node is a cluster of its own already, which cannot join another one; leave out -join, or begin "
                "with an empty data directory");
  transport_->adopt(replica_->identity());
  cluster_->serve(replica_.get());
  database_.serve(replica_.get());
  replica_->start();
  entrance_->make_known(*replica_, [this](const JoinRequest& request, std::function<void(JoinAnswer)> done) {
    cluster_->take_in(request, std::move(done));
  });
  return {};
}

void NodeProcess::changed() {
  const Core& core = replica_->core();
  const bool is_member = core.configuration().contains(core.id());
  if (was_member_ && !is_member) {
    log_warn(fmt::format("node {} has been removed from the cluster", name_));
    if (config_.stop_when_removed) return runtime_.post([this] { told_to_stop(); });
  }
  was_member_ = is_member;
  cluster_->look_around();
  const Member* leader = core.configuration().find(core.leader());
  const bool is_nameless = leader == nullptr && core.leader() != kNoNode;  // a newcomer learns the members soon
  if (core.leader() == known_leader_ || is_nameless) return;
  known_leader_ = core.leader();
  if (known_leader_ == core.id()) {
    log_info(fmt::format("node {} is now Leader (term {})", name_, core.term().value));
  } else if (leader != nullptr) {
    log_info(fmt::format("node {} leads (term {})", name_in(leader->address), core.term().value));
  } else {
    log_info(fmt::format("no leader is known (term {})", core.term().value));
  }
}

// --- Stopping ---

void NodeProcess::told_to_stop() {
  if (is_stopping_) {
    log_warn("told to stop once more: stopping at once");
    std::_Exit(EXIT_FAILURE);
  }
  is_stopping_ = true;
  log_info("stopping");
  http_server_->stop(kStopGrace, [this] { leave(); });
}

void NodeProcess::leave() {
  const bool is_member = replica_ != nullptr && replica_->core().configuration().contains(replica_->core().id());
  if (!config_.leave_on_shutdown || !is_member) return hand_over();
  if (replica_->is_leader()) {
    return cluster_->remove(name_, Cluster::RemovalGuard::kOn, kLeaveTimeout, [this](const ChangeEnd& end) {
      if (!end.error.empty()) log_warn("could not leave the cluster: " + end.error);
      hand_over();
    });
  }
  http::Request request;
  request.method = http::Method::kDelete;
  request.set_target("/remove");
  http::JsonWriter body(http::JsonLayout::kCompact);
  body.begin_object().key("id").string(name_).end_object();
  request.body = std::move(body.buffer());
  cluster_->forward(http::encode_request(request), kLeaveTimeout, [this](const ForwardEnd& end) {
    if (end.kind != ForwardEnd::Kind::kAnswered) log_warn("could not leave the cluster: " + end.error);
    hand_over();
  });
}

void NodeProcess::hand_over() {
  const bool has_to = config_.step_down_on_shutdown && replica_ != nullptr && replica_->is_leader();
  if (!has_to || replica_->core().configuration().members.size() < 2) return finish(std::nullopt);
  cluster_->transfer_leadership({}, Cluster::TransferWait::kUntilEnded, kStopGrace, [this](const ChangeEnd& end) {
    if (end.kind != ChangeEnd::Kind::kDone) log_warn("leadership was not handed over: " + end.error);
    finish(std::nullopt);
  });
}

void NodeProcess::finish(std::optional<Error> failure) {
  is_stopping_ = true;
  if (!failure_) failure_ = std::move(failure);
  runtime_.post([this] {
    if (replica_) replica_->stop("the node is stopping");
    runtime_.stop();
  });
}

}  // namespace

Result<void> run_node_process(const NodeConfig& config) {
  raise_descriptor_limit();
  auto directory = DataDirectory::open(config.data_directory);
  if (!directory) return tl::unexpected(directory.error());
  auto record = directory->record();
  if (!record) return tl::unexpected(record.error());
  std::string name = config.node_id;
  if (*record) {
    if (!name.empty() && name != (*record)->name)
      return fail(ErrorKind::kInvalidArgument, fmt::format("{} is the directory of node {}, not of {}; name the right "
                                                           "one, or leave out -node-id",
                                                           config.data_directory, (*record)->name, name));
    name = (*record)->name;
  } else if (name.empty()) {
    name = config.raft_advertised;
  }
  NodeProcess process(config, std::move(*directory), std::move(*record), std::move(name));
  return process.run();
}

}  // namespace quorate::server
