#include "eval/metrics.h"

#include <algorithm>
#include <cmath>

namespace consort::eval {
namespace {

constexpr double kZ95 = 1.959963984540054;  // 97.5th percentile of the normal distribution.

bool found(const Place& wanted, std::span<const Place> ranked) {
  return std::find(ranked.begin(), ranked.end(), wanted) != ranked.end();
}

// Four digits are more than any data set here carries.
double rounded(double v) { return std::round(v * 1e4) / 1e4; }

}  // namespace

bool hit_at(const Needed& gold, std::span<const Place> ranked, size_t k) {
  if (gold.needed.empty()) return false;
  ranked = ranked.first(std::min(k, ranked.size()));
  size_t missing = 0;
  for (const std::vector<Place>& entry : gold.needed) {
    bool any =
        std::any_of(entry.begin(), entry.end(), [&](const Place& p) { return found(p, ranked); });
    missing += any ? 0 : 1;
  }
  if (missing == 0) return true;
  bool made_up = std::any_of(gold.also.begin(), gold.also.end(),
                             [&](const Place& p) { return found(p, ranked); });
  return missing == 1 && made_up;
}

double ndcg_at(std::span<const double> gains, std::vector<double> ideal, size_t k) {
  auto discounted = [k](std::span<const double> list) {
    double sum = 0;
    for (size_t i = 0; i < std::min(k, list.size()); ++i)
      sum += list[i] / std::log2(static_cast<double>(i) + 2);
    return sum;
  };
  std::sort(ideal.begin(), ideal.end(), std::greater<>());
  double best = discounted(ideal);
  return best > 0 ? discounted(gains) / best : 0;
}

std::optional<double> Rate::value() const {
  if (total == 0) return std::nullopt;
  return static_cast<double>(hits) / static_cast<double>(total);
}

double Rate::low() const {
  if (total == 0) return 0;
  double n = static_cast<double>(total), x = static_cast<double>(hits), z2 = kZ95 * kZ95;
  return std::max(0.0, (x + z2 / 2 - kZ95 * std::sqrt(x * (n - x) / n + z2 / 4)) / (n + z2));
}

double Rate::high() const {
  if (total == 0) return 1;
  double n = static_cast<double>(total), x = static_cast<double>(hits), z2 = kZ95 * kZ95;
  return std::min(1.0, (x + z2 / 2 + kZ95 * std::sqrt(x * (n - x) / n + z2 / 4)) / (n + z2));
}

contract::Value Rate::to_value() const {
  auto share = value();
  return contract::Value::object(
      {{"value", share ? contract::Value(rounded(*share)) : contract::Value()},
       {"hits", hits},
       {"total", total},
       {"low", rounded(low())},
       {"high", rounded(high())}});
}

double Spread::percentile(double p) const {
  if (values.empty()) return 0;
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  auto rank = static_cast<size_t>(std::ceil(p * static_cast<double>(sorted.size())));
  return sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1];
}

contract::Value Spread::to_value() const {
  double sum = 0, least = values.empty() ? 0 : values[0], most = least;
  for (double v : values) {
    sum += v;
    least = std::min(least, v);
    most = std::max(most, v);
  }
  double mean = values.empty() ? 0 : sum / static_cast<double>(values.size());
  return contract::Value::object({{"n", values.size()},
                                  {"mean", rounded(mean)},
                                  {"min", rounded(least)},
                                  {"p50", rounded(percentile(0.5))},
                                  {"p95", rounded(percentile(0.95))},
                                  {"max", rounded(most)}});
}

}  // namespace consort::eval
