// Losses over the vectors of EncoderPass, and the linear head between vectors and scores. Plain
// loops: they cost nothing beside the encoder.
//
// Each returns `weight` times the sum over its items and adds `weight` times the gradients.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace consort::train {

// One query of a batch; indices are of rows of `vectors`.
struct ContrastiveItem {
  int query = 0;
  int positive = 0;
  std::vector<int> excluded;  // Documents that answer it as well: neither positive nor negative.
};

// InfoNCE (van den Oord et al. 2018): -log softmax of cos / temperature over `documents`, of which
// one is the item's positive; all others of the batch are its negatives. Vectors have length 1.
double info_nce(std::span<const float> vectors, int width, std::span<const ContrastiveItem> items,
                std::span<const int> documents, double temperature, double weight,
                std::span<float> d_vectors);

// logits = scale (W v) + b. Values: W [n_labels, width], b [n_labels].
struct HeadShape {
  int n_labels = 0, width = 0;
  float scale = 1;
  size_t n_values() const {
    return static_cast<size_t>(n_labels) * (static_cast<size_t>(width) + 1);
  }
};
// [n, n_labels]
std::vector<float> head_forward(const HeadShape& head, std::span<const float> values,
                                std::span<const float> vectors);
void head_backward(const HeadShape& head, std::span<const float> values,
                   std::span<const float> vectors, std::span<const float> d_logits,
                   std::span<float> d_vectors, std::span<float> d_values);

// Cross-entropy of logits [n, n_labels]. A label of -1 stands for what belongs nowhere: its target is
// the uniform distribution (outlier exposure, Hendrycks et al. 2019), times `outside_weight`.
double class_loss(std::span<const float> logits, std::span<const int> labels, double weight,
                  double outside_weight, std::span<float> d_logits);

enum class RankLoss {
  binary,    // Each text by itself: logistic, relevance in [0, 1].
  pairwise,  // Logistic of each difference between a more and a less relevant text, their mean.
  listwise,  // Cross-entropy of softmax(scores) and relevance / sum (ListNet, Cao et al. 2007).
};
// Of one query's texts.
double rank_loss(RankLoss loss, std::span<const float> scores, std::span<const float> relevance,
                 double weight, std::span<float> d_scores);

}  // namespace consort::train
