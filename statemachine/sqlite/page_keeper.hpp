// Keeps a replica's base files sound while it lives: looks at all pages, a few at a time, over and over, and has those
// that are damaged fetched from the other members (scrub.hpp), whoever has them. What stops an entry from being applied
// is fetched like everything else.
//
//   step -> job: look at some pages -> what is wanted? -> ask a member -> job: put it back -> the next page
//
// One page at a time is asked for, of one member after the other. A page that all of them have only in newer versions
// heals when the change of it is applied and folded here; if that very change waits for the page, nothing but a
// snapshot, into an empty directory, will help: is_beyond_help().
//
// Threads: everything on the node's strand. The machine outlives the keeper, and the keeper whatever jobs and answers
// are under way, unless they are dropped.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "consensus/payload.hpp"
#include "consensus/types.hpp"
#include "statemachine/sqlite/jobs.hpp"
#include "statemachine/sqlite/machine.hpp"
#include "statemachine/sqlite/scrub.hpp"

namespace quorate::sqlite {

struct PageKeeperOptions {
  NodeId self;
  std::size_t pages_per_step = 64;
  /// A member that has not answered by then is passed over.
  Duration answer_timeout = std::chrono::seconds(2);
};

struct PageKeeperReport {
  ScrubReport scrub;
  std::uint64_t pages_repaired = 0;
  std::uint64_t requests_sent = 0;
  std::uint64_t pages_supplied = 0;  ///< to others
};

class PageKeeper {
 public:
  /// Nothing if the member did not answer; it may also never be called.
  using Answered = std::function<void(std::optional<Payload>)>;
  using Ask = std::function<void(NodeId member, Payload request, Answered done)>;
  /// For people: what was found and what was done about it.
  using Tell = std::function<void(std::string)>;

  PageKeeper(SqliteMachine& machine, PageKeeperOptions options, JobRunner disk_jobs, Ask ask, Tell tell);
  PageKeeper(const PageKeeper&) = delete;
  PageKeeper& operator=(const PageKeeper&) = delete;

  /// Looks at the next pages unless the last step is still at work. To be called again and again: it sets the pace.
  void step(Instant now);
  /// Answers another member's request, in a job.
  void supply(Payload request, std::function<void(Payload answer)> done);

  [[nodiscard]] const PageKeeperReport& report() const { return report_; }
  /// Pages that every other member has answered for, and has only in newer versions.
  [[nodiscard]] bool is_beyond_help() const { return !beyond_help_.empty(); }

 private:
  struct Looked {
    Result<void> outcome;
    ScrubReport report;
    std::vector<PageRequest> wanted;
  };

  void looked(Instant now, Looked looked);
  [[nodiscard]] std::vector<NodeId> members() const;
  void ask_next();
  void answered(std::uint64_t question, const std::optional<Payload>& answer);
  void repaired(const Result<void>& outcome);

  SqliteMachine& machine_;
  PageKeeperOptions options_;
  JobRunner disk_jobs_;
  Ask ask_;
  Tell tell_;
  std::shared_ptr<Scrubber> scrubber_;  ///< belongs to the jobs
  PageKeeperReport report_;

  enum class State : std::uint8_t { kIdle, kLooking, kAsking, kRepairing } state_ = State::kIdle;
  std::optional<PageRequest> wanted_;
  std::vector<NodeId> to_ask_;      ///< for the wanted page
  bool is_gone_everywhere_ = true;  ///< as far as they have been asked
  bool is_unreadable_ = false;      ///< the last look at the files failed, and that was told
  Instant asked_;
  std::uint64_t question_ = 0;
  std::size_t turn_ = 0;  ///< which of the damaged pages, and which member, is the first
  std::set<PageStore::PageName> known_damage_;
  std::set<PageStore::PageName> beyond_help_;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace quorate::sqlite
