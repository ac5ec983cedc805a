#include "train/encoder_loss.h"

#include <algorithm>
#include <cmath>

namespace consort::train {
namespace {

double dot(const float* a, const float* b, size_t n) {
  double lanes[8] = {};
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (size_t j = 0; j < 8; ++j) lanes[j] += static_cast<double>(a[i + j]) * b[i + j];
  for (; i < n; ++i) lanes[0] += static_cast<double>(a[i]) * b[i];
  double total = 0;
  for (const double lane : lanes) total += lane;
  return total;
}

void add_scaled(float* to, const float* from, double factor, size_t n) {
  const auto f = static_cast<float>(factor);
  for (size_t i = 0; i < n; ++i) to[i] += f * from[i];
}

// x becomes softmax(x); returns log(sum(exp(x))).
double softmax(std::vector<double>& x) {
  const double top = *std::max_element(x.begin(), x.end());
  double total = 0;
  for (double& v : x) total += v = std::exp(v - top);
  for (double& v : x) v /= total;
  return top + std::log(total);
}

// log(1 + e^x)
double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double sigmoid(double x) {
  return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

}  // namespace

double info_nce(std::span<const float> vectors, int width, std::span<const ContrastiveItem> items,
                std::span<const int> documents, double temperature, double weight,
                std::span<float> d_vectors) {
  const auto n = static_cast<size_t>(width);
  const auto row = [&](int i) { return static_cast<size_t>(i) * n; };
  double loss = 0;
  std::vector<int> seen;
  std::vector<double> p;
  for (const ContrastiveItem& item : items) {
    const float* const q = vectors.data() + row(item.query);
    seen.clear();
    p.clear();
    double right = 0;
    for (const int d : documents) {
      if (std::find(item.excluded.begin(), item.excluded.end(), d) != item.excluded.end()) continue;
      seen.push_back(d);
      p.push_back(dot(q, vectors.data() + row(d), n) / temperature);
      if (d == item.positive) right = p.back();
    }
    loss += softmax(p) - right;
    for (size_t j = 0; j < seen.size(); ++j) {
      const double slope = weight / temperature * (p[j] - (seen[j] == item.positive ? 1 : 0));
      add_scaled(d_vectors.data() + row(item.query), vectors.data() + row(seen[j]), slope, n);
      add_scaled(d_vectors.data() + row(seen[j]), q, slope, n);
    }
  }
  return weight * loss;
}

std::vector<float> head_forward(const HeadShape& head, std::span<const float> values,
                                std::span<const float> vectors) {
  const auto width = static_cast<size_t>(head.width), labels = static_cast<size_t>(head.n_labels);
  const size_t n = vectors.size() / width;
  std::vector<float> out(n * labels);
  for (size_t i = 0; i < n; ++i)
    for (size_t l = 0; l < labels; ++l)
      out[i * labels + l] = static_cast<float>(
          head.scale * dot(values.data() + l * width, vectors.data() + i * width, width) +
          values[labels * width + l]);
  return out;
}

void head_backward(const HeadShape& head, std::span<const float> values,
                   std::span<const float> vectors, std::span<const float> d_logits,
                   std::span<float> d_vectors, std::span<float> d_values) {
  const auto width = static_cast<size_t>(head.width), labels = static_cast<size_t>(head.n_labels);
  const size_t n = vectors.size() / width;
  for (size_t i = 0; i < n; ++i)
    for (size_t l = 0; l < labels; ++l) {
      const float d = d_logits[i * labels + l];
      const double slope = static_cast<double>(head.scale) * d;
      add_scaled(d_vectors.data() + i * width, values.data() + l * width, slope, width);
      add_scaled(d_values.data() + l * width, vectors.data() + i * width, slope, width);
      d_values[labels * width + l] += d;
    }
}

double class_loss(std::span<const float> logits, std::span<const int> labels, double weight,
                  double outside_weight, std::span<float> d_logits) {
  const size_t n = labels.size(), width = logits.size() / std::max<size_t>(n, 1);
  double loss = 0;
  std::vector<double> p(width);
  for (size_t i = 0; i < n; ++i) {
    const float* const x = logits.data() + i * width;
    p.assign(x, x + width);
    const double total = softmax(p);
    const bool outside = labels[i] < 0;
    const double own = outside ? outside_weight : 1;
    double right = 0;
    if (outside)
      for (size_t l = 0; l < width; ++l) right += x[l] / static_cast<double>(width);
    else
      right = x[labels[i]];
    loss += own * (total - right);
    for (size_t l = 0; l < width; ++l) {
      const double target = outside ? 1.0 / static_cast<double>(width)
                                    : (l == static_cast<size_t>(labels[i]) ? 1.0 : 0.0);
      d_logits[i * width + l] += static_cast<float>(weight * own * (p[l] - target));
    }
  }
  return weight * loss;
}

double rank_loss(RankLoss kind, std::span<const float> scores, std::span<const float> relevance,
                 double weight, std::span<float> d_scores) {
  const size_t n = scores.size();
  double loss = 0;
  if (kind == RankLoss::binary) {
    for (size_t i = 0; i < n; ++i) {
      const double s = scores[i], r = relevance[i];
      loss += softplus(s) - r * s;
      d_scores[i] += static_cast<float>(weight * (sigmoid(s) - r));
    }
    return weight * loss;
  }
  if (kind == RankLoss::listwise) {
    double total = 0;
    for (const float r : relevance) total += r;
    if (total <= 0) return 0;
    std::vector<double> p(scores.begin(), scores.end());
    const double all = softmax(p);
    for (size_t i = 0; i < n; ++i) {
      const double target = relevance[i] / total;
      loss += target * (all - scores[i]);
      d_scores[i] += static_cast<float>(weight * (p[i] - target));
    }
    return weight * loss;
  }
  size_t pairs = 0;
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j) pairs += relevance[i] > relevance[j] ? 1 : 0;
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j) {
      if (relevance[i] <= relevance[j]) continue;
      const double gap = static_cast<double>(scores[i]) - scores[j];
      const double share = 1 / static_cast<double>(pairs);
      loss += share * softplus(-gap);
      const auto slope = static_cast<float>(weight * share * sigmoid(-gap));
      d_scores[i] -= slope;
      d_scores[j] += slope;
    }
  return weight * loss;
}

}  // namespace consort::train
