#include "run/host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <mutex>

#include "run/executor.h"
#include "run/test_agent.h"
#include "tool/function_tool.h"

namespace consort::run {
namespace {

namespace fs = std::filesystem;
using contract::Value;

Value parse(std::string_view json) { return contract::parse_json(json).value(); }

// A program of its own with a tool of its own: it sends a text, and must not send it twice.
class HostTest : public ::testing::Test {
 protected:
  HostTest() {
    options_.home = home_;
    options_.tools["mailer"] = [this](const tool::BuiltinContext& context) {
      tool::FunctionToolSpec spec;
      spec.name = context.name;
      spec.input = parse(R"({"type":"object","properties":{"text":{"type":"string"}},"required":["text"]})");
      spec.output = parse(R"({"type":"object","properties":{"sent":{"type":"integer"}},"required":["sent"]})");
      spec.version = "1";
      spec.effect = tool::Effect::once;
      spec.function = [this](const Value&, const tool::CallContext& call) -> Result<Value> {
        std::lock_guard guard(mutex_);
        keys_.push_back(call.idempotency_key);
        if (keys_.size() == 1) return fail(make_error(ErrorCode::unavailable, 4321, "the line went dead"));
        return Value::object({{"sent", static_cast<int64_t>(keys_.size())}});
      };
      return tool::make_function_tool(std::move(spec));
    };
  }
  void TearDown() override { fs::remove_all(home_); }

  fs::path home_ = fs::temp_directory_path() / ("consort_host_test_" + std::to_string(::getpid()));
  SystemClock clock_;
  HostOptions options_;
  std::mutex mutex_;
  std::vector<std::string> keys_;
  std::shared_ptr<const agent::Graph> graph_ = build_graph({{"agent.yaml", R"(
consort: 1
agent: {name: post, version: 0.1.0, in: {type: object, properties: {text: {type: string}}, required: [text],
        additionalProperties: false}, out: object}
tools: {send: {builtin: mailer}, calc: {builtin: calculate}}
components:
  sender: {kind: tool, tools: [send], in: {text: string}, out: object}
  adder:  {kind: tool, tools: [calc], with: {expression: "1 + 1"}, arguments: "{}", in: {sent: object}, out: object}
flow:
  letter: sender(text=input.text)
  sum:    adder(sent=letter)
  return: letter
)"}});
};

TEST_F(HostTest, GivesAStepTheEffectOfTheToolsThatItMayCall) {
  auto host = Host::create(graph_, options_, clock_);
  ASSERT_TRUE(host) << host.error().to_string();
  EXPECT_EQ((*host)->effect(*graph_, "sender"), tool::Effect::once);
  EXPECT_EQ((*host)->effect(*graph_, "adder"), tool::Effect::none);
}

TEST_F(HostTest, ATextIsNeverSentAgainUnlessAPersonSaysSo) {
  auto host = Host::create(graph_, options_, clock_).value();
  auto journal = store::Journal::open(home_, clock_).value();
  Executor executor(journal.get(), clock_);
  RunResult parked = executor.start(*graph_, *host, parse(R"({"text":"hello"})")).value();
  EXPECT_EQ(parked.state, store::RunState::waiting);
  EXPECT_EQ(parked.error->place, "letter");
  EXPECT_THAT(parked.error->fix, testing::HasSubstr("--retry letter"));
  EXPECT_EQ(executor.resume(parked.run, *graph_, *host)->state, store::RunState::waiting);
  EXPECT_EQ(keys_.size(), 1u);
  RunResult sent =
      executor.resume(parked.run, *graph_, *host, {.resolutions = {{"letter", {.retry = true}}}}).value();
  ASSERT_EQ(sent.state, store::RunState::completed) << sent.error->to_string();
  EXPECT_EQ(contract::to_json(sent.output), R"({"sent":2})");
  ASSERT_EQ(keys_.size(), 2u);
  EXPECT_EQ(keys_[0], keys_[1]) << "the same key after a resume, so that a tool can tell";
  EXPECT_TRUE(executor.replay(parked.run, *graph_, *host)->bit_equal());
  EXPECT_EQ(keys_.size(), 2u) << "a replay takes effects as recorded";
}

TEST_F(HostTest, WithoutTheProgramsToolTheAgentFileIsRefused) {
  options_.tools.clear();
  EXPECT_EQ(Host::create(graph_, options_, clock_).error().number, 5204);
}

TEST_F(HostTest, RefusesASwapThatCannotStandIn) {
  for (const auto& [path, version] : std::map<std::string, std::string>{
           {"nobody", "1"}, {"sender", "1"}, {"sender/deeper", "1"}}) {
    options_.swaps = {{path, version}};
    auto host = Host::create(graph_, options_, clock_);
    ASSERT_FALSE(host) << path;
    EXPECT_EQ(host.error().number, 7013);
    EXPECT_EQ(host.error().place, path);
  }
}

}  // namespace
}  // namespace consort::run
