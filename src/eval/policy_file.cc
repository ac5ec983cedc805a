#include "eval/policy_file.h"

#include <fmt/format.h>

#include <algorithm>

namespace consort::eval {
namespace {

using contract::Value;

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& n : names) out += (out.empty() ? "" : ", ") + n;
  return out;
}

// One mapping of the document: its members by type, and no others.
class Section {
 public:
  Section(const Value& value, std::string place, std::vector<std::string> keys)
      : value_(value), place_(std::move(place)), keys_(std::move(keys)) {}

  Result<void> check() const {
    if (!value_.is_object()) return wrong("", "is no mapping", contract::to_json(value_));
    for (const auto& [key, member] : value_.as_object()) {
      if (std::find(keys_.begin(), keys_.end(), key) == keys_.end())
        return wrong("", "has an unknown key; there are " + joined(keys_), key);
    }
    return {};
  }
  Result<void> text(const std::string& key, std::string& out, bool required) const {
    const Value* v = value_.find(key);
    if (v == nullptr && !required) return {};
    if (v == nullptr) return wrong(key, "is missing", "");
    if (!v->is_string() || v->as_string().empty()) return wrong(key, "is no text", contract::to_json(*v));
    out = v->as_string();
    return {};
  }
  // In (low, high).
  Result<void> real(const std::string& key, double& out, double low, double high) const {
    const Value* v = value_.find(key);
    if (v == nullptr) return {};
    const double d = v->is_number() ? v->as_number().as_double() : low;
    if (!(d > low && d < high))
      return wrong(key, fmt::format("is no number between {} and {}", low, high), contract::to_json(*v));
    out = d;
    return {};
  }
  Result<void> count(const std::string& key, uint64_t& out) const {
    const Value* v = value_.find(key);
    if (v == nullptr) return {};
    const auto n = v->is_number() ? v->as_number().as_int64() : std::nullopt;
    if (!n || *n < 0) return wrong(key, "is no whole number from 0", contract::to_json(*v));
    out = static_cast<uint64_t>(*n);
    return {};
  }
  Result<void> flag(const std::string& key, bool& out) const {
    const Value* v = value_.find(key);
    if (v == nullptr) return {};
    if (!v->is_bool()) return wrong(key, "is neither true nor false", contract::to_json(*v));
    out = v->as_bool();
    return {};
  }
  const Value* list(const std::string& key) const {
    const Value* v = value_.find(key);
    return v != nullptr && v->is_array() ? v : nullptr;
  }
  bool has(const std::string& key) const { return value_.find(key) != nullptr; }
  tl::unexpected<Error> wrong(const std::string& key, const std::string& what, std::string_view got) const {
    return fail(make_error(ErrorCode::invalid_argument, 8206,
                           "a gate's policy: " + (key.empty() ? "" : "'" + key + "' ") + what)
                    .at(place_)
                    .got(got)
                    .to_fix("docs/formats/gate.md lists the keys"));
  }
  const std::string& place() const { return place_; }

 private:
  const Value& value_;
  std::string place_;
  std::vector<std::string> keys_;
};

Result<MetricPolicy> read_metric(const Value& value, const std::string& place, bool of_runs) {
  const Section s(value, place, {"name", "margin", "slice_margin", "superior"});
  CONSORT_TRY(s.check());
  MetricPolicy out;
  CONSORT_TRY(s.text("name", out.name, true));
  const auto measure = measure_of(out.name);
  const bool figure = std::find(kRunFigures.begin(), kRunFigures.end(), out.name) != kRunFigures.end();
  if (!measure && !(of_runs && figure)) {
    return s.wrong("name",
                   "is no measure; there are " + joined(measure_names()) +
                       (of_runs ? ", and of runs " + joined(kRunFigures) : ""),
                   out.name);
  }
  out.graded = measure ? is_graded(*measure) : out.name == "claims_supported";
  CONSORT_TRY(s.real("margin", out.margin, 0, 1));
  if (s.has("slice_margin")) {
    double margin = 0;
    CONSORT_TRY(s.real("slice_margin", margin, 0, 1));
    out.slice_margin = margin;
  }
  CONSORT_TRY(s.flag("superior", out.superior));
  return out;
}

const std::vector<std::string> kShared = {"metrics",   "alpha",     "power",
                                          "discordance", "deviation", "latency_ratio_max",
                                          "adapter_bytes_max", "seed"};

Result<void> read_shared(const Section& s, Policy& out, bool of_runs) {
  const Value* metrics = s.list("metrics");
  if (metrics == nullptr || metrics->as_array().empty()) return s.wrong("metrics", "is no list of metrics", "");
  for (size_t i = 0; i < metrics->as_array().size(); ++i) {
    CONSORT_ASSIGN(MetricPolicy m, read_metric(metrics->as_array()[i],
                                               fmt::format("{}: metrics[{}]", s.place(), i), of_runs));
    for (const MetricPolicy& other : out.metrics)
      if (other.name == m.name) return s.wrong("metrics", "names one measure twice", m.name);
    out.metrics.push_back(std::move(m));
  }
  CONSORT_TRY(s.real("alpha", out.alpha, 0, 0.5));
  CONSORT_TRY(s.real("power", out.power, 0.5, 1));
  CONSORT_TRY(s.real("discordance", out.discordance, 0, 1));
  CONSORT_TRY(s.real("deviation", out.deviation, 0, 1));
  CONSORT_TRY(s.real("latency_ratio_max", out.latency_ratio_max, 0, 1000));
  CONSORT_TRY(s.count("adapter_bytes_max", out.adapter_bytes_max));
  return s.count("seed", out.seed);
}

std::vector<std::string> with_shared(std::vector<std::string> keys) {
  keys.insert(keys.end(), kShared.begin(), kShared.end());
  return keys;
}

}  // namespace

Result<GatePolicy> read_policy(const Value& document, const std::string& name) {
  const Section s(document, name, with_shared({"component", "golden", "tolerance", "agents"}));
  CONSORT_TRY(s.check());
  GatePolicy out;
  CONSORT_TRY(s.text("component", out.component, true));
  CONSORT_TRY(s.text("golden", out.golden, true));
  CONSORT_TRY(s.real("tolerance", out.tolerance, 0, 1));
  CONSORT_TRY(read_shared(s, out.policy, false));
  if (!s.has("agents")) return out;
  const Value* agents = s.list("agents");
  if (agents == nullptr) return s.wrong("agents", "is no list", "");
  for (size_t i = 0; i < agents->as_array().size(); ++i) {
    const Section a(agents->as_array()[i], fmt::format("{}: agents[{}]", name, i),
                    with_shared({"agent", "data"}));
    CONSORT_TRY(a.check());
    SuitePolicy suite;
    CONSORT_TRY(a.text("agent", suite.agent, true));
    CONSORT_TRY(a.text("data", suite.data, false));
    CONSORT_TRY(read_shared(a, suite.policy, true));
    out.agents.push_back(std::move(suite));
  }
  return out;
}

}  // namespace consort::eval
