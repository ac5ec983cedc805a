#include "tensor/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstdlib>

namespace consort::tensor {

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    case Isa::scalar:
      break;
  }
  return "scalar";
}

#if defined(__x86_64__)
namespace {

// By CPUID: clang 14's __builtin_cpu_supports does not know these two names.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & (1u << 29)) != 0;
}

bool cpuid_has_avx512_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1u << 5)) != 0;
}

}  // namespace
#endif

bool is_supported(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vnni") && is_supported(Isa::avx2);
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    case Isa::scalar:
      break;
  }
  return true;
#else
  return isa == Isa::scalar;
#endif
}

bool has_avx512_bf16() {
#if defined(__x86_64__)
  return is_supported(Isa::avx512) && cpuid_has_avx512_bf16();
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
