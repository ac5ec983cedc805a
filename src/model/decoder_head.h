// Logits of some vocabulary rows only: what a mask allows, and nothing else is computed.
//
// The same kernels as the whole head, panel by panel, so that a logit has the same bits whichever
// others were asked for.
#pragma once

#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "tensor/matmul.h"
#include "tensor/packed.h"

namespace consort::model {

struct HeadRow {
  int row = 0;                       // Of the output rows.
  std::span<const uint64_t> wanted;  // Bit t of word t / 64: the logit of token t.
  float* out = nullptr;              // [n_vocab]; out[t] is written for each wanted t, and others
                                     // of t's panel of 16 with it.
};

// Panels of the head that `wanted` touches.
int count_panels(std::span<const uint64_t> wanted);

void head_rows(ThreadPool& pool, const tensor::Kernels& kernels, const tensor::PackedMatrix& head,
               const tensor::Activations& outputs, std::span<const HeadRow> rows);

}  // namespace consort::model
