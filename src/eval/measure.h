// Measures: the scores in [0, 1] of one answer to a golden row, by the name that a policy gives.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/golden_set.h"
#include "eval/paired.h"

namespace consort::eval {

enum class Measure { exact, covers, fields, token_f1, rouge_l, chrf, choice, brier, sql };
std::string_view name(Measure measure);
std::optional<Measure> measure_of(std::string_view name);
const std::vector<std::string>& measure_names();
bool is_graded(Measure measure);  // Else right or wrong.

// Runs a query over a row's table; the answer is its rows, an array of arrays.
using SqlRows = std::function<Result<contract::Value>(const contract::Value& table, const std::string& query)>;
struct MeasureOptions {
  double tolerance = 0;  // Of numbers in `covers` and `fields`, relative.
  SqlRows sql;
};

// The row has what the measure reads. Error 8202.
Result<void> check_row(Measure measure, const GoldenSet& set, const GoldenRow& row);
// `answer` satisfies the component's contract. A query of the answer that does not run scores 0; one of the
// row's own is an error (8202).
Result<double> score(Measure measure, const GoldenSet& set, const GoldenRow& row,
                     const contract::Value& answer, const MeasureOptions& options);

// Of each question of a `decide` answer that the row expects: was its most probable option right?
struct Judgement {
  double probability = 0;  // That it gave to the option.
  bool right = false;
  double brier = 0;  // Half the squared distance of the probabilities from the truth, in [0, 1].
};
std::vector<Judgement> judgements(const contract::Value& expected, const contract::Value& answer);

// Mean of scores with a 95 % interval: Wilson's for right or wrong, the percentile bootstrap for graded
// scores and for rows in clusters. `cluster` has one entry a score; empty text: on its own.
struct Mean {
  double value = 0;
  Interval interval;
  int64_t n = 0;
};
Mean mean_of(const std::vector<double>& scores, const std::vector<std::string>& cluster, bool graded);

// Two versions' scores of the same rows: mean of `scores` less that of `other`, with a 95 % interval: Tango's for
// right or wrong, the bootstrap for graded scores and for rows in clusters. `p`: exact McNemar, two-sided, where
// rows are right or wrong and of no cluster.
struct Contrast {
  double difference = 0;
  Interval interval{-1, 1};
  int64_t gains = 0, losses = 0;  // Rows on which `scores` is the higher, the lower.
  std::optional<double> p;
};
Contrast contrast_of(const std::vector<double>& other, const std::vector<double>& scores,
                     const std::vector<std::string>& cluster, bool graded);

}  // namespace consort::eval
