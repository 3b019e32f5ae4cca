// What a verdict costs. The histories are made here, from fixed seeds: clients with uneven delays ask an object that
// answers at one instant of each request, and for the wrong ones a single answer is changed afterwards.
#include <algorithm>
#include <cstdint>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "consensus/assert.hpp"
#include "consensus/random.hpp"
#include "sim/checker/history_io.hpp"
#include "sim/checker/linearizability.hpp"
#include "sim/checker/log_order.hpp"

namespace quorate::checker {
namespace {

constexpr std::uint64_t kSeed = 20;

/// Clients that each have one operation under way: invoked, carried out and answered at times that chance decides.
template <class Object>
class Workload {
 public:
  Workload(std::uint64_t seed, std::size_t clients, std::size_t operations)
      : random_(seed), clients_(clients), operations_(operations) {}

  History run() {
    while (history_.size() < operations_) {
      advance(random_.below(clients_.size()));
      now_ += Time{1};
    }
    return std::move(history_);
  }

 private:
  struct Client {
    enum class Stage { kIdle, kAsked, kCarriedOut } stage = Stage::kIdle;
    Operation operation;
    Action action;
  };

  void advance(std::size_t number) {
    Client& client = clients_[number];
    switch (client.stage) {
      case Client::Stage::kIdle:
        if (invoked_ == operations_) return;
        ++invoked_;
        client.action = object_.ask(history_.values(), random_, invoked_);
        client.operation = {.client = ClientId{number}, .invoked = now_};
        client.stage = Client::Stage::kAsked;
        break;
      case Client::Stage::kAsked:
        object_.carry_out(history_.values(), client.action);
        client.operation.log_index = Index{++index_};
        client.stage = Client::Stage::kCarriedOut;
        break;
      case Client::Stage::kCarriedOut: {
        const bool is_lost = object_.loses_answer(random_);
        if (is_lost) client.action.result.reset();
        client.operation.outcome = is_lost ? Outcome::kUnknown : Outcome::kOk;
        client.operation.returned = now_;
        history_.add(client.operation, {&client.action, 1});
        client.stage = Client::Stage::kIdle;
        break;
      }
    }
  }

  Random random_;
  std::vector<Client> clients_;
  std::size_t operations_;
  std::size_t invoked_ = 0;
  std::uint64_t index_ = 0;
  Time now_{};
  Object object_;
  History history_;
};

/// Ten texts: half of the operations read one, most others append to one, some set one.
class Texts {
 public:
  Action ask(Values& values, Random& random, std::size_t number) {
    const std::uint64_t kind = random.below(10);
    Action action{.function = kind < 5   ? Function::kRead
                              : kind < 9 ? Function::kAppend
                                         : Function::kWrite,
                  .key = values.intern({static_cast<std::int64_t>(random.below(texts_.size()))})};
    if (action.function != Function::kRead) action.argument = values.intern({"<" + std::to_string(number) + ">"});
    return action;
  }

  void carry_out(Values& values, Action& action) {
    std::string& text = texts_[static_cast<std::size_t>(std::get<std::int64_t>(values[action.key].data))];
    if (action.function == Function::kRead) {
      action.result = values.intern({text});
      return;
    }
    const std::string& argument = std::get<std::string>(values[action.argument].data);
    action.function == Function::kAppend ? text += argument : text = argument;
  }

  static bool loses_answer(Random&) { return false; }

 private:
  std::vector<std::string> texts_ = std::vector<std::string>(10);
};

/// One register of five values with reads, writes and compare-and-sets, one in ten of them of unknown outcome.
class SmallRegister {
 public:
  static Action ask(Values& values, Random& random, std::size_t) {
    constexpr Function kFunctions[] = {Function::kRead, Function::kWrite, Function::kCompareAndSet};
    const auto draw = [&] { return values.intern({static_cast<std::int64_t>(random.below(5))}); };
    return {.function = kFunctions[random.below(3)], .argument = draw(), .expected = draw()};
  }

  void carry_out(Values&, Action& action) {
    if (action.function == Function::kRead) {
      action.result = value_;
    } else if (action.function == Function::kCompareAndSet) {
      action.result = truth(value_ == action.expected);
    }
    if (action.function == Function::kWrite || action.result == kTrue) value_ = action.argument;
  }

  static bool loses_answer(Random& random) { return random.below(10) == 0; }

 private:
  ValueId value_ = kNil;
};

/// A hundred thousand registers.
class ManyRegisters {
 public:
  Action ask(Values& values, Random& random, std::size_t number) {
    Action action{.function = random.below(2) == 0 ? Function::kRead : Function::kWrite,
                  .key = values.intern({static_cast<std::int64_t>(random.below(registers_.size()))})};
    if (action.function == Function::kWrite) action.argument = values.intern({static_cast<std::int64_t>(number)});
    return action;
  }

