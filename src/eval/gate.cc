#include "eval/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace consort::eval {
namespace {

using contract::Value;

Result<void> check_policy(const Policy& p) {
  auto bad = [](const std::string& what, double got) {
    return fail(
        make_error(ErrorCode::invalid_argument, 8206, "a gate's policy is out of range: " + what)
            .got(fmt::format("{}", got)));
  };
  if (p.metrics.empty()) return bad("it names no metric", 0);
  for (const MetricPolicy& m : p.metrics) {
    if (!(m.margin > 0 && m.margin < 1))
      return bad("margin of '" + m.name + "' is not in (0, 1)", m.margin);
    if (!(m.slice() > 0 && m.slice() < 1))
      return bad("slice_margin of '" + m.name + "' is not in (0, 1)", m.slice());
  }
  if (!(p.alpha > 0 && p.alpha < 0.5)) return bad("alpha is not in (0, 0.5)", p.alpha);
  if (!(p.power > 0.5 && p.power < 1)) return bad("power is not in (0.5, 1)", p.power);
  if (!(p.discordance > 0 && p.discordance <= 1))
    return bad("discordance is not in (0, 1]", p.discordance);
  if (!(p.deviation > 0 && p.deviation <= 1)) return bad("deviation is not in (0, 1]", p.deviation);
  if (!(p.latency_ratio_max > 0))
    return bad("latency_ratio_max is not positive", p.latency_ratio_max);
  return {};
}

// Power of one check so that all `checks` together pass with the policy's power (Bonferroni).
double shared_power(const Policy& p, size_t checks) {
  return 1 - (1 - p.power) / static_cast<double>(std::max<size_t>(checks, 1));
}

bool is_slice(const std::string& where) { return where.rfind("slice ", 0) == 0; }

int64_t size_needed(const Policy& p, const MetricPolicy& m, double margin, double variation,
                    size_t checks) {
  double power = shared_power(p, checks);
  return m.graded ? size_for_deviation(margin, variation, p.alpha, power)
                  : size_for_margin(margin, variation, p.alpha, power);
}

double mean(const std::vector<double>& v) {
  double sum = 0;
  for (double x : v) sum += x;
  return v.empty() ? 0 : sum / static_cast<double>(v.size());
}

// The items of one place, for one metric.
struct Sample {
  std::vector<double> champion, candidate, differences;
  std::vector<size_t> cluster;
  bool clustered = false;
};

Sample sample_of(const std::vector<const Item*>& items, size_t metric) {
  Sample out;
  std::map<std::string, size_t> ids;
  size_t next = 0;
  for (const Item* item : items) {
    out.champion.push_back(item->champion[metric]);
    out.candidate.push_back(item->candidate[metric]);
    out.differences.push_back(item->candidate[metric] - item->champion[metric]);
    if (item->cluster.empty()) {
      out.cluster.push_back(next++);
      continue;
    }
    auto [found, added] = ids.try_emplace(item->cluster, next);
    next += added ? 1 : 0;
    out.clustered = out.clustered || !added;
    out.cluster.push_back(found->second);
  }
  return out;
}

double deviation_of(const std::vector<double>& differences) {
  double middle = mean(differences), sum = 0;
  for (double d : differences) sum += (d - middle) * (d - middle);
  return std::sqrt(sum / static_cast<double>(std::max<size_t>(differences.size(), 2) - 1));
}

// "No worse than the margin", and for `better` the p-value of superiority beside it.
Check measure(const Policy& p, const MetricPolicy& m, const Sample& s, const std::string& where,
              size_t checks, double* p_better) {
  Check out;
  out.metric = m.name;
  out.where = where;
  out.kind = "no_worse";
  out.n = static_cast<int64_t>(s.champion.size());
  out.champion = mean(s.champion);
  out.candidate = mean(s.candidate);
  out.margin = is_slice(where) ? m.slice() : m.margin;
  double variation = 0;
  // Rows of one cluster are not independent: then the bootstrap draws clusters, whatever the
  // metric.
  if (m.graded || s.clustered) {
    Bootstrap b = cluster_bootstrap(s.differences, s.cluster,
                                    {.alpha = 2 * p.alpha, .margin = out.margin, .seed = p.seed});
    out.interval = b.interval;
    out.p = b.p_margin;
    *p_better = b.p_better;
    variation = deviation_of(s.differences);
    double width = (b.interval.high - b.interval.low) / 2;
    if (s.clustered && width > 0)  // As if every row stood alone, with the width that was seen.
      variation = width * std::sqrt(static_cast<double>(out.n)) / normal_quantile(1 - p.alpha);
  } else {
    out.counts = count_pairs(s.champion, s.candidate);
    out.interval = tango_interval(out.counts, 2 * p.alpha);
    out.p = 1 - normal_cdf(tango_z(out.counts, -out.margin));
    *p_better = mcnemar_better(out.counts);
    variation = out.counts.discordance();
  }
  out.finding = out.interval.low > -out.margin ? Finding::shown
                : out.interval.high < 0        ? Finding::refuted
                                               : Finding::open;
  if (out.finding == Finding::open) {
    MetricPolicy as_graded = m;
    as_graded.graded = m.graded || s.clustered;
    out.n_needed = std::max(out.n + 1, size_needed(p, as_graded, out.margin, variation, checks));
  }
  return out;
}

std::string percent(double v) { return fmt::format("{:.1f} %", v * 100); }
std::string points(double v) { return fmt::format("{:+.1f} points", v * 100); }

std::string sentence(const Check& c) {
  std::string figures = fmt::format(
      "{} on the {}: {} -> {} ({}, {} to {}; {} examples)", c.metric, c.where, percent(c.champion),
      percent(c.candidate), points(c.difference()), fmt::format("{:+.1f}", c.interval.low * 100),
      fmt::format("{:+.1f}", c.interval.high * 100), c.n);
  if (c.kind == "better") {
    return figures + (c.finding == Finding::shown
                          ? fmt::format(": better is shown (p = {:.2g})", c.p)
                          : fmt::format(": better was claimed and is not shown (p = {:.2g})", c.p));
  }
  switch (c.finding) {
    case Finding::shown:
      return figures + fmt::format(": no worse than {:.1f} points is shown", c.margin * 100);
    case Finding::refuted:
      return figures + fmt::format(": worse, and a loss under {:.1f} points cannot be assured",
                                   c.margin * 100);
    case Finding::open:
      break;
  }
  return figures + fmt::format(
                       ": cannot tell whether the loss is under {:.1f} points; about {} examples "
                       "would settle it",
                       c.margin * 100, c.n_needed);
}

Value check_value(const Check& c) {
  return Value::object(
      {{"metric", c.metric},
       {"where", c.where},
       {"kind", c.kind},
       {"n", c.n},
       {"champion", c.champion},
       {"candidate", c.candidate},
       {"difference", c.difference()},
       {"low", c.interval.low},
       {"high", c.interval.high},
       {"margin", c.margin},
       {"p", c.p},
       {"gains", c.counts.candidate_only},
       {"losses", c.counts.champion_only},
       {"finding", name(c.finding)},
       {"examples_needed", c.finding == Finding::open ? Value(c.n_needed) : Value()}});
}

void check_cost(const Policy& p, const Cost& cost, Verdict& out) {
  if (cost.champion_ms > 0 && cost.candidate_ms > p.latency_ratio_max * cost.champion_ms) {
    out.reasons.push_back(
        fmt::format("an answer takes {:.0f} ms instead of {:.0f} ms; the budget is {:.2f} times",
                    cost.candidate_ms, cost.champion_ms, p.latency_ratio_max));
  }
  if (cost.adapter_bytes > p.adapter_bytes_max) {
    out.reasons.push_back(fmt::format("the adapter has {} bytes; the budget is {}",
                                      cost.adapter_bytes, p.adapter_bytes_max));
  }
}

using Places = std::vector<std::pair<std::string, std::vector<const Item*>>>;
Places places_of(const std::vector<Item>& items) {
  std::map<std::string, std::vector<const Item*>> slices;
  std::vector<const Item*> all, probe;
  for (const Item& item : items) {
    (item.probe ? probe : all).push_back(&item);
    if (!item.probe && !item.slice.empty()) slices["slice " + item.slice].push_back(&item);
  }
  Places out{{"golden set", std::move(all)}};
  for (auto& [slice, list] : slices) out.emplace_back(slice, std::move(list));
  if (!probe.empty()) out.emplace_back("probe", std::move(probe));
  return out;
}

}  // namespace

