#include "transport/http_handler.hpp"

#include <utility>

#include "consensus/assert.hpp"

namespace quorate::http {

ResponseStream::~ResponseStream() {
  if (sink_ != nullptr) sink_->end_stream(request_, StreamEnd::kCut, {});
}

void ResponseStream::write(std::string chunk, StreamReady ready) {
  QUORATE_ASSERT(sink_ != nullptr);
  sink_->write_chunk(request_, std::move(chunk), std::move(ready));
}

void ResponseStream::finish(std::string rest) {
  QUORATE_ASSERT(sink_ != nullptr);
  std::exchange(sink_, nullptr)->end_stream(request_, StreamEnd::kComplete, std::move(rest));
}

Responder::~Responder() {
  if (sink_ != nullptr) send(Response(Status::kInternalError));
}

void Responder::observe(AnswerObserver& observer, std::size_t tag, Instant begun) {
  observer_ = &observer;
  tag_ = tag;
  begun_ = begun;
}

void Responder::tell_observer(Status status) const {
  if (observer_ != nullptr) observer_->answered(tag_, status, begun_);
}

void Responder::on_client_gone(std::function<void()> gone) {
  QUORATE_ASSERT(sink_ != nullptr);
  sink_->on_client_gone(request_, std::move(gone));
}

void Responder::send(Response response) {
  QUORATE_ASSERT(sink_ != nullptr);
  tell_observer(response.status);
  std::exchange(sink_, nullptr)->respond(request_, std::move(response));
}

ResponseStream Responder::stream(Response head) {
  QUORATE_ASSERT(sink_ != nullptr);
  QUORATE_ASSERT(head.body.empty());
  tell_observer(head.status);
  sink_->begin_stream(request_, std::move(head));
  return {std::exchange(sink_, nullptr), request_};
}

}  // namespace quorate::http
