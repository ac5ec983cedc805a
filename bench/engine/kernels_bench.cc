// kernels_bench MODEL.gguf [--threads N] [--json]: every kernel of a decoder's step at 1 to 512
// rows beside what the machine can do at most (peaks.h), and steps under many adapters.
//
// Weights are those of the model's layers in turn, so they come from memory as in a step. "%" is
// the larger of the two shares, of operations or of bytes: what bounds the kernel.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>

#include "base/rng.h"
#include "contract/json.h"
#include "model/decoder.h"
#include "peaks.h"

namespace {

using namespace consort;
using contract::Array;
using contract::Value;
using model::Projection;

constexpr int kRows[] = {1, 4, 16, 64, 512};
constexpr int kContext = 512;  // Positions of attention.
constexpr double kSeconds = 0.15;

struct Bench {
  const model::Decoder& decoder;
  const model::DecoderConfig& c;
  ThreadPool& pool;
  const tensor::Kernels& kernels;
  bench::Peaks peaks;
  bool json;
  Array lines;
  std::vector<uint64_t> cache_filler = std::vector<uint64_t>(size_t{96} << 17, 1);

  // Reads more than the caches hold, on all threads.
  void empty_caches() {
    const size_t share = cache_filler.size() / static_cast<size_t>(pool.n_threads());
    std::vector<uint64_t> sums(static_cast<size_t>(pool.n_threads()) * 8);
    pool.parallel_for(pool.n_threads(), [&](int t) {
      const uint64_t* from = cache_filler.data() + share * static_cast<size_t>(t);
      for (size_t i = 0; i < share; ++i) sums[static_cast<size_t>(t) * 8] += from[i];
    });
  }

  // Median microseconds of `body(i)`, i = 0, 1, ...; `cold`: what it reads comes from memory.
  double time_us(const std::function<void(int)>& body, bool cold) {
    for (int i = 0; i < 3; ++i) body(i);
    std::vector<double> times;
    double total = 0;
    for (int i = 0; i < 7 || (i < 60 && total < kSeconds); ++i) {
      if (cold) empty_caches();
      const auto start = std::chrono::steady_clock::now();
      body(i);
      times.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      total += times.back();
    }
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                     times.end());
    return times[times.size() / 2] * 1e6;
  }

  // `peak`: of the operations it uses, in 10^9 a second; 0 when unknown.
  void report(const char* kernel, int rows, double us, double operations, double bytes,
              double peak) {
    const double gops = operations / us * 1e-3, gb_s = bytes / us * 1e-3;
    const double by_ops = peak > 0 ? 100 * gops / peak : 0, by_bytes = 100 * gb_s / peaks.read_gb_s;
    if (json) {
      lines.push_back(Value::object({{"kernel", kernel},
                                     {"rows", rows},
                                     {"us", us},
                                     {"gops", gops},
                                     {"gb_s", gb_s},
                                     {"percent_of_peak", by_ops},
                                     {"percent_of_bandwidth", by_bytes}}));
    } else {
      std::printf("%-22s %5d %10.1f %9.1f %5.0f %% %8.1f %5.0f %%  %s\n", kernel, rows, us, gops,
                  by_ops, gb_s, by_bytes, by_ops > by_bytes ? "operations" : "bytes");
    }
  }

  tensor::Activations random_rows(int rows, int n) const {
    Rng rng(1);
    tensor::Activations x;
    x.resize(rows, n);
    for (int m = 0; m < rows; ++m) {
      for (int i = 0; i < n; ++i) x.row(m)[i] = static_cast<float>(rng.normal());
      x.quantize_row(kernels, m);
    }
    return x;
  }

  void product(const char* name, int rows, std::vector<Projection> projections) {
    const auto& first = decoder.layer(0).weights[static_cast<int>(projections[0])];
    const tensor::Activations x = random_rows(rows, first.n_in());
    double cells = 0, bytes = 0;
    int width = 0;
    for (Projection p : projections) {
      const auto& w = decoder.layer(0).weights[static_cast<int>(p)];
      cells += static_cast<double>(w.n_in()) * w.n_out();
      bytes += static_cast<double>(w.resident_bytes());
      width += w.n_out();
    }
    std::vector<float> y(static_cast<size_t>(rows) * static_cast<size_t>(width));
    const double us = time_us(
        [&](int i) {
          std::vector<tensor::MatmulPart> parts;
          int column = 0;
          for (Projection p : projections) {
            const auto& w = decoder.layer(i % c.n_layer).weights[static_cast<int>(p)];
            parts.push_back({&w, column});
            column += w.n_out();
          }
          tensor::matmul(pool, kernels, x, 0, rows, parts, y.data(), static_cast<size_t>(width),
                         false);
        },
        true);
    report(name, rows, us, 2 * cells * rows, bytes, peaks.int8_gops);
  }

