#include "server/node_server.hpp"

#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "server/http/json_writer.hpp"
#include "server/log.hpp"
#include "server/member_address.hpp"
#include "server/version.hpp"
#include "transport/host_port.hpp"

namespace quorate::server {

using transport::AsioRuntime;
using transport::AsioTransport;
using transport::PeerCall;

namespace {

/// For requests that are under way when the node is told to stop.
constexpr Duration kStopGrace = std::chrono::seconds(2);
/// For queued writes that were acknowledged and not executed by then.
constexpr Duration kQueueGrace = std::chrono::seconds(5);
constexpr Duration kLeaveTimeout = std::chrono::seconds(5);

std::uint64_t random_number() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) ^ device();
}

}  // namespace

std::string_view DateField::now() {
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

Result<std::unique_ptr<NodeServer>> NodeServer::open(const NodeConfig& config) {
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
  std::unique_ptr<NodeServer> server(
      new NodeServer(config, std::move(*directory), std::move(*record), std::move(name)));
  log_info(fmt::format("{}: node {}, data in {}", describe_build(), server->name_, server->directory_.path()));
  if (auto installed = server->install_extensions(); !installed) return tl::unexpected(installed.error());
  if (auto listening = server->listen(); !listening) return tl::unexpected(listening.error());
  log_info(fmt::format("serving clients at {}, nodes at {}", server->self_.api_url, config.raft_advertised));
  for (const std::string& note : loose_ends(config)) log_warn(note);
  return server;
}

NodeServer::NodeServer(NodeConfig config, DataDirectory directory, std::optional<NodeRecord> record, std::string name)
    : config_(std::move(config)),
      directory_(std::move(directory)),
      record_(std::move(record)),
      name_(std::move(name)),
      alarms_(runtime_),
      database_({.transaction_idle_max = config_.transaction_idle_max, .transaction_max = config_.transaction_max},
                SlowStatements(config_.slow_statement, AsioRuntime::now, log_warn)) {}

NodeServer::~NodeServer() {
  http_server_.reset();
  entrance_.reset();
  discovery_.reset();
  removal_watch_.reset();
  upkeep_.reset();
  reaper_.reset();
  database_.serve(nullptr);
  if (cluster_) cluster_->serve(nullptr);
  backups_.reset();
  bulk_.reset();
  change_feed_.reset();
  replica_.reset();
  transport_.reset();
  security_.reset();
}

Result<void> NodeServer::run() {
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
      .expects = [this](const std::string& founder) { cluster_->expect_founder(founder); },
      .entered =
          [this] {
            log_info(fmt::format("node {} is a member of the cluster", name_));
            removal_watch_->watch(*replica_);
          },
      .refused = [this](std::string why) { finish(Error{ErrorKind::kUnavailable, std::move(why)}); },
  };
  entrance_ = std::make_unique<Entrance>(*transport_, alarms_, discovery_ ? &**discovery_ : nullptr, config_, name_,
                                         security_->join_login(), std::move(events));
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

/// Whatever cannot be loaded is found out before anybody is served.
Result<void> NodeServer::install_extensions() {
  const auto refuse = [](const Error& error) { return fail(error.kind, "-extensions-path: " + error.message); };
  auto set = extensions::install(config_.extensions_path, directory_.path() + "/" + kExtensionsDirectory);
  if (!set) return refuse(set.error());
  if (auto tried = extensions::try_out(*set); !tried) return refuse(tried.error());
  extensions_ = std::move(*set);
  for (std::string& file : extensions_.files()) config_.extensions.push_back(std::move(file));
  if (!extensions_.names.empty()) log_info(fmt::format("SQLite extensions: {}", fmt::join(extensions_.names, ", ")));
  return {};
}

Result<void> NodeServer::listen() {
  auto security =
      NodeSecurity::open(config_, [this](std::function<void()> task) { runtime_.post(std::move(task)); }, alarms_);
  if (!security) return tl::unexpected(security.error());
  security_ = std::move(*security);
  auto raft_address = transport::parse_host_port(config_.raft_address);
  if (!raft_address) return tl::unexpected(raft_address.error());
  auto started = AsioTransport::start(runtime_,
                                      {.listen = *raft_address,
                                       .identity = {.node = id_of(name_)},
                                       .seed = random_number(),
                                       .tls = security_->node_tls()},
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
                               .api_url = (config_.http_tls.is_on() ? "https://" : "http://") + config_.http_advertised,
                               .version = version,
                               .feature_level = config_.feature_level};
  cluster_ = std::make_unique<MembershipService>(*transport_, alarms_, std::move(self));
  self_ = cluster_->describe_self();
  auto discovery = NodeDiscovery::open(
      config_, self_, [this](std::function<void()> task) { runtime_.post(std::move(task)); }, alarms_);
  if (!discovery) return tl::unexpected(discovery.error());
  discovery_ = std::move(*discovery);
  sql_ = std::make_unique<SqlRoute>(database_, *cluster_, alarms_);
  write_queue_ = std::make_unique<WriteQueue>(
      config_.write_queue, random_number(),
      [this](SqlRequest request, std::function<void(SqlOutcome)> done) {
        sql_->run(std::move(request), std::move(done));
      },
      [this](Duration delay, std::function<void()> task) { alarms_.after(delay, std::move(task)); },
      [](const std::string& what) { log_warn(what); });
  removal_watch_ = std::make_unique<RemovalWatch>(*transport_, alarms_, name_, [this] { removed_or_taken_in(); });
  reaper_ = std::make_unique<Reaper>(*cluster_, alarms_, config_);
  upkeep_ = std::make_unique<Upkeep>(
      Upkeep::Surroundings{
          .is_leader = [this] { return cluster_->is_leader(); },
          .execute = [this](SqlRequest request,
                            std::function<void(SqlOutcome)> done) { sql_->run(std::move(request), std::move(done)); },
          .after = [this](Duration delay, std::function<void()> task) { alarms_.after(delay, std::move(task)); }},
      config_);
  auto files = directory_.files();
  if (!files) return tl::unexpected(files.error());
  auto bulk = BulkService::open(std::move(*files), config_,
                                [this](std::function<void()> task) { runtime_.post(std::move(task)); });
  if (!bulk) return tl::unexpected(bulk.error());
  bulk_ = std::move(*bulk);
  auto change_feed =
      ChangeFeedService::open(config_, name_, [this](std::function<void()> task) { runtime_.post(std::move(task)); });
  if (!change_feed) return tl::unexpected(change_feed.error());
  change_feed_ = std::move(*change_feed);
  auto backups = Backups::open(config_, name_, *bulk_, alarms_,
                               [this](std::function<void()> task) { runtime_.post(std::move(task)); });
  if (!backups) return tl::unexpected(backups.error());
  backups_ = std::move(*backups);
  service_ = std::make_unique<http::HttpService>(service_options(), database_, *cluster_);
  auto http_address = transport::parse_host_port(config_.http_address);
  if (!http_address) return tl::unexpected(http_address.error());
  http::HttpServerOptions options{.listen = *http_address,
                                  .common_header_lines = http::common_header_lines(
                                      version, config_.allow_origin,
                                      security_->access() != nullptr ? http::Logins::kExpected : http::Logins::kNone),
                                  .date = [this] { return date_.now(); },
                                  .tls = security_->http_tls()};
  options.limits.body_bytes_max = config_.http_body_bytes_max;
  options.limits.connections_max = config_.http_connections_max;
  options.limits.comes_in_pieces = http::BulkHandler::comes_in_pieces;
  auto server = http::HttpServer::start(runtime_, std::move(options), *service_);
  if (!server) return tl::unexpected(server.error());
  http_server_ = std::move(*server);
  return {};
}

http::HttpServiceOptions NodeServer::service_options() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return {.context = {.now = AsioRuntime::now,
                      .post = [this](std::function<void()> task) { runtime_.post(std::move(task)); },
                      .after = [this](Duration delay,
                                      std::function<void()> task) { alarms_.after(delay, std::move(task)); },
                      .api_address = config_.http_advertised,
                      .node_address = config_.raft_advertised},
          .first_sequence_number =
              static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count()),
          .bulk = bulk_.get(),
          .queue = write_queue_.get(),
          .access = security_->access(),
          .status = [this](http::StatusTree& status) { write_status(status_sources(), status); },
          .metrics = [this](http::MetricsText& metrics) { write_metrics(status_sources(), metrics); },
          .counters = [this](Counters& counters) { write_counters(status_sources(), counters); }};
}

