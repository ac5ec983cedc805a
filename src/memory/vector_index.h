// Exact search over unit vectors held in memory: [n, dims] f32, one scan per query.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace consort::memory {

struct VectorHit {
  int64_t id = 0;
  float score = 0;  // Cosine in [-1, 1].
};

// Immutable once filled: any thread may search. Memory: n * (4 * dims + 8) bytes.
class VectorIndex final {
 public:
  explicit VectorIndex(int dims) : dims_(dims) {}
  // `vector` must have `dims` values; others are left out and false is returned.
  bool add(int64_t id, std::span<const uint8_t> vector);
  size_t size() const { return ids_.size(); }
  int dims() const { return dims_; }
  // The k nearest, best first; ties by smaller id. `allowed` empty = all; else only rows whose flag
  // (same order as added) is set.
  std::vector<VectorHit> nearest(std::span<const float> query, size_t k, const std::vector<bool>& allowed = {}) const;
  const std::vector<int64_t>& ids() const { return ids_; }
  // Cosine of every row, in the order added.
  std::vector<float> scores(std::span<const float> query) const;

 private:
  int dims_;
  std::vector<int64_t> ids_;
  std::vector<float> values_;  // [n, dims]
};

// Sum over 16 lanes, folded in one fixed order: equal bits on every machine.
float dot(const float* a, const float* b, int n);

}  // namespace consort::memory
