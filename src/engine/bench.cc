#include "engine/bench.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/rng.h"
#include "model/decoder.h"
#include "model/encoder.h"

namespace consort::engine {
namespace {

using contract::Array;
using contract::Value;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<int32_t> random_tokens(Rng& rng, int n, int n_vocab) {
  std::vector<int32_t> out(static_cast<size_t>(n));
  for (int32_t& t : out) t = static_cast<int32_t>(rng.below(static_cast<uint64_t>(n_vocab)));
  return out;
}

// Keys and values of one sequence of a benchmark.
struct Memory {
  Memory(const model::Decoder& decoder, int n_tokens) {
    for (int i = 0; i < n_tokens; i += tensor::kPageTokens) {
      bytes.emplace_back(decoder.page_bytes());
      pages.push_back(bytes.back().data());
    }
  }
  std::vector<tensor::AlignedBytes> bytes;
  std::vector<uint8_t*> pages;
};

Value prefill(const model::Decoder& decoder, model::DecoderRunner& runner, int n, int repetitions) {
  Rng rng(1);
  Memory memory(decoder, n);
  const std::vector<int32_t> tokens = random_tokens(rng, n, decoder.config().n_vocab);
  Array rates;
  for (int r = -1; r < repetitions; ++r) {
    const auto start = std::chrono::steady_clock::now();
    for (int at = 0; at < n; at += 256) {
      const int count = std::min(256, n - at);
      const model::Segment segment{
          .tokens = std::span(tokens).subspan(static_cast<size_t>(at), static_cast<size_t>(count)),
          .position = at,
          .pages = memory.pages,
          .n_outputs = at + count == n ? 1 : 0};
      runner.forward({&segment, 1});
    }
    runner.logits(0, 1);
    if (r >= 0) rates.push_back(n / seconds_since(start));
  }
  return Value::object({{"n", n}, {"tok_s", std::move(rates)}});
}

Value decode(const model::Decoder& decoder, model::DecoderRunner& runner, int batch,
             const BenchOptions& options) {
  constexpr int kContext = 32;
  Rng rng(2);
  const int n = kContext + options.decode_tokens;
  std::vector<Memory> memory;
  std::vector<std::vector<int32_t>> tokens;
  for (int i = 0; i < batch; ++i) {
    memory.emplace_back(decoder, n);
    tokens.push_back(random_tokens(rng, n, decoder.config().n_vocab));
  }
  const auto step = [&](int position, int count) {
    std::vector<model::Segment> segments;
    for (size_t i = 0; i < tokens.size(); ++i) {
      segments.push_back({.tokens = std::span(tokens[i]).subspan(static_cast<size_t>(position),
                                                                 static_cast<size_t>(count)),
                          .position = position,
                          .pages = memory[i].pages,
                          .n_outputs = 1});
    }
    runner.forward(segments);
    runner.logits(0, batch);
  };
  Array rates;
  for (int r = 0; r < options.repetitions; ++r) {
    step(0, kContext);
    const auto start = std::chrono::steady_clock::now();
    for (int i = kContext; i < n; ++i) step(i, 1);
    rates.push_back(batch * options.decode_tokens / seconds_since(start));
  }
  return Value::object({{"batch", batch}, {"tok_s", std::move(rates)}});
}

double read_rate(ThreadPool& pool) {
  const size_t size = size_t{256} << 20;
  std::vector<uint64_t> data(size / 8, 1);
  double best = 0;
  for (int r = 0; r < 5; ++r) {
    const int pieces = 8 * pool.n_threads();
    std::vector<uint64_t> sums(static_cast<size_t>(pieces) * 8);
    const auto start = std::chrono::steady_clock::now();
    pool.parallel_for(pieces, [&](int i) {
      const size_t n = data.size() / static_cast<size_t>(pieces);
      const uint64_t* from = data.data() + n * static_cast<size_t>(i);
      uint64_t a = 0, b = 0, c = 0, d = 0;
      for (size_t k = 0; k + 4 <= n; k += 4) {
        a += from[k];
        b ^= from[k + 1];
        c += from[k + 2];
        d ^= from[k + 3];
      }
      sums[static_cast<size_t>(i) * 8] = a + b + c + d;
    });
    best = std::max(best, static_cast<double>(size) * 1e-9 / seconds_since(start));
  }
  return best;
}

double product_rate(const model::Decoder& decoder, ThreadPool& pool,
                    const tensor::Kernels& kernels) {
  const tensor::PackedMatrix& w =
      decoder.layer(0).weights[static_cast<int>(model::Projection::gate)];
  constexpr int kRows = 256;
  tensor::Activations x;
  x.resize(kRows, w.n_in());
  for (int m = 0; m < kRows; ++m) {
    for (int i = 0; i < w.n_in(); ++i) x.row(m)[i] = static_cast<float>((m * 31 + i * 7) % 23 - 11);
    x.quantize_row(kernels, m);
  }
  std::vector<float> y(static_cast<size_t>(kRows) * static_cast<size_t>(w.n_out()));
  const tensor::MatmulPart part{&w, 0};
  double best = 0;
  for (int r = 0; r < 10; ++r) {
    const auto start = std::chrono::steady_clock::now();
    tensor::matmul(pool, kernels, x, 0, kRows, {&part, 1}, y.data(), static_cast<size_t>(w.n_out()),
                   false);
    best = std::max(best, 2.0 * kRows * w.n_in() * w.n_out() * 1e-9 / seconds_since(start));
  }
  return best;
}

Value embed(const model::Encoder& encoder, model::EncoderRunner& runner, int n_tokens,
            int repetitions) {
  Rng rng(3);
  constexpr int kTexts = 8;
  std::vector<std::vector<int32_t>> texts;
  for (int i = 0; i < kTexts; ++i)
    texts.push_back(random_tokens(rng, n_tokens, encoder.config().n_vocab));
  Array rates;
  for (int r = -1; r < repetitions; ++r) {
    const auto start = std::chrono::steady_clock::now();
    runner.run(texts);
    if (r >= 0) rates.push_back(kTexts / seconds_since(start));
  }
  return Value::object({{"tokens", n_tokens}, {"texts_s", std::move(rates)}});
}

}  // namespace

Result<Value> bench_engine(const BenchOptions& options) {
  if (options.repetitions < 1 || options.repetitions > 100 || options.decode_tokens < 1 ||
      options.decode_tokens > 4096) {
    return fail(make_error(ErrorCode::invalid_argument, 4108, "a benchmark option is out of range")
                    .to_fix("repetitions 1 to 100, decode_tokens 1 to 4096"));
  }
  CONSORT_ASSIGN(const tensor::Isa isa, tensor::choose_isa());
  const tensor::Kernels& kernels = tensor::kernels(isa);
  const auto start = std::chrono::steady_clock::now();
  CONSORT_ASSIGN(const auto file, model::GgufFile::open(options.decoder));
  CONSORT_ASSIGN(const auto decoder, model::Decoder::load(*file, options.n_threads));
  const double load_ms = 1e3 * seconds_since(start);
  ThreadPool pool(options.n_threads);
  model::DecoderRunner runner(*decoder, pool, kernels);
  Array prefills, decodes, embeds;
  for (const int n : {128, 512, 2000}) {
    if (n <= decoder->config().n_ctx)
      prefills.push_back(prefill(*decoder, runner, n, options.repetitions));
  }
  for (const int batch : {1, 4, 8, 16, 32})
    decodes.push_back(decode(*decoder, runner, batch, options));
  if (options.encoder) {
    CONSORT_ASSIGN(const auto encoder, model::Encoder::load(*options.encoder));
    model::EncoderRunner embedder(*encoder, pool, kernels);
    embeds.push_back(embed(*encoder, embedder, std::min(128, encoder->config().tokens_max),
                           options.repetitions));
  }
  return Value::object({{"model", options.decoder.string()},
                        {"threads", pool.n_threads()},
                        {"isa", tensor::name(isa)},
                        {"load_ms", load_ms},
                        {"prefill", std::move(prefills)},
                        {"decode", std::move(decodes)},
                        {"embed", std::move(embeds)},
                        {"read_gb_s", read_rate(pool)},
                        {"int8_gops", product_rate(*decoder, pool, kernels)}});
}

}  // namespace consort::engine