std::string_view name(Finding finding) {
  return finding == Finding::shown ? "shown" : finding == Finding::refuted ? "refuted" : "open";
}

std::map<std::string, int64_t> sizes_of(const std::vector<Item>& items) {
  std::map<std::string, int64_t> out;
  for (const auto& [where, list] : places_of(items)) out[where] = static_cast<int64_t>(list.size());
  return out;
}

Result<void> check_sizes(const Policy& p, const std::map<std::string, int64_t>& sizes) {
  CONSORT_TRY(check_policy(p));
  size_t checks = sizes.size() * p.metrics.size();
  for (const MetricPolicy& m : p.metrics) {
    for (const auto& [where, n] : sizes) {
      double margin = is_slice(where) ? m.slice() : m.margin;
      int64_t needed = size_needed(p, m, margin, m.graded ? p.deviation : p.discordance, checks);
      if (n >= needed) continue;
      return fail(
          make_error(
              ErrorCode::failed_precondition, 8203,
              fmt::format("the {} is too small to show that '{}' loses less than {:.1f} points: "
                          "it needs {} examples",
                          where, m.name, margin * 100, needed))
              .got(std::to_string(n))
              .to_fix("add examples, or declare a wider margin"));
    }
  }
  return {};
}

Result<Verdict> judge(const Policy& p, const std::vector<Item>& items, const Cost& cost) {
  CONSORT_TRY(check_sizes(p, sizes_of(items)));
  Places places = places_of(items);
  Verdict out;
  out.cost = cost;
  size_t checks = places.size() * p.metrics.size();
  std::vector<Check> claims;
  std::vector<double> claim_p;
  for (size_t k = 0; k < p.metrics.size(); ++k) {
    for (const auto& [where, list] : places) {
      double p_better = 1;
      Check c = measure(p, p.metrics[k], sample_of(list, k), where, checks, &p_better);
      if (p.metrics[k].superior && where == "golden set") {
        claims.push_back(c);
        claim_p.push_back(p_better);
      }
      out.checks.push_back(std::move(c));
    }
  }
  std::vector<double> adjusted = holm(claim_p);
  for (size_t i = 0; i < claims.size(); ++i) {
    Check& c = claims[i];
    c.kind = "better";
    c.p = adjusted[i];
    c.margin = 0;
    c.n_needed = 0;
    c.finding = c.p <= p.alpha ? Finding::shown : Finding::refuted;
    out.checks.push_back(std::move(c));
  }
  for (const Check& c : out.checks) {
    if (c.finding != Finding::shown) out.reasons.push_back(sentence(c));
  }
  check_cost(p, cost, out);
  out.pass = out.reasons.empty();
  return out;
}