  void carry_out(Values& values, Action& action) {
    ValueId& value = registers_[static_cast<std::size_t>(std::get<std::int64_t>(values[action.key].data))];
    action.function == Function::kRead ? static_cast<void>(action.result = value)
                                       : static_cast<void>(value = action.argument);
  }

  static bool loses_answer(Random&) { return false; }

 private:
  std::vector<ValueId> registers_ = std::vector<ValueId>(100'000, kNil);
};

/// The same history, but the first long text read after the middle lacks its beginning.
History with_wrong_read(const History& right) {
  History wrong;
  wrong.values() = right.values();
  bool is_wrong = false;
  for (std::size_t at = 0; at < right.size(); ++at) {
    Action action = right.actions(at).front();
    if (!is_wrong && at > right.size() / 2 && action.function == Function::kRead) {
      const std::string text = std::get<std::string>(right.values()[*action.result].data);
      is_wrong = text.size() > 50;
      if (is_wrong) action.result = wrong.values().intern({text.substr(10)});
    }
    wrong.add(right[at], {&action, 1});
  }
  QUORATE_ASSERT(is_wrong);
  return wrong;
}

KeyValue empty_texts() {
  KeyValue model;
  model.initial_value = {std::string()};
  return model;
}

template <class M>
void check_all(benchmark::State& state, const std::vector<History>& histories, const M& model, Verdict expected) {
  std::uint64_t steps = 0;
  for (auto _ : state) {
    for (const History& history : histories) {
      const Result<Report> report = check(history, model);
      QUORATE_ASSERT(report->verdict == expected);
      steps += report->steps;
    }
  }
  state.counters["steps"] = benchmark::Counter(static_cast<double>(steps), benchmark::Counter::kAvgIterations);
}

/// 50 clients, 4,000 operations.
void BM_ValidKeyValue(benchmark::State& state) {
  const auto seed = static_cast<std::uint64_t>(state.range(0));
  check_all(state, {Workload<Texts>(seed, 50, 4000).run()}, empty_texts(), Verdict::kLinearizable);
}
BENCHMARK(BM_ValidKeyValue)->DenseRange(1, 3)->Unit(benchmark::kMillisecond);

void BM_InvalidKeyValue(benchmark::State& state) {
  const auto seed = static_cast<std::uint64_t>(state.range(0));
  check_all(state, {with_wrong_read(Workload<Texts>(seed, 50, 4000).run())}, empty_texts(), Verdict::kNotLinearizable);
}
BENCHMARK(BM_InvalidKeyValue)->DenseRange(1, 3)->Unit(benchmark::kMillisecond);

/// A hundred histories of 80 operations by five clients, many of unknown outcome, as Jepsen's etcd test leaves them.
void BM_HundredCasRegisters(benchmark::State& state) {
  std::vector<History> histories;
  for (std::uint64_t seed = 0; seed < 100; ++seed) histories.push_back(Workload<SmallRegister>(seed, 5, 80).run());
  check_all(state, histories, CasRegister{}, Verdict::kLinearizable);
}
BENCHMARK(BM_HundredCasRegisters)->Unit(benchmark::kMillisecond);

void BM_LogOrderOfAMillion(benchmark::State& state) {
  const History history = Workload<ManyRegisters>(kSeed, 50, 1'000'000).run();
  for (auto _ : state) {
    const Result<LogOrder> order = check_log_order(history, Register{});
    QUORATE_ASSERT(order->answer == LogOrder::Answer::kConfirms);
  }
}
BENCHMARK(BM_LogOrderOfAMillion)->Unit(benchmark::kMillisecond);

void BM_SearchAMillion(benchmark::State& state) {
  check_all(state, {Workload<ManyRegisters>(kSeed, 50, 1'000'000).run()}, Register{}, Verdict::kLinearizable);
}
BENCHMARK(BM_SearchAMillion)->Unit(benchmark::kMillisecond);

void BM_ReadJsonLines(benchmark::State& state) {
  std::ostringstream written;
  write_history(Workload<ManyRegisters>(kSeed, 50, 100'000).run(), written);
  const std::string text = written.str();
  for (auto _ : state) {
    const Result<History> history = read_history(text, "memory", HistoryFormat::kJsonLines, {});
    QUORATE_ASSERT(history->size() == 100'000);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
  state.SetItemsProcessed(100'000 * state.iterations());
}
BENCHMARK(BM_ReadJsonLines)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace quorate::checker
