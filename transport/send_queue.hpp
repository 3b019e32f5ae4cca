// What waits to be sent to one peer, and in which order it goes: what is urgent (heartbeats, votes, acknowledgements:
// all that is small and that somebody waits for) before calls, and calls in turn with bulk (entries, snapshots).
// Messages of one lane keep their order. Every lane is bounded: of messages the oldest are dropped, because the
// protocol repeats them or has better ones by then; a call is refused.
//
// Messages stay messages until they are sent: their bodies are shared blocks, and what is dropped is never encoded. No
// I/O; loop thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "consensus/message.hpp"
#include "consensus/payload.hpp"
#include "transport/call_pieces.hpp"

namespace quorate::transport {

/// Which way a call's bytes go.
enum class CallDirection : std::uint8_t { kRequest, kReply };

class SendQueue {
 public:
  explicit SendQueue(ClusterId cluster) : cluster_(cluster) {}

  /// Frames are marked with this cluster from now on.
  void set_cluster(ClusterId cluster) { cluster_ = cluster; }

  struct Dropped {
    std::uint64_t urgent = 0;
    std::uint64_t bulk = 0;
  };

  void push(Message message);
  /// False if the queue is full.
  [[nodiscard]] bool push_call(CallDirection direction, CallId call, CallVerdict verdict, Payload bytes);
  /// Forgets a call of which nothing has been sent; false if something has, or if there is none.
  bool remove_call(CallId call);
  void clear();

  [[nodiscard]] bool empty() const { return urgent_.empty() && calls_.empty() && bulk_.empty(); }
  /// Appends the frames that go next: all that is urgent, then others until about kWriteBatchBytes are reached.
  void fill(std::vector<std::byte>& out);

  [[nodiscard]] const Dropped& dropped() const { return dropped_; }

 private:
  struct Call {
    CallDirection direction;
    CallId call;
    CallVerdict verdict;
    Payload bytes;
    std::size_t sent = 0;
    bool has_begun = false;
  };
  struct Bulk {
    Message message;
    std::size_t bytes;
  };

  void fill_call_piece(std::vector<std::byte>& out);
  void fill_bulk(std::vector<std::byte>& out);

  ClusterId cluster_;
  std::deque<Message> urgent_;
  std::deque<Call> calls_;
  std::deque<Bulk> bulk_;
  std::size_t calls_bytes_ = 0;
  std::size_t bulk_bytes_ = 0;
  Dropped dropped_;
};

}  // namespace quorate::transport
