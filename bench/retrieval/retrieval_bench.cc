// nDCG@10 and hit@10 of words, vectors and their fusion on a judged collection, through Memory itself.
//
//   retrieval_bench MODEL_FOLDER COLLECTION_FOLDER... [--least-gain F]
//
// A collection folder has docs.jsonl.gz {"doc_id","title","text"}, queries.jsonl {"query_id","text"} and
// qrels.jsonl {"query_id","doc_id","relevance"}. Gain of a document = its relevance (binary sets: 1); a
// document's score is its best passage's. With --least-gain, exit 1 unless fusion / words >= F on the first.
#include <zlib.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "bench/retrieval/minilm.h"

namespace {

using namespace consort;

constexpr int kDepth = 10;
constexpr int kPassages = 60;  // Enough to fill ten documents after joining passages.

std::string read_gz(const std::filesystem::path& path) {
  std::string out;
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return out;
  char buffer[65536];
  for (int n; (n = gzread(file, buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<size_t>(n));
  gzclose(file);
  return out;
}

std::vector<contract::Value> read_lines(const std::string& text) {
  std::vector<contract::Value> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    auto value = contract::parse_json(std::string_view(text).substr(at, end - at));
    if (value) out.push_back(std::move(*value));
    at = end + 1;
  }
  return out;
}

std::string read_all(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Metrics {
  double ndcg = 0, hit = 0, ms = 0;
};

Result<Metrics> measure(const memory::Memory& memory, memory::SearchMode mode, const std::vector<contract::Value>& queries,
                        const std::map<std::string, std::map<std::string, double>>& judged) {
  Metrics sum;
  auto start = std::chrono::steady_clock::now();
  for (const auto& query : queries) {
    memory::SearchOptions options;
    options.mode = mode;
    options.k = kPassages;
    CONSORT_ASSIGN(auto hits, memory.search(query.string_or("text", ""), options));
    std::set<std::string> seen;
    double gain = 0;
    bool hit = false;
    auto relevant = judged.find(query.string_or("query_id", ""));
    for (const auto& passage : hits) {
      if (!seen.insert(passage.doc).second) continue;
      if (relevant != judged.end()) {
        if (auto it = relevant->second.find(passage.doc); it != relevant->second.end() && it->second > 0) {
          gain += it->second / std::log2(static_cast<double>(seen.size()) + 1);
          hit = true;
        }
      }
      if (seen.size() == kDepth) break;
    }
    std::vector<double> ideal;
    if (relevant != judged.end()) {
      for (const auto& [doc, grade] : relevant->second) ideal.push_back(grade);
    }
    std::sort(ideal.rbegin(), ideal.rend());
    double best = 0;
    for (size_t i = 0; i < ideal.size() && i < kDepth; ++i) best += ideal[i] / std::log2(static_cast<double>(i) + 2);
    if (best > 0) sum.ndcg += gain / best;
    sum.hit += hit;
  }
  double n = static_cast<double>(queries.size());
  sum.ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count() / n;
  sum.ndcg /= n;
  sum.hit /= n;
  return sum;
}

int fail_with(const Error& error) {
  std::fprintf(stderr, "%s\n", error.to_string().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  double least = 0;
  std::vector<std::filesystem::path> folders;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--least-gain") == 0 && i + 1 < argc) least = std::atof(argv[++i]);
    else folders.emplace_back(argv[i]);
  }
  if (folders.size() < 2) {
    std::fprintf(stderr, "usage: retrieval_bench MODEL_FOLDER COLLECTION_FOLDER... [--least-gain F]\n");
    return 2;
  }
  auto embedder = bench::minilm(folders[0]);
  if (!embedder) return fail_with(embedder.error());
  std::string pattern = (std::filesystem::temp_directory_path() / "retrieval_bench_XXXXXX").string();
  std::filesystem::path work = mkdtemp(pattern.data());
  int status = 0;
  for (size_t c = 1; c < folders.size(); ++c) {
    auto home = work / std::to_string(c);
    std::filesystem::create_directories(home / "docs");
    std::ofstream(home / "docs" / "docs.jsonl", std::ios::binary) << read_gz(folders[c] / "docs.jsonl.gz");
    auto memory = memory::Memory::open(home / "memory", *embedder);
    if (!memory) return fail_with(memory.error());
    std::vector<std::filesystem::path> paths = {home / "docs"};
    auto start = std::chrono::steady_clock::now();
    auto report = (*memory)->ingest(paths, {});
    if (!report) return fail_with(report.error());
    for (const auto& issue : report->issues) return fail_with(issue.error);
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::map<std::string, std::map<std::string, double>> judged;
    for (const auto& line : read_lines(read_all(folders[c] / "qrels.jsonl"))) {
      const contract::Value* relevance = line.find("relevance");
      if (relevance != nullptr && relevance->is_number() && relevance->as_number().as_double() > 0)
        judged[line.string_or("query_id", "")][line.string_or("doc_id", "")] = relevance->as_number().as_double();
    }
    auto queries = read_lines(read_all(folders[c] / "queries.jsonl"));
    std::printf("%s: %zu queries, %d passages, ingest %.1f s\n", folders[c].filename().c_str(), queries.size(), report->n_passages, seconds);
    double words = 0, fused = 0;
    for (auto [mode, name] : {std::pair{memory::SearchMode::words, "words"}, std::pair{memory::SearchMode::vectors, "vectors"}, std::pair{memory::SearchMode::fused, "fused"}}) {
      auto metrics = measure(**memory, mode, queries, judged);
      if (!metrics) return fail_with(metrics.error());
      std::printf("  %-8s nDCG@10 %.4f  hit@10 %.1f%%  %.2f ms a query\n", name, metrics->ndcg, 100 * metrics->hit, metrics->ms);
      if (mode == memory::SearchMode::words) words = metrics->ndcg;
      if (mode == memory::SearchMode::fused) fused = metrics->ndcg;
    }
    std::printf("  fused / words %.3f\n", fused / words);
    if (c == 1 && fused < least * words) status = 1;
  }
  std::error_code ec;
  std::filesystem::remove_all(work, ec);
  return status;
}
