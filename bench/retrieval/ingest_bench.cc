// Ingests folders into a memory and prints what it took and what came of it.
//
//   ingest_bench HOME PATH... [--model FOLDER] [--query WORDS] [--figures WORDS] [--k N]
//
// Without a model: words alone.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstring>

#include "bench/retrieval/minilm.h"

namespace {

using namespace consort;

int fail_with(const Error& error) {
  std::fprintf(stderr, "%s\n", error.to_string().c_str());
  return 1;
}

void print_figure(const memory::Figure& f) {
  std::printf("%.3f | %s p%d | %s > %s | %s | %s %s | %s %s x%lld = %.6g\n", f.score, f.doc.c_str(), f.page.value_or(0), f.section.c_str(), f.label.c_str(),
              f.column_label.c_str(), f.period_end.c_str(), f.period_kind.c_str(), f.amount.c_str(), f.unit.c_str(), static_cast<long long>(f.scale), f.value);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> paths;
  std::string query, figures, model;
  int k = 10;
  for (int i = 2; i < argc; ++i) {
    bool more = i + 1 < argc;
    if (std::strcmp(argv[i], "--query") == 0 && more) query = argv[++i];
    else if (std::strcmp(argv[i], "--figures") == 0 && more) figures = argv[++i];
    else if (std::strcmp(argv[i], "--model") == 0 && more) model = argv[++i];
    else if (std::strcmp(argv[i], "--k") == 0 && more) k = std::atoi(argv[++i]);
    else paths.emplace_back(argv[i]);
  }
  if (argc < 2) {
    std::fprintf(stderr, "usage: ingest_bench HOME PATH... [--model FOLDER] [--query WORDS] [--figures WORDS] [--k N]\n");
    return 2;
  }
  memory::Embedder embedder;
  if (!model.empty()) {
    auto loaded = bench::minilm(model);
    if (!loaded) return fail_with(loaded.error());
    embedder = std::move(*loaded);
  }
  auto memory = memory::Memory::open(argv[1], embedder);
  if (!memory) return fail_with(memory.error());
  if (!paths.empty()) {
    auto start = std::chrono::steady_clock::now();
    auto report = (*memory)->ingest(paths, {});
    if (!report) return fail_with(report.error());
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("seen %d, added %d, updated %d, unchanged %d, removed %d; passages %d, tables %d, figures %d; %.2f s, processor %.1f s, peak %ld MB\n", report->files_seen,
                report->added, report->updated, report->unchanged, report->removed, report->n_passages, report->n_tables, report->n_figures, seconds,
                static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec), usage.ru_maxrss / 1024);
    for (const auto& issue : report->issues) std::printf("issue: %s: %s\n", issue.path.c_str(), issue.error.to_string().c_str());
    for (const auto& note : report->notes) std::printf("note: %s\n", note.c_str());
  }
  if (!query.empty()) {
    memory::SearchOptions options;
    options.k = k;
    if (model.empty()) options.mode = memory::SearchMode::words;
    auto hits = (*memory)->search(query, options);
    if (!hits) return fail_with(hits.error());
    for (const auto& hit : *hits) std::printf("%.3f %s p%d [%s]\n  %.300s\n", hit.score, hit.doc.c_str(), hit.page.value_or(0), hit.heading.c_str(), hit.text.c_str());
  }
  if (!figures.empty()) {
    auto found = (*memory)->find_figures(figures, {}, k);
    if (!found) return fail_with(found.error());
    for (const auto& f : *found) print_figure(f);
  }
  return 0;
}
