#include "tensor/cpu.h"

#include <cstdlib>

namespace consort::tensor {

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::avx512: return "avx512";
    case Isa::avx2: return "avx2";
    case Isa::scalar: break;
  }
  return "scalar";
}

bool is_supported(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vnni") && is_supported(Isa::avx2);
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("f16c");
    case Isa::scalar: break;
  }
  return true;
#else
  return isa == Isa::scalar;
#endif
}

bool has_avx512_bf16() {
#if defined(__x86_64__)
  return is_supported(Isa::avx512) && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

std::vector<Isa> supported_isas() {
  std::vector<Isa> out;
  for (Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512}) {
    if (is_supported(isa)) out.push_back(isa);
  }
  return out;
}

Result<Isa> choose_isa() {
  const char* wanted = std::getenv("CONSORT_ISA");
  if (wanted == nullptr || *wanted == '\0') return supported_isas().back();
  for (Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512}) {
    if (name(isa) != wanted) continue;
    if (is_supported(isa)) return isa;
    return fail(make_error(ErrorCode::unsupported, 4002, "this CPU lacks the instruction set")
                    .at("CONSORT_ISA")
                    .got(wanted)
                    .to_fix("unset CONSORT_ISA"));
  }
  return fail(make_error(ErrorCode::invalid_argument, 4001, "unknown instruction set")
                  .at("CONSORT_ISA")
                  .got(wanted)
                  .to_fix("use scalar, avx2 or avx512, or unset it"));
}

}  // namespace consort::tensor