StatusSources NodeServer::status_sources() {
  const std::int64_t by_clients = service_ != nullptr ? service_->counts().last_backup_unix_seconds : 0;
  return {.config = config_,
          .self = self_,
          .started = started_,
          .replica = replica_.get(),
          .transport = transport_.get(),
          .http_server = http_server_.get(),
          .removal_watch = removal_watch_.get(),
          .membership = cluster_.get(),
          .discovery = discovery_ ? &**discovery_ : nullptr,
          .extensions = &extensions_,
          .change_feed = change_feed_.get(),
          .backups = backups_.get(),
          .reaper = reaper_.get(),
          .upkeep = upkeep_.get(),
          .last_backup_unix_seconds = std::max(by_clients, backups_->last_backup_unix_seconds().value_or(0))};
}

/// What another node asks of this one. Whoever has no cluster yet may ask for nothing that is in it.
void NodeServer::called(PeerCall call) {
  using transport::CallVerdict;
  const auto request = parse_peer_request(call.request);
  const bool is_stranger = replica_ != nullptr && call.cluster == ClusterId{};
  if (!request || (is_stranger && is_for_members(request->kind))) return call.reply(CallVerdict::kRefused, {});
  switch (request->kind) {
    case PeerRequestKind::kDescribe:
      return call.reply(CallVerdict::kServed, encode(cluster_->describe_self(), request->body));
    case PeerRequestKind::kJoin: {
      const auto join = decode_join_request(request->body);
      if (!join) return call.reply(CallVerdict::kRefused, {});
      return take_in(*join, std::nullopt, std::move(call.reply));
    }
    case PeerRequestKind::kJoinAs: {
      const auto request_as = decode_join_as_request(request->body);
      if (!request_as) return call.reply(CallVerdict::kRefused, {});
      return take_in(request_as->join, security::Login{request_as->user, request_as->password}, std::move(call.reply));
    }
    case PeerRequestKind::kMembership: {
      const auto question = decode_membership_question(request->body);
      if (!question) return call.reply(CallVerdict::kRefused, {});
      return call.reply(CallVerdict::kServed, encode(cluster_->judge(*question)));
    }
    case PeerRequestKind::kSql: return sql_->serve(request->body, reply_later(std::move(call.reply)));
    case PeerRequestKind::kPage:
      return replica_->supply_page(request->body, [reply = std::move(call.reply)](const Payload& answer) {
        reply(CallVerdict::kServed, answer);
      });
    case PeerRequestKind::kForwarded: break;
  }
  service_->handle_forwarded(request->body, reply_later(std::move(call.reply)));
}

