#include "server/node_discovery.hpp"

#include <cstdlib>
#include <utility>

#include "server/log.hpp"

namespace quorate::server {

namespace {

std::optional<std::string> variable(const std::string& name) {
  const char* const value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): nobody changes it
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

}  // namespace

Result<std::unique_ptr<NodeDiscovery>> NodeDiscovery::open(const NodeConfig& config, const NodeDescription& self,
                                                           const ThreadExecutor::Post& post, Alarms& alarms) {
  if (!config.discovery.is_on()) return nullptr;
  std::unique_ptr<NodeDiscovery> made(new NodeDiscovery(post));
  discovery::Discovery::Surroundings surroundings{
      .run = [&thread = made->thread_](std::function<void()> job,
                                       std::function<void()> done) { thread.run(std::move(job), std::move(done)); },
      .after = [&alarms](Duration delay, std::function<void()> task) { alarms.after(delay, std::move(task)); },
      .inform = [](const std::string& what) { log_info(what); },
      .warn = [](const std::string& what) { log_warn(what); },
      .environment = variable};
  auto opened = discovery::Discovery::open(
      config.discovery, {.id = self.name, .api_addr = self.api_url, .addr = self.address}, std::move(surroundings));
  if (!opened) return tl::unexpected(opened.error());
  made->discovery_ = std::move(*opened);
  return made;
}

}  // namespace quorate::server
