#include "eval/paired.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/result.h"
#include "base/rng.h"

namespace consort::eval {
namespace {

// log of n over k.
double log_choose(double n, double k) {
  return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
}

// P(X >= k), X binomial of n and 1/2.
double upper_tail_half(int64_t k, int64_t n) {
  double sum = 0;
  for (int64_t i = std::max<int64_t>(k, 0); i <= n; ++i) {
    sum += std::exp(log_choose(static_cast<double>(n), static_cast<double>(i)) -
                    static_cast<double>(n) * std::log(2.0));
  }
  return std::min(sum, 1.0);
}

double percentile(const std::vector<double>& sorted, double p) {
  double at = p * static_cast<double>(sorted.size() - 1);
  auto low = static_cast<size_t>(std::floor(at));
  size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

}  // namespace

double PairedCounts::difference() const {
  return n() == 0 ? 0
                  : static_cast<double>(candidate_only - champion_only) / static_cast<double>(n());
}
double PairedCounts::discordance() const {
  return n() == 0 ? 0
                  : static_cast<double>(candidate_only + champion_only) / static_cast<double>(n());
}

PairedCounts count_pairs(std::span<const double> champion, std::span<const double> candidate) {
  CONSORT_CHECK(champion.size() == candidate.size());
  PairedCounts out;
  for (size_t i = 0; i < champion.size(); ++i) {
    bool a = champion[i] > 0.5, b = candidate[i] > 0.5;
    ++(a ? (b ? out.both : out.champion_only) : (b ? out.candidate_only : out.neither));
  }
  return out;
}

double mcnemar_exact(const PairedCounts& c) {
  int64_t n = c.champion_only + c.candidate_only;
  return std::min(1.0, 2 * upper_tail_half(std::max(c.champion_only, c.candidate_only), n));
}

double mcnemar_better(const PairedCounts& c) {
  return upper_tail_half(c.candidate_only, c.champion_only + c.candidate_only);
}

double tango_z(const PairedCounts& c, double delta) {
  auto n = static_cast<double>(c.n());
  if (n == 0) return 0;
  auto gains = static_cast<double>(c.candidate_only), losses = static_cast<double>(c.champion_only);
  // The share of losses under the constraint gains - losses = delta: larger root of the quadratic.
  double a = 2 * n, b = -gains - losses + (2 * n - gains + losses) * delta,
         k = -losses * delta * (1 - delta);
  double share = (std::sqrt(std::max(0.0, b * b - 4 * a * k)) - b) / (2 * a);
  double variance = n * (2 * share + delta * (1 - delta));
  double top = gains - losses - n * delta;
  if (variance <= 0) return top == 0 ? 0 : (top > 0 ? 1e9 : -1e9);
  return top / std::sqrt(variance);
}

Interval tango_interval(const PairedCounts& c, double alpha) {
  if (c.n() == 0) return {-1, 1};
  double z = normal_quantile(1 - alpha / 2), middle = c.difference();
  // The statistic falls as delta grows: bisection on both sides of the estimate.
  auto root = [&](double low, double high, double target) {
    for (int i = 0; i < 200; ++i) {
      double at = (low + high) / 2;
      (tango_z(c, at) > target ? low : high) = at;
    }
    return (low + high) / 2;
  };
  return {middle <= -1 ? -1.0 : root(-1, middle, z), middle >= 1 ? 1.0 : root(middle, 1, -z)};
}

Bootstrap cluster_bootstrap(std::span<const double> differences, std::span<const size_t> cluster,
                            const BootstrapOptions& o) {
  CONSORT_CHECK(differences.size() == cluster.size());
  size_t n_clusters = 0;
  for (size_t c : cluster) n_clusters = std::max(n_clusters, c + 1);
  Bootstrap out{{-1, 1}};
  if (n_clusters < 2) return out;
  std::vector<double> sum(n_clusters, 0), items(n_clusters, 0);
  for (size_t i = 0; i < cluster.size(); ++i) {
    sum[cluster[i]] += differences[i];
    items[cluster[i]] += 1;
  }
  Rng rng(o.seed);
  std::vector<double> means;
  int at_margin = 0, at_zero = 0;
  for (int r = 0; r < o.replicates; ++r) {
    double total = 0, count = 0;
    for (size_t k = 0; k < n_clusters; ++k) {
      auto drawn = static_cast<size_t>(rng.below(n_clusters));
      total += sum[drawn];
      count += items[drawn];
    }
    double mean = count > 0 ? total / count : 0;
    at_margin += mean <= -o.margin ? 1 : 0;
    at_zero += mean <= 0 ? 1 : 0;
    means.push_back(mean);
  }
  std::sort(means.begin(), means.end());
  out.interval = {percentile(means, o.alpha / 2), percentile(means, 1 - o.alpha / 2)};
  out.p_margin = (at_margin + 1.0) / (o.replicates + 1.0);
  out.p_better = (at_zero + 1.0) / (o.replicates + 1.0);
  return out;
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> out(p.size());
  double largest = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    largest =
        std::max(largest, std::min(1.0, p[order[rank]] * static_cast<double>(p.size() - rank)));
    out[order[rank]] = largest;
  }
  return out;
}

double normal_cdf(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

double normal_quantile(double p) {
  CONSORT_CHECK(p > 0 && p < 1);
  double low = -40, high = 40;
  for (int i = 0; i < 200; ++i) {
    double at = (low + high) / 2;
    (normal_cdf(at) < p ? low : high) = at;
  }
  return (low + high) / 2;
}

int64_t size_for_margin(double margin, double discordance, double alpha, double power) {
  double za = normal_quantile(1 - alpha), zb = normal_quantile(power);
  double by_power = (za + zb) * (za + zb) * discordance / (margin * margin);
  double by_bound = za * za * (1 - margin) / margin;  // -z^2 / (n + z^2) > -margin
  return static_cast<int64_t>(std::floor(std::max(by_power, by_bound))) + 1;
}

int64_t size_for_deviation(double margin, double deviation, double alpha, double power) {
  double z = normal_quantile(1 - alpha) + normal_quantile(power);
  return static_cast<int64_t>(std::floor(z * z * deviation * deviation / (margin * margin))) + 1;
}

double calibration_error(std::span<const double> confidence, const std::vector<bool>& right,
                         int bins) {
  CONSORT_CHECK(confidence.size() == right.size() && bins > 0);
  std::vector<double> sum(static_cast<size_t>(bins)), hits(sum.size());
  for (size_t i = 0; i < confidence.size(); ++i) {
    double at = std::ceil(confidence[i] * bins) - 1;
    auto bin = static_cast<size_t>(std::clamp(at, 0.0, bins - 1.0));
    sum[bin] += confidence[i];
    hits[bin] += right[i] ? 1 : 0;
  }
  double error = 0;
  for (size_t b = 0; b < sum.size(); ++b) error += std::abs(sum[b] - hits[b]);
  return confidence.empty() ? 0 : error / static_cast<double>(confidence.size());
}

}  // namespace consort::eval
