#include "server/read_probe.hpp"

#include <cstdint>
#include <memory>
#include <utility>

namespace quorate::server {

namespace {

/// SELECT 1 alone would not look at the database.
constexpr const char* kProbe = "SELECT 1 FROM sqlite_schema LIMIT 1";

class ProbeSink final : public ResultSink {
 public:
  void executed(std::int64_t, std::int64_t, Duration) override {}
  void failed(std::string_view error, Duration) override { error_ = error; }
  void begin_rows(std::span<const sqlite::ColumnDescription>) override {}
  Flow row(std::span<const sqlite::Value>) override { return Flow::kContinue; }
  void resume_with(std::function<void(Flow)> go_on) override { go_on(Flow::kContinue); }
  void end_rows(Duration) override {}
  void rows_failed(std::string_view error, Duration) override { error_ = error; }

  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  std::string error_;
};

}  // namespace

void probe_reader(SqlReader& reader, Alarms& alarms, Instant deadline, std::function<void(std::string)> done) {
  struct Probe {
    std::function<void(std::string)> done;
    Alarms::Id alarm;
  };
  const auto probe = std::make_shared<Probe>(Probe{std::move(done), {}});
  const auto answer = [probe](std::string error) {
    if (const auto waiting = std::exchange(probe->done, nullptr)) waiting(std::move(error));
  };
  probe->alarm = alarms.at(deadline, [answer] { answer("no reader was free in time"); });
  const auto sink = std::make_shared<ProbeSink>();
  sqlite::Request request{.statements = {{.sql = kProbe, .parameters = {}}}, .kind = sqlite::RequestKind::kQuery};
  reader.run(std::move(request), deadline, sink, [&alarms, probe, answer, sink](const SqlEnd& end) {
    alarms.cancel(probe->alarm);
    answer(end.kind == SqlEnd::Kind::kDone ? sink->error() : end.error);
  });
}

}  // namespace quorate::server
