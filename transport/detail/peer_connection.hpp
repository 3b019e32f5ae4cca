// One established connection between two nodes, either way: frames in, frames out, hello first. What the frames mean is
// its owner's business; an error from a callback closes the connection. Included by the .cpp files of this room only.
//
// Loop thread only. Alive as long as its owner or an operation under way holds it; after close() or detach() nothing is
// called back any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "consensus/message.hpp"
#include "consensus/result.hpp"
#include "consensus/wire/codec.hpp"
#include "transport/asio_runtime.hpp"
#include "transport/call_pieces.hpp"
#include "transport/detail/loop.hpp"
#include "transport/detail/stream.hpp"
#include "transport/frame_reader.hpp"
#include "transport/send_queue.hpp"

namespace quorate::transport::detail {

/// Whether frames of no cluster are taken from whoever connects: a node that wants to join has none yet.
enum class Strangers : std::uint8_t { kRefused, kAdmitted };

class PeerConnection : public std::enable_shared_from_this<PeerConnection> {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual Result<void> on_hello(const wire::Hello& hello) = 0;
    virtual Result<void> on_message(Message message) = 0;
    virtual Result<void> on_call(WholeCall call) = 0;
    virtual Result<void> on_reply(WholeCall reply) = 0;
    /// The last call. Not made if the owner closed the connection itself.
    virtual void on_closed(const std::string& why) = 0;
  };

  /// `owner` and `queue` live until detach() or close().
  PeerConnection(AsioRuntime& runtime, Stream stream, ClusterId cluster, Strangers strangers, SendQueue& queue,
                 Owner& owner);

  /// Begins to read; what is to be said waits until it is safe to say.
  void start();
  void send_hello(const wire::Hello& hello);
  /// Both have said hello: what is queued may go.
  void open_queue();
  /// Sends what is queued, after whatever else is queued in this turn of the loop.
  void flush_soon();
  /// Without telling the owner.
  void close();

  [[nodiscard]] bool is_stranger() const { return is_stranger_; }
  [[nodiscard]] std::uint64_t bytes_sent() const { return bytes_sent_; }
  [[nodiscard]] std::uint64_t bytes_received() const { return bytes_received_; }

 private:
  void begin();
  void read();
  void on_read(ErrorCode error, std::size_t received);
  Result<std::optional<Frame>> next_frame();
  Result<void> dispatch(const Frame& frame);
  void flush();
  void write_rest();
  void fail(const std::string& why);

  AsioRuntime& runtime_;
  Stream stream_;
  ClusterId cluster_;
  Strangers strangers_;
  SendQueue* queue_;
  Owner* owner_;
  FrameReader reader_;
  CallAssembler calls_;
  CallAssembler replies_;
  std::vector<std::byte> sending_;
  std::size_t sent_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t bytes_received_ = 0;
  bool is_established_ = false;  ///< what is written goes to whom it is meant for
  bool is_greeted_ = false;
  bool is_queue_open_ = false;
  bool is_writing_ = false;
  bool is_flush_due_ = false;
  bool is_stranger_ = false;
  bool is_closed_ = false;
};

}  // namespace quorate::transport::detail
