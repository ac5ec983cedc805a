#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "memory/query.h"
#include "memory/state.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

constexpr int kSearchMax = 1000;      // k at most.
constexpr int kCandidatesMin = 100;   // Each list that is fused has at least this many, where there are so many.
constexpr size_t kCompaniesMax = 8;   // Lists of their own; a query that names more is searched as one.
constexpr double kNewestBonus = 0.3;  // Of the newest document over the oldest, when the query asks for the newest.

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

// "the latest quarter", "most recent": what a new filing says counts, though an old one says it as well.
bool asks_for_newest(const std::string& query) {
  std::vector<std::string> terms = query_terms(query);
  return std::any_of(terms.begin(), terms.end(),
                     [](const std::string& t) { return t == "latest" || t == "newest" || t == "recent"; });
}

void sort_hits(std::vector<RankedHit>& hits) {
  std::sort(hits.begin(), hits.end(), [](const RankedHit& a, const RankedHit& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
}

// In turn, the best of each list first: scores of different documents say little about two companies. Of
// `shared`, what belongs to no company, one comes for two of each. Scores fall from 1 with the place.
std::vector<RankedHit> take_turns(const std::vector<std::vector<RankedHit>>& lists, const std::vector<RankedHit>& shared) {
  std::map<int64_t, double> best;
  auto add = [&](const std::vector<RankedHit>& list, double first, double step) {
    for (size_t i = 0; i < list.size(); ++i) {
      double& score = best.try_emplace(list[i].id, 0.0).first->second;
      score = std::max(score, 1 / (1 + first + step * static_cast<double>(i)));
    }
  };
  for (const auto& list : lists) add(list, 0, 1);
  add(shared, 1.5, 2);
  std::vector<RankedHit> out;
  for (const auto& [id, score] : best) out.push_back({id, score});
  sort_hits(out);
  return out;
}

int days(const std::string& iso) {
  return std::atoi(iso.c_str()) * 372 + std::atoi(iso.c_str() + 5) * 31 + std::atoi(iso.c_str() + 8);
}

// 0 for the oldest document of each company, 1 for its newest; documents without a date are old.
std::map<int64_t, double> recencies(const SearchCache& cache) {
  std::map<std::string, std::pair<int, int>> span;
  auto dated = [](const SearchCache::Doc& doc) { return doc.period_end.size() == 10; };
  for (const auto& [id, doc] : cache.docs) {
    if (!dated(doc)) continue;
    const int at = days(doc.period_end);
    auto& range = span.try_emplace(doc.company, at, at).first->second;
    range = {std::min(range.first, at), std::max(range.second, at)};
  }
  std::map<int64_t, double> out;
  for (const auto& [id, doc] : cache.docs) {
    if (!dated(doc)) continue;
    const auto& [oldest, newest] = span.at(doc.company);
    out[id] = newest == oldest ? 1.0 : static_cast<double>(days(doc.period_end) - oldest) / (newest - oldest);
  }
  return out;
}

Result<void> prefer_newest(store::Database& db, const SearchCache& cache, std::vector<RankedHit>& hits) {
  const std::map<int64_t, double> recency = recencies(cache);
  CONSORT_ASSIGN(auto find, db.prepare("SELECT doc_id FROM passages WHERE passage_id = ?"));
  for (RankedHit& hit : hits) {
    find.reset();
    CONSORT_ASSIGN(bool there, find.bind(1, hit.id).step());
    if (!there) continue;
    auto found = recency.find(find.int_at(0));
    if (found != recency.end()) hit.score += kNewestBonus * found->second;
  }
  sort_hits(hits);
  return {};
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
  const int n = std::max(options.k, kCandidatesMin);
  std::vector<float> embedded;
  if (options.mode != SearchMode::words) {
    CONSORT_ASSIGN(embedded, state_->embed_query(query));
  }
  CONSORT_ASSIGN(auto db, state_->text_readers->take());
  CONSORT_ASSIGN(auto snapshot, store::Transaction::begin_read(*db));
  auto ranked = [&](const Filter& filter) -> Result<std::vector<RankedHit>> {
    std::vector<RankedHit> words, vectors;
    if (options.mode != SearchMode::words) vectors = search_vectors(*cache, embedded, filter, n);
    if (options.mode != SearchMode::vectors) {
      CONSORT_ASSIGN(words, search_words(*db, query, filter, n));
    }
    return options.mode == SearchMode::words     ? words
           : options.mode == SearchMode::vectors ? vectors
                                                 : fuse(words, vectors);
  };
  // A question about two companies needs a passage of each, and one of them has often all the words.
  std::string rest;
  std::vector<std::string> companies = options.companies;
  if (companies.empty()) companies = companies_named(query, cache->companies, &rest);
  std::vector<RankedHit> hits;
  if (companies.size() >= 2 && companies.size() <= kCompaniesMax) {
    std::vector<std::vector<RankedHit>> lists;
    std::vector<RankedHit> of_none;
    for (const std::string& company : companies) {
      SearchOptions within = options;
      within.companies = {company};
      CONSORT_ASSIGN(lists.emplace_back(), ranked(filter_of(*cache, within)));
    }
    if (options.companies.empty()) {  // A glossary, say, belongs to no company.
      Filter shared = filter_of(*cache, options);
      shared.any = true;
      std::erase_if(shared.docs, [&](int64_t id) { return !cache->docs.at(id).company.empty(); });
      CONSORT_ASSIGN(of_none, ranked(shared));
    }
    hits = take_turns(lists, of_none);
  } else {
    CONSORT_ASSIGN(hits, ranked(filter_of(*cache, options)));
  }
  if (options.mode == SearchMode::fused && asks_for_newest(query)) CONSORT_TRY(prefer_newest(*db, *cache, hits));
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
