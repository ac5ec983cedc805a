#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace consort::model {
namespace {

Error unsupported(const GgufFile& file, const std::string& key, std::string value) {
  return make_error(ErrorCode::unsupported, 3601, "this kind of rotary scaling is not implemented")
      .at(file.name() + ":" + key)
      .got(value)
      .to_fix("use a model without rotary scaling, or with linear, llama3 or yarn scaling");
}

Error impossible(const GgufFile& file, const std::string& key, double value) {
  return make_error(ErrorCode::corruption, 3602, "a number of the rotary scaling cannot be")
      .at(file.name() + ":" + key)
      .got(std::to_string(value))
      .to_fix("fetch the file again; its bytes are damaged");
}

// A number of the metadata within [least, most], or `fallback` when absent.
Result<double> number_or(const GgufFile& file, const std::string& key, double fallback,
                         double least, double most) {
  if (!file.has(key)) return fallback;
  CONSORT_ASSIGN(const float value, file.get_f32(key));
  if (!(value >= least && value <= most)) {
    return fail(make_error(ErrorCode::corruption, 3602, "a number of the rotary scaling cannot be")
                    .at(file.name() + ":" + key)
                    .got(std::to_string(value))
                    .to_fix("fetch the file again; its bytes are damaged"));
  }
  return value;
}

// The pair (a real number) that turns `rotations` times within n_ctx positions.
double pair_of(double rotations, int n_rot, int n_ctx, double theta) {
  return n_rot * std::log(n_ctx / (rotations * 2 * std::numbers::pi)) / (2 * std::log(theta));
}

}  // namespace

Result<RopeScaling> read_rope_scaling(const GgufFile& file, const std::string& prefix, int n_ctx) {
  RopeScaling out;
  const std::string s = prefix + "rope.scaling.";
  // Without a type the factor counts as linear; the older key knows no type.
  CONSORT_ASSIGN(const std::string_view type, file.get_string_or(s + "type", "linear"));
  const std::string factor_key =
      file.has(s + "factor") ? s + "factor" : prefix + "rope.scale_linear";
  CONSORT_ASSIGN(out.factor, number_or(file, factor_key, 1, 0, 1e6));
  if (out.factor == 0) out.factor = 1;  // As llama.cpp reads it.
  if (out.factor < 1e-3) return fail(impossible(file, factor_key, out.factor));
  for (const char* key : {"yarn_log_multiplier", "alpha"}) {
    CONSORT_ASSIGN(const double value, number_or(file, s + key, 0, -1e9, 1e9));
    if (value != 0) return fail(unsupported(file, s + key, std::to_string(value)));
  }
  if (type == "none") {
    out.factor = 1;
  } else if (type == "linear") {
    out.kind = out.factor == 1 ? RopeScaling::Kind::none : RopeScaling::Kind::linear;
  } else if (type == "yarn") {
    out.kind = RopeScaling::Kind::yarn;
    CONSORT_ASSIGN(const uint32_t n,
                   file.get_u32_or(s + "original_context_length", static_cast<uint32_t>(n_ctx)));
    if (n < 1 || n > (1u << 24)) return fail(impossible(file, s + "original_context_length", n));
    out.n_ctx_original = static_cast<int>(n);
    CONSORT_ASSIGN(out.beta_fast, number_or(file, s + "yarn_beta_fast", 32, 1e-3, 1e6));
    CONSORT_ASSIGN(out.beta_slow, number_or(file, s + "yarn_beta_slow", 1, 1e-3, 1e6));
    CONSORT_ASSIGN(const double mixed, number_or(file, s + "yarn_ext_factor", 1, -1e6, 1e6));
    if (mixed != 1) return fail(unsupported(file, s + "yarn_ext_factor", std::to_string(mixed)));
    const double usual = out.factor > 1 ? 0.1 * std::log(out.factor) + 1 : 1;
    CONSORT_ASSIGN(out.magnitude, number_or(file, s + "yarn_attn_factor", usual, 1e-3, 1e3));
  } else {
    return fail(unsupported(file, s + "type", std::string(type)));
  }
  CONSORT_ASSIGN(const double more, number_or(file, s + "attn_factor", 1, 1e-3, 1e3));
  out.magnitude *= more;
  return out;
}

std::vector<double> rope_frequencies(float theta, int n_rot, const RopeScaling& scaling,
                                     std::span<const float> divisors) {
  double low = 0, high = 0;
  if (scaling.kind == RopeScaling::Kind::yarn) {
    const auto bound = [&](double rotations) {
      return pair_of(rotations, n_rot, scaling.n_ctx_original, theta);
    };
    low = std::max(std::floor(bound(scaling.beta_fast)), 0.0);
    high = std::min(std::ceil(bound(scaling.beta_slow)), n_rot - 1.0);
    if (low == high) high += 0.001;
  }
  std::vector<double> out;
  for (int i = 0; i < n_rot / 2; ++i) {
    double f = std::pow(static_cast<double>(theta), -2.0 * i / n_rot);
    if (!divisors.empty()) f /= divisors[static_cast<size_t>(i)];
    if (scaling.kind == RopeScaling::Kind::linear) {
      f /= scaling.factor;
    } else if (scaling.kind == RopeScaling::Kind::yarn) {
      const double stretched = std::clamp((i - low) / (high - low), 0.0, 1.0);
      f = f / scaling.factor * stretched + f * (1 - stretched);
    }
    out.push_back(f);
  }
  return out;
}

}  // namespace consort::model
