#include "run/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <random>
#include <thread>

#include "run/attempt.h"
#include "run/test_agent.h"

namespace consort::run {
namespace {

namespace fs = std::filesystem;
using contract::Value;
using store::EventKind;
using store::RunState;

Value parse(std::string_view json) { return contract::parse_json(json).value(); }

// Two numbers in, three steps out; `b` may fail, sleep, or have an effect.
std::shared_ptr<const agent::Graph> chain_graph(const std::string& b_options = "",
                                                const std::string& more = "") {
  return build_graph({{"agent.yaml", R"(
consort: 1
agent: {name: chain, version: 0.1.0, in: integer, out: integer}
tools: {calc: {builtin: calculate}}
components:
  a: {kind: tool, tools: [calc], in: {x: integer}, out: integer}
  b: {kind: tool, tools: [calc], in: {x: integer}, out: integer)" +
                                         b_options + R"(}
  c: {kind: tool, tools: [calc], in: {x: integer}, out: integer}
flow:
  first: a(x=input)
  second: b(x=first)
  third: c(x=second)
  return: third
)" + more}});
}

int64_t int_of(const Value& value) { return *value.as_number().as_int64(); }

class ExecutorTest : public ::testing::Test {
 protected:
  ExecutorTest() {
    for (const char* name : {"a", "b", "c"}) {
      provider_.define(name, [](const Value& input, const agent::CallScope&) {
        return answer(Value(int_of(*input.find("x")) * 10 + 1),
                      {.prompt_tokens = 3, .output_tokens = 4});
      });
    }
  }
  void TearDown() override {
    journal_.reset();
    fs::remove_all(home_);
  }
  store::Journal& journal() {
    if (!journal_) journal_ = store::Journal::open(home_, clock_).value();
    return *journal_;
  }
  RunView view(const RunResult& result) { return load_run(journal(), result.run).value(); }

  fs::path home_ =
      fs::temp_directory_path() / ("consort_executor_test_" + std::to_string(::getpid()));
  ManualClock clock_{1764000000000};
  std::unique_ptr<store::Journal> journal_;
  TestProvider provider_;
};

TEST_F(ExecutorTest, RunsAChainInMemoryWithoutAThreadOrAFile) {
  auto graph = chain_graph();
  Executor executor(nullptr, clock_);
  std::thread::id caller = std::this_thread::get_id();
  provider_.define("c", [caller](const Value& input, const agent::CallScope&) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    return answer(*input.find("x"));
  });
  RunResult result = executor.start(*graph, provider_, Value(5)).value();
  EXPECT_EQ(result.state, RunState::completed);
  EXPECT_EQ(int_of(result.output), 511);
  EXPECT_FALSE(fs::exists(home_));
}

TEST_F(ExecutorTest, RecordsStartsAndCompletionsInTheOrderOfTheFormatPage) {
  auto graph = chain_graph();
  Executor executor(&journal(), clock_);
  RunResult result = executor.start(*graph, provider_, Value(5), {.seed = 7}).value();
  std::vector<std::string> lines;
  std::vector<store::Event> events = journal().read(result.run).value();
  for (const store::Event& event : events) {
    lines.push_back(std::string(name(event.kind)) + " " + event.step);
  }
  EXPECT_THAT(lines,
              testing::ElementsAre("run_started ", "step_started first", "step_completed first",
                                   "step_started second", "step_completed second",
                                   "step_started third", "step_completed third", "run_completed "));
  RunView seen = view(result);
  EXPECT_EQ(seen.seed(), 7u);
  EXPECT_EQ(int_of(seen.output), 5111);
  EXPECT_EQ(seen.usage().prompt_tokens, 9);
  EXPECT_EQ(seen.find("second")->attempts[0].seed, attempt_seed(7, "second", 1));
}

TEST_F(ExecutorTest, PrintsTheDocumentThatScriptsRelyOn) {
  auto graph = chain_graph();
  RunResult result = Executor(nullptr, clock_).start(*graph, provider_, Value(5)).value();
  Value document = result.to_value();
  std::vector<std::string> keys, step_keys;
  for (const auto& [key, unused] : document.as_object()) keys.push_back(key);
  for (const auto& [key, unused] : document.find("steps")->as_array()[0].as_object())
    step_keys.push_back(key);
  EXPECT_THAT(keys, testing::ElementsAre("run", "state", "output", "steps", "usage"));
  EXPECT_THAT(step_keys, testing::ElementsAre("name", "component", "state", "attempts", "start_ms",
                                              "ms", "usage"));
  EXPECT_EQ(document.find("state")->as_string(), "completed");
  EXPECT_EQ(document.find("steps")->as_array()[1].find("component")->as_string(), "b");
}

TEST_F(ExecutorTest, RefusesAnInputThatBreaksTheContractBeforeItCostsAnything) {
  auto graph = chain_graph();
  auto refused = Executor(&journal(), clock_).start(*graph, provider_, Value("five"));
  EXPECT_EQ(refused.error().number, 3001);
  EXPECT_EQ(refused.error().code, ErrorCode::contract_violation);
  EXPECT_TRUE(provider_.calls().empty());
  EXPECT_TRUE(journal().runs(10)->empty());
}

TEST_F(ExecutorTest, MakesAValueDurableBeforeAnotherComponentSeesIt) {
  auto graph = chain_graph();
  provider_.define("b", [this](const Value& input, const agent::CallScope& scope) {
    RunView now = load_run(journal(), store::RunId{scope.run}).value();
    EXPECT_EQ(now.find("first")->state, StepState::completed);
    EXPECT_EQ(now.find("first")->value, *input.find("x"));
    return answer(Value(2));
  });
  EXPECT_EQ(Executor(&journal(), clock_).start(*graph, provider_, Value(5))->state,
            RunState::completed);
}

TEST_F(ExecutorTest, RunsFanOutNestedAgentsAndRedoRoundsUnderTheirNames) {
  auto graph = briefing_graph();
  define_briefing(provider_);
  RunResult result =
      Executor(&journal(), clock_).start(*graph, provider_, briefing_input(), {.seed = 3}).value();
  ASSERT_EQ(result.state, RunState::completed) << result.error->to_string();
  std::vector<std::string> names;
  for (const StepResult& step : result.steps) names.push_back(step.name);
  EXPECT_THAT(names, testing::UnorderedElementsAre(
                         "plan", "never", "findings[0]", "findings[1]", "findings[2]", "report",
                         "verdict", "verdict/rules[0]", "verdict/rules[1]", "verdict/rules[2]",
                         "verdict/out", "report#1", "verdict#1", "verdict#1/rules[0]",
                         "verdict#1/rules[1]", "verdict#1/rules[2]", "verdict#1/out", "report#2",
                         "verdict#2", "verdict#2/rules[0]", "verdict#2/rules[1]",
                         "verdict#2/rules[2]", "verdict#2/out"));
  // From the definitions of the components in test_agent.cc, by hand.
  std::string rival =
      "rivals " + std::to_string(attempt_seed(3, "findings[1]", 2) % 1000) + " after /text";
  EXPECT_EQ(result.output.find("lines")->as_array()[1].as_string(), rival);
  EXPECT_EQ(result.output.find("note")->as_string(),
            "fixed [\"priverdict#1\",\"rivverdict#1\",\"tonverdict#1\"] report#2");
  EXPECT_EQ(result.usage.prompt_tokens, 10 + 3 * 20);
  EXPECT_EQ(result.usage.output_tokens, 5 + 3 * 7 + 3 * 30);
  EXPECT_EQ(result.usage.violations, 1);
  EXPECT_EQ(provider_.n_calls("never"), 0);
}

TEST_F(ExecutorTest, GivesTheSameValuesWhateverReturnsFirstAndHoweverManyThreads) {
  auto graph = briefing_graph();
  std::set<std::string> outputs;
  std::set<std::string> steps;
  for (int n_threads : {1, 2, 8}) {
    for (int shuffle = 0; shuffle < 5; ++shuffle) {
      TestProvider provider;
      define_briefing(provider);
      agent::Component* inner = provider.find(*graph, "finder");
      TestProvider delayed;
      define_briefing(delayed);
      // Different elements are slow in different rounds.
      delayed.define("finder", [inner, shuffle](const Value& input, const agent::CallScope& scope) {
        std::mt19937 random(static_cast<unsigned>(shuffle) * 31 +
                            static_cast<unsigned>(scope.seed));
        for (unsigned i = random() % 20000; i > 0; --i) std::this_thread::yield();
        return inner->call(input, scope);
      });
      RunResult result = Executor(nullptr, clock_, {.n_threads = n_threads})
                             .start(*graph, delayed, briefing_input())
                             .value();
      outputs.insert(contract::to_json(result.output));
      std::vector<std::string> names;
      for (const StepResult& step : result.steps)
        names.push_back(step.name + std::to_string(step.attempts));
      std::sort(names.begin(), names.end());
      steps.insert(testing::PrintToString(names));
    }
  }
  EXPECT_EQ(outputs.size(), 1u);
  EXPECT_EQ(steps.size(), 1u);
}

TEST_F(ExecutorTest, RunsIndependentStepsAtTheSameTime) {
  auto graph = build_graph({{"agent.yaml", R"(
consort: 1
agent: {name: wide, version: 0.1.0, in: "integer[]", out: "integer[]"}
tools: {calc: {builtin: calculate}}
components:
  a: {kind: tool, tools: [calc], in: {x: integer}, out: integer}
flow:
  all: a(x=input[*])
  return: all
)"}});
  std::barrier<> together(4);  // Passes only if four calls are under way at once.
  provider_.define("a", [&](const Value& input, const agent::CallScope&) {
    together.arrive_and_wait();
    return answer(*input.find("x"));
  });
  RunResult result = Executor(nullptr, clock_, {.n_threads = 4})
                         .start(*graph, provider_, parse("[1,2,3,4,5,6,7,8]"))
                         .value();
  EXPECT_EQ(contract::to_json(result.output), "[1,2,3,4,5,6,7,8]");
}

TEST_F(ExecutorTest, FailsTheRunWithATypedErrorAndKeepsWhatWasDone) {
  auto graph = chain_graph();
  provider_.define("b", [](const Value&, const agent::CallScope&) {
    return refuse(ErrorCode::unavailable, 4321, "the tool is down");
  });
  RunResult result = Executor(&journal(), clock_).start(*graph, provider_, Value(5)).value();
  EXPECT_EQ(result.state, RunState::failed);
  EXPECT_EQ(result.error->number, 4321);
  EXPECT_EQ(result.error->place, "second");
  EXPECT_EQ(result.exit_code(), 4);
  RunView seen = view(result);
  EXPECT_EQ(seen.state, RunState::failed);
  EXPECT_EQ(int_of(seen.find("first")->value), 51);
  EXPECT_EQ(seen.find("second")->attempts[0].error->number, 4321);
  EXPECT_EQ(seen.find("third"), nullptr);
}

TEST_F(ExecutorTest, RepairsRetriesAndEscalatesInOrderAndThenGivesUp) {
  auto graph = chain_graph(", on_violation: [repair, {retry: 2}, {escalate: c}]");
  std::vector<std::pair<int, size_t>> tries;  // Attempt, violations told.
  provider_.define("b", [&](const Value&, const agent::CallScope& scope) {
    tries.emplace_back(scope.attempt, scope.previous_violations.size());
    return answer(Value("not a number"));
  });
  RunResult result = Executor(&journal(), clock_).start(*graph, provider_, Value(5)).value();
  EXPECT_EQ(result.state, RunState::completed);
  EXPECT_THAT(tries, testing::ElementsAre(std::pair(1, 0), std::pair(2, 1), std::pair(3, 0),
                                          std::pair(4, 0)));
  EXPECT_EQ(result.steps[1].attempts, 5);
  EXPECT_EQ(result.steps[1].component, "c");
  EXPECT_EQ(int_of(result.output), 5111);

  tries.clear();
  provider_.define("c",
                   [](const Value&, const agent::CallScope&) { return answer(Value("nor this")); });
  RunResult failed = Executor(&journal(), clock_).start(*graph, provider_, Value(5)).value();
  EXPECT_EQ(failed.state, RunState::failed);
  EXPECT_EQ(failed.error->code, ErrorCode::contract_violation);
  EXPECT_EQ(failed.exit_code(), 3);
  EXPECT_EQ(tries.size(), 4u);
}

TEST_F(ExecutorTest, EndsTheRunWhenTokensAreUsedUpAndTakesExactlyTheBudget) {
  auto graph = chain_graph();
  auto with_tokens = [&](int64_t tokens) {
    return Executor(&journal(), clock_)
        .start(*graph, provider_, Value(5), {.tokens = tokens})
        .value();
  };
  EXPECT_EQ(with_tokens(21).state, RunState::completed) << "three steps of seven tokens";
  for (int64_t tokens : {20, 14, 13}) {
    RunResult result = with_tokens(tokens);
    EXPECT_EQ(result.state, tokens == 20 ? RunState::completed : RunState::failed) << tokens;
    if (result.state != RunState::failed) continue;
    EXPECT_EQ(result.error->number, 7004);
    EXPECT_EQ(view(result).find("second")->state, StepState::completed);
    EXPECT_EQ(view(result).find("third"), nullptr);
  }
}

TEST_F(ExecutorTest, EndsTheRunAtItsDeadline) {
  auto graph = chain_graph("", "budget: {deadline: 60s}\n");
  provider_.define("b", [&](const Value&, const agent::CallScope& scope) {
    EXPECT_EQ(*scope.deadline, scope.clock->monotonic() + std::chrono::seconds(60));
    clock_.advance(std::chrono::seconds(60));
    return answer(Value(2));
  });
  RunResult result = Executor(&journal(), clock_).start(*graph, provider_, Value(5)).value();
  EXPECT_EQ(result.state, RunState::failed);
  EXPECT_EQ(result.error->number, 7003);
  EXPECT_EQ(view(result).find("second")->state, StepState::completed) << "what was done is kept";
  EXPECT_EQ(provider_.n_calls("third"), 0);
}

TEST_F(ExecutorTest, GivesAComponentItsOwnTimeoutAndRetriesIt) {
  auto graph = chain_graph(", timeout_ms: 500, on_violation: [{retry: 1}]");
  provider_.define("b", [&](const Value&, const agent::CallScope& scope) {
    EXPECT_EQ(*scope.deadline, scope.clock->monotonic() + std::chrono::milliseconds(500));
    if (scope.attempt == 1) {
      clock_.advance(std::chrono::milliseconds(500));
      return refuse(ErrorCode::deadline_exceeded, 4104, "too slow");
    }
    return answer(Value(2));
  });
  EXPECT_EQ(Executor(nullptr, clock_).start(*graph, provider_, Value(5))->state,
            RunState::completed);
}

TEST_F(ExecutorTest, LeavesAnInterruptedRunWaitingAndResumesIt) {
  auto graph = chain_graph();
  std::stop_source stop;
  bool interrupt = true;
  provider_.define("b", [&](const Value&, const agent::CallScope& scope) {
    if (!interrupt) return answer(Value(2));
    stop.request_stop();
    EXPECT_TRUE(scope.stop.stop_requested());
    return refuse(ErrorCode::cancelled, 4103, "stopped");
  });
  Executor executor(&journal(), clock_);
  RunResult stopped =
      executor.start(*graph, provider_, Value(5), {.watch = {.stop = stop.get_token()}}).value();
  EXPECT_EQ(stopped.state, RunState::waiting);
  EXPECT_TRUE(stopped.interrupted);
  EXPECT_EQ(stopped.exit_code(), 130);
  EXPECT_EQ(journal().summary(stopped.run)->state, RunState::waiting);
  interrupt = false;
  RunResult resumed = executor.resume(stopped.run, *graph, provider_).value();
  EXPECT_EQ(resumed.state, RunState::completed);
  EXPECT_EQ(int_of(resumed.output), 21);
  EXPECT_EQ(provider_.n_calls("first"), 1) << "completed steps are not called again";
  EXPECT_EQ(provider_.n_calls("second"), 2);
  EXPECT_EQ(resumed.steps[1].attempts, 1) << "an interrupted attempt is not a failed one";
}

TEST_F(ExecutorTest, AnswersAnEndedRunFromTheJournal) {
  auto graph = chain_graph();
  Executor executor(&journal(), clock_);
  RunResult first = executor.start(*graph, provider_, Value(5)).value();
  provider_.forget_calls();
  RunResult again = executor.resume(first.run, *graph, provider_).value();
  EXPECT_EQ(again.output, first.output);
  EXPECT_TRUE(provider_.calls().empty());
  EXPECT_EQ(executor.resume(store::RunId{"r_none"}, *graph, provider_).error().number, 1205);
  EXPECT_EQ(Executor(nullptr, clock_).resume(first.run, *graph, provider_).error().number, 7012);
}

TEST_F(ExecutorTest, RefusesToResumeWhenAPinHasChangedAndNamesIt) {
  auto graph = chain_graph();
  provider_.pin("models", parse(R"({"small":"aaaa","embed":"bbbb"})"));
  std::stop_source stop;
  stop.request_stop();
  Executor executor(&journal(), clock_);
  RunResult stopped =
      executor.start(*graph, provider_, Value(5), {.watch = {.stop = stop.get_token()}}).value();
  provider_.pin("models", parse(R"({"small":"cccc","embed":"bbbb"})"));
  auto refused = executor.resume(stopped.run, *graph, provider_);
  EXPECT_EQ(refused.error().number, 7010);
  EXPECT_EQ(refused.error().value, "/models/small was \"aaaa\", is \"cccc\"");
  auto other = chain_graph("", "budget: {tokens: 99}\n");
  EXPECT_THAT(executor.resume(stopped.run, *other, provider_).error().message,
              testing::HasSubstr("/graph"));
  provider_.pin("models", parse(R"({"small":"aaaa","embed":"bbbb"})"));
  EXPECT_EQ(executor.resume(stopped.run, *graph, provider_)->state, RunState::completed);
}

TEST_F(ExecutorTest, ParksARunWhoseEffectMayHaveHappenedUntilAPersonDecides) {
  auto graph = chain_graph();
  int sent = 0;
  std::stop_source stop;
  provider_.define(
      "b",
      [&](const Value&, const agent::CallScope&) {
        ++sent;
        if (sent > 1) return answer(Value(2));
        stop.request_stop();  // The process goes away after the effect and before its result.
        return refuse(ErrorCode::cancelled, 4103, "stopped");
      },
      tool::Effect::once);
  Executor executor(&journal(), clock_);
  store::RunId run =
      executor.start(*graph, provider_, Value(5), {.watch = {.stop = stop.get_token()}})->run;
  for (int i = 0; i < 2; ++i) {
    RunResult parked = executor.resume(run, *graph, provider_).value();
    EXPECT_EQ(parked.state, RunState::waiting);
    EXPECT_FALSE(parked.interrupted);
    EXPECT_EQ(parked.error->number, 7005);
    EXPECT_EQ(parked.error->place, "second");
    EXPECT_EQ(sent, 1) << "never silently repeated";
  }
  EXPECT_EQ(load_run(journal(), run)->waiting_for, "needs_review");
  RunResult resolved =
      executor.resume(run, *graph, provider_, {.resolutions = {{"second", {.value = Value(7)}}}})
          .value();
  EXPECT_EQ(int_of(resolved.output), 71);
  EXPECT_EQ(sent, 1);

  sent = 0;
  stop = std::stop_source();
  run = executor.start(*graph, provider_, Value(5), {.watch = {.stop = stop.get_token()}})->run;
  RunResult retried =
      executor.resume(run, *graph, provider_, {.resolutions = {{"second", {.retry = true}}}})
          .value();
  EXPECT_EQ(int_of(retried.output), 21);
  EXPECT_EQ(sent, 2);
}

// A nested agent of two steps whose second may fail, with a recovery of the whole.
std::shared_ptr<const agent::Graph> nested_graph(const std::string& on_violation) {
  return build_graph({{"agent.yaml", R"(
consort: 1
agent: {name: outer, version: 0.1.0, in: integer, out: integer}
tools: {calc: {builtin: calculate}}
components:
  a:     {kind: tool, tools: [calc], in: {x: integer}, out: integer}
  c:     {kind: tool, tools: [calc], in: integer, out: integer}
  inner: {kind: agent, use: inner, in: integer, out: integer, on_violation: )" +
                                         on_violation + R"(}
flow:
  first:  a(x=input)
  second: inner(first)
  third:  a(x=second)
  return: third
)"},
                      {"inner.yaml", R"(
consort: 1
agent: {name: inner, version: 0.1.0, in: integer, out: integer}
tools: {calc: {builtin: calculate}}
components:
  a: {kind: tool, tools: [calc], in: {x: integer}, out: integer}
  b: {kind: tool, tools: [calc], in: {x: integer}, out: integer}
flow:
  one: a(x=input)
  two: b(x=one)
  return: two
)"}});
}

TEST_F(ExecutorTest, TriesANestedAgentAgainAsAWholeUnderNamesOfItsOwn) {
  auto graph = nested_graph("[repair, {retry: 1}]");
  provider_.define("b", [](const Value& input, const agent::CallScope& scope) {
    if (scope.attempt < 3) return refuse(ErrorCode::unavailable, 4321, "not yet");
    return answer(*input.find("x"));
  });
  Executor executor(&journal(), clock_);
  RunResult result = executor.start(*graph, provider_, Value(5)).value();
  ASSERT_EQ(result.state, RunState::completed) << result.error->to_string();
  EXPECT_EQ(int_of(result.output), 5111);
  EXPECT_THAT(provider_.calls(),
              testing::ElementsAre("first", "second/one", "second/two", "second~2/one", "second~2/two",
                                   "second~3/one", "second~3/two", "third"));
  RunView seen = view(result);
  EXPECT_EQ(seen.find("second")->attempts.size(), 3u);
  EXPECT_EQ(seen.find("second")->attempts[0].error->number, 4321);
  EXPECT_EQ(seen.find("second/two")->state, StepState::failed);
  EXPECT_EQ(seen.usage().prompt_tokens, result.usage.prompt_tokens) << "what was given up was paid for";
  EXPECT_TRUE(executor.replay(result.run, *graph, provider_)->bit_equal());
}

TEST_F(ExecutorTest, ResumesBetweenTheAttemptsOfANestedAgentAtEveryEvent) {
  auto graph = nested_graph("[{retry: 1}]");
  provider_.define("b", [](const Value& input, const agent::CallScope& scope) {
    if (!scope.step.starts_with("second~2/")) return refuse(ErrorCode::unavailable, 4321, "not yet");
    return answer(*input.find("x"));
  });
  Executor executor(&journal(), clock_);
  RunResult whole = executor.start(*graph, provider_, Value(5)).value();
  std::vector<store::Event> events = journal().read(whole.run).value();
  ASSERT_EQ(events.size(), 18u);
  for (size_t n = 1; n < events.size(); ++n) {
    store::RunId run = store::new_run_id(clock_);
    ASSERT_TRUE(journal().begin(run, "outer@0.1.0", events[0].body));
    for (size_t i = 1; i < n; ++i) {
      std::vector<store::NewEvent> one;
      one.push_back({events[i].kind, events[i].step, events[i].body});
      ASSERT_TRUE(journal().append(run, std::move(one)));
    }
    provider_.forget_calls();
    RunResult resumed = executor.resume(run, *graph, provider_).value();
    EXPECT_EQ(resumed.state, RunState::completed) << n;
    EXPECT_EQ(resumed.output, whole.output) << n;
    EXPECT_EQ(load_run(journal(), run)->usage().prompt_tokens, whole.usage.prompt_tokens) << n;
    for (size_t i = 1; i < n; ++i) {
      if (events[i].kind == EventKind::step_completed) EXPECT_EQ(provider_.n_calls(events[i].step), 0) << n;
    }
  }
}

TEST_F(ExecutorTest, EscalatesANestedAgentToAComponentAndGivesUpAfterTheLast) {
  auto graph = nested_graph("[{escalate: c}]");
  provider_.define("b", [](const Value&, const agent::CallScope&) {
    return refuse(ErrorCode::contract_violation, 3001, "never right");
  });
  provider_.define("c", [](const Value& input, const agent::CallScope&) { return answer(input); });
  Executor executor(&journal(), clock_);
  RunResult result = executor.start(*graph, provider_, Value(5)).value();
  EXPECT_EQ(int_of(result.output), 511);
  EXPECT_EQ(view(result).find("second")->attempts[1].component, "c");
  EXPECT_TRUE(executor.replay(result.run, *graph, provider_)->bit_equal());

  auto once = nested_graph("[{retry: 2}]");
  RunResult failed = executor.start(*once, provider_, Value(5)).value();
  EXPECT_EQ(failed.state, RunState::failed);
  EXPECT_EQ(failed.error->number, 3001);
  EXPECT_EQ(provider_.n_calls("second~3/two"), 1);
  EXPECT_EQ(provider_.n_calls("second~4/two"), 0);
}

TEST_F(ExecutorTest, ANestedAgentWithAnEffectIsNeverTriedAgain) {
  auto graph = nested_graph("[{retry: 3}]");
  provider_.define(
      "a", [](const Value& input, const agent::CallScope&) { return answer(*input.find("x")); },
      tool::Effect::once);
  provider_.define("b", [](const Value&, const agent::CallScope&) {
    return refuse(ErrorCode::unavailable, 4321, "no answer");
  });
  RunResult failed = Executor(&journal(), clock_).start(*graph, provider_, Value(5)).value();
  EXPECT_EQ(failed.state, RunState::failed);
  EXPECT_EQ(provider_.n_calls("second/one"), 1);
  EXPECT_EQ(provider_.n_calls("second~2/one"), 0);
}

TEST_F(ExecutorTest, TheTokensOfANestedAgentEndItsAttemptNotTheRun) {
  // The inner agent's own limit is used up after one step; the component that it escalates to needs none.
  auto graph = build_graph({{"agent.yaml", R"(
consort: 1
agent: {name: outer, version: 0.1.0, in: integer, out: integer}
tools: {calc: {builtin: calculate}}
components:
  c:     {kind: tool, tools: [calc], in: integer, out: integer}
  inner: {kind: agent, use: inner, in: integer, out: integer, on_violation: [{escalate: c}]}
flow:
  only: inner(input)
  return: only
)"},
                            {"inner.yaml", R"(
consort: 1
agent: {name: inner, version: 0.1.0, in: integer, out: integer}
tools: {calc: {builtin: calculate}}
components:
  a: {kind: tool, tools: [calc], in: {x: integer}, out: integer}
flow:
  one: a(x=input)
  two: a(x=one)
  return: two
budget: {tokens: 5}
)"}});
  provider_.define("c", [](const Value& input, const agent::CallScope&) { return answer(input); });
  RunResult result = Executor(&journal(), clock_).start(*graph, provider_, Value(5)).value();
  ASSERT_EQ(result.state, RunState::completed) << result.error->to_string();
  EXPECT_EQ(int_of(result.output), 5);
  EXPECT_EQ(view(result).find("only")->attempts[0].error->number, 7004);
}

TEST_F(ExecutorTest, ACancelledRunHasEndedAndIsNotResumed) {
  auto graph = chain_graph();
  std::stop_source stop;
  stop.request_stop();
  Executor executor(&journal(), clock_);
  store::RunId run =
      executor.start(*graph, provider_, Value(5), {.watch = {.stop = stop.get_token()}})->run;
  ASSERT_TRUE(executor.cancel(run, "not wanted"));
  ASSERT_TRUE(executor.cancel(run, "again")) << "nothing more happens";
  EXPECT_EQ(journal().read(run)->back().kind, EventKind::run_cancelled);
  EXPECT_EQ(journal().summary(run)->state, RunState::cancelled);
  provider_.forget_calls();
  RunResult resumed = executor.resume(run, *graph, provider_).value();
  EXPECT_EQ(resumed.state, RunState::cancelled);
  EXPECT_EQ(resumed.exit_code(), 130);
  EXPECT_TRUE(provider_.calls().empty());
  store::RunId done = executor.start(*graph, provider_, Value(5))->run;
  EXPECT_EQ(executor.cancel(done, "late").error().number, 7014);
  EXPECT_EQ(Executor(nullptr, clock_).cancel(done, "").error().number, 7012);
}

TEST_F(ExecutorTest, NeverRetriesAFailedEffect) {
  auto graph = chain_graph(", on_violation: [{retry: 3}]");
  provider_.define(
      "b",
      [](const Value&, const agent::CallScope&) {
        return refuse(ErrorCode::unavailable, 4321, "no answer from the server");
      },
      tool::Effect::once);
  RunResult parked = Executor(&journal(), clock_).start(*graph, provider_, Value(5)).value();
  EXPECT_EQ(parked.state, RunState::waiting);
  EXPECT_EQ(provider_.n_calls("second"), 1);
}

TEST_F(ExecutorTest, RefusesAFanOutOverTheLimitAndTakesOneAtIt) {
  auto graph = build_graph({{"agent.yaml", R"(
consort: 1
agent: {name: wide, version: 0.1.0, in: "integer[]", out: "integer[]"}
tools: {calc: {builtin: calculate}}
components:
  a: {kind: tool, tools: [calc], in: {x: integer}, out: integer}
flow:
  all: a(x=input[*])
  return: all
)"}});
  auto run_with = [&](size_t n) {
    return Executor(nullptr, clock_)
        .start(*graph, provider_, Value(contract::Array(n, Value(1))))
        .value();
  };
  EXPECT_EQ(run_with(0).output.as_array().size(), 0u);
  EXPECT_EQ(run_with(agent::kFanOutMax).output.as_array().size(), agent::kFanOutMax);
  EXPECT_EQ(run_with(agent::kFanOutMax + 1).error->number, 7006);
}

TEST_F(ExecutorTest, SaysWhichComponentIsMissing) {
  auto graph = chain_graph();
  TestProvider nothing;
  RunResult result = Executor(nullptr, clock_).start(*graph, nothing, Value(5)).value();
  EXPECT_EQ(result.error->number, 7002);
  EXPECT_EQ(result.error->value, "a");
}

TEST_F(ExecutorTest, TellsTheListenerOnlyWhatIsDurable) {
  auto graph = chain_graph();
  std::vector<int64_t> seen;
  RunOptions options;
  options.watch.on_event = [&](const store::Event& event) {
    seen.push_back(event.seq);
    EXPECT_GE(journal().runs(1).value()[0].n_events, event.seq);
  };
  ASSERT_TRUE(Executor(&journal(), clock_).start(*graph, provider_, Value(5), options));
  EXPECT_THAT(seen, testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

TEST_F(ExecutorTest, KeepsAThousandStepsOfOneKilobyteUnderThreeKilobytesEach) {
  // A plan of 1,000 elements, each of which adds about 1 kB.
  auto graph = build_graph({{"agent.yaml", R"(
consort: 1
agent: {name: wide, version: 0.1.0, in: "integer[]", out: "string[]"}
tools: {calc: {builtin: calculate}}
components:
  a: {kind: tool, tools: [calc], in: {x: integer}, out: string}
flow:
  all: a(x=input[*])
  return: all
)"}});
  provider_.define("a", [](const Value&, const agent::CallScope&) {
    return answer(Value(std::string(1000, 'x')));
  });
  ASSERT_EQ(Executor(&journal(), clock_, {.n_threads = 1})
                .start(*graph, provider_, Value(contract::Array(1000, Value(1))))
                ->state,
            RunState::completed);
  journal_.reset();
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(home_)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  EXPECT_LE(bytes, 3'000'000u);
}

}  // namespace
}  // namespace consort::run
