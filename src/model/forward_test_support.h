// For tests of the forward passes: the real models' files and the goldens of tests/golden.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "contract/json.h"

namespace consort::model {

inline const std::filesystem::path kSource = CONSORT_SOURCE_DIR;
inline const std::filesystem::path kSmol = kSource / "models/cache/smollm2-135m-q4_1/model.gguf";
inline const std::filesystem::path kMiniLm = kSource / "models/cache/minilm-l6-f32";
inline const std::filesystem::path kGolden = kSource / "tests/golden";
inline constexpr const char* kFetch =
    "a model's file is missing; run: python3 tools/fetch_models.py";

inline std::string gunzip(const std::filesystem::path& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  std::string out;
  if (file == nullptr) return out;
  std::vector<char> buffer(1 << 16);
  for (int n; (n = gzread(file, buffer.data(), static_cast<unsigned>(buffer.size()))) > 0;) {
    out.append(buffer.data(), static_cast<size_t>(n));
  }
  gzclose(file);
  return out;
}

inline contract::Value golden_json(const std::string& name) {
  const std::string text = gunzip(kGolden / name);
  Result<contract::Value> value = contract::parse_json(text);
  EXPECT_TRUE(value) << name << ": " << (value ? "" : value.error().to_string());
  return value ? *value : contract::Value();
}

inline std::vector<int32_t> golden_ids(const contract::Value& value) {
  std::vector<int32_t> ids;
  for (const contract::Value& id : value.as_array()) {
    ids.push_back(static_cast<int32_t>(*id.as_number().as_int64()));
  }
  return ids;
}

inline std::vector<float> golden_floats(const contract::Value& value) {
  std::vector<float> out;
  for (const contract::Value& v : value.as_array()) {
    out.push_back(static_cast<float>(v.as_number().as_double()));
  }
  return out;
}

inline std::string unbase64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int n = 0;
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (const char c : text) {
    const size_t value = kDigits.find(c);
    if (value == std::string_view::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(value);
    n += 6;
    if (n >= 8) out += static_cast<char>(bits >> (n -= 8));
  }
  return out;
}

}  // namespace consort::model
