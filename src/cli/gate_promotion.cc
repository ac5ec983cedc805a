#include "cli/gate_promotion.h"

#include <fmt/format.h>

#include "cli/component_name.h"
#include "cli/golden_run.h"
#include "cli/session.h"
#include "store/blob_store.h"

namespace consort::cli {
namespace {

using contract::Value;

// What a promotion needs, read and checked; no model is loaded yet.
struct Plan {
  eval::GatePolicy policy;
  ComponentRef component;
  std::string component_name;
  GoldenTask task;
  std::vector<std::unique_ptr<Suite>> suites;
};

Result<Plan> read_plan(Context& context, const PromotionRequest& request) {
  const std::string& adapter = request.candidate.item.name;
  const std::filesystem::path folder = std::filesystem::path(request.policy).parent_path();
  Plan plan;
  CONSORT_ASSIGN(const Value document, read_document(request.policy));
  CONSORT_ASSIGN(plan.policy, eval::read_policy(document, request.policy));
  plan.component_name = (folder / plan.policy.component).lexically_normal().string();
  CONSORT_ASSIGN(plan.component, find_component(plan.component_name));
  if (!uses_adapter(*plan.component.node, adapter)) {
    return fail(make_error(ErrorCode::not_found, 8205, "the policy's component does not use the adapter")
                    .at(plan.component.node->spec.where.to_string())
                    .got(adapter)
                    .to_fix("write 'adapter: " + adapter + "@" + request.alias + "' in the component"));
  }
  std::vector<eval::Measure> measures;
  for (const eval::MetricPolicy& m : plan.policy.policy.metrics) measures.push_back(*eval::measure_of(m.name));
  const std::string golden = (folder / plan.policy.golden).lexically_normal().string();
  CONSORT_ASSIGN(plan.task, read_task(golden, std::move(measures), *plan.component.node->input));
  plan.task.tolerance = plan.policy.tolerance;
  CONSORT_TRY_CONTEXT(eval::check_sizes(plan.policy.policy, sizes_of(plan.task.set)), golden);
  for (const eval::SuitePolicy& suite : plan.policy.agents) {
    CONSORT_ASSIGN(auto one, Suite::create(context, suite, folder, adapter));
    plan.suites.push_back(std::move(one));
  }
  return plan;
}

Result<eval::Verdict> judge_component(Context& context, const Plan& plan, const PromotionRequest& request) {
  const std::string& adapter = request.candidate.item.name;
  auto session = Session::of(context, plan.component.graph);
  CONSORT_ASSIGN(const auto champion, session->new_host(true, {{adapter, request.champion}}));
  CONSORT_ASSIGN(const auto candidate, session->new_host(false, {{adapter, request.candidate.version}}));
  CONSORT_ASSIGN(const auto answers,
                 answer_all(context, plan.component, {champion.get(), candidate.get()}, plan.task));
  eval::Cost cost{median_ms(answers[0]), median_ms(answers[1]), 0};
  std::error_code ignored;
  const auto bytes = std::filesystem::file_size(
      store::BlobStore(context.home() / "blobs").path_of(request.candidate.digest), ignored);
  cost.adapter_bytes = ignored ? 0 : bytes;
  CONSORT_ASSIGN(eval::Verdict verdict, eval::judge(plan.policy.policy, items_of(plan.task, answers), cost));
  if (!sizes_of(plan.task.set).contains("probe"))
    verdict.not_checked.push_back("forgetting: no row of the golden set is a probe");
  if (plan.suites.empty()) verdict.not_checked.push_back("agents that use it: the policy names none");
  return verdict;
}

std::string version_text(const PromotionRequest& r, const std::string& version) {
  return version.empty() ? "the base without adapter" : r.candidate.item.name + "@" + version;
}

std::string times(int64_t n) { return n == 1 ? "once" : fmt::format("{} times", n); }

}  // namespace

bool PromotionVerdict::pass() const {
  bool all = component.pass;
  for (const SuiteVerdict& s : agents) all = all && s.verdict.pass;
  return all;
}

Value PromotionVerdict::to_value(const PromotionRequest& request) const {
  contract::Array suites;
  for (const SuiteVerdict& s : agents) {
    suites.push_back(Value::object({{"agent", s.agent},
                                    {"data", s.data},
                                    {"data_sha256", s.digest.hex()},
                                    {"n", s.n},
                                    {"looks", s.looks},
                                    {"verdict", s.verdict.to_value()}}));
  }
  return Value::object({{"adapter", request.candidate.item.name},
                        {"alias", request.alias},
                        {"champion", request.champion.empty() ? Value() : Value(request.champion)},
                        {"candidate", request.candidate.version},
                        {"candidate_sha256", request.candidate.digest.hex()},
                        {"pass", pass()},
                        {"component", component_name},
                        {"data", golden},
                        {"data_sha256", golden_digest.hex()},
                        {"n", rows},
                        {"looks", looks},
                        {"verdict", component.to_value()},
                        {"agents", std::move(suites)}});
}

std::vector<std::string> PromotionVerdict::lines(const PromotionRequest& r) const {
  std::vector<std::string> out;
  out.push_back(fmt::format("{}: {} in place of {} ({})", pass() ? "PASS" : "REFUSED",
                            version_text(r, r.candidate.version), version_text(r, r.champion), r.alias));
  auto add = [&out](const std::string& title, const eval::Verdict& verdict) {
    out.push_back(title);
    const auto lines = verdict.lines();
    for (size_t i = 1; i < lines.size(); ++i) out.push_back("  " + lines[i]);  // The first says who stays.
  };
  add(fmt::format("{} on {}: {} rows, looked at {}", component_name, golden, rows, times(looks)), component);
  for (const SuiteVerdict& s : agents)
    add(fmt::format("agent {} on {}: {} briefs, looked at {}: {}", s.agent, s.data, s.n, times(s.looks),
                    s.verdict.pass ? "passed" : "not passed"),
        s.verdict);
  return out;
}

Result<PromotionVerdict> judge_promotion(Context& context, store::Registry& registry,
                                         const PromotionRequest& request) {
  CONSORT_ASSIGN(const Plan plan, read_plan(context, request));
  PromotionVerdict out;
  out.component_name = plan.component_name;
  out.golden = plan.task.set.name;
  out.golden_digest = plan.task.set.digest;
  out.rows = static_cast<int64_t>(plan.task.set.rows.size());
  CONSORT_ASSIGN(out.component, judge_component(context, plan, request));
  const std::string purpose = "promote " + request.candidate.item.name + "@" + request.candidate.version;
  CONSORT_ASSIGN(out.looks, registry.count_look(out.golden_digest, purpose));
  for (const auto& suite : plan.suites) {
    if (!out.component.pass) {
      out.component.not_checked.push_back("agent " + suite->agent() + ": the golden set decides already");
      continue;
    }
    CONSORT_ASSIGN(SuiteVerdict judged, suite->judge(request.champion, request.candidate.version));
    CONSORT_ASSIGN(judged.looks, registry.count_look(judged.digest, purpose));
    out.agents.push_back(std::move(judged));
  }
  return out;
}

Result<std::string> meaning_of(store::Registry& registry, const store::ItemName& item, const std::string& alias) {
  CONSORT_ASSIGN(const auto aliases, registry.aliases(item));
  const auto found = aliases.find(alias);
  return found == aliases.end() ? std::string() : found->second;
}

Result<PromotionOutcome> promote_through_gate(Context& context, store::Registry& registry,
                                              const PromotionRequest& request) {
  CONSORT_ASSIGN(const PromotionVerdict verdict, judge_promotion(context, registry, request));
  PromotionOutcome out{verdict.to_value(request), verdict.lines(request), verdict.pass() ? kExitOk : kExitGate};
  store::BlobStore blobs(context.home() / "blobs");
  CONSORT_ASSIGN(const Digest digest, blobs.put(contract::canonical_json(out.document)));
  if (verdict.pass()) {
    CONSORT_TRY(registry.move_alias_from(request.candidate.item, request.alias, request.champion,
                                         request.candidate.version, "gate: passed, verdict " + digest.hex()));
  }
  out.document.get_object()->set("moved", verdict.pass());
  out.document.get_object()->set("verdict_sha256", digest.hex());
  out.lines.push_back(fmt::format("{}@{} {} {} (verdict {})", request.candidate.item.name, request.alias,
                                  verdict.pass() ? "now means" : "still means",
                                  verdict.pass()             ? request.candidate.version
                                  : request.champion.empty() ? "nothing"
                                                             : request.champion,
                                  digest.hex().substr(0, 16)));
  return out;
}

}  // namespace consort::cli
