#include "cli/eval_component.h"

#include <fmt/format.h>

#include "agent/suggest.h"
#include "cli/golden_run.h"
#include "eval/metrics.h"
#include "eval/policy_file.h"
#include "store/registry.h"

namespace consort::cli {
namespace {

using contract::Value;

constexpr size_t kErrorsShown = 3;

Result<std::vector<eval::Measure>> measures_of(const ComponentEvalOptions& o, const agent::Node& node) {
  std::vector<eval::Measure> out;
  for (const std::string& name : o.metrics) {
    const auto measure = eval::measure_of(name);
    if (!measure)
      return fail(usage("no such measure").got(name).to_fix(agent::did_you_mean(name, eval::measure_names())));
    out.push_back(*measure);
  }
  if (!out.empty()) return out;
  if (node.spec.kind == agent::ComponentKind::decide)
    return std::vector{eval::Measure::choice, eval::Measure::brier};
  return std::vector{eval::Measure::exact, eval::Measure::fields, eval::Measure::chrf};
}

// What HostOptions::adapters should hold for `--adapter` or `--against`.
Result<std::map<std::string, std::string>> overrides_of(const std::string& adapter, const agent::Node& node) {
  if (adapter.empty()) return std::map<std::string, std::string>();
  const std::string named = node.spec.adapter.substr(0, node.spec.adapter.find('@'));
  const size_t at = adapter.find('@');
  const bool file = adapter.starts_with("file:");
  const bool qualified = !file && at != std::string::npos;
  const std::string name = qualified ? adapter.substr(0, at) : named;
  if (name.empty() || !uses_adapter(node, name)) {
    return fail(make_error(ErrorCode::not_found, 8205, "component '" + node.spec.name + "' does not use the adapter")
                    .at(node.spec.where.to_string())
                    .got(adapter)
                    .to_fix(named.empty() ? "write 'adapter: NAME' in the component" : "it uses '" + named + "'"));
  }
  std::error_code ignored;
  std::string version = qualified ? adapter.substr(at + 1) : adapter;
  if (version == "none") version = "";
  if (file) version = "file:" + std::filesystem::absolute(adapter.substr(5), ignored).string();
  return std::map<std::string, std::string>{{name, version}};
}

Value mean_value(const eval::Mean& m) {
  return Value::object({{"value", m.value}, {"low", m.interval.low}, {"high", m.interval.high}, {"n", m.n}});
}

// Means by measure of the rows that `keep` says.
template <typename Keep>
Value means(const GoldenTask& task, const std::vector<GoldenAnswer>& answers, Keep keep) {
  contract::Object out;
  for (size_t m = 0; m < task.measures.size(); ++m) {
    std::vector<double> scores;
    std::vector<std::string> clusters;
    for (size_t i = 0; i < answers.size(); ++i) {
      if (!keep(task.set.rows[i])) continue;
      scores.push_back(answers[i].scores[m]);
      clusters.push_back(task.set.rows[i].cluster);
    }
    out.set(std::string(eval::name(task.measures[m])),
            mean_value(eval::mean_of(scores, clusters, eval::is_graded(task.measures[m]))));
  }
  return Value(std::move(out));
}

// The other version beside this one, on the rows that are no probe.
Value comparison(const GoldenTask& task, const std::vector<std::vector<GoldenAnswer>>& answers, const std::string& name) {
  contract::Object out;
  for (size_t m = 0; m < task.measures.size(); ++m) {
    std::vector<double> other, mine;
    std::vector<std::string> clusters;
    for (size_t i = 0; i < task.set.rows.size(); ++i) {
      if (task.set.rows[i].probe) continue;
      mine.push_back(answers[0][i].scores[m]);
      other.push_back(answers[1][i].scores[m]);
      clusters.push_back(task.set.rows[i].cluster);
    }
    const bool graded = eval::is_graded(task.measures[m]);
    const eval::Contrast c = eval::contrast_of(other, mine, clusters, graded);
    out.set(std::string(eval::name(task.measures[m])),
            Value::object({{"value", eval::mean_of(other, clusters, graded).value},
                           {"difference", c.difference},
                           {"low", c.interval.low},
                           {"high", c.interval.high},
                           {"gains", c.gains},
                           {"losses", c.losses},
                           {"p", c.p ? Value(*c.p) : Value()}}));
  }
  return Value::object({{"adapter", name}, {"metrics", std::move(out)}, {"ms", median_ms(answers[1])}});
}

Value calibration(const std::vector<GoldenAnswer>& answers) {
  std::vector<double> probability;
  std::vector<bool> right;
  for (const GoldenAnswer& a : answers) {
    for (const eval::Judgement& j : a.judged) {
      probability.push_back(j.probability);
      right.push_back(j.right);
    }
  }
  return probability.empty() ? Value() : Value(eval::calibration_error(probability, right));
}

}  // namespace

Result<Value> eval_component(Context& context, const ComponentEvalOptions& options) {
  ComponentEvalOptions o = options;
  CONSORT_ASSIGN(const ComponentRef found, find_component(o.component));
  double tolerance = 0;
  if (!o.policy.empty()) {
    CONSORT_ASSIGN(const Value document, read_document(o.policy));
    CONSORT_ASSIGN(const eval::GatePolicy policy, eval::read_policy(document, o.policy));
    tolerance = policy.tolerance;
    if (o.metrics.empty())
      for (const eval::MetricPolicy& m : policy.policy.metrics) o.metrics.push_back(m.name);
    if (o.data.empty()) o.data = (std::filesystem::path(o.policy).parent_path() / policy.golden).string();
  }
  if (o.data.empty()) return fail(usage("a component is measured on a golden set: give --data or --policy"));
  CONSORT_ASSIGN(auto measures, measures_of(o, *found.node));
  CONSORT_ASSIGN(GoldenTask task, read_task(o.data, std::move(measures), *found.node->input));
  task.tolerance = tolerance;
  CONSORT_ASSIGN(const auto adapters, overrides_of(o.adapter, *found.node));
  CONSORT_ASSIGN(const auto others, overrides_of(o.against, *found.node));
  auto session = Session::of(context, found.graph);
  CONSORT_ASSIGN(const auto host, session->new_host(true, adapters));
  std::unique_ptr<run::Host> other;
  std::vector<run::Host*> hosts = {host.get()};
  if (!o.against.empty()) {
    CONSORT_ASSIGN(other, session->new_host(false, others));
    hosts.push_back(other.get());
  }
  CONSORT_ASSIGN(const auto answers, answer_all(context, found, hosts, task));
  const std::vector<GoldenAnswer>& mine = answers[0];
  CONSORT_ASSIGN(const auto registry, store::Registry::open(context.home(), context.clock));
  CONSORT_ASSIGN(const int64_t looks, registry->count_look(task.set.digest, "eval " + o.component));

  contract::Object slices;
  contract::Array errors;
  eval::Spread ms;
  agent::Usage usage;
  int64_t failed = 0;
  for (size_t i = 0; i < mine.size(); ++i) {
    ms.add(mine[i].ms);
    usage += mine[i].usage;
    failed += mine[i].error.empty() ? 0 : 1;
    if (!mine[i].error.empty() && errors.size() < kErrorsShown)
      errors.push_back(task.set.place(task.set.rows[i]) + ": " + mine[i].error);
    const std::string& slice = task.set.rows[i].slice;
    if (slice.empty() || slices.find(slice) != nullptr) continue;
    slices.set(slice, means(task, mine, [&](const eval::GoldenRow& r) { return r.slice == slice && !r.probe; }));
  }
  const bool probed = sizes_of(task.set).contains("probe");
  const Value pins = host->pins();
  const Value* pin = pins.find(found.path);
  return Value::object({{"component", o.component},
                        {"version", found.owner->definition().version},
                        {"adapter", o.adapter.empty() ? found.node->spec.adapter : o.adapter},
                        {"adapter_sha256", pin != nullptr ? Value(pin->string_or("adapter_sha256", "")) : Value()},
                        {"n", task.set.rows.size()},
                        {"data_sha256", task.set.digest.hex()},
                        {"looks", looks},
                        {"metrics", means(task, mine, [](const eval::GoldenRow& r) { return !r.probe; })},
                        {"slices", std::move(slices)},
                        {"probe", probed ? means(task, mine, [](const eval::GoldenRow& r) { return r.probe; }) : Value()},
                        {"against", other ? comparison(task, answers, o.against) : Value()},
                        {"calibration_error", calibration(mine)},
                        {"failed", failed},
                        {"errors", std::move(errors)},
                        {"ms", ms.to_value()},
                        {"usage", usage.to_value()}});
}

namespace {

void print_means(const Value& means, int depth) {
  for (const auto& [name, m] : means.as_object()) {
    auto percent = [&m = m](const char* key) { return m.find(key)->as_number().as_double() * 100; };
    print_line(fmt::format("{:{}}{:<16} {:>6.1f} %  (95 %: {:.1f} to {:.1f}; n {})", "", depth * 2, name,
                           percent("value"), percent("low"), percent("high"), contract::to_json(*m.find("n"))));
  }
}

}  // namespace

void print_component_eval(const Value& v) {
  const std::string adapter = v.string_or("adapter", "");
  print_line(fmt::format("{} with {}: {} rows, this golden set was looked at {} {}", v.string_or("component", ""),
                         adapter.empty() ? "no adapter" : "adapter " + adapter, contract::to_json(*v.find("n")),
                         contract::to_json(*v.find("looks")), *v.find("looks") == Value(1) ? "time" : "times"));
  print_means(*v.find("metrics"), 1);
  for (const auto& [slice, means] : v.find("slices")->as_object()) {
    print_line("  slice " + slice);
    print_means(means, 2);
  }
  if (!v.find("probe")->is_null()) {
    print_line("  probe");
    print_means(*v.find("probe"), 2);
  }
  if (const Value& against = *v.find("against"); !against.is_null()) {
    print_line("  against " + against.string_or("adapter", ""));
    for (const auto& [name, c] : against.find("metrics")->as_object()) {
      auto points = [&c = c](const char* key) { return c.find(key)->as_number().as_double() * 100; };
      print_line(fmt::format("    {:<16} {:>6.1f} %: {:+.1f} points here (95 %: {:+.1f} to {:+.1f}; {} rows gained, {} lost)", name,
                             points("value"), points("difference"), points("low"), points("high"),
                             contract::to_json(*c.find("gains")), contract::to_json(*c.find("losses"))));
    }
  }
  if (!v.find("calibration_error")->is_null())
    print_line(fmt::format("  calibration error {:.3f}", v.find("calibration_error")->as_number().as_double()));
  const Value& ms = *v.find("ms");
  const Value& usage = *v.find("usage");
  print_line(fmt::format("  median {} ms, p95 {} ms; {} prompt and {} output tokens; {} failed",
                         contract::to_json(*ms.find("p50")), contract::to_json(*ms.find("p95")),
                         contract::to_json(*usage.find("prompt_tokens")),
                         contract::to_json(*usage.find("output_tokens")), contract::to_json(*v.find("failed"))));
  for (const Value& error : v.find("errors")->as_array()) print_line("    " + error.as_string());
}

}  // namespace consort::cli
