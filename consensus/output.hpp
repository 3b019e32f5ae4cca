// What one step of the core gathers: effects in order, the one write that the step needs, and the messages that must
// wait for that write. Internal to the core.
#pragma once

#include <utility>
#include <vector>

#include "consensus/effect.hpp"
#include "consensus/message.hpp"

namespace quorate {

class Output {
 public:
  explicit Output(Effects& effects) : effects_(effects) {}

  template <class E>
  void emit(E&& effect) {
    effects_.emplace_back(std::forward<E>(effect));
  }
  void send(Message message) { effects_.emplace_back(effect::Send{std::move(message), Ticket{}}); }
  /// Leaves once everything handed to storage so far, this step's write included, is durable.
  void send_durable(Message message) { durable_sends.push_back(std::move(message)); }

  PersistBatch batch;
  std::vector<Message> durable_sends;

 private:
  Effects& effects_;
};

}  // namespace quorate
