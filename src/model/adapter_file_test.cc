#include "model/adapter_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "model/gguf.h"
#include "model/peft.h"
#include "model/test_fixtures.h"

namespace consort::model {
namespace {

const std::filesystem::path kGolden =
    std::filesystem::path(CONSORT_SOURCE_DIR) / "tests/golden/lora";

Result<AdapterFile> read(const std::string& bytes) {
  const auto file = GgufFile::parse(as_bytes(bytes));
  if (!file) return fail(file.error());
  return read_adapter(**file);
}

TEST(AdapterFile, ReadsPairsScaleAndMetadata) {
  const auto adapter = read(small_adapter_gguf());
  ASSERT_TRUE(adapter) << adapter.error().to_string();
  EXPECT_EQ(adapter->architecture, "llama");
  EXPECT_EQ(adapter->rank, 2);
  EXPECT_EQ(adapter->invocation_tokens, (std::vector<int32_t>{1, 520}));
  EXPECT_EQ(adapter->base_sha256->hex(), std::string(64, 'a'));
  EXPECT_EQ(adapter->metadata.at("consort.contract"), "planner@1");
  const LoraPair& pair = adapter->pairs.at("blk.0.attn_q.weight");
  EXPECT_EQ(pair.n_in, 3);
  EXPECT_EQ(pair.n_out, 4);
  EXPECT_EQ(pair.scale, 4.0f);
  EXPECT_EQ(adapter->weight_bytes(), (6 + 8) * 4u);
}

TEST(AdapterFile, WritesWhatItReads) {
  const auto adapter = read(small_adapter_gguf());
  ASSERT_TRUE(adapter);
  const auto again = read(write_adapter(*adapter).value());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->pairs.at("blk.0.attn_q.weight").b, adapter->pairs.at("blk.0.attn_q.weight").b);
  EXPECT_EQ(again->metadata, adapter->metadata);
  EXPECT_EQ(again->base_sha256, adapter->base_sha256);
  EXPECT_EQ(again->invocation_tokens, adapter->invocation_tokens);
}

TEST(AdapterFile, RoundsWeightsToTheNearestOfTheirKind) {
  AdapterFile adapter;
  adapter.architecture = "llama";
  adapter.alpha = adapter.rank = 1;
  LoraPair pair{.rank = 1, .n_in = 32, .n_out = 3, .scale = 1, .a = {}, .b = {1.0f, -2.5f, 1e-8f}};
  for (int i = 0; i < 32; ++i) pair.a.push_back(static_cast<float>(i - 16) / 3.0f);
  adapter.pairs["blk.0.attn_q.weight"] = pair;
  const auto f16 = read(write_adapter(adapter, AdapterWeights::f16).value());
  const auto q8 = read(write_adapter(adapter, AdapterWeights::q8_0).value());
  ASSERT_TRUE(f16);
  ASSERT_TRUE(q8);
  const LoraPair& half = f16->pairs.at("blk.0.attn_q.weight");
  const LoraPair& byte = q8->pairs.at("blk.0.attn_q.weight");
  for (size_t i = 0; i < pair.a.size(); ++i) {  // 11 bits of fraction; half a step of 16 / 3 / 127.
    EXPECT_NEAR(half.a[i], pair.a[i], std::abs(pair.a[i]) * 0x1p-11f);
    EXPECT_NEAR(byte.a[i], pair.a[i], 16.0f / 3.0f / 127.0f * 0.51f);
  }
  // 1e-8 is nearer to 0 than to the least half, 2^-24. Rows of one weight stay f16 in both.
  EXPECT_EQ(half.b, (std::vector<float>{1.0f, -2.5f, 0.0f}));
  EXPECT_EQ(byte.b, half.b);
  adapter.pairs["blk.0.attn_q.weight"].b[0] = 1e5f;
  EXPECT_EQ(write_adapter(adapter, AdapterWeights::f16).error().number, 3505);
}

// The GGUF was converted from the PEFT folder with the row order of llama.cpp's converter, by
// tools/golden.
TEST(AdapterFile, ReadsAPeftFolderAsItsConvertedGguf) {
  const auto gguf = load_adapter_file(kGolden / "adapter.gguf");
  ASSERT_TRUE(gguf) << gguf.error().to_string();
  const auto peft = load_adapter_file(kGolden / "peft", PeftBase{"llama", 9, 3});
  ASSERT_TRUE(peft) << peft.error().to_string();
  ASSERT_EQ(gguf->pairs.size(), peft->pairs.size());
  EXPECT_EQ(gguf->alpha, peft->alpha);
  bool has_q = false;
  for (const auto& [name, want] : gguf->pairs) {
    ASSERT_TRUE(peft->pairs.contains(name)) << name;
    const LoraPair& got = peft->pairs.at(name);
    has_q |= name.ends_with("attn_q.weight");
    EXPECT_EQ(got.rank, want.rank) << name;
    EXPECT_EQ(got.scale, want.scale) << name;
    EXPECT_EQ(got.a, want.a) << name;
    EXPECT_EQ(got.b, want.b) << name;
  }
  EXPECT_TRUE(has_q);
}

TEST(AdapterFile, RefusesRanksSuffixesAndLonelyTensors) {
  EXPECT_EQ(read(small_adapter_gguf(64)).value().rank, 64);
  EXPECT_EQ(read(small_adapter_gguf(65)).error().number, 3503);
  const auto with = [](std::string_view first, std::string_view second, uint64_t b_rank) {
    GgufWriter writer;
    writer.set_string("general.type", "adapter");
    writer.set_string("general.architecture", "llama");
    writer.set_string("adapter.type", "lora");
    writer.set_f32("adapter.lora.alpha", 8);
    const uint64_t a[] = {3, 2}, b[] = {b_rank, 4};
    writer.add_tensor_f32(first, a, std::vector<float>(6));
    if (!second.empty()) writer.add_tensor_f32(second, b, std::vector<float>(4 * b_rank));
    const auto adapter = read(writer.finish().value());
    return adapter ? 0 : adapter.error().number;
  };
  EXPECT_EQ(with("w.lora_a", "w.lora_b", 2), 0);
  EXPECT_EQ(with("w.lora_a", "w.lora_b", 3), 3501);
  EXPECT_EQ(with("w.lora_a", "v.lora_b", 2), 3501);
  EXPECT_EQ(with("w.lora_a", "", 2), 3501);
  EXPECT_EQ(with("blk.0.attn_norm.weight", "", 2), 3502);
  EXPECT_EQ(with("w.lora_magnitude", "", 2), 3502);
  EXPECT_EQ(with("token_embd.weight.lora_a", "token_embd.weight.lora_b", 2), 3502);
}

TEST(AdapterFile, RefusesAModelFileAndAMissingBase) {
  EXPECT_EQ(read(small_gguf()).error().number, 3504);
  EXPECT_EQ(load_adapter_file(kGolden / "peft").error().number, 3504);
  EXPECT_EQ(load_adapter_file(kGolden / "peft", PeftBase{"llama", 7, 3}).error().number, 3501);
}

TEST(AdapterFile, TakesNoMemoryForATensorOfAnUnknownType) {
  std::string bytes = small_adapter_gguf();
  // 2^40 elements of type 99 in both tensors of the pair, ranks left alone.
  const uint64_t huge = uint64_t{1} << 40;
  const uint32_t unknown = 99;
  const size_t a = bytes.find("lora_a") + 6, b = bytes.find("lora_b") + 6;
  std::memcpy(bytes.data() + a + 4, &huge, 8);
  std::memcpy(bytes.data() + a + 20, &unknown, 4);
  std::memcpy(bytes.data() + b + 20, &unknown, 4);
  const auto wide = read(bytes);
  ASSERT_FALSE(wide);
  EXPECT_EQ(wide.error().number, 3501);
  const uint64_t within_int = 1 << 30;
  std::memcpy(bytes.data() + a + 4, &within_int, 8);
  const auto unreadable = read(bytes);
  ASSERT_FALSE(unreadable);
  EXPECT_EQ(unreadable.error().number, 3502);
}

TEST(AdapterFile, RefusesAFileCutAtAnyByte) {
  const std::string bytes = small_adapter_gguf();
  for (size_t n = 0; n + 32 < bytes.size(); ++n) EXPECT_FALSE(read(bytes.substr(0, n))) << n;
}

TEST(Peft, NamesWeightsAsGgufDoes) {
  EXPECT_EQ(gguf_name_of("model.layers.12.mlp.down_proj"), "blk.12.ffn_down.weight");
  EXPECT_EQ(gguf_name_of("model.layers.0.self_attn.o_proj"), "blk.0.attn_output.weight");
  EXPECT_EQ(gguf_name_of("model.embed_tokens"), std::nullopt);
  EXPECT_EQ(gguf_name_of("model.layers.x.mlp.down_proj"), std::nullopt);
}

}  // namespace
}  // namespace consort::model
