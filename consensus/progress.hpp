// What a leader knows about one other member, and how much it may have on the way to it. A plain value.
//
// Three states, as in the field: kProbe sends one request at a time until the logs are known to agree somewhere;
// kReplicate sends ahead of the answers, within a window of messages and bytes; kSnapshot waits for a state transfer
// because the log no longer reaches back far enough.
//
// The byte window follows the link (as TCP's slow start does): it doubles per round trip as long as it is what limits
// the sender, shrinks when round trips grow to a multiple of the shortest one (queues are building up), and halves on
// loss.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "consensus/message.hpp"
#include "consensus/types.hpp"

namespace quorate {

struct WindowLimits {
  std::size_t messages_max = 128;
  std::size_t bytes_min = std::size_t{256} << 10;
  std::size_t bytes_max = std::size_t{64} << 20;
};

/// A snapshot on its way to one member.
struct SnapshotTransfer {
  bool opening = false;                ///< the state machine was asked for it
  std::optional<SnapshotId> id;        ///< known once the state machine has opened it
  SnapshotId resumable;                ///< what the receiver holds a part of,
  std::uint64_t resumable_offset = 0;  ///< and how much of that
  std::uint64_t acknowledged = 0;      ///< bytes that the receiver has made durable
  std::uint64_t next_read = 0;         ///< the next byte to read from the state machine
  bool reading = false;                ///< one read at a time
  bool read_to_end = false;
  Instant last_progress;
  bool is_probing = false;  ///< sends one chunk at a time, since what was sent before was not answered in time
  Duration patience{};      ///< how long an answer may take at least; longer at every retry, shorter at every answer

  friend bool operator==(const SnapshotTransfer&, const SnapshotTransfer&) = default;
};

class Progress {
 public:
  enum class State : std::uint8_t { kProbe, kReplicate, kSnapshot };

  Progress(Index next_index, Instant now, const WindowLimits& limits)
      : next(next_index), last_contact(now), window_bytes_(limits.bytes_min) {}

  /// Everything up to `match` is durable on the member and equal to the leader's log. Never decreases within one life
  /// of the member (pitfall D6).
  Index match;
  /// The next entry to send. Always greater than match.
  Index next;
  State state = State::kProbe;
  Incarnation incarnation;
  Boot boot;                                 ///< of the member, as far as known
  Instant last_contact;                      ///< when the member last answered in this term
  std::uint64_t acknowledged_round = 0;      ///< the latest heartbeat round it answered (thesis 6.4)
  std::optional<Instant> acknowledged_sent;  ///< when the latest answered heartbeat was sent; bounds the lease
  SnapshotTransfer snapshot;

  [[nodiscard]] bool may_send(const WindowLimits& limits) const {
    if (state == State::kSnapshot) return false;
    if (state == State::kProbe) return in_flight_.empty();
    return in_flight_.size() < limits.messages_max && in_flight_bytes_ < window_bytes_;
  }
  void sent(Index last, std::size_t bytes, Instant now);
  /// The member holds everything up to `index`.
  void accepted(Index index, Instant now, const WindowLimits& limits);
  /// The logs may agree up to `common` and not beyond.
  void rejected(Index common);
  /// Nothing more is expected of what is in flight: start over behind what is known to match.
  void lost(const WindowLimits& limits);
  void await_snapshot(Instant now);
  /// The member restarted, so that what it once acknowledged is to be confirmed anew.
  void restarted(Boot new_boot);

  [[nodiscard]] std::optional<Instant> oldest_in_flight() const {
    if (in_flight_.empty()) return std::nullopt;
    return in_flight_.front().sent;
  }
  [[nodiscard]] Duration round_trip() const { return round_trip_; }
  [[nodiscard]] std::size_t window_bytes() const { return window_bytes_; }
  [[nodiscard]] std::size_t in_flight_messages() const { return in_flight_.size(); }

  friend bool operator==(const Progress&, const Progress&) = default;

 private:
  struct InFlight {
    Index last;
    std::size_t bytes;
    Instant sent;
    friend bool operator==(const InFlight&, const InFlight&) = default;
  };

  void clear_in_flight();
  void adapt_window(const InFlight& answered, Instant now, const WindowLimits& limits);

  std::deque<InFlight> in_flight_;
  std::size_t in_flight_bytes_ = 0;
  std::size_t window_bytes_;
  Index limited_through_;      ///< what was in flight when the window was last full ends here
  Duration round_trip_{};      ///< smoothed
  Duration round_trip_min_{};  ///< the shortest seen
};

}  // namespace quorate
