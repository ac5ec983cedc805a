#include "memory/vector_index.h"

#include <algorithm>
#include <cstring>

namespace consort::memory {

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
__attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#endif
float dot(const float* a, const float* b, int n) {
  float lanes[16] = {};
  int i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int l = 0; l < 16; ++l) lanes[l] += a[i + l] * b[i + l];
  }
  for (int l = 0; i < n; ++i, ++l) lanes[l] += a[i] * b[i];
  for (int width = 8; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  }
  return lanes[0];
}

bool VectorIndex::add(int64_t id, std::span<const uint8_t> vector) {
  if (vector.size() != static_cast<size_t>(dims_) * sizeof(float)) return false;
  size_t at = values_.size();
  values_.resize(at + static_cast<size_t>(dims_));
  std::memcpy(values_.data() + at, vector.data(), vector.size());
  ids_.push_back(id);
  return true;
}

std::vector<float> VectorIndex::scores(std::span<const float> query) const {
  std::vector<float> out(ids_.size());
  if (static_cast<int>(query.size()) != dims_) return out;
  for (size_t i = 0; i < ids_.size(); ++i) out[i] = dot(query.data(), values_.data() + i * static_cast<size_t>(dims_), dims_);
  return out;
}

std::vector<VectorHit> VectorIndex::nearest(std::span<const float> query, size_t k, const std::vector<bool>& allowed) const {
  auto all = scores(query);
  std::vector<VectorHit> hits;
  hits.reserve(all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    if (allowed.empty() || allowed[i]) hits.push_back({ids_[i], all[i]});
  }
  auto better = [](const VectorHit& a, const VectorHit& b) { return a.score != b.score ? a.score > b.score : a.id < b.id; };
  k = std::min(k, hits.size());
  std::partial_sort(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(k), hits.end(), better);
  hits.resize(k);
  return hits;
}

}  // namespace consort::memory
