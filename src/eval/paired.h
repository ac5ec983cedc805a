// Paired statistics: two versions answered the same items; is one better, or at least no worse?
//
// Pure functions. Differences are always candidate minus champion, so that positive is better.
// Sources: docs/formats/gate.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace consort::eval {

// Right or wrong of both versions on the same items.
struct PairedCounts {
  int64_t both = 0;            // Both right.
  int64_t champion_only = 0;   // A loss.
  int64_t candidate_only = 0;  // A gain.
  int64_t neither = 0;
  int64_t n() const { return both + champion_only + candidate_only + neither; }
  double difference() const;   // In [-1, 1]; 0 without items.
  double discordance() const;  // Share of items on which they differ.
};
PairedCounts count_pairs(std::span<const double> champion, std::span<const double> candidate);

// Two-sided exact McNemar: binomial test of the discordant pairs against 1/2. 1 without any.
double mcnemar_exact(const PairedCounts& counts);
// One-sided: P(at least so many gains among the discordant pairs | 1/2). Small: candidate better.
double mcnemar_better(const PairedCounts& counts);

// Score statistic of Tango (1998) for a difference of `delta`; standard normal if that is the true
// one. 0 where it is not defined (no items).
double tango_z(const PairedCounts& counts, double delta);

struct Interval {
  double low = 0, high = 0;
};
// Score interval for the difference, of confidence 1 - alpha (two-sided). [-1, 1] without items.
Interval tango_interval(const PairedCounts& counts, double alpha);

struct Bootstrap {
  Interval interval;    // Percentiles alpha / 2 and 1 - alpha / 2 of the mean difference.
  double p_margin = 1;  // (replicates at or below -margin + 1) / (replicates + 1)
  double p_better = 1;  // The same at or below 0.
};
struct BootstrapOptions {
  double alpha = 0.10;
  double margin = 0;
  int replicates = 4000;
  uint64_t seed = 1;
};
// Whole clusters are drawn with replacement; the statistic is the mean over the items drawn.
// `cluster[i]` in [0, n_clusters) is that of item i. Sizes are equal; a single cluster gives no
// interval but [-1, 1] and p = 1.
Bootstrap cluster_bootstrap(std::span<const double> differences, std::span<const size_t> cluster,
                            const BootstrapOptions& options);

// Adjusted p-values of Holm (1979), in the order given.
std::vector<double> holm(std::span<const double> p);

double normal_cdf(double z);
double normal_quantile(double p);  // p in (0, 1).

// Items that show "no worse than margin" with this power when the versions are equally good and
// differ on a share `discordance` of the items: the larger of (z_a + z_b)^2 discordance / margin^2
// and what the score bound needs when no item differs at all. margin in (0, 1).
int64_t size_for_margin(double margin, double discordance, double alpha, double power);
// The same for a graded metric whose differences have this standard deviation.
int64_t size_for_deviation(double margin, double deviation, double alpha, double power);

// Expected calibration error: equal-width bins of the confidence in [0, 1], (low, high]; 0 belongs
// to the first. Share-weighted |accuracy - mean confidence| (Guo et al. 2017). 0 without items.
double calibration_error(std::span<const double> confidence, const std::vector<bool>& right,
                         int bins = 10);

}  // namespace consort::eval
