#include "server/http/bulk_handler.hpp"

#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "server/http/forwarding.hpp"
#include "server/http/json_writer.hpp"
#include "server/http/query_string.hpp"
#include "server/http/responses.hpp"

namespace quorate::http {

using server::BackupReader;
using server::BackupWish;
using server::ForwardEnd;
using server::IncomingFile;
using server::SqlEnd;

namespace {

constexpr std::string_view kLoadPath = "/db/load";
constexpr std::string_view kBootPath = "/boot";
/// What a load may take once it has been received, whatever the client's timeout for statements is.
constexpr Duration kLoadTimeout = std::chrono::minutes(10);
constexpr Duration kPieceTimeout = std::chrono::seconds(30);
/// Of an upload that a node passes on: given up after this long without a piece.
constexpr Duration kSilenceMax = std::chrono::minutes(1);
constexpr std::size_t kRelayedMax = 16;

/// Rows that nobody wants.
class NoRows final : public server::ResultSink {
 public:
  void executed(std::int64_t, std::int64_t, Duration) override {}
  void failed(std::string_view, Duration) override {}
  void begin_rows(std::span<const sqlite::ColumnDescription>) override {}
  server::Flow row(std::span<const sqlite::Value>) override { return server::Flow::kContinue; }
  void resume_with(std::function<void(server::Flow)> go_on) override { go_on(server::Flow::kContinue); }
  void end_rows(Duration) override {}
  void rows_failed(std::string_view, Duration) override {}
};

std::vector<std::string> split_names(const std::optional<std::string>& list) {
  std::vector<std::string> names;
  if (!list) return names;
  for (std::size_t begin = 0; begin <= list->size();) {
    const std::size_t end = std::min(list->find(',', begin), list->size());
    if (end > begin) names.push_back(list->substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

BackupWish wish_of(const Parameters& parameters) {
  BackupWish wish;
  if (parameters.has(Flag::kVacuum)) wish.form = BackupWish::Form::kCompactFile;
  if (parameters.format == BackupFormat::kSql) wish.form = BackupWish::Form::kSql;
  wish.tables = split_names(parameters.tables);
  if (parameters.has(Flag::kCompress)) wish.packing = BackupWish::Packing::kGzip;
  return wish;
}

Response refusal_of(const Error& error) {
  return request_error({.kind = SqlEnd::Kind::kRefused, .error = "backup: " + error.message});
}

/// As for SQL: what the content of a file or a text is to blame for is a result, but of /boot, which has none.
Response answer_to(const SqlEnd& end, IncomingFile::Accepted accepted) {
  if (accepted == IncomingFile::Accepted::kFilesOnly) {
    if (end.kind == SqlEnd::Kind::kDone) return Response();
    if (end.kind == SqlEnd::Kind::kInvalid) return text_error(Status::kBadRequest, "invalid SQLite data: " + end.error);
  }
  if (end.kind != SqlEnd::Kind::kDone && end.kind != SqlEnd::Kind::kInvalid) return request_error(end);
  JsonWriter json(JsonLayout::kCompact);
  json.begin_object().key("results").begin_array();
  if (end.kind == SqlEnd::Kind::kInvalid) json.begin_object().key("error").string(end.error).end_object();
  json.end_array().end_object();
  return http::json(Status::kOk, std::move(json.buffer()));
}

struct RelayQuery {
  std::string token;  ///< empty: a client's own request
  std::optional<std::uint64_t> offset;
};

RelayQuery relay_query_of(const Request& request) {
  RelayQuery relay;
  const auto target = split_target(request.target());
  const auto query = target ? QueryString::parse(target->query) : fail(ErrorKind::kInvalidArgument, "");
  if (!query) return relay;
  relay.token = query->find("upload").value_or("");
  if (const auto offset = query->find("offset")) {
    const char* const end = std::to_address(offset->end());
    std::uint64_t value = 0;
    const auto [rest, error] = std::from_chars(std::to_address(offset->begin()), end, value);
    if (error != std::errc() || rest != end) return {};  // no upload has an empty token
    relay.offset = value;
  }
  return relay;
}

bool is_ok(const ForwardEnd& end) {
  if (end.kind != ForwardEnd::Kind::kAnswered) return false;
  const Result<Response> response = decode_response(end.answer);
  return response && response->status == Status::kOk;
}

}  // namespace

// --- Out ---

/// Carries a backup to a client at the client's pace.
class BulkHandler::Copying : public std::enable_shared_from_this<Copying> {
 public:
  Copying(std::unique_ptr<BackupReader> reader, Responder responder, Response head, HttpCounts* counts)
      : reader_(std::move(reader)), responder_(std::move(responder)), head_(std::move(head)), counts_(counts) {}

  void start() { read(); }

 private:
  void read() {
    reader_->read([self = shared_from_this()](Result<std::string> piece) { self->on_read(std::move(piece)); });
  }

  void on_read(Result<std::string> piece) {
    if (!piece) {
      // Once begun, all that can be done is to cut the stream, which the client notices.
      if (!stream_) responder_.send(refusal_of(piece.error()));
      stream_.reset();
      return;
    }
    if (!stream_) stream_.emplace(responder_.stream(std::move(head_)));
    if (piece->empty()) return finish();
    stream_->write(std::move(*piece), [self = shared_from_this()](StreamState state) {
      if (state == StreamState::kOpen) self->read();
    });
  }

  void finish() {
    stream_->finish({});
    if (counts_ == nullptr) return;
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
    counts_->last_backup_unix_seconds = std::chrono::duration_cast<std::chrono::seconds>(since_1970).count();
  }

  std::unique_ptr<BackupReader> reader_;
  Responder responder_;
  Response head_;
  HttpCounts* counts_;
  std::optional<ResponseStream> stream_;
};

void BulkHandler::back_up(Exchange exchange) {
  if (bulk_ == nullptr) return exchange.responder.send(Response(Status::kNotFound));
  const BackupWish wish = wish_of(exchange.parameters);
  Response head;
  const bool is_text = wish.form == BackupWish::Form::kSql && wish.packing == BackupWish::Packing::kNone;
  head.header("Content-Type", is_text ? "application/sql" : "application/octet-stream");
  const auto responder = std::make_shared<Responder>(std::move(exchange.responder));
  auto begin = [this, wish, head = std::move(head), responder](const SqlEnd& end) {
    if (end.kind != SqlEnd::Kind::kDone) return responder->send(request_error(end));
    bulk_->open_backup(wish, [this, head, responder](Result<std::unique_ptr<BackupReader>> reader) {
      if (!reader) return responder->send(refusal_of(reader.error()));
      std::make_shared<Copying>(std::move(*reader), std::move(*responder), head, context_.counts)->start();
    });
  };
  if (exchange.parameters.has(Flag::kNoLeader)) return begin({});
  // What is applied here once this read is answered has all that was acknowledged before it.
  server::SqlRequest read;
  read.sql.statements.push_back({"SELECT 1", {}});
  read.sql.kind = sqlite::RequestKind::kQuery;
  read.options.level = server::ReadLevel::kLinearizable;
  read.options.timeout = exchange.parameters.timeout;
  read.options.linearizable_timeout = exchange.parameters.linearizable_timeout;
  database_.run(std::move(read), std::make_shared<NoRows>(), std::move(begin));
}

// --- In ---

/// A body that is being received.
class BulkHandler::Upload : public BodyTaker {
 public:
  /// After the last piece. `answer` is for the client.
  virtual void load(IncomingFile::Accepted accepted, std::function<void(Response)> answer) = 0;
};

/// This node leads.
class BulkHandler::LocalUpload final : public Upload {
 public:
  explicit LocalUpload(std::shared_ptr<IncomingFile> file) : file_(std::move(file)) {}

  /// What fails is told when the file is loaded.
  void take(std::string piece, std::function<void()> ready) override {
    file_->append(std::move(piece), [ready = std::move(ready)](const Result<void>&) { ready(); });
  }
  void load(IncomingFile::Accepted accepted, std::function<void(Response)> answer) override {
    file_->load(accepted, kLoadTimeout, [file = file_, accepted, answer = std::move(answer)](const SqlEnd& end) {
      answer(answer_to(end, accepted));
    });
  }

 private:
  std::shared_ptr<IncomingFile> file_;
};

/// Another node leads: what comes goes on to it, one piece at a time.
class BulkHandler::RelayedUpload final : public Upload, public std::enable_shared_from_this<RelayedUpload> {
 public:
  /// Every piece says what the request says of its client.
  RelayedUpload(const HandlerContext& context, server::Cluster& cluster, std::string token, const Request& head)
      : context_(context),
        cluster_(cluster),
        token_(std::move(token)),
        authorization_(head.header("Authorization").value_or("")) {}

  void take(std::string piece, std::function<void()> ready) override {
    waiting_.push_back({std::move(piece), std::move(ready)});
    if (waiting_.size() == 1) send();
  }
  void load(IncomingFile::Accepted accepted, std::function<void(Response)> answer) override {
    accepted_ = accepted;
    answer_ = std::move(answer);
    if (waiting_.empty()) ask_to_load();
  }

 private:
  struct Piece {
    std::string bytes;
    std::function<void()> ready;
  };

  [[nodiscard]] Request begin(const std::string& target) const {
    Request request;
    request.method = Method::kPost;
    request.set_target(target);
    if (!authorization_.empty()) request.add_header("Authorization", authorization_);
    return request;
  }

  void send() {
    if (failure_) return sent();
    Request request = begin(fmt::format("{}?upload={}&offset={}", kLoadPath, token_, offset_));
    request.body = std::move(waiting_.front().bytes);
    offset_ += request.body.size();
    cluster_.forward(encode_request(request, context_.vouching), kPieceTimeout,
                     [self = shared_from_this()](const ForwardEnd& end) {
                       if (!is_ok(end))
                         self->failure_ = end.error.empty() ? "the leader has not taken the file" : end.error;
                       self->sent();
                     });
  }
  void sent() {
    const std::function<void()> ready = std::move(waiting_.front().ready);
    waiting_.erase(waiting_.begin());
    ready();
    if (!waiting_.empty()) return send();
    if (answer_) ask_to_load();
  }
  void ask_to_load() {
    const auto answer = std::exchange(answer_, nullptr);
    if (failure_) return answer(request_error({.kind = SqlEnd::Kind::kRefused, .error = *failure_}));
    const std::string_view path = accepted_ == IncomingFile::Accepted::kFilesOnly ? kBootPath : kLoadPath;
    const Request request = begin(fmt::format("{}?upload={}", path, token_));
    cluster_.forward(encode_request(request, context_.vouching), kLoadTimeout, [answer](const ForwardEnd& end) {
      if (end.kind == ForwardEnd::Kind::kAnswered) {
        Result<Response> response = decode_response(end.answer);
        if (response) return answer(std::move(*response));
      }
      if (end.kind == ForwardEnd::Kind::kNoLeader) return answer(leader_not_found());
      const bool is_unknown = end.kind != ForwardEnd::Kind::kRefused;
      answer(request_error({.kind = is_unknown ? SqlEnd::Kind::kUnknown : SqlEnd::Kind::kRefused, .error = end.error}));
    });
  }

  const HandlerContext& context_;
  server::Cluster& cluster_;
  std::string token_;
  std::string authorization_;
  std::vector<Piece> waiting_;  ///< the first is on its way; more than one only at the end of the body
  std::uint64_t offset_ = 0;
  std::optional<std::string> failure_;
  IncomingFile::Accepted accepted_ = IncomingFile::Accepted::kFilesAndText;
  std::function<void(Response)> answer_;
};

BulkHandler::BulkHandler(const HandlerContext& context, server::Database& database, server::Cluster& cluster,
                         server::Bulk* bulk, std::uint64_t seed)
    : context_(context), database_(database), cluster_(cluster), bulk_(bulk), seed_(seed) {}
BulkHandler::~BulkHandler() = default;

bool BulkHandler::comes_in_pieces(Method method, std::string_view target) {
  return method == Method::kPost && (target.starts_with(kLoadPath) || target.starts_with(kBootPath));
}

std::shared_ptr<BodyTaker> BulkHandler::taker_for(const Request& head) {
  if (bulk_ == nullptr) return nullptr;
  if (!cluster_.is_leader()) {
    return std::make_shared<RelayedUpload>(context_, cluster_, fmt::format("{:016x}{:x}", seed_, ++uploads_), head);
  }
  std::shared_ptr<IncomingFile> file = bulk_->receive_file();
  if (file == nullptr) return nullptr;
  return std::make_shared<LocalUpload>(std::move(file));
}

void BulkHandler::load(Exchange exchange) { load_as(IncomingFile::Accepted::kFilesAndText, std::move(exchange)); }

/// Only a node that is alone may be booted: others would have to be sent all of it anyway, which load does.
void BulkHandler::boot(Exchange exchange) {
  if (exchange.origin == Origin::kPeer) return load_as(IncomingFile::Accepted::kFilesOnly, std::move(exchange));
  const auto kept = std::make_shared<Exchange>(std::move(exchange));
  const auto taker = std::move(kept->request.taker);
  cluster_.probe(server::Members::kAll, kPieceTimeout, [kept, taker](const std::vector<server::NodeView>& nodes) {
    const auto upload = std::static_pointer_cast<Upload>(taker);
    if (nodes.size() > 1)
      return kept->responder.send(text_error(Status::kBadRequest, "boot: the cluster has other nodes; use /db/load"));
    if (upload == nullptr) return kept->responder.send(text_error(Status::kBadRequest, "boot: there is no file"));
    upload->load(IncomingFile::Accepted::kFilesOnly,
                 [kept, upload](Response response) { kept->responder.send(std::move(response)); });
  });
}

void BulkHandler::load_as(IncomingFile::Accepted accepted, Exchange exchange) {
  if (bulk_ == nullptr) return exchange.responder.send(Response(Status::kNotFound));
  if (exchange.origin == Origin::kPeer) {
    RelayQuery relay = relay_query_of(exchange.request);
    if (relay.offset) return take_piece(relay.token, *relay.offset, std::move(exchange));
    return load_relayed(relay.token, accepted, std::move(exchange));
  }
  const auto upload = std::static_pointer_cast<Upload>(std::move(exchange.request.taker));
  if (upload == nullptr) return exchange.responder.send(text_error(Status::kBadRequest, "there is nothing to load"));
  const auto responder = std::make_shared<Responder>(std::move(exchange.responder));
  upload->load(accepted, [responder, upload](Response response) { responder->send(std::move(response)); });
}

void BulkHandler::take_piece(const std::string& token, std::uint64_t offset, Exchange exchange) {
  forget_silent();
  if (offset == 0 && relayed_.size() < kRelayedMax) {
    if (auto file = bulk_->receive_file()) relayed_[token] = {std::move(file), 0, context_.now()};
  }
  const auto upload = relayed_.find(token);
  if (upload == relayed_.end() || upload->second.bytes != offset)
    return exchange.responder.send(text_error(Status::kUnavailable, "no such upload is going on here"));
  upload->second.bytes += exchange.request.body.size();
  upload->second.last_heard = context_.now();
  const auto responder = std::make_shared<Responder>(std::move(exchange.responder));
  // What fails is told when the file is loaded.
  upload->second.file->append(std::move(exchange.request.body),
                              [responder](const Result<void>&) { responder->send(Response()); });
}

void BulkHandler::load_relayed(const std::string& token, IncomingFile::Accepted accepted, Exchange exchange) {
  const auto upload = relayed_.find(token);
  if (upload == relayed_.end())
    return exchange.responder.send(text_error(Status::kUnavailable, "no such upload is going on here"));
  const std::shared_ptr<IncomingFile> file = upload->second.file;
  relayed_.erase(upload);
  const auto responder = std::make_shared<Responder>(std::move(exchange.responder));
  file->load(accepted, kLoadTimeout,
             [responder, file, accepted](const SqlEnd& end) { responder->send(answer_to(end, accepted)); });
}

void BulkHandler::forget_silent() {
  std::erase_if(relayed_,
                [now = context_.now()](const auto& upload) { return now - upload.second.last_heard > kSilenceMax; });
}

}  // namespace quorate::http
