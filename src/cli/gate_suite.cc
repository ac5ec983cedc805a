#include "cli/gate_suite.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/eval_sets.h"
#include "contract/schema.h"
#include "eval/metrics.h"

namespace consort::cli {

using contract::Value;

Result<std::unique_ptr<Suite>> Suite::create(Context& context, const eval::SuitePolicy& policy,
                                             const std::filesystem::path& folder, const std::string& adapter) {
  std::unique_ptr<Suite> out(new Suite(context));
  out->agent_ = (folder / policy.agent).lexically_normal().string();
  out->adapter_ = adapter;
  out->policy_ = policy.policy;
  CONSORT_ASSIGN(out->session_, Session::open(context, out->agent_));
  const agent::Graph& graph = out->session_->graph();
  const agent::Definition& d = graph.definition();
  if (!uses_adapter(graph, adapter)) {
    return fail(make_error(ErrorCode::not_found, 8205, "agent '" + d.name + "' does not use the adapter")
                    .at(d.path.string())
                    .got(adapter)
                    .to_fix("take it out of the policy's 'agents'"));
  }
  if (policy.data.empty() && d.eval_suite.empty())
    return fail(usage("the agent file names no evals: give 'data' in the policy").at(d.path.string()));
  out->data_ = (policy.data.empty() ? d.path.parent_path() / d.eval_suite : folder / policy.data)
                   .lexically_normal()
                   .string();
  for (const eval::MetricPolicy& m : policy.policy.metrics) {
    if (std::find(eval::kRunFigures.begin(), eval::kRunFigures.end(), m.name) != eval::kRunFigures.end()) continue;
    return fail(make_error(ErrorCode::invalid_argument, 8202,
                           "measure '" + m.name + "' cannot be used: a run on a brief has no expected answer")
                    .at(out->data_)
                    .got(m.name)
                    .to_fix("name completed, valid, verdict_ok or claims_supported"));
  }
  CONSORT_ASSIGN(out->digest_, sha256_file(out->data_));
  CONSORT_ASSIGN(const std::vector<Value> briefs, read_records(out->data_));
  for (size_t i = 0; i < briefs.size(); ++i) {
    const std::string place = fmt::format("{}: brief {}", out->data_, i + 1);
    if (!briefs[i].is_object())
      return fail(make_error(ErrorCode::invalid_argument, 8008, "a brief is an object")
                      .at(place)
                      .got(contract::to_json(briefs[i])));
    Value input = brief_input(graph, briefs[i]);
    CONSORT_TRY_CONTEXT(contract::check(*graph.input(), input), place);
    out->inputs_.push_back(std::move(input));
  }
  CONSORT_TRY_CONTEXT(
      eval::check_sizes(out->policy_, {{"golden set", static_cast<int64_t>(out->inputs_.size())}}),
      "agent '" + d.name + "' on " + out->data_);
  return out;
}

Result<std::vector<double>> Suite::scores(run::Host& host, const Value& brief, size_t index, double* ms) {
  run::Executor executor(nullptr, context_.clock);
  run::RunOptions options;
  options.watch.stop = context_.stop.get_token();
  const Nanoseconds begin = context_.clock.monotonic();
  CONSORT_ASSIGN(const run::RunResult result, executor.start(session_->graph(), host, brief, options));
  *ms = std::chrono::duration<double, std::milli>(context_.clock.monotonic() - begin).count();
  if (result.interrupted)
    return fail(make_error(ErrorCode::cancelled, 7011, "the evaluation was interrupted"));
  const auto figures = run_figures(session_->graph(), result);
  std::vector<double> out;
  for (const eval::MetricPolicy& m : policy_.metrics) {
    const auto found = figures.find(m.name);
    // A run that failed, or whose report claims nothing, has earned nothing. An agent without a verdict
    // cannot be judged by one.
    if (found == figures.end() && m.name == "verdict_ok" && !result.error) {
      return fail(make_error(ErrorCode::invalid_argument, 8202, "the agent's output has no verdict")
                      .at(fmt::format("{}: brief {}", data_, index + 1))
                      .to_fix("take 'verdict_ok' out of the policy"));
    }
    out.push_back(found == figures.end() ? 0 : found->second);
  }
  return out;
}

Result<SuiteVerdict> Suite::judge(const std::string& champion, const std::string& candidate) {
  std::vector<std::unique_ptr<run::Host>> hosts;
  for (const std::string& version : {champion, candidate}) {
    CONSORT_ASSIGN(auto host, session_->new_host(hosts.empty(), {{adapter_, version}}));
    hosts.push_back(std::move(host));
  }
  std::vector<eval::Item> items;
  eval::Spread ms[2];
  for (size_t i = 0; i < inputs_.size(); ++i) {
    context_.progress().update("agent " + agent_, static_cast<double>(i) / static_cast<double>(inputs_.size()));
    std::vector<double> both[2];
    for (size_t k = 0; k < 2; ++k) {
      const size_t at = (i + k) % 2;
      double took = 0;
      CONSORT_ASSIGN(both[at], scores(*hosts[at], inputs_[i], i, &took));
      ms[at].add(took);
    }
    items.push_back({"", "", false, std::move(both[0]), std::move(both[1])});
  }
  context_.progress().finish();
  SuiteVerdict out{agent_, data_, digest_, static_cast<int64_t>(items.size()), 0, {}};
  CONSORT_ASSIGN(out.verdict,
                 eval::judge(policy_, items, {ms[0].percentile(0.5), ms[1].percentile(0.5), 0}));
  return out;
}

}  // namespace consort::cli
