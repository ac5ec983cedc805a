#include "cli/dataset_runs.h"

#include <fmt/format.h>

#include <climits>
#include <map>
#include <set>

#include "run/run_view.h"
#include "store/journal.h"

namespace consort::cli {
namespace {

using contract::Value;

struct Correction {
  std::string verdict, place;
  Value output;
  bool used = false;
};
using Corrections = std::map<std::pair<std::string, std::string>, Correction>;  // By run and step.

Result<Corrections> read_corrections(const std::string& path) {
  Corrections out;
  if (path.empty()) return out;
  CONSORT_TRY(each_line(path, [&](int number, const std::string& line) -> Result<void> {
    const std::string place = fmt::format("{}:{}", path, number);
    const auto wrong = [&](const std::string& why) {
      return fail(make_error(ErrorCode::invalid_argument, 9040, why)
                      .at(place)
                      .got(line)
                      .to_fix(R"(write {"run": ID, "step": NAME, "verdict": "accepted", "edited" or "rejected", "output"?})"));
    };
    const auto value = contract::parse_json(line);
    if (!value || !value->is_object()) return wrong("a correction is no JSON object");
    Correction c{value->string_or("verdict", ""), place, {}, false};
    const bool edited = c.verdict == "edited";
    if (!edited && c.verdict != "accepted" && c.verdict != "rejected") return wrong("a correction has no verdict");
    const Value* output = value->find("output");
    if (edited != (output != nullptr)) return wrong("'output' goes with the verdict 'edited'");
    if (output != nullptr) c.output = *output;
    const auto key = std::pair(value->string_or("run", ""), value->string_or("step", ""));
    if (key.first.empty() || key.second.empty()) return wrong("a correction names a run and a step");
    if (!out.emplace(key, std::move(c)).second) return wrong("this step was judged in an earlier line");
    return {};
  }));
  return out;
}

// The last text that a model wrote for the attempt, and what it had read; null if none did.
const Value* written(const run::AttemptView& attempt) {
  if (!attempt.calls.is_array()) return nullptr;
  const auto& calls = attempt.calls.as_array();
  for (auto call = calls.rbegin(); call != calls.rend(); ++call)
    if (call->string_or("kind", "") == "generate" && !call->string_or("prompt", "").empty()) return &*call;
  return nullptr;
}

std::optional<Value> row_of(const RecordedRows& o, const run::RunView& view, const run::StepView& step,
                            Corrections& corrections) {
  if (step.attempts.empty() || step.attempts.front().component != o.component) return std::nullopt;
  const auto found = corrections.find({view.run.text, step.name});
  if (found != corrections.end()) found->second.used = true;
  if (found == corrections.end() && !o.unreviewed) return std::nullopt;
  if (found != corrections.end() && found->second.verdict == "rejected") return std::nullopt;
  // What was asked first: a repair's prompt holds complaints that a taught component should not need.
  const Value* call = written(step.attempts.front());
  if (call == nullptr) return std::nullopt;
  const bool edited = found != corrections.end() && found->second.verdict == "edited";
  const bool first_try = step.state == run::StepState::completed && step.attempts.size() == 1 &&
                         (call->find("violations") == nullptr || call->find("violations")->as_array().empty());
  if (!edited && step.state != run::StepState::completed) return std::nullopt;
  if (found == corrections.end() && !first_try) return std::nullopt;
  return Value::object({{"rendered", call->string_or("prompt", "")},
                        {"completion", contract::to_json(edited ? found->second.output : step.value)},
                        {"verdict", found == corrections.end() ? "unreviewed" : found->second.verdict},
                        {"provenance", Value::object({{"run", view.run.text}, {"step", step.name}, {"agent", view.agent}})}});
}

}  // namespace

Result<std::vector<Value>> recorded_rows(Context& context, const RecordedRows& o) {
  CONSORT_ASSIGN(Corrections corrections, read_corrections(o.corrections));
  CONSORT_ASSIGN(const auto journal, store::Journal::open_read_only(context.home()));
  CONSORT_ASSIGN(const auto runs, journal->runs(INT_MAX));
  std::vector<Value> out;
  for (const store::RunSummary& summary : runs) {
    if (!o.agent.empty() && summary.agent != o.agent && !summary.agent.starts_with(o.agent + "@")) continue;
    CONSORT_ASSIGN(const run::RunView view, run::load_run(*journal, summary.run));
    for (const run::StepView& step : view.steps)
      if (auto row = row_of(o, view, step, corrections)) out.push_back(*std::move(row));
  }
  for (const auto& [key, correction] : corrections) {
    if (correction.used) continue;
    return fail(make_error(ErrorCode::invalid_argument, 9040, "no such step of the component was recorded")
                    .at(correction.place)
                    .got(key.first + " " + key.second)
                    .to_fix("'consort show RUN' lists the steps of a run with their components"));
  }
  return out;
}

}  // namespace consort::cli
