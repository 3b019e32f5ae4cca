// The process of an active application: one that every replica executes, from a copy of its state in memory. Include it
// only where an application is made a subject (subject_*.cpp): it instantiates everything.
#pragma once

#include <memory>
#include <utility>

#include "consensus/durable_machine.hpp"
#include "consensus/exactly_once.hpp"
#include "sim/node_process.hpp"
#include "sim/typed_workload.hpp"

namespace quorate::sim {

template <class Traits>
class ProcessOf final : public NodeProcess<DurableMachine<ExactlyOnce<typename Traits::App>, SimFiles, SimExecutor>> {
 public:
  using App = typename Traits::App;
  using Machine = DurableMachine<ExactlyOnce<App>, SimFiles, SimExecutor>;
  using Base = NodeProcess<Machine>;

  static Result<std::unique_ptr<Process>> open(Host& host, typename SimWal::Opened opened) {
    auto machine = Machine::open(host.id(), ExactlyOnce<App>{}, host.files(), "state", host.machine_executor());
    if (!machine) return tl::unexpected(machine.error());
    const Result<void> fits = Core::validate_recovered(opened.recovered, machine->recovered());
    if (!fits) return tl::unexpected(fits.error());
    return std::unique_ptr<Process>(new ProcessOf(host, std::move(opened), std::move(*machine)));
  }

  void propose(Payload command, ProposalCallback done) override {
    Base::node_.propose(std::move(command), std::move(done));
  }
  Result<Payload> query(std::span<const std::byte> bytes) const override {
    const auto command = App::decode_command(bytes);
    if (!command) return tl::unexpected(command.error());
    return App::encode(Traits::answer(Base::machine_.application().application(), *command));
  }

 private:
  using Base::Base;
};

template <class Traits>
class LauncherOf final : public LogLauncher {
 protected:
  Result<std::unique_ptr<Process>> launch_on(Host& host, typename SimWal::Opened opened) override {
    return host.is_witness() ? WitnessProcess::open(host, std::move(opened))
                             : ProcessOf<Traits>::open(host, std::move(opened));
  }
};

template <class Traits>
[[nodiscard]] constexpr Subject subject_of(std::span<const OperationKind> kinds, std::uint32_t keys_max) {
  return {.name = Traits::App::kName,
          .kinds = kinds,
          .keys_max = keys_max,
          .make_workload = [] { return std::unique_ptr<Workload>(std::make_unique<TypedWorkload<Traits>>()); },
          .make_launcher = [] { return std::unique_ptr<Launcher>(std::make_unique<LauncherOf<Traits>>()); }};
}

}  // namespace quorate::sim
