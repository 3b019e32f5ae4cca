// The change feed of a node: what its executor captures, and the delivery of it while the node leads. Every member of a
// cluster that may lead has to be started with the same -cdc-config: whoever leads without it captures nothing, and
// what was captured before stays in the queue.
//
// Loop thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "consensus/result.hpp"
#include "server/cdc/change_feed.hpp"
#include "server/cdc/table_filter.hpp"
#include "server/config.hpp"
#include "server/http/metrics.hpp"
#include "server/http/status_tree.hpp"
#include "statemachine/sqlite/change_capture.hpp"

namespace quorate::server {

class Replica;

/// Whether the flag can be followed: what is wrong with it, its file, its certificates.
[[nodiscard]] Result<void> check_change_feed(const NodeConfig& config);

/// Of a node that leads and has no change feed: says what is left in the queue by nodes that have one.
void warn_of_undelivered_changes(Replica& replica);

class ChangeFeedService {
 public:
  using Post = std::function<void(std::function<void()>)>;

  /// Null if the configuration has no change feed.
  static Result<std::unique_ptr<ChangeFeedService>> open(const NodeConfig& config, const std::string& node, Post post);
  ~ChangeFeedService();
  ChangeFeedService(const ChangeFeedService&) = delete;
  ChangeFeedService& operator=(const ChangeFeedService&) = delete;

  /// For the executor.
  [[nodiscard]] sqlite::CaptureOptions capture() const;
  /// The replica must be there until this service is not any more.
  void serve(Replica& replica) { replica_ = &replica; }
  /// Another leader, another role.
  void changed();
  /// Something of this leader's has been committed.
  void committed() { feed_->look(); }

  void write_status(http::StatusTree& status) const;

 private:
  friend struct ChangeFeedView;
  ChangeFeedService(cdc::FeedOptions options, cdc::TableFilter filter, std::string node, Post post);
  void begin(std::unique_ptr<cdc::Sink> sink);
  void forget(sqlite::ChangePosition until, const std::function<void(Result<void>)>& done);

  const cdc::FeedOptions options_;
  const cdc::TableFilter filter_;
  const std::string node_;
  const Post post_;
  Replica* replica_ = nullptr;
  bool is_waiting_to_lead_ = false;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
  std::unique_ptr<cdc::ChangeFeed> feed_;
};

/// Of a node with or without a feed (null); the queue is there in both cases, once there is a replica.
struct ChangeFeedView {
  const ChangeFeedService* service = nullptr;
  Replica* replica = nullptr;

  [[nodiscard]] cdc::ChangeFeed::Figures figures() const;
  [[nodiscard]] sqlite::ChangeQueueState queue() const;
  void write_counters(http::StatusTree& counters) const;
  void write_metrics(http::MetricsText& metrics) const;
};

}  // namespace quorate::server
