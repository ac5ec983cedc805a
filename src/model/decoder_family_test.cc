// Every family and kind of rotary scaling on small random-weight models that public tools converted
// (tools/golden/make_decoders.py), against transformers; and what is refused, by name.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "model/decoder.h"
#include "model/decoder_test_support.h"
#include "model/forward_test_support.h"
#include "model/gguf_writer.h"
#include "model/test_fixtures.h"
#include "model/tokenizer.h"

namespace consort::model {
namespace {

std::unique_ptr<const GgufFile> open_case(const std::string& name) {
  auto file = GgufFile::open(kGolden / "decoders" / (name + ".gguf"));
  EXPECT_TRUE(file) << file.error().to_string();
  return file ? std::move(*file) : nullptr;
}

double cross_entropy(const float* logits, int n, int32_t token) {
  double peak = logits[0], sum = 0;
  for (int i = 1; i < n; ++i) peak = std::max<double>(peak, logits[i]);
  for (int i = 0; i < n; ++i) sum += std::exp(logits[i] - peak);
  return peak + std::log(sum) - logits[token];
}

struct Agreement {
  int same = 0, positions = 0;
  double nll = 0, wanted_nll = 0, largest = 0;  // Of the last positions' logits.
};

Agreement compare(const Decoder& decoder, const DecoderAdapter* adapter, tensor::Isa isa,
                  const contract::Value& prompts) {
  Agreement a;
  const int n_vocab = decoder.config().n_vocab;
  for (const contract::Value& prompt : prompts.as_array()) {
    const std::vector<int32_t> ids = golden_ids(*prompt.find("ids"));
    const std::vector<int32_t> top = golden_ids(*prompt.find("top"));
    const std::vector<float> nlls = golden_floats(*prompt.find("nll"));
    const std::vector<float> last = golden_floats(*prompt.find("last"));
    const std::vector<float> logits = run(decoder, adapter, isa, ids);
    for (size_t i = 0; i < ids.size(); ++i) {
      const float* row = logits.data() + i * static_cast<size_t>(n_vocab);
      a.same += std::max_element(row, row + n_vocab) - row == top[i] ? 1 : 0;
      ++a.positions;
      if (i + 1 == ids.size()) {
        for (int t = 0; t < n_vocab; ++t)
          a.largest = std::max<double>(a.largest, std::fabs(row[t] - last[static_cast<size_t>(t)]));
        break;
      }
      a.nll += cross_entropy(row, n_vocab, ids[i + 1]);
      a.wanted_nll += nlls[i];
    }
  }
  return a;
}

void expect_equal(const Agreement& a, const std::string& name) {
  std::printf("%s: top-1 %d of %d, cross-entropy off by %.5f %%, largest logit off %.5f\n",
              name.c_str(), a.same, a.positions, 100 * std::fabs(a.nll / a.wanted_nll - 1),
              a.largest);
  EXPECT_GE(a.same, a.positions * 995 / 1000) << name;
  EXPECT_NEAR(a.nll / a.wanted_nll, 1, 0.0005) << name;
  EXPECT_LT(a.largest, 0.03) << name;
}

TEST(DecoderFamily, LogitsEqualThoseOfTransformersInEveryFamily) {
  const contract::Value golden = golden_json("decoders/decoders.json.gz");
  const contract::Array& cases = golden.find("cases")->as_array();
  ASSERT_EQ(cases.size(), 9u);
  int same = 0, positions = 0;
  for (const contract::Value& example : cases) {
    const std::string& name = example.find("name")->as_string();
    const auto file = open_case(name);
    ASSERT_TRUE(file);
    const auto decoder = Decoder::load(*file, 2);
    ASSERT_TRUE(decoder) << decoder.error().to_string();
    for (const tensor::Isa isa : tensor::supported_isas()) {
      const Agreement a = compare(**decoder, nullptr, isa, *example.find("prompts"));
      expect_equal(a, name + " " + std::string(tensor::name(isa)));
      same += a.same;
      positions += a.positions;
    }
  }
  EXPECT_GE(same, positions * 0.999);
}

TEST(DecoderFamily, AdaptersActAsInPeftInEveryFamily) {
  const contract::Value golden = golden_json("decoders/decoders.json.gz");
  int adapted = 0;
  for (const contract::Value& example : golden.find("cases")->as_array()) {
    if (example.find("adapted") == nullptr) continue;
    const std::string& name = example.find("name")->as_string();
    const auto file = open_case(name);
    ASSERT_TRUE(file);
    const auto decoder = Decoder::load(*file, 2);
    ASSERT_TRUE(decoder) << decoder.error().to_string();
    const DecoderConfig& c = (*decoder)->config();
    const auto read = load_adapter_file(
        kGolden / "decoders" / (name + ".lora"),
        PeftBase{.architecture = c.architecture, .n_head = c.n_head, .n_head_kv = c.n_head_kv});
    ASSERT_TRUE(read) << read.error().to_string();
    const auto adapter = DecoderAdapter::bind(**decoder, *read);
    ASSERT_TRUE(adapter) << adapter.error().to_string();
    const tensor::Isa isa = tensor::supported_isas().back();
    expect_equal(compare(**decoder, adapter->get(), isa, *example.find("adapted")),
                 name + " with an adapter");
    // The adapter is felt: without it the same prompts are far off.
    EXPECT_GT(compare(**decoder, nullptr, isa, *example.find("adapted")).largest, 0.5) << name;
    ++adapted;
  }
  EXPECT_EQ(adapted, 4);
}

// What the byte planner charges before a step holds for all shapes of it.
TEST(DecoderFamily, AStepTakesNoMoreScratchThanIsSaidBeforehand) {
  for (const char* name : {"llama", "gemma3", "qwen3"}) {
    const auto file = open_case(name);
    ASSERT_TRUE(file);
    const auto decoder = Decoder::load(*file, 2);
    ASSERT_TRUE(decoder) << decoder.error().to_string();
    const int n_vocab = (*decoder)->config().n_vocab;
    for (const int n_threads : {1, 2}) {
      ThreadPool pool(n_threads);
      DecoderRunner runner(**decoder, pool, tensor::kernels(tensor::supported_isas().back()));
      int rows = 0, positions = 0, n_logits = 0;
      for (const auto& [n, position, sequences, wanted] :
           {std::array{1, 0, 1, 1}, {3, 40, 1, 2}, {1, 70, 9, 9}, {50, 0, 2, 32}, {7, 90, 3, 1}}) {
        std::vector<tensor::AlignedBytes> owner;
        std::vector<std::vector<uint8_t*>> pages;
        const std::vector<int32_t> tokens(static_cast<size_t>(n), 7 % n_vocab);
        for (int s = 0; s < sequences; ++s) {
          pages.push_back(make_pages(**decoder, position + n, &owner));
          for (size_t i = owner.size() - pages.back().size(); i < owner.size(); ++i)
            std::memset(owner[i].data(), 0, owner[i].size());
        }
        std::vector<Segment> segments;
        for (int s = 0; s < sequences; ++s) {
          segments.push_back({.tokens = tokens,
                              .position = position,
                              .pages = pages[static_cast<size_t>(s)],
                              .n_outputs = n});
        }
        runner.forward(segments);
        runner.logits(0, wanted);
        rows = std::max(rows, n * sequences);
        positions = std::max(positions, position + n);
        n_logits = std::max(n_logits, wanted);
        EXPECT_LE(runner.scratch_bytes(), runner.scratch_bytes_for(rows, positions, n_logits))
            << name << ": " << n << " rows each at " << position << " of " << sequences;
      }
      // And it is no idle bound.
      EXPECT_GT(3 * runner.scratch_bytes(), runner.scratch_bytes_for(rows, positions, n_logits));
    }
  }
}

// A windowed layer's rows in one tile see different stretches; the bits may not tell.
TEST(DecoderFamily, ChunksAndCompanyChangeNoBits) {
  for (const char* name : {"gemma3", "qwen2", "qwen3"}) {
    const auto file = open_case(name);
    ASSERT_TRUE(file);
    const auto decoder = Decoder::load(*file, 2);
    ASSERT_TRUE(decoder) << decoder.error().to_string();
    const auto n_vocab = static_cast<size_t>((*decoder)->config().n_vocab);
    std::vector<std::vector<int32_t>> prompts(3);
    for (size_t p = 0; p < 3; ++p) {
      for (size_t i = 0; i < 70 + 9 * p; ++i)
        prompts[p].push_back(static_cast<int32_t>((i * 7919 + p * 31 + i * i) % n_vocab));
    }
    for (const tensor::Isa isa : tensor::supported_isas()) {
      ThreadPool pool(2);
      DecoderRunner runner(**decoder, pool, tensor::kernels(isa));
      std::vector<tensor::AlignedBytes> owner;
      std::vector<std::vector<uint8_t*>> pages;
      for (const auto& ids : prompts)
        pages.push_back(make_pages(**decoder, static_cast<int>(ids.size()), &owner));
      std::vector<std::vector<float>> logits(3);
      // All three together, in chunks of different lengths.
      std::vector<size_t> at(3, 0);
      for (bool more = true; more;) {
        more = false;
        std::vector<Segment> segments;
        std::vector<size_t> whose;
        for (size_t p = 0; p < 3; ++p) {
          const size_t n = std::min(prompts[p].size() - at[p], 5 + 6 * p);
          if (n == 0) continue;
          segments.push_back({.tokens = std::span(prompts[p]).subspan(at[p], n),
                              .position = static_cast<int>(at[p]),
                              .pages = pages[p],
                              .n_outputs = static_cast<int>(n)});
          whose.push_back(p);
          at[p] += n;
          more = true;
        }
        if (!more) break;
        runner.forward(segments);
        const std::span<float> rows = runner.logits(0, runner.n_outputs());
        size_t from = 0;
        for (size_t s = 0; s < segments.size(); ++s) {
          const size_t n = segments[s].tokens.size() * n_vocab;
          logits[whose[s]].insert(logits[whose[s]].end(),
                                  rows.begin() + static_cast<ptrdiff_t>(from),
                                  rows.begin() + static_cast<ptrdiff_t>(from + n));
          from += n;
        }
      }
      for (size_t p = 0; p < 3; ++p)
        EXPECT_EQ(logits[p], run(**decoder, nullptr, isa, prompts[p])) << name << p;
    }
  }
}

TEST(DecoderFamily, ConvertedTokenizersLoad) {
  for (const char* name : {"gemma3", "qwen2"}) {
    const auto file = open_case(name);
    ASSERT_TRUE(file);
    const auto tokenizer = load_tokenizer(*file);
    ASSERT_TRUE(tokenizer) << tokenizer.error().to_string();
    const auto ids = (*tokenizer)->encode("word3 101");
    ASSERT_TRUE(ids);
    EXPECT_EQ((*tokenizer)->decode(*ids).value(), "word3 101");
  }
}

// Metadata of a model, with one key set otherwise.
Error refusal(std::string_view architecture, std::string_view key = {}, std::string_view text = {},
              float number = 0) {
  GgufWriter w;
  const std::string p = std::string(architecture) + ".";
  w.set_string("general.architecture", architecture);
  w.set_u32(p + "block_count", 2);
  w.set_u32(p + "context_length", 256);
  w.set_u32(p + "embedding_length", 64);
  w.set_u32(p + "feed_forward_length", 64);
  w.set_u32(p + "attention.head_count", 4);
  w.set_f32(p + "attention.layer_norm_rms_epsilon", 1e-5f);
  if (!text.empty()) {
    w.set_string(p + std::string(key), text);
  } else if (!key.empty()) {
    w.set_f32(p + std::string(key), number);
  }
  const std::string bytes = w.finish().value();
  const auto file = GgufFile::parse(as_bytes(bytes), "m.gguf");
  if (!file) return file.error();
  const auto config = read_decoder_config(**file);
  return config ? Error() : config.error();
}

TEST(DecoderFamily, RefusesWhatItDoesNotKnowByName) {
  for (const char* known : {"llama", "qwen2", "qwen3", "gemma3"})
    EXPECT_EQ(refusal(known).number, 0) << refusal(known).to_string();
  const Error mamba = refusal("mamba");
  EXPECT_EQ(mamba.number, 3601);
  EXPECT_EQ(mamba.value, "mamba");
  EXPECT_EQ(mamba.place, "m.gguf:general.architecture");
  const Error longrope = refusal("llama", "rope.scaling.type", "longrope");
  EXPECT_EQ(longrope.number, 3601);
  EXPECT_EQ(longrope.value, "longrope");
  for (const char* key :
       {"rope.scaling.yarn_log_multiplier", "attn_logit_softcapping", "final_logit_softcapping"}) {
    const Error error = refusal("gemma3", key, "", 30);
    EXPECT_EQ(error.number, 3601) << key;
    EXPECT_EQ(error.place, "m.gguf:gemma3." + std::string(key));
    EXPECT_EQ(refusal("gemma3", key, "", 0).number, 0) << key;
  }
  EXPECT_EQ(refusal("qwen2", "rope.scaling.factor", "", std::nanf("")).number, 3602);
  EXPECT_EQ(refusal("llama", "rope.freq_base", "", 0).number, 3602);
}

TEST(DecoderFamily, RefusesAModelWithoutATensorOfItsFamily) {
  // A llama file under another family's name: its biases and norms are missing.
  const auto file = open_case("llama");
  ASSERT_TRUE(file);
  for (const char* other : {"qwen2", "qwen3", "gemma3"}) {
    GgufWriter w;
    const std::string p = std::string(other) + ".";
    w.set_string("general.architecture", other);
    for (const char* key :
         {"block_count", "context_length", "embedding_length", "feed_forward_length",
          "attention.head_count", "attention.head_count_kv", "attention.key_length"})
      w.set_u32(p + key, file->get_u32("llama." + std::string(key)).value());
    w.set_f32(p + "attention.layer_norm_rms_epsilon", 1e-5f);
    for (const GgufTensor& t : file->tensors())
      w.add_tensor(t.name, t.type, std::span(t.dims).first(t.n_dims), t.data);
    const std::string bytes = w.finish().value();
    const auto made = GgufFile::parse(as_bytes(bytes));
    ASSERT_TRUE(made);
    const auto decoder = Decoder::load(**made, 1);
    ASSERT_FALSE(decoder) << other;
    EXPECT_EQ(decoder.error().number, 3105) << decoder.error().to_string();
    EXPECT_EQ(decoder.error().value.substr(0, 6), "blk.0.") << decoder.error().to_string();
  }
}

// Bytes of the metadata and of tensor descriptions set at random: refused, or a model that runs.
TEST(DecoderFamily, DamagedFilesAreRefusedOrRun) {
  int loaded = 0, refused = 0;
  for (const char* name : {"gemma3-linear", "qwen2-yarn", "llama-llama3"}) {
    const auto whole = open_case(name);
    ASSERT_TRUE(whole);
    const std::string good(reinterpret_cast<const char*>(whole->bytes().data()),
                           whole->bytes().size());
    // Model keys stand before the tokenizer's, descriptions after it.
    const size_t keys_end = good.find("tokenizer.ggml.model");
    const size_t names = good.find("token_embd.weight") - 8;
    ASSERT_LT(keys_end, names);
    uint32_t seed = 1;
    const auto dice = [&] { return seed = seed * 1664525u + 1013904223u, seed >> 8; };
    for (int i = 0; i < 700; ++i) {
      std::string bytes = good;
      for (uint32_t n = 1 + dice() % 3; n > 0; --n) {
        const size_t at = i % 2 == 0 ? 24 + dice() % (keys_end - 24) : names + dice() % 2048;
        bytes[at] = static_cast<char>(dice());
      }
      const auto file = GgufFile::parse(as_bytes(bytes));
      if (!file) {
        ++refused;
        continue;
      }
      const auto decoder = Decoder::load(**file, 1);
      if (!decoder) {
        EXPECT_NE(decoder.error().number, 0);
        ++refused;
        continue;
      }
      ++loaded;
      const std::vector<float> logits =
          run(**decoder, nullptr, tensor::supported_isas().back(), {4, 5, 6, 7, 8, 9, 10, 11});
      EXPECT_EQ(logits.size(), 8 * static_cast<size_t>((*decoder)->config().n_vocab));
    }
  }
  std::printf("%d damaged files refused, %d ran\n", refused, loaded);
  EXPECT_GT(refused, 500);
  EXPECT_GT(loaded, 50);
}

}  // namespace
}  // namespace consort::model
