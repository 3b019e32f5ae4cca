// What the workloads of all typed applications have in common. `Traits` supplies what differs:
//
//   App, Model                                       the application, and the checker's model of one of its objects
//   Memory                                           what clients remember of what they saw, for compare-and-set
//   command_of(operation, memory)                    the command that a planned operation stands for
//   record(command, reply, values, memory, actions)  what it meant; false: it was refused. Without a reply: unknown
//   answer(application, query)                       the reply to a command that only reads
//   final_read(key)                                  a planned operation that reads a key, through the log
//   place(reply)                                     if replies say so: where the operation stands in the log
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "consensus/assert.hpp"
#include "sim/workload.hpp"

namespace quorate::sim {

template <class Traits>
class TypedWorkload final : public Workload {
 public:
  using App = typename Traits::App;

  Payload begin(const PlannedOperation& operation) override {
    const auto [at, is_new] = open_.emplace(operation.id, Traits::command_of(operation, memory_));
    QUORATE_ASSERT(is_new);
    keys_seen_ = std::max(keys_seen_, operation.key + 1);
    return App::encode(at->second);
  }

  void end(const PlannedOperation& operation, checker::Operation outcome, Reply reply) override {
    const auto command = open_.extract(operation.id);
    QUORATE_ASSERT(!command.empty());
    std::optional<typename App::Reply> decoded;
    if (reply) {
      Result<typename App::Reply> read = App::decode_reply(*reply);
      QUORATE_ASSERT(read.has_value());
      decoded = std::move(*read);
    }
    if constexpr (requires(const typename App::Reply& said) { outcome.log_index = Traits::place(said); }) {
      outcome.log_index = decoded ? std::optional(Traits::place(*decoded)) : std::nullopt;
    }
    actions_.clear();
    if (!Traits::record(command.mapped(), decoded, history_.values(), memory_, actions_)) {
      outcome.outcome = checker::Outcome::kRefused;
    }
    history_.add(outcome, actions_);
  }

  void discard(const PlannedOperation& operation) override { open_.erase(operation.id); }

  std::string describe(const PlannedOperation& operation) const override {
    const auto found = open_.find(operation.id);
    return found == open_.end() ? "?" : App::describe(found->second);
  }
  std::string describe_reply(std::span<const std::byte> reply) const override {
    const Result<typename App::Reply> decoded = App::decode_reply(reply);
    return decoded ? App::describe(*decoded) : decoded.error().message;
  }

  Result<checker::Report> check(const checker::CheckLimits& limits) const override {
    return checker::check(history_, typename Traits::Model{}, limits);
  }

  Result<checker::LogOrder> check_log_order() const override {
    return checker::check_log_order(history_, typename Traits::Model{});
  }

  std::vector<PlannedOperation> final_reads(std::uint32_t first_id) const override {
    std::vector<PlannedOperation> reads;
    for (std::uint32_t key = 0; key < keys_seen_; ++key) {
      PlannedOperation read = Traits::final_read(key);
      read.id = first_id++;
      reads.push_back(read);
    }
    return reads;
  }

 private:
  typename Traits::Memory memory_;
  std::map<std::uint32_t, typename App::Command> open_;
  std::vector<checker::Action> actions_;
  std::uint32_t keys_seen_ = 0;
};

}  // namespace quorate::sim
