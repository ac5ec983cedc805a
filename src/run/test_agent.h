// TestAgent: a real graph, built from YAML by the real builder, over components that are plain
// functions. For tests and benchmarks of this folder; linked into nothing else.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "run/provider.h"

namespace consort::run {

using TestCall = tl::expected<agent::Outcome, agent::Failure>;
using TestFunction =
    std::function<TestCall(const contract::Value& input, const agent::CallScope& scope)>;

// Outcome of a plain value.
TestCall answer(contract::Value value, agent::Usage usage = {});
TestCall refuse(ErrorCode code, int number, std::string message);

// Components by name, for the root and for nested agents alike. Counts calls.
class TestProvider final : public ComponentProvider {
 public:
  TestProvider();
  ~TestProvider() override;
  void define(std::string name, TestFunction function, tool::Effect effect = tool::Effect::none);
  void pin(std::string name, contract::Value value) {
    pins_.set(std::move(name), std::move(value));
  }

  agent::Component* find(const agent::Graph& graph, const std::string& node) override;
  contract::Value pins() const override { return contract::Value(pins_); }
  tool::Effect effect(const agent::Graph& graph, const std::string& node) const override;

  // Calls made, by step name, in the order of their beginning.
  std::vector<std::string> calls() const;
  int n_calls(std::string_view step) const;
  void forget_calls();

 private:
  class Function;
  std::map<std::string, std::unique_ptr<Function>> functions_;
  std::map<std::string, tool::Effect> effects_;
  contract::Object pins_;
  mutable std::mutex mutex_;
  std::vector<std::string> calls_;
};

// Builds an agent from files (name -> content; "agent.yaml" is the root). CONSORT_CHECKs that it
// builds.
std::shared_ptr<const agent::Graph> build_graph(const std::map<std::string, std::string>& files);

// The agent of the fault tests: a plan of three topics, a fan-out with a flaky component, a nested
// checker, and a redo loop that ends in the second round.
std::shared_ptr<const agent::Graph> briefing_graph();
void define_briefing(TestProvider& provider);
contract::Value briefing_input();

}  // namespace consort::run
