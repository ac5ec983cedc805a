// Every block format of GGUF against gguf-py (tools/golden/make_blocks.py).
#include <cmath>

#include "model/forward_test_support.h"
#include "tensor/packed.h"

namespace consort::model {
namespace {

TEST(BlocksGolden, EveryFormatIsReadAsGgufPyReadsIt) {
  const contract::Value golden = golden_json("blocks.json.gz");
  const contract::Value& formats = *golden.find("formats");
  using tensor::WeightFormat;
  for (const auto& [name, format] :
       {std::pair{"Q4_0", WeightFormat::q4_0}, std::pair{"Q4_1", WeightFormat::q4_1},
        std::pair{"Q5_0", WeightFormat::q5_0}, std::pair{"Q5_1", WeightFormat::q5_1},
        std::pair{"Q8_0", WeightFormat::q8_0}, std::pair{"Q4_K", WeightFormat::q4_k},
        std::pair{"Q5_K", WeightFormat::q5_k}, std::pair{"Q6_K", WeightFormat::q6_k}}) {
    const std::string bytes = unbase64(formats.find(name)->find("bytes")->as_string());
    const std::vector<float> wanted = golden_floats(*formats.find(name)->find("values"));
    ASSERT_EQ(bytes.size(), tensor::weight_bytes(format, wanted.size())) << name;
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
    std::vector<float> got(wanted.size());
    tensor::dequantize(format, data, got.size(), got.data());
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], wanted[i], 1e-6 * (1 + std::fabs(wanted[i]))) << name << " " << i;
    // As the kernels have it: Q4_K with rounded scales, Q5_1, Q5_K and Q6_K with rounded codes.
    const auto packed =
        tensor::PackedMatrix::pack(format, {data, bytes.size()}, 1, static_cast<int>(got.size()));
    ASSERT_TRUE(packed) << packed.error().to_string();
    packed->row(0, got.data());
    const bool rounded = std::string_view(name) == "Q5_1" || std::string_view(name) == "Q5_K" ||
                         std::string_view(name) == "Q6_K";
    // Half a code of 127 and 2^-12 of the scale; 2^-11 of scale and offset, which may cancel.
    const double part = rounded                            ? 1 / 254.0 + 1 / 4096.0
                        : std::string_view(name) == "Q4_K" ? 1 / 1000.0
                                                           : 1e-6;
    for (size_t block = 0; block < got.size(); block += 32) {
      double peak = 0;
      for (size_t i = block; i < block + 32; ++i)
        peak = std::max<double>(peak, std::fabs(wanted[i]));
      for (size_t i = block; i < block + 32; ++i)
        ASSERT_NEAR(got[i], wanted[i], part * peak + 1e-6) << name << " " << i;
    }
  }
}

}  // namespace
}  // namespace consort::model
