#include <algorithm>
#include <set>

#include "memory/query.h"
#include "memory/state.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

constexpr int kSearchMax = 1000;      // k at most.
constexpr int kCandidatesMin = 100;   // Each list that is fused has at least this many, where there are so many.

struct Filter {
  bool any = false;
  std::set<int64_t> docs;
};

Filter filter_of(const SearchCache& cache, const SearchOptions& options) {
  Filter filter;
  filter.any = !options.companies.empty() || !options.docs.empty();
  for (const auto& [id, doc] : cache.docs) {
    bool company = options.companies.empty() || company_matches(doc.company, options.companies);
    bool name = options.docs.empty() || std::find(options.docs.begin(), options.docs.end(), doc.name) != options.docs.end();
    if (company && name) filter.docs.insert(id);
  }
  return filter;
}

Result<std::vector<RankedHit>> search_words(store::Database& db, const std::string& query, const Filter& filter, int n) {
  std::vector<RankedHit> hits;
  std::string expression = match_expression(query_terms(query));
  if (expression.empty()) return hits;
  std::string sql = "SELECT f.rowid, -bm25(passages_fts, 1.0, 1.0, 1.0) FROM passages_fts f";
  if (filter.any) sql += " JOIN passages p ON p.passage_id = f.rowid";
  sql += " WHERE passages_fts MATCH ?1";
  // Few distinct filters in practice, but their texts must not fill the statement cache: the list of
  // documents goes in as one JSON parameter.
  if (filter.any) sql += " AND p.doc_id IN (SELECT value FROM json_each(?3))";
  sql += " ORDER BY bm25(passages_fts, 1.0, 1.0, 1.0), f.rowid LIMIT ?2";
  std::string list = "[";
  for (int64_t id : filter.docs) list += (list.size() > 1 ? "," : "") + std::to_string(id);
  list += "]";
  CONSORT_ASSIGN(auto rows, db.prepare(sql));
  rows.bind(1, expression).bind(2, static_cast<int64_t>(n));
  if (filter.any) rows.bind(3, list);
  for (;;) {
    CONSORT_ASSIGN(bool more, rows.step());
    if (!more) return hits;
    hits.push_back({rows.int_at(0), rows.double_at(1)});
  }
}

std::vector<RankedHit> search_vectors(const SearchCache& cache, std::span<const float> query, const Filter& filter, int n) {
  std::vector<bool> allowed;
  if (filter.any) {
    for (int64_t doc : cache.doc_of) allowed.push_back(filter.docs.contains(doc));
    if (allowed.empty()) return {};
  }
  std::vector<RankedHit> hits;
  for (const auto& hit : cache.vectors.nearest(query, static_cast<size_t>(n), allowed)) hits.push_back({hit.id, hit.score});
  return hits;
}

Result<Passage> load_passage(store::Database& db, const RankedHit& hit) {
  CONSORT_ASSIGN(auto row, db.prepare("SELECT d.name, d.title, d.company, p.page, p.heading, p.begin, p.end, p.page_begin, p.text "
                                      "FROM passages p JOIN documents d USING(doc_id) WHERE p.passage_id = ?"));
  CONSORT_ASSIGN(bool found, row.bind(1, hit.id).step());
  if (!found) return fail(ErrorCode::corruption, 5007, "the word index names a passage that is not there");
  Passage p;
  p.id = hit.id;
  p.doc = row.text_at(0);
  p.title = row.text_at(1);
  p.company = row.text_at(2);
  if (!row.is_null(3)) p.page = static_cast<int>(row.int_at(3));
  p.heading = row.text_at(4);
  p.begin = static_cast<uint64_t>(row.int_at(5));
  p.end = static_cast<uint64_t>(row.int_at(6));
  p.page_begin = static_cast<uint64_t>(row.int_at(7));
  p.text = row.text_at(8);
  p.score = hit.score;
  return p;
}

}  // namespace

Result<std::vector<Passage>> Memory::search(const std::string& query, const SearchOptions& options) const {
  if (options.k < 1 || options.k > kSearchMax)
    return fail(make_error(ErrorCode::invalid_argument, 5008, "k must be 1 to " + std::to_string(kSearchMax)).got(std::to_string(options.k)).to_fix("give a k in that range"));
  CONSORT_ASSIGN(auto cache, state_->search_cache());
  Filter filter = filter_of(*cache, options);
  std::vector<RankedHit> hits, words, vectors;
  int n = std::max(options.k, kCandidatesMin);
  if (options.mode != SearchMode::words) {
    CONSORT_ASSIGN(auto embedded, state_->embed_query(query));
    vectors = search_vectors(*cache, embedded, filter, n);
  }
  CONSORT_ASSIGN(auto db, state_->text_readers->take());
  CONSORT_ASSIGN(auto snapshot, store::Transaction::begin_read(*db));
  if (options.mode != SearchMode::vectors) {
    CONSORT_ASSIGN(words, search_words(*db, query, filter, n));
  }
  hits = options.mode == SearchMode::words ? words : options.mode == SearchMode::vectors ? vectors : fuse(words, vectors);
  std::vector<Passage> out;
  for (const auto& hit : hits) {
    if (static_cast<int>(out.size()) == options.k) break;
    auto passage = load_passage(*db, hit);
    // The vectors' snapshot may be older than this one: a passage removed in between is left out.
    if (!passage && passage.error().number == 5007) continue;
    if (!passage) return fail(std::move(passage).error());
    out.push_back(std::move(*passage));
  }
  return out;
}

}  // namespace consort::memory
