#include "run/run_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "run/trace.h"

namespace consort::run {
namespace {

using contract::Value;
using store::Event;
using store::EventKind;

// Events as JSON Lines: {"seq","kind","step","ms","body"}.
std::vector<Event> read_events(const std::string& name) {
  std::string text =
      read_file(std::string(CONSORT_SOURCE_DIR) + "/tests/golden/journals/" + name, 1 << 20)
          .value();
  std::vector<Event> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    Value line = contract::parse_json(text.substr(at, end - at)).value();
    at = end + 1;
    out.push_back(Event{.seq = *line.find("seq")->as_number().as_int64(),
                        .kind = store::event_kind(line.find("kind")->as_string()).value(),
                        .step = line.find("step")->as_string(),
                        .unix_ms = *line.find("ms")->as_number().as_int64(),
                        .body = *line.find("body")});
  }
  return out;
}

const store::RunId kRun{"r_01KAV9FT0004HMASW9NF6YY093"};

TEST(RunView, FoldsARunOfFormatOneThatWasKilledAndResumed) {
  RunView view = fold(kRun, read_events("format1_resumed.jsonl")).value();
  EXPECT_EQ(view.agent, "briefing@1.0.0");
  EXPECT_EQ(view.state, store::RunState::completed);
  EXPECT_EQ(view.seed(), 0x2au);
  EXPECT_EQ(view.n_resumed, 1);
  EXPECT_EQ(view.active_ms, 40 + 35) << "the hour between the two processes does not count";
  ASSERT_EQ(view.steps.size(), 4u);
  const StepView& finding = *view.find("findings[1]");
  ASSERT_EQ(finding.attempts.size(), 2u);
  EXPECT_EQ(finding.attempts[0].state, StepState::failed);
  EXPECT_EQ(finding.attempts[0].error->number, 3001);
  EXPECT_EQ(finding.attempts[0].violations[0].keyword, "type");
  EXPECT_EQ(finding.attempts[1].number, 2);
  EXPECT_EQ(finding.value.as_string(), "two");
  // printf '"two"' | sha256sum
  EXPECT_EQ(finding.digest, "b85d38dc71a8027700bebd3c30d39424852cf532883d88f0a0d992d3bf0eba9b");
  EXPECT_EQ(view.find("never")->state, StepState::skipped);
  EXPECT_EQ(view.find("findings[0]")->attempts.size(), 1u)
      << "an interrupted attempt is made again";
  EXPECT_EQ(view.usage().output_tokens, 4 + 2 + 3);
  EXPECT_EQ(view.output.as_string(), "done");
}

TEST(RunView, IsTheSameForEveryPrefixHoweverOftenItIsFolded) {
  std::vector<Event> events = read_events("format1_resumed.jsonl");
  for (size_t n = 1; n <= events.size(); ++n) {
    std::span<const Event> prefix(events.data(), n);
    std::string once = contract::to_json(trace_value(fold(kRun, prefix).value()));
    EXPECT_EQ(once, contract::to_json(trace_value(fold(kRun, prefix).value())));
  }
}

TEST(RunView, RefusesEventsThatDoNotFitTogether) {
  std::vector<Event> good = read_events("format1_resumed.jsonl");
  auto error_of = [&](auto change) {
    std::vector<Event> events = good;
    change(events);
    auto view = fold(kRun, events);
    return view ? 0 : view.error().number;
  };
  EXPECT_EQ(error_of([](auto&) {}), 0);
  EXPECT_EQ(error_of([](auto& e) { e.erase(e.begin()); }), 7001);
  EXPECT_EQ(error_of([](auto& e) { e[0].body = Value::object({{"agent", "x"}}); }), 7001);
  EXPECT_EQ(error_of([](auto& e) { e[3].step = "other"; }), 7001) << "ends without having started";
  EXPECT_EQ(error_of([](auto& e) { e.back().body = Value(contract::Object()); }), 7001);
  EXPECT_EQ(error_of([](auto& e) {
              for (Event& event : e) {
                if (event.kind == EventKind::step_completed) event.body = Value(contract::Object());
              }
            }),
            7001);
}

TEST(Trace, DrawsAWaterfallWithTokensTriesAndViolations) {
  RunView view = fold(kRun, read_events("format1_resumed.jsonl")).value();
  std::string text = trace_text(view, {.width = 100});
  EXPECT_THAT(text,
              testing::HasSubstr("run r_01KAV9FT0004HMASW9NF6YY093  briefing@1.0.0  completed"));
  EXPECT_THAT(text, testing::HasSubstr("resumed 1 times"));
  EXPECT_THAT(text, testing::ContainsRegex("findings\\[1\\] +finder +=+ .* 2 tries 1 violations"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("\x1b")));
  EXPECT_THAT(trace_text(view, {.colour = true}), testing::HasSubstr("\x1b[33m"));
}

TEST(Trace, ShowsThePromptAndTextOfEachAttempt) {
  RunView view = fold(kRun, read_events("format1_resumed.jsonl")).value();
  std::string text = trace_step_text(view, "findings[1]").value();
  EXPECT_THAT(text, testing::HasSubstr("prompt:\nWrite a finding about rivals.\n"));
  EXPECT_THAT(text, testing::HasSubstr("violation at '': is not a string"));
  EXPECT_THAT(text, testing::HasSubstr("value: \"two\""));
  auto missing = trace_step_text(view, "findings");
  EXPECT_EQ(missing.error().number, 7020);
  EXPECT_THAT(missing.error().fix, testing::HasSubstr("findings[0], findings[1]"));
}

}  // namespace
}  // namespace consort::run