/// Only the leader decides, and only it has to know who lets the newcomer in.
void NodeServer::take_in(const JoinRequest& join, const std::optional<security::Login>& login,
                         transport::CallReply reply) {
  const auto answer = [reply = std::move(reply)](const JoinAnswer& said) {
    reply(transport::CallVerdict::kServed, encode(said));
  };
  security::AccessControl* const access = security_->access();
  if (access == nullptr || !cluster_->is_leader()) return cluster_->take_in(join, answer);
  using security::Permission;
  const security::Permissions may_vote{Permission::kJoin};
  const security::Permissions may_read{Permission::kJoinReadOnly};
  const auto decide = [this, join, login, answer](security::Verdict verdict) {
    using Kind = JoinAnswer::Kind;
    if (verdict == security::Verdict::kGranted) return cluster_->take_in(join, answer);
    if (verdict == security::Verdict::kOverloaded)
      return answer({.kind = Kind::kNotNow, .error = "too many passwords are being checked"});
    const std::string who = login ? "user " + login->name : "whoever gives no name";
    log_warn(fmt::format("node {} at {} may not join: {} has not the permission, or a wrong password", join.name,
                         join.address, who));
    answer({.kind = Kind::kRefused,
            .error = who + " may not join, or the password is wrong; start the node with -auth, and -join-as a user "
                           "that has the permission to join"});
  };
  access->check(login, may_vote, [access, login, join, may_read, decide](security::Verdict verdict) {
    if (verdict != security::Verdict::kDenied || !join.is_read_replica) return decide(verdict);
    access->check(login, may_read, decide);
  });
}