  void head(int rows) {
    const tensor::Activations x = random_rows(rows, c.n_embd);
    const auto& w = decoder.output();
    std::vector<float> y(static_cast<size_t>(rows) * static_cast<size_t>(w.n_out()));
    const tensor::MatmulPart part{&w, 0};
    const double us = time_us(
        [&](int) {
          tensor::matmul(pool, kernels, x, 0, rows, {&part, 1}, y.data(),
                         static_cast<size_t>(w.n_out()), false);
        },
        true);
    report("head", rows, us, 2.0 * rows * w.n_in() * w.n_out(),
           static_cast<double>(w.resident_bytes()) + 4.0 * static_cast<double>(y.size()),
           peaks.int8_gops);
  }

  // One layer: up to 16 rows are sequences of their own at position 512, more are one prompt's
  // last rows up to there.
  void attention(int rows) {
    const bool prompt = rows > 16;
    const int sequences = prompt ? 1 : rows, group = c.n_head / c.n_head_kv;
    const int together = prompt ? std::max(1, tensor::kAttendQueries / group) : 1;
    std::vector<tensor::AlignedBytes> memory;
    std::vector<std::vector<const uint8_t*>> pages(static_cast<size_t>(sequences));
    for (auto& own : pages) {
      for (int i = 0; i < kContext; i += tensor::kPageTokens) {
        memory.emplace_back(decoder.page_bytes());
        std::memset(memory.back().data(), 0x2c, memory.back().size());
        own.push_back(memory.back().data());
      }
    }
    const auto n_q = static_cast<size_t>(c.n_q());
    std::vector<float> q(static_cast<size_t>(rows) * n_q, 0.01f), out(q.size());
    const int tiles = (rows + together - 1) / together;
    std::vector<float> scores(static_cast<size_t>(tiles * c.n_head_kv) * tensor::kAttendQueries *
                              kContext);
    double positions = 0;
    for (int m = 0; m < rows; ++m) positions += prompt ? kContext - rows + m + 1 : kContext;
    const double us = time_us(
        [&](int i) {
          const int layer = i % c.n_layer;
          pool.parallel_for(tiles * c.n_head_kv, [&](int item) {
            const int tile = item / c.n_head_kv, head = item % c.n_head_kv;
            const float* queries[64];
            float* outs[64];
            int limits[64], n = 0;
            for (int m = tile * together; m < std::min(rows, (tile + 1) * together); ++m) {
              for (int h = head * group; h < (head + 1) * group && n < 64; ++h, ++n) {
                const size_t at =
                    static_cast<size_t>(m) * n_q + static_cast<size_t>(h * c.head_dim);
                queries[n] = q.data() + at;
                outs[n] = out.data() + at;
                limits[n] = prompt ? kContext - rows + m + 1 : kContext;
              }
            }
            kernels.attend({.q = queries,
                            .out = outs,
                            .n_positions = limits,
                            .n_q = n,
                            .head_dim = c.head_dim,
                            .pages = pages[static_cast<size_t>(prompt ? 0 : tile)].data(),
                            .k_offset = decoder.k_offset(layer, head),
                            .v_offset = decoder.v_offset(layer, head),
                            .scores = scores.data() +
                                      static_cast<size_t>(item) * tensor::kAttendQueries * kContext,
                            .scores_stride = kContext});
          });
        },
        !prompt);
    report(prompt ? "attention, prompt" : "attention, sequences", rows, us,
           4.0 * positions * c.n_q(), 4.0 * sequences * kContext * c.n_kv(), peaks.f32_gflops);
  }

