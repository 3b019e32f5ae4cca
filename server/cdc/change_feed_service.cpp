#include "server/cdc/change_feed_service.hpp"

#include <algorithm>
#include <utility>

#include "server/http/go_text.hpp"
#include "server/log.hpp"
#include "server/replica.hpp"
#include "statemachine/sqlite/change_feed.hpp"
#include "transport/asio_runtime.hpp"

namespace quorate::server {

using http::StatusTree;
using sqlite::ChangeQueueState;
using transport::AsioRuntime;

namespace {

/// For a transaction that shortens the queue: a session may hold the write slot for longer.
constexpr Duration kForgetTimeout = std::chrono::seconds(10);

Result<cdc::FeedOptions> options_of(const NodeConfig& config) {
  Result<cdc::FeedOptions> options = cdc::read_feed_options(config.cdc_config);
  if (!options) return fail(ErrorKind::kInvalidArgument, "-cdc-config: " + options.error().message);
  return options;
}

Result<std::unique_ptr<cdc::Sink>> sink_of(const cdc::FeedOptions& options) {
  Result<std::unique_ptr<cdc::Sink>> sink = cdc::open_sink(options);
  if (!sink) return fail(ErrorKind::kInvalidArgument, "-cdc-config: tls: " + sink.error().message);
  return sink;
}

}  // namespace

Result<void> check_change_feed(const NodeConfig& config) {
  if (config.cdc_config.empty()) return {};
  if (config.is_read_replica)
    return fail(ErrorKind::kInvalidArgument,
                "-cdc-config is for nodes that may lead; leave it out on a read replica (-raft-non-voter)");
  const auto options = options_of(config);
  if (!options) return tl::unexpected(options.error());
  if (auto sink = sink_of(*options); !sink) return tl::unexpected(sink.error());
  return {};
}

void warn_of_undelivered_changes(Replica& replica) {
  replica.await_executor(Instant::max(), [&replica] {
    const std::uint64_t left = ChangeFeedView{nullptr, &replica}.queue().length();
    if (left == 0 || !replica.executor().can_write()) return;
    log_warn(std::to_string(left) +
             " groups of changes are not delivered, and no further ones are captured: this node leads without "
             "-cdc-config");
  });
}

Result<std::unique_ptr<ChangeFeedService>> ChangeFeedService::open(const NodeConfig& config, const std::string& node,
                                                                   Post post) {
  if (config.cdc_config.empty()) return nullptr;
  auto options = options_of(config);
  if (!options) return tl::unexpected(options.error());
  auto filter = cdc::TableFilter::compile(options->table_filter);
  if (!filter) return tl::unexpected(filter.error());
  auto sink = sink_of(*options);
  if (!sink) return tl::unexpected(sink.error());
  log_info("while this node leads, changes are told to " + options->endpoint.text());
  std::unique_ptr<ChangeFeedService> service(
      new ChangeFeedService(std::move(*options), std::move(*filter), node, std::move(post)));
  service->begin(std::move(*sink));
  return service;
}

ChangeFeedService::ChangeFeedService(cdc::FeedOptions options, cdc::TableFilter filter, std::string node, Post post)
    : options_(std::move(options)), filter_(std::move(filter)), node_(std::move(node)), post_(std::move(post)) {}

ChangeFeedService::~ChangeFeedService() { feed_->stop(); }

void ChangeFeedService::begin(std::unique_ptr<cdc::Sink> sink) {
  feed_ = std::make_unique<cdc::ChangeFeed>(
      options_, std::move(sink), cdc::Sender{.service_id = options_.service_id, .node_id = node_},
      cdc::ChangeFeed::Surroundings{.forget =
                                        [this](sqlite::ChangePosition until, std::function<void(Result<void>)> done) {
                                          post_([this, until, done = std::move(done), life = std::weak_ptr(life_)] {
                                            if (!life.expired()) forget(until, done);
                                          });
                                        },
                                    .warn = [](const std::string& what) { log_warn(what); },
                                    .inform = [](const std::string& what) { log_info(what); }});
}

sqlite::CaptureOptions ChangeFeedService::capture() const {
  using Rows = sqlite::CaptureOptions::Rows;
  sqlite::CaptureOptions capture;
  if (!filter_.wants_all()) capture.wants = [filter = filter_](std::string_view table) { return filter.wants(table); };
  capture.rows = options_.row_ids_only ? Rows::kIdsOnly : Rows::kWithValues;
  return capture;
}

void ChangeFeedService::forget(sqlite::ChangePosition until, const std::function<void(Result<void>)>& done) {
  sqlite::Submission submission;
  submission.request.action = [until](sqlite::Connection& writer) { return sqlite::forget_changes(writer, until); };
  submission.deadline = AsioRuntime::now() + kForgetTimeout;
  replica_->executor().execute(std::move(submission), [done](const sqlite::Execution& execution) {
    if (execution.end == sqlite::Execution::End::kDone && !execution.response.error) return done({});
    const std::string why = execution.response.error ? execution.response.error->message : execution.error;
    done(fail(ErrorKind::kUnavailable, why));
  });
  replica_->watch_executor();
}

/// Only when what earlier leaders have committed is applied here is it known what the queue begins with.
void ChangeFeedService::changed() {
  if (!replica_->is_leader()) return feed_->retire();
  if (std::exchange(is_waiting_to_lead_, true)) return;
  replica_->await_executor(Instant::max(), [this, life = std::weak_ptr(life_)] {
    if (life.expired()) return;
    is_waiting_to_lead_ = false;
    if (replica_->executor().can_write()) feed_->lead(replica_->store());
  });
}

void ChangeFeedService::write_status(StatusTree& status) const {
  const ChangeFeedView view{this, replica_};
  const cdc::ChangeFeed::Figures figures = view.figures();
  const ChangeQueueState queue = view.queue();
  status["node_id"] = node_;
  if (!options_.service_id.empty()) status["service_id"] = options_.service_id;
  status["endpoint"] = options_.endpoint.text();
  status["is_leader"] = figures.is_leading;
  // What a new leader would not send again is known to all; what it would is known to this one.
  status["highwater_mark"] = std::max(figures.delivered.value, queue.head.index.value - 1);
  status["fifo"]["has_next"] = queue.length() > 0;
  status["fifo"]["length"] = queue.length();
  status["fifo"]["first_index"] = queue.head.index.value;
  status["fifo"]["next_index"] = queue.next.value;
  status["fifo"]["size"] = queue.pages.value * sqlite::PageSize().bytes();
  status["last_error"] = figures.last_error;
  status["row_ids_only"] = options_.row_ids_only;
  status["table_filter"] = options_.table_filter;
  status["max_batch_size"] = std::uint64_t{options_.batch_groups_max};
  status["max_batch_delay"] = http::format_duration(options_.batch_delay_max);
  status["high_watermark_interval"] = http::format_duration(options_.high_watermark_interval);
  status["transmit_timeout"] = http::format_duration(options_.transmit_timeout);
}

// --- With or without a feed ---

cdc::ChangeFeed::Figures ChangeFeedView::figures() const {
  return service == nullptr ? cdc::ChangeFeed::Figures() : service->feed_->figures();
}

ChangeQueueState ChangeFeedView::queue() const {
  if (replica == nullptr) return {};
  const sqlite::Pin pin = replica->store().pin(sqlite::PinKind::kApplied);
  // A page that is damaged is repaired soon; a page of figures can do without it until then.
  return sqlite::change_queue_state(replica->store(), pin).value_or(ChangeQueueState());
}

void ChangeFeedView::write_counters(StatusTree& counters) const {
  const cdc::ChangeFeed::Figures now = figures();
  counters["sent_events"] = now.events_sent;
  counters["sent_groups"] = now.groups_sent;
  counters["sent_documents"] = now.documents_sent;
  counters["failures"] = now.failures;
  counters["retries"] = now.retries;
  counters["dropped_failed_to_send"] = now.events_dropped;
  counters["dropped_groups"] = now.groups_dropped;
  counters["high_watermark_writes"] = now.forgotten;
  counters["fifo_size"] = queue().length();
}

void ChangeFeedView::write_metrics(http::MetricsText& metrics) const {
  if (service == nullptr) return;
  const cdc::ChangeFeed::Figures now = figures();
  metrics.gauge("quorate_cdc_queued_groups", "Groups of changes that are not known to be delivered.")
      .sample(queue().length());
  metrics.counter("quorate_cdc_sent_events_total", "Changed rows that the endpoint has accepted.")
      .sample(now.events_sent);
  metrics.counter("quorate_cdc_failures_total", "Attempts to deliver changes that failed.").sample(now.failures);
  metrics.counter("quorate_cdc_dropped_events_total", "Changed rows that were given up.").sample(now.events_dropped);
}

}  // namespace quorate::server
