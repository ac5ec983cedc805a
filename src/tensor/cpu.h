// Which instruction set the kernels use: the widest this CPU has, or the one that CONSORT_ISA asks
// for.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"

namespace consort::tensor {

enum class Isa {
  scalar,
  avx2,
  avx512
};  // avx512: F, BW, VL, DQ and VNNI. avx2: with FMA and F16C.
std::string_view name(Isa isa);

// True if this CPU and this build can run it.
bool is_supported(Isa isa);
std::vector<Isa> supported_isas();  // Narrowest first; scalar is always there.

// CONSORT_ISA (scalar, avx2, avx512) when set, else the widest supported. Errors: invalid_argument
// 4001 (unknown name), unsupported 4002 (this CPU lacks it).
Result<Isa> choose_isa();

// True if the CPU has bfloat16 dot products of 512 bits (only meaningful with avx512).
bool has_avx512_bf16();

}  // namespace consort::tensor