  // Work by rows, one thread's share as in a step: bytes of f32 read and of both written.
  void by_rows(int rows) {
    tensor::Activations x = random_rows(rows, c.n_embd), wide = random_rows(rows, c.n_ff);
    std::vector<float> in(static_cast<size_t>(rows * c.n_embd), 0.5f);
    std::vector<float> gate_up(static_cast<size_t>(rows) * 2 * static_cast<size_t>(c.n_ff), 0.5f);
    const auto pieces = [&](const auto& body) {
      const int piece = std::max(1, rows / (4 * pool.n_threads()));
      pool.parallel_for((rows + piece - 1) / piece, [&](int i) {
        for (int m = i * piece; m < std::min(rows, (i + 1) * piece); ++m) body(m);
      });
    };
    const double norm = time_us(
        [&](int i) {
          pieces([&](int m) {
            kernels.rms_norm(in.data() + static_cast<size_t>(m * c.n_embd),
                             decoder.layer(i % c.n_layer).attn_norm.data(), c.n_embd,
                             c.norm_epsilon, x.row(m));
            x.quantize_row(kernels, m);
          });
        },
        false);
    report("norm and quantise", rows, norm, 6.0 * rows * c.n_embd, 9.4 * rows * c.n_embd,
           peaks.f32_gflops);
    const double silu = time_us(
        [&](int) {
          pieces([&](int m) {
            const float* gate =
                gate_up.data() + static_cast<size_t>(m) * 2 * static_cast<size_t>(c.n_ff);
            kernels.silu_mul(gate, gate + c.n_ff, c.n_ff, wide.row(m));
            wide.quantize_row(kernels, m);
          });
        },
        false);
    report("SiLU and quantise", rows, silu, 30.0 * rows * c.n_ff, 13.4 * rows * c.n_ff,
           peaks.f32_gflops);
  }

  std::unique_ptr<const model::DecoderAdapter> random_adapter(int rank, uint64_t seed) const {
    static constexpr const char* kNames[] = {"attn_q",   "attn_k", "attn_v",  "attn_output",
                                             "ffn_gate", "ffn_up", "ffn_down"};
    Rng rng(seed);
    model::AdapterFile file;
    file.architecture = c.architecture;
    file.rank = rank;
    for (int layer = 0; layer < c.n_layer; ++layer) {
      for (int p = 0; p < model::kProjections; ++p) {
        const auto& w = decoder.layer(layer).weights[p];
        model::LoraPair pair{
            .rank = rank, .n_in = w.n_in(), .n_out = w.n_out(), .scale = 2.0f, .a = {}, .b = {}};
        pair.a.resize(static_cast<size_t>(rank * w.n_in()));
        pair.b.resize(static_cast<size_t>(rank * w.n_out()));
        for (float& v : pair.a) v = static_cast<float>(rng.below(1000)) * 1e-5f - 0.005f;
        for (float& v : pair.b) v = static_cast<float>(rng.below(1000)) * 1e-5f - 0.005f;
        file.pairs["blk." + std::to_string(layer) + "." + kNames[p] + ".weight"] = std::move(pair);
      }
    }
    auto bound = model::DecoderAdapter::bind(decoder, file);
    if (!bound) {
      std::fprintf(stderr, "kernels_bench: %s\n", bound.error().to_string().c_str());
      return nullptr;
    }
    return std::move(*bound);
  }

