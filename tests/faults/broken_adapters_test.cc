// 200 broken adapters, each refused with its own reason, and an engine that is none the worse.
#include "broken_adapters.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "engine/engine.h"

namespace consort {
namespace {

constexpr int kCorpus = 200;
const std::filesystem::path kModel =
    std::filesystem::path(CONSORT_SOURCE_DIR) / "tests/golden/decoders/llama.gguf";
const std::vector<int32_t> kTokens = {5, 77, 130, 9, 301, 44};

class BrokenAdapters : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("consort_broken_adapters_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    auto engine = engine::Engine::create({.n_threads = 1}, clock_);
    ASSERT_TRUE(engine) << engine.error().to_string();
    engine_ = std::move(*engine);
    const auto loaded = engine_->load_model("m", kModel);
    ASSERT_TRUE(loaded) << loaded.error().to_string();
  }
  void TearDown() override {
    engine_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::filesystem::path write(const DraftAdapter& draft, bool peft, int index) {
    const auto path = folder_ / (std::to_string(index) + (peft ? "" : ".gguf"));
    if (peft) {
      draft.write_peft(path);
    } else {
      std::ofstream(path, std::ios::binary) << draft.gguf();
    }
    return path;
  }
  std::vector<float> logits(std::string_view adapter) {
    auto out = engine_->logits("m", adapter, kTokens);
    EXPECT_TRUE(out) << out.error().to_string();
    return out ? *out : std::vector<float>();
  }
  SystemClock clock_;
  std::filesystem::path folder_;
  std::unique_ptr<engine::Engine> engine_;
};

// Else the refusals below would prove nothing.
TEST_F(BrokenAdapters, WholeOnesAreTakenAndChangeTheLogits) {
  const std::vector<float> base = logits("");
  for (int i = 0; i < 40; ++i) {
    Dice dice(static_cast<uint64_t>(i));
    const bool peft = i % 2 == 1;
    const auto path = write(whole_adapter(dice, peft), peft, i);
    const auto loaded = engine_->load_adapter("a", "m", path);
    ASSERT_TRUE(loaded) << loaded.error().to_string();
    EXPECT_NE(logits("a"), base);
    ASSERT_TRUE(engine_->unload_adapter("a", "m"));
  }
  EXPECT_EQ(logits(""), base);
}

TEST_F(BrokenAdapters, TwoHundredAreRefusedEachWithItsReason) {
  const std::vector<float> base = logits("");
  const std::vector<Breakage>& all = breakages();
  std::map<std::string, int> by_category;
  std::map<std::string, std::vector<const Breakage*>> categories;
  for (const Breakage& b : all) categories[b.category].push_back(&b);
  ASSERT_EQ(categories.size(), 8u);
  int refused = 0;
  for (int i = 0; i < kCorpus; ++i) {
    // Categories by turns, and each one's ways by turns.
    auto category = categories.begin();
    std::advance(category, i % static_cast<int>(categories.size()));
    const size_t turn = static_cast<size_t>(i) / categories.size();
    const Breakage& b = *category->second[turn % category->second.size()];
    Dice dice(static_cast<uint64_t>(1000 + i));
    DraftAdapter draft = whole_adapter(dice, b.peft);
    b.apply(draft, dice);
    const auto path = write(draft, b.peft, i);
    const auto loaded = engine_->load_adapter("a", "m", path);
    const std::string label =
        b.category + ": " + b.what + (b.peft ? " (PEFT) " : " (GGUF) ") + path.string();
    if (loaded) {
      ADD_FAILURE() << label << " was taken";
      ASSERT_TRUE(engine_->unload_adapter("a", "m"));
      continue;
    }
    const Error& e = loaded.error();
    EXPECT_EQ(e.number, b.number) << label << "\n" << e.to_string();
    EXPECT_NE((e.message + " " + e.value + " " + e.place).find(b.says), std::string::npos)
        << label << "\n"
        << e.to_string();
    EXPECT_NE((e.place + e.message).find(path.string()), std::string::npos) << label << "\n"
                                                                            << e.to_string();
    EXPECT_FALSE(e.fix.empty()) << label << "\n" << e.to_string();
    ++refused;
    ++by_category[b.category];
  }
  EXPECT_EQ(refused, kCorpus);
  for (const auto& [name, ways] : categories) {
    EXPECT_LE(ways.size(), static_cast<size_t>(by_category[name]))
        << "a way was not tried: " << name;
    std::printf("%s: %d refused, %zu ways\n", name.c_str(), by_category[name], ways.size());
  }
  EXPECT_TRUE(engine_->adapters().empty());
  EXPECT_EQ(logits(""), base);
}

}  // namespace
}  // namespace consort
