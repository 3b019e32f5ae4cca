// Any bytes, cut anywhere, as a connection to the HTTP server. The first byte chooses how they are cut; requests are
// answered at once, later in another order, or by a stream, as their bodies say.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/assert.hpp"
#include "transport/http_session.hpp"

namespace {

using namespace quorate::http;

class Sink final : public ResponseSink {
 public:
  void respond(RequestId id, Response response) override { session->respond(id, std::move(response)); }
  void begin_stream(RequestId id, Response head) override { session->begin_stream(id, std::move(head)); }
  void write_chunk(RequestId id, std::string chunk, StreamReady ready) override {
    if (session->write_chunk(id, chunk, ready) == StreamState::kGone) ready(StreamState::kGone);
  }
  void end_stream(RequestId id, StreamEnd end, std::string rest) override {
    session->end_stream(id, end, std::move(rest));
  }
  HttpSession* session = nullptr;
};

class Application final : public HttpHandler {
 public:
  void handle(Request& request, Responder responder) override {
    const std::size_t choice = request.body.empty() ? 0 : static_cast<unsigned char>(request.body[0]) % 4;
    if (choice == 0) return responder.send(Response(Status::kOk).header("X-Echo", request.target()));
    if (choice == 1) return open_.push_back(std::move(responder));
    ResponseStream stream = responder.stream(Response());
    stream.write(std::move(request.body), [](StreamState) {});
    if (choice == 2) stream.finish("end");
  }
  void answer_in_reverse() {
    while (!open_.empty()) {
      Responder responder = std::move(open_.back());
      open_.pop_back();
      responder.send(Response(Status::kNotFound));
    }
  }

 private:
  std::vector<Responder> open_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = 1 + data[0] % 64;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);

  Application application;
  HttpContext context{.handler = &application};
  context.limits.head_bytes_max = 512;
  context.limits.body_bytes_max = 512;
  context.limits.pipelined_max = 4;
  context.limits.output_bytes_max = 4096;
  {
    auto sink = std::make_shared<Sink>();
    HttpSession session(context, sink, "peer");
    sink->session = &session;
    std::string unread;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      unread += bytes.substr(at, piece);
      unread.erase(0, session.receive(unread));
      if (session.output().size() > context.limits.output_bytes_max) session.output().clear();
      session.sent(0);
      if (!session.may_receive()) application.answer_in_reverse();
      QUORATE_ASSERT(session.body_bytes() <= context.limits.body_bytes_max);
    }
    application.answer_in_reverse();
    session.end_after_pending();
    application.answer_in_reverse();
    QUORATE_ASSERT(session.is_finished());
  }
  QUORATE_ASSERT(context.buffered_body_bytes == 0);
  return 0;
}