  // Decode steps of `rows` sequences, without adapters and with one of rank 16 each, in turn.
  bool adapters(int rows) {
    constexpr int kPast = 32, kSteps = 24, kRounds = 5;
    std::vector<std::unique_ptr<const model::DecoderAdapter>> own;
    std::vector<std::vector<tensor::AlignedBytes>> memory(static_cast<size_t>(rows));
    std::vector<std::vector<uint8_t*>> pages(static_cast<size_t>(rows));
    for (int i = 0; i < rows; ++i) {
      own.push_back(random_adapter(16, static_cast<uint64_t>(i + 1)));
      if (!own.back()) return false;
      for (int at = 0; at < kPast + kSteps; at += tensor::kPageTokens) {
        memory[static_cast<size_t>(i)].emplace_back(decoder.page_bytes());
        pages[static_cast<size_t>(i)].push_back(memory[static_cast<size_t>(i)].back().data());
      }
    }
    model::DecoderRunner runner(decoder, pool, kernels);
    const std::vector<int32_t> tokens(kPast + kSteps, 42);
    const auto step = [&](int position, int count, bool adapted) {
      std::vector<model::Segment> segments;
      for (size_t i = 0; i < own.size(); ++i) {
        segments.push_back({.tokens = std::span(tokens).subspan(static_cast<size_t>(position),
                                                                static_cast<size_t>(count)),
                            .position = position,
                            .pages = pages[i],
                            .adapter = adapted ? own[i].get() : nullptr,
                            .n_outputs = 1});
      }
      runner.forward(segments);
      runner.logits(0, rows);
    };
    double best[2] = {1e30, 1e30};
    for (int round = 0; round < kRounds; ++round) {
      for (const bool adapted : {false, true}) {
        step(0, kPast, adapted);
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < kSteps; ++i) step(kPast + i, 1, adapted);
        const double us =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() * 1e6 /
            kSteps;
        best[adapted] = std::min(best[adapted], us);
      }
    }
    if (json) {
      lines.push_back(Value::object({{"kernel", "step with one adapter a row"},
                                     {"rows", rows},
                                     {"base_tok_s", rows / best[0] * 1e6},
                                     {"adapted_tok_s", rows / best[1] * 1e6},
                                     {"percent_of_base", 100 * best[0] / best[1]}}));
    } else {
      std::printf(
          "decode, %2d rows: %.0f tok/s without, %.0f with an adapter of rank 16 each: %.0f %%\n",
          rows, rows / best[0] * 1e6, rows / best[1] * 1e6, 100 * best[0] / best[1]);
    }
    return true;
  }
};

}  // namespace

int main(int argc, char** argv) {
  const char* path = nullptr;
  int n_threads = 0;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
      n_threads = std::atoi(argv[++i]);
    } else if (std::strcmp(argv[i], "--json") == 0) {
      json = true;
    } else {
      path = argv[i];
    }
  }
  if (path == nullptr) {
    std::fprintf(stderr, "usage: kernels_bench MODEL.gguf [--threads N] [--json]\n");
    return 2;
  }
  const auto fail_with = [](const Error& error) {
    std::fprintf(stderr, "kernels_bench: %s\n", error.to_string().c_str());
    return 4;
  };
  auto isa = tensor::choose_isa();
  if (!isa) return fail_with(isa.error());
  auto file = model::GgufFile::open(path);
  if (!file) return fail_with(file.error());
  auto decoder = model::Decoder::load(**file, n_threads);
  if (!decoder) return fail_with(decoder.error());
  ThreadPool pool(n_threads);
  Bench b{.decoder = **decoder,
          .c = (*decoder)->config(),
          .pool = pool,
          .kernels = tensor::kernels(*isa),
          .peaks = bench::measure_peaks(pool.n_threads()),
          .json = json,
          .lines = {}};
  if (!json) {
    std::printf(
        "%d threads: int8 %.0f Gop/s, bf16 %.0f GFLOP/s, f32 %.0f GFLOP/s, read %.1f GB/s\n",
        pool.n_threads(), b.peaks.int8_gops, b.peaks.bf16_gflops, b.peaks.f32_gflops,
        b.peaks.read_gb_s);
    std::printf("%-22s %5s %10s %9s %7s %8s %7s  %s\n", "kernel", "rows", "us", "Gop/s", "", "GB/s",
                "", "bound by");
  }
  for (const int rows : kRows) {
    b.product("q k v", rows, {Projection::q, Projection::k, Projection::v});
    b.product("o", rows, {Projection::o});
    b.product("gate up", rows, {Projection::gate, Projection::up});
    b.product("down", rows, {Projection::down});
    b.head(std::min(rows, 64));
    b.attention(rows);
    b.by_rows(rows);
  }
  for (const int rows : {1, 16, 32}) {
    if (!b.adapters(rows)) return 4;
  }
  if (json) {
    const Value out = Value::object({{"threads", pool.n_threads()},
                                     {"int8_gops", b.peaks.int8_gops},
                                     {"bf16_gflops", b.peaks.bf16_gflops},
                                     {"f32_gflops", b.peaks.f32_gflops},
                                     {"read_gb_s", b.peaks.read_gb_s},
                                     {"kernels", std::move(b.lines)}});
    std::printf("%s\n", contract::to_json(out).c_str());
  }
  return 0;
}
