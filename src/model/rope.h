// Rotary position embedding: which angle each pair of a head turns by, a position.
//
// Frequencies of a plain model are theta^(-2i / n_rot). Files that were stretched to longer
// contexts change them:
//   linear   every frequency divided by `factor` (arXiv 2306.15595)
//   llama3   each divided by its own number, a tensor `rope_freqs.weight` of the file
//   yarn     between the two by wavelength, and rotated values scaled (arXiv 2309.00071), as
//            transformers computes it
//
// Errors: unsupported 3601 (a kind or option that is not implemented, named), corruption 3602 (a
// number that cannot be), those of gguf.h.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/gguf.h"

namespace consort::model {

struct RopeScaling {
  enum class Kind { none, linear, yarn } kind = Kind::none;
  double factor = 1;
  // yarn only:
  int n_ctx_original = 0;  // What the model was trained for before it was stretched.
  double beta_fast = 32;   // Pairs that turn more often than this within it keep their frequency,
  double beta_slow = 1;    // those that turn less often than this are divided by `factor`.
  double magnitude = 1;    // Multiplies rotated values.
};

// From keys `prefix`rope.scaling.*; `n_ctx` is where yarn's original context is not told.
Result<RopeScaling> read_rope_scaling(const GgufFile& file, const std::string& prefix, int n_ctx);

// Radians a position: [n_rot / 2]. `divisors`: empty or [n_rot / 2] (llama3).
std::vector<double> rope_frequencies(float theta, int n_rot, const RopeScaling& scaling,
                                     std::span<const float> divisors);

}  // namespace consort::model
