#include "model/decoder_head.h"

#include <algorithm>
#include <vector>

namespace consort::model {
namespace {

constexpr int kPanelsOfPiece = 16;  // Weights of a piece: about 150 kB in 8 bits.
constexpr int kPanelsInline = 24;   // Fewer are not worth waking a thread.

// Whether panel `p` holds a wanted token. A word of 64 tokens is four panels.
bool touches(std::span<const uint64_t> wanted, int p) {
  static_assert(tensor::kPanelRows == 16);
  const auto word = static_cast<size_t>(p / 4);
  return word < wanted.size() && (wanted[word] >> (p % 4 * 16) & 0xffff) != 0;
}

struct Job {
  const HeadRow* row;
  int panel;
};

}  // namespace

int count_panels(std::span<const uint64_t> wanted) {
  int n = 0;
  for (const uint64_t word : wanted) {
    if (word == 0) continue;
    for (int i = 0; i < 4; ++i) n += (word >> (i * 16) & 0xffff) != 0 ? 1 : 0;
  }
  return n;
}

void head_rows(ThreadPool& pool, const tensor::Kernels& kernels, const tensor::PackedMatrix& head,
               const tensor::Activations& outputs, std::span<const HeadRow> rows) {
  std::vector<Job> jobs;
  for (const HeadRow& row : rows) {
    for (int p = 0; p < head.n_panels(); ++p) {
      if (p % 4 == 0 && static_cast<size_t>(p / 4) < row.wanted.size() &&
          row.wanted[static_cast<size_t>(p / 4)] == 0) {
        p += 3;
        continue;
      }
      if (touches(row.wanted, p)) jobs.push_back({&row, p});
    }
  }
  const auto run = [&](size_t first, size_t last) {
    for (size_t i = first; i < last; ++i) {
      const Job& job = jobs[i];
      tensor::matmul_panels(kernels, outputs, job.row->row, 1, head, job.panel, job.panel + 1,
                            job.row->out, static_cast<size_t>(head.n_out()));
    }
  };
  if (jobs.size() <= kPanelsInline) {
    run(0, jobs.size());
    return;
  }
  const size_t n = (jobs.size() + kPanelsOfPiece - 1) / kPanelsOfPiece;
  pool.parallel_for(static_cast<int>(n), [&](int i) {
    const size_t first = static_cast<size_t>(i) * kPanelsOfPiece;
    run(first, std::min(jobs.size(), first + kPanelsOfPiece));
  });
}

}  // namespace consort::model