/// Answers may be ready on another thread; a call is answered on the loop. Nothing means that nothing was done.
std::function<void(std::optional<Payload>)> NodeServer::reply_later(transport::CallReply reply) {
  return [this, reply = std::move(reply)](std::optional<Payload> answer) {
    const auto verdict = answer ? transport::CallVerdict::kServed : transport::CallVerdict::kRefused;
    runtime_.post([reply, verdict, bytes = std::move(answer).value_or(Payload())] { reply(verdict, bytes); });
  };
}

void NodeServer::look_for_cluster() {
  if (config_.has_to_find_others()) return entrance_->look_for_cluster();
  if (config_.is_read_replica)
    return finish(Error{ErrorKind::kInvalidArgument,
                        "a read replica cannot begin a cluster; name its nodes with -join, or "
                        "how to find them with -disco-mode"});
  runtime_.post([this] {
    record_ = {.name = name_, .cluster = ClusterId{random_number()}, .stage = NodeRecord::Stage::kFounding};
    log_info(fmt::format("beginning cluster {:016x}", record_->cluster.value));
    open_replica_or_stop();
  });
}

void NodeServer::open_replica_or_stop() {
  if (is_stopping_) return;
  if (auto opened = open_replica(); !opened) finish(opened.error());
}

Result<void> NodeServer::open_replica() {
  if (auto recorded = directory_.set_record(*record_); !recorded) return recorded;
  Replica::Surroundings surroundings{runtime_, *transport_, alarms_};
  Replica::Events events{.stopped = [this](const std::string& why) { finish(Error{ErrorKind::kIo, why}); },
                         .changed = [this] { changed(); }};
  if (change_feed_) {
    surroundings.capture = change_feed_->capture();
    events.committed = [this] {
      if (change_feed_) change_feed_->committed();
    };
  }
  auto opened = Replica::open(directory_, *record_, config_, surroundings, std::move(events));
  if (!opened) return tl::unexpected(opened.error());
  replica_ = std::move(*opened);
  if (change_feed_) change_feed_->serve(*replica_);
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
  if (const FeatureLevel in_force = level_in_force(configuration); in_force > config_.feature_level)
    return fail(
        ErrorKind::kUnsupported,
        fmt::format("the cluster uses feature level {}, and this build knows no more than {}; start the version "
                    "that this node ran last, or a newer one",
                    in_force.value, config_.feature_level.value));
  transport_->adopt(replica_->identity());
  cluster_->serve(replica_.get());
  bulk_->serve(replica_.get());
  replica_->start();
  let_in_once_restored();
  reaper_->start();
  upkeep_->start();
  if (!configuration.members.empty()) removal_watch_->watch(*replica_);
  entrance_->make_known(*replica_, [this](const JoinRequest& request, std::function<void(JoinAnswer)> done) {
    cluster_->take_in(request, std::move(done));
  });
  return {};
}

/// Who comes before the database is what it is to be would see nothing, or write what is replaced.
void NodeServer::let_in_once_restored() {
  database_.serve(nullptr, "the database is being restored from a backup");
  cluster_->mark_restoring(true);
  backups_->begin(*replica_, {.ready =
                                  [this] {
                                    database_.serve(replica_.get());
                                    cluster_->mark_restoring(false);
                                  },
                              .failed = [this](Error why) { finish(std::move(why)); }});
}

