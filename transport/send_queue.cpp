#include "transport/send_queue.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "consensus/wire/frame.hpp"
#include "transport/peer_limits.hpp"

namespace quorate::transport {

namespace {

/// What a message or a call costs besides its bytes.
constexpr std::size_t kOverheadBytes = 64;

std::size_t bytes_of(const std::vector<Entry>& entries) {
  std::size_t bytes = kOverheadBytes;
  for (const Entry& entry : entries) bytes += entry_cost_bytes(entry);
  return bytes;
}

/// Nothing for messages that are urgent. All AppendRequests are in one lane, small ones too: a later one that overtook
/// an earlier one would be rejected for the gap between them.
std::size_t bulk_bytes_of(const MessageBody& body) {
  if (const auto* append = std::get_if<AppendRequest>(&body)) return bytes_of(append->entries);
  if (const auto* fetched = std::get_if<FetchResponse>(&body)) return bytes_of(fetched->entries);
  if (const auto* chunk = std::get_if<SnapshotChunk>(&body)) return chunk->bytes.size() + kOverheadBytes;
  return 0;
}

}  // namespace

void SendQueue::push(Message message) {
  const std::size_t bytes = bulk_bytes_of(message.body);
  if (bytes == 0) {
    if (urgent_.size() == kUrgentQueuedMax) {
      urgent_.pop_front();
      ++dropped_.urgent;
    }
    urgent_.push_back(std::move(message));
    return;
  }
  while (!bulk_.empty() && bulk_bytes_ + bytes > kBulkQueuedBytesMax) {
    bulk_bytes_ -= bulk_.front().bytes;
    bulk_.pop_front();
    ++dropped_.bulk;
  }
  bulk_bytes_ += bytes;
  bulk_.push_back({std::move(message), bytes});
}

bool SendQueue::push_call(CallDirection direction, CallId call, CallVerdict verdict, Payload bytes) {
  const std::size_t cost = bytes.size() + kOverheadBytes;
  if (calls_bytes_ + cost > kCallsQueuedBytesMax + kOverheadBytes) return false;
  calls_bytes_ += cost;
  calls_.push_back({direction, call, verdict, std::move(bytes)});
  return true;
}

bool SendQueue::remove_call(CallId call) {
  const auto at = std::ranges::find_if(calls_, [call](const Call& queued) {
    return queued.direction == CallDirection::kRequest && queued.call == call;
  });
  if (at == calls_.end() || at->has_begun) return false;
  calls_bytes_ -= at->bytes.size() + kOverheadBytes;
  calls_.erase(at);
  return true;
}

void SendQueue::clear() {
  dropped_.urgent += urgent_.size();
  dropped_.bulk += bulk_.size();
  urgent_.clear();
  calls_.clear();
  bulk_.clear();
  calls_bytes_ = 0;
  bulk_bytes_ = 0;
}

void SendQueue::fill(std::vector<std::byte>& out) {
  for (const Message& message : urgent_) wire::append_frame(cluster_, message, out);
  urgent_.clear();
  const std::size_t begin = out.size();
  while (out.size() - begin < kWriteBatchBytes && !(calls_.empty() && bulk_.empty())) {
    if (!calls_.empty()) fill_call_piece(out);
    if (!bulk_.empty()) fill_bulk(out);
  }
}

void SendQueue::fill_call_piece(std::vector<std::byte>& out) {
  Call& call = calls_.front();
  call.has_begun = true;
  const std::span<const std::byte> rest = call.bytes.bytes().subspan(call.sent);
  const std::span<const std::byte> now = rest.first(std::min(rest.size(), kCallPieceBytes));
  const PieceEnd end = now.size() == rest.size() ? PieceEnd::kLast : PieceEnd::kMore;
  const auto type = call.direction == CallDirection::kRequest ? wire::FrameType::kCall : wire::FrameType::kReply;
  const auto header = piece_header({.call = call.call, .end = end, .verdict = call.verdict});
  wire::append_frame(cluster_, type, header, now, out);
  call.sent += now.size();
  if (end == PieceEnd::kMore) return;
  calls_bytes_ -= call.bytes.size() + kOverheadBytes;
  calls_.pop_front();
}

void SendQueue::fill_bulk(std::vector<std::byte>& out) {
  wire::append_frame(cluster_, bulk_.front().message, out);
  bulk_bytes_ -= bulk_.front().bytes;
  bulk_.pop_front();
}

}  // namespace quorate::transport
