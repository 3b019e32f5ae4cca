#include "statemachine/sqlite/page_keeper.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace quorate::sqlite {
namespace {

/// Damaged pages looked up at a time; one of them is asked for.
constexpr std::size_t kWantedMax = 64;

}  // namespace

PageKeeper::PageKeeper(SqliteMachine& machine, PageKeeperOptions options, JobRunner disk_jobs, Ask ask, Tell tell)
    : machine_(machine),
      options_(options),
      disk_jobs_(std::move(disk_jobs)),
      ask_(std::move(ask)),
      tell_(std::move(tell)),
      scrubber_(std::make_shared<Scrubber>(machine.store())) {}

void PageKeeper::step(Instant now) {
  if (state_ == State::kAsking && now - asked_ >= options_.answer_timeout) {
    asked_ = now;
    answered(question_, std::nullopt);
  }
  if (state_ != State::kIdle) return;
  state_ = State::kLooking;
  auto looked = std::make_shared<Looked>();
  disk_jobs_(
      [looked, scrubber = scrubber_, store = &machine_.store(), pages = options_.pages_per_step] {
        looked->outcome = scrubber->step(pages);
        looked->report = scrubber->report();
        looked->wanted = wanted_pages(*store, kWantedMax);
      },
      [this, now, looked, life = std::weak_ptr(life_)] {
        if (!life.expired()) this->looked(now, std::move(*looked));
      });
}

void PageKeeper::looked(Instant now, Looked looked) {
  state_ = State::kIdle;
  report_.scrub = looked.report;
  if (!looked.outcome && !is_unreadable_)
    tell_("the base files cannot be looked at: " + looked.outcome.error().message);
  is_unreadable_ = !looked.outcome;
  std::set<PageStore::PageName> damage;
  for (const PageRequest& request : looked.wanted) {
    damage.insert(request.name);
    if (known_damage_.contains(request.name)) continue;
    tell_(fmt::format("page {} of database {} is damaged on disk; asking the other nodes for it",
                      request.name.page.value, request.name.database.value));
  }
  known_damage_ = std::move(damage);
  std::erase_if(beyond_help_, [this](const PageStore::PageName& name) { return !known_damage_.contains(name); });
  if (looked.wanted.empty()) return;
  wanted_ = looked.wanted[turn_ % looked.wanted.size()];
  to_ask_ = members();
  if (to_ask_.empty()) return;
  std::ranges::rotate(to_ask_, to_ask_.begin() + static_cast<std::ptrdiff_t>(turn_ % to_ask_.size()));
  ++turn_;
  is_gone_everywhere_ = true;
  asked_ = now;
  ask_next();
}

/// Whoever has the data: witnesses have none.
std::vector<NodeId> PageKeeper::members() const {
  std::vector<NodeId> members;
  for (const Member& member : machine_.context().configuration.members) {
    if (member.id != options_.self && member.kind != MemberKind::kWitness) members.push_back(member.id);
  }
  return members;
}

void PageKeeper::ask_next() {
  if (to_ask_.empty()) {
    state_ = State::kIdle;
    if (!is_gone_everywhere_) return;
    if (beyond_help_.insert(wanted_->name).second) {
      tell_(fmt::format("page {} of database {} is damaged on disk, and the other nodes have newer versions of it only",
                        wanted_->name.page.value, wanted_->name.database.value));
    }
    return;
  }
  const NodeId member = to_ask_.back();
  to_ask_.pop_back();
  state_ = State::kAsking;
  ++report_.requests_sent;
  ask_(member, encode(*wanted_), [this, question = ++question_, life = std::weak_ptr(life_)](auto answer) {
    if (!life.expired()) answered(question, answer);
  });
}

void PageKeeper::answered(std::uint64_t question, const std::optional<Payload>& answer) {
  if (state_ != State::kAsking || question != question_) return;  // too late
  if (!answer) {
    is_gone_everywhere_ = false;
    return ask_next();
  }
  is_gone_everywhere_ = is_gone_everywhere_ && verdict_of(answer->bytes()) == PageVerdict::kGone;
  state_ = State::kRepairing;
  machine_.repair(*wanted_, *answer, [this, life = std::weak_ptr(life_)](const Result<void>& outcome) {
    if (!life.expired()) repaired(outcome);
  });
}

void PageKeeper::repaired(const Result<void>& outcome) {
  if (outcome) {
    state_ = State::kIdle;
    ++report_.pages_repaired;
    known_damage_.erase(wanted_->name);
    beyond_help_.erase(wanted_->name);
    return tell_(fmt::format("page {} of database {} was repaired with another node's copy", wanted_->name.page.value,
                             wanted_->name.database.value));
  }
  if (outcome.error().kind == ErrorKind::kInvalidArgument) {  // a fold has overwritten the damage meanwhile
    state_ = State::kIdle;
    return;
  }
  ask_next();
}

void PageKeeper::supply(Payload request, std::function<void(Payload)> done) {
  auto answer = std::make_shared<Payload>();
  disk_jobs_([answer, request = std::move(request),
              store = &machine_.store()] { *answer = answer_page_request(*store, request.bytes()); },
             [this, answer, done = std::move(done), life = std::weak_ptr(life_)] {
               if (life.expired()) return;
               ++report_.pages_supplied;
               done(*answer);
             });
}

}  // namespace quorate::sqlite