void NodeServer::changed() {
  const Core& core = replica_->core();
  removal_watch_->look();
  cluster_->look_around();
  if (discovery_) (*discovery_)->lead(replica_->is_leader());
  if (change_feed_) change_feed_->changed();
  const FeatureLevel level = level_in_force(core.configuration());
  if (level > known_level_ && core.configuration_index() <= core.commit())
    log_info(fmt::format("feature level {} is in force", (known_level_ = level).value));
  const Member* leader = core.configuration().find(core.leader());
  const bool is_nameless = leader == nullptr && core.leader() != kNoNode;  // a newcomer learns the members soon
  if (core.leader() == known_leader_ || is_nameless) return;
  known_leader_ = core.leader();
  if (known_leader_ == core.id()) {
    log_info(fmt::format("node {} is now Leader (term {})", name_, core.term().value));
    if (!change_feed_) warn_of_undelivered_changes(*replica_);
  } else if (leader != nullptr) {
    log_info(fmt::format("node {} leads (term {})", name_in(leader->address), core.term().value));
  } else {
    log_info(fmt::format("no leader is known (term {})", core.term().value));
  }
}

void NodeServer::removed_or_taken_in() {
  const bool is_removed = removal_watch_->is_removed();
  cluster_->mark_removed(is_removed);
  if (!is_removed) return log_info(fmt::format("node {} is a member of the cluster again", name_));
  log_warn(
      fmt::format("node {} was removed from the cluster: it gets nothing new and serves no more than stale reads; "
                  "stop it for good, or start it again with -join",
                  name_));
  if (config_.stop_when_removed) runtime_.post([this] { told_to_stop(); });
}

void NodeServer::reload() {
  runtime_.post([this] { security_->reload(); });
}

// --- Stopping ---

void NodeServer::stop() {
  runtime_.post([this] { told_to_stop(); });
}

void NodeServer::told_to_stop() {
  if (is_stopping_) return;
  is_stopping_ = true;
  log_info("stopping");
  http_server_->stop(kStopGrace, [this] { empty_queue(); });
}

/// What was acknowledged is executed, if there is anybody left to do it.
void NodeServer::empty_queue() {
  const auto is_over = std::make_shared<bool>(false);
  const auto go_on = [this, is_over] {
    if (!std::exchange(*is_over, true)) leave();
  };
  alarms_.after(kQueueGrace, [this, go_on, is_over] {
    if (!*is_over)
      log_error(fmt::format("{} queued writes could not be executed in time and are lost: no leader took them",
                            write_queue_->stats().waiting));
    go_on();
  });
  write_queue_->drain(go_on);
}

void NodeServer::leave() {
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
  cluster_->forward(http::encode_request(request, http::Vouching::kAuthorized), kLeaveTimeout,
                    [this](const ForwardEnd& end) {
                      if (end.kind != ForwardEnd::Kind::kAnswered)
                        log_warn("could not leave the cluster: " + end.error);
                      hand_over();
                    });
}

void NodeServer::hand_over() {
  const bool has_to = config_.step_down_on_shutdown && replica_ != nullptr && replica_->is_leader();
  if (!has_to || replica_->core().configuration().members.size() < 2) return finish(std::nullopt);
  cluster_->transfer_leadership({}, Cluster::TransferWait::kUntilEnded, kStopGrace, [this](const ChangeEnd& end) {
    if (end.kind != ChangeEnd::Kind::kDone) log_warn("leadership was not handed over: " + end.error);
    finish(std::nullopt);
  });
}

void NodeServer::finish(std::optional<Error> failure) {
  is_stopping_ = true;
  if (!failure_) failure_ = std::move(failure);
  runtime_.post([this] {
    if (replica_) replica_->stop("the node is stopping");
    runtime_.stop();
  });
}

}  // namespace quorate::server