Value Verdict::to_value() const {
  contract::Array list, why, left_out;
  for (const Check& c : checks) list.push_back(check_value(c));
  for (const std::string& r : reasons) why.push_back(r);
  for (const std::string& n : not_checked) left_out.push_back(n);
  return Value::object({{"pass", pass},
                        {"checks", std::move(list)},
                        {"reasons", std::move(why)},
                        {"not_checked", std::move(left_out)},
                        {"cost", Value::object({{"champion_ms", cost.champion_ms},
                                                {"candidate_ms", cost.candidate_ms},
                                                {"adapter_bytes", cost.adapter_bytes}})}});
}

std::vector<std::string> Verdict::lines() const {
  std::vector<std::string> out{pass ? "PASS: the candidate may take the champion's place"
                                    : "FAIL: the champion stays"};
  auto section = [&](const std::string& title, const std::vector<std::string>& list) {
    if (list.empty()) return;
    out.push_back(title);
    for (const std::string& line : list) out.push_back("  " + line);
  };
  std::vector<std::string> better, same;
  for (const Check& c : checks) {
    if (c.finding != Finding::shown) continue;
    (c.kind == "better" || c.interval.low > 0 ? better : same).push_back(sentence(c));
  }
  section("What got better:", better);
  section("What is no worse:", same);
  section("Why not:", reasons);
  out.push_back(fmt::format(
      "Cost: an answer takes {:.0f} ms (champion {:.0f} ms), the adapter {:.1f} MB",
      cost.candidate_ms, cost.champion_ms, static_cast<double>(cost.adapter_bytes) / 1e6));
  section("Not checked:", not_checked);
  return out;
}

}  // namespace consort::eval
