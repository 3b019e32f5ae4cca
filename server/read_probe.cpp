#include "server/read_probe.hpp"

#include <cstdint>
#include <memory>
#include <utility>

#include "server/sql_outcome.hpp"

namespace quorate::server {

namespace {

/// SELECT 1 alone would not look at the database.
constexpr const char* kProbe = "SELECT 1 FROM sqlite_schema LIMIT 1";

constexpr std::size_t kProbeBytesMax = std::size_t{1} << 10;

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
  const auto results = std::make_shared<CollectedResults>(kProbeBytesMax);
  sqlite::Request request{.statements = {{.sql = kProbe, .parameters = {}}}, .kind = sqlite::RequestKind::kQuery};
  reader.run(std::move(request), deadline, results, [&alarms, probe, answer, results](const SqlEnd& end) {
    alarms.cancel(probe->alarm);
    answer(SqlOutcome{.end = end, .results = results->take()}.error());
  });
}

}  // namespace quorate::server
