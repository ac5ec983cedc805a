// Memory::find_figures: rows of tables by the words and the meaning of their labels.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "memory/numeric.h"
#include "memory/query.h"
#include "memory/row_names.h"
#include "memory/state.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

constexpr int kFiguresMax = 1000;
constexpr size_t kRowCandidates = 600;     // Rows looked at for each of the two ways.
constexpr size_t kLabelCandidates = 40;    // Labels near in meaning.
constexpr double kPrimaryBonus = 0.25;     // A consolidated primary statement, over a note's table.
constexpr double kStatementBonus = 0.1;    // Another statement: of guarantors, of a parent alone.
constexpr double kNewestBonus = 0.15;      // The newest document of the company, over its oldest.
constexpr double kNarrowerCost = 0.2;      // A word of the query is nowhere in the row.
constexpr double kExactBonus = 0.5;        // All words of the label are words of the query.

struct Row {
  std::string doc, label, section, company;
  int64_t table_id = 0;
  int64_t row_no = 0;
  double words = 0, meaning = 0;
  std::string newest;  // Latest period end in the row.
  double score = 0;
  std::vector<Figure> figures;
};
using RowKey = std::pair<int64_t, int64_t>;

bool is_primary(std::string_view section) {
  for (std::string_view title : {"statements of income", "statement of income", "statements of operations", "statement of operations", "statements of earnings",
                                 "statement of earnings", "balance sheet", "statements of cash flows", "statement of cash flows", "selected financial data"}) {
    if (contains_ignoring_case(section, title)) return true;
  }
  return false;
}

constexpr std::string_view kFigureColumns =
    "SELECT f.figure_id, f.doc, f.company, f.page, f.table_id, f.row_no, f.section, f.label, f.column_label, f.period_end, f.period_kind, "
    "f.value, f.amount, f.scale, f.unit, f.as_printed, f.line_begin, f.line_end, f.page_begin";

Figure figure_at(const store::Statement& row) {
  Figure f;
  f.id = row.int_at(0);
  f.doc = row.text_at(1);
  f.company = row.text_at(2);
  if (!row.is_null(3)) f.page = static_cast<int>(row.int_at(3));
  f.table_id = row.int_at(4);
  f.row_no = static_cast<int>(row.int_at(5));
  f.section = row.text_at(6);
  f.label = row.text_at(7);
  f.column_label = row.text_at(8);
  f.period_end = row.text_at(9);
  f.period_kind = row.text_at(10);
  f.value = row.double_at(11);
  f.amount = row.text_at(12);
  f.scale = row.int_at(13);
  f.unit = row.text_at(14);
  f.as_printed = row.text_at(15);
  f.line_begin = static_cast<uint64_t>(row.int_at(16));
  f.line_end = static_cast<uint64_t>(row.int_at(17));
  f.page_begin = static_cast<uint64_t>(row.int_at(18));
  return f;
}

struct Wish {
  std::vector<std::string> terms;
  std::set<std::string> years;
  bool quarter = false;
  const RowName* line = nullptr;  // The statement line that the query is, whatever a filing calls it.
  FigureFilter filter;
};

bool passes(const Figure& f, const FigureFilter& filter) {
  if (!filter.companies.empty() && !company_matches(f.company, filter.companies)) return false;
  if (!filter.docs.empty() && std::find(filter.docs.begin(), filter.docs.end(), f.doc) == filter.docs.end()) return false;
  if (!filter.period_end_from.empty() && f.period_end < filter.period_end_from) return false;
  if (!filter.period_end_to.empty() && (f.period_end.empty() || f.period_end > filter.period_end_to)) return false;
  if (!filter.period_kinds.empty() && std::find(filter.period_kinds.begin(), filter.period_kinds.end(), f.period_kind) == filter.period_kinds.end()) return false;
  return true;
}

// Companies as a JSON list for json_each; rows of several companies ("A; B") are checked again later.
std::string json_list(const std::vector<std::string>& items) {
  contract::Array out;
  for (const auto& item : items) out.emplace_back(item);
  return contract::to_json(contract::Value(std::move(out)));
}

Result<void> add_by_words(store::Database& db, const Wish& wish, std::map<RowKey, Row>& rows) {
  std::string expression = match_expression(wish.terms);
  if (expression.empty()) return {};
  bool filtered = !wish.filter.companies.empty();
  std::string sql = "WITH t AS MATERIALIZED (SELECT rowid AS id, -bm25(figures_fts, 0.0, 0.3, 1.0) AS b FROM figures_fts WHERE figures_fts MATCH ?1) "
                    "SELECT f.table_id, f.row_no, max(t.b) AS s FROM t JOIN figures f ON f.figure_id = t.id";
  if (filtered) sql += " WHERE lower(f.company) IN (SELECT lower(value) FROM json_each(?3)) OR f.company LIKE '%;%'";
  sql += " GROUP BY f.table_id, f.row_no ORDER BY s DESC, f.table_id, f.row_no LIMIT ?2";
  std::string companies = json_list(wish.filter.companies);
  CONSORT_ASSIGN(auto found, db.prepare(sql));
  found.bind(1, expression).bind(2, static_cast<int64_t>(kRowCandidates));
  if (filtered) found.bind(3, companies);
  double best = 0;
  for (;;) {
    CONSORT_ASSIGN(bool more, found.step());
    if (!more) return {};
    double score = found.double_at(2);
    best = std::max(best, score);
    rows[{found.int_at(0), found.int_at(1)}].words = best > 0 ? score / best : 0;
  }
}

Result<void> add_by_meaning(store::Database& db, const SearchCache& cache, std::span<const float> query, const Wish& wish,
                            std::map<RowKey, Row>& rows, std::map<std::string, double>& near) {
  std::vector<std::string> labels;
  for (const auto& hit : cache.labels.nearest(query, kLabelCandidates)) {
    labels.push_back(cache.label_texts[static_cast<size_t>(hit.id)]);
    near[labels.back()] = hit.score;
  }
  for (const std::string& label : cache.label_texts) {
    if (wish.line != nullptr && synonym_rank(*wish.line, label) >= 0) labels.push_back(label);
  }
  if (labels.empty()) return {};
  bool filtered = !wish.filter.companies.empty();
  std::string sql = "SELECT DISTINCT f.table_id, f.row_no FROM figures f WHERE lower(f.label) IN (SELECT value FROM json_each(?1))";
  if (filtered) sql += " AND (lower(f.company) IN (SELECT lower(value) FROM json_each(?3)) OR f.company LIKE '%;%')";
  sql += " LIMIT ?2";
  std::string list = json_list(labels), companies = json_list(wish.filter.companies);
  CONSORT_ASSIGN(auto found, db.prepare(sql));
  found.bind(1, list).bind(2, static_cast<int64_t>(kRowCandidates) * 4);
  if (filtered) found.bind(3, companies);
  for (;;) {
    CONSORT_ASSIGN(bool more, found.step());
    if (!more) return {};
    rows[{found.int_at(0), found.int_at(1)}];
  }
}

Result<void> load_row(store::Database& db, const RowKey& key, const Wish& wish, Row* row) {
  CONSORT_ASSIGN(auto found, db.prepare(std::string(kFigureColumns) + " FROM figures f WHERE f.table_id = ? AND f.row_no = ? ORDER BY f.figure_id"));
  found.bind(1, key.first).bind(2, key.second);
  for (;;) {
    CONSORT_ASSIGN(bool more, found.step());
    if (!more) return {};
    Figure f = figure_at(found);
    if (!passes(f, wish.filter)) continue;
    row->newest = std::max(row->newest, f.period_end);
    row->doc = f.doc;
    row->label = f.label;
    row->section = f.section;
    row->company = f.company;
    row->figures.push_back(std::move(f));
  }
}

// Share of the label's words that the query has, and of the query's words that the label (or, for less, the
// section) has.
double word_match(const Wish& wish, const Row& row) {
  if (wish.line != nullptr) {
    int rank = synonym_rank(*wish.line, row.label);
    if (rank >= 0) return 0.5 + kExactBonus - 0.01 * rank;
  }
  auto stem = [](std::string word) {
    if (word.size() > 3 && word.ends_with("s") && !word.ends_with("ss")) word.pop_back();
    return word;
  };
  std::set<std::string> query, label, section;
  for (const auto& term : wish.terms) query.insert(stem(term));
  for (const auto& term : query_terms(row.label)) label.insert(stem(term));
  for (const auto& term : query_terms(row.section)) section.insert(stem(term));
  if (query.empty() || label.empty()) return 0;
  double covered = 0, used = 0;
  for (const auto& term : query) covered += label.contains(term) ? 1.0 : section.contains(term) ? 0.5 : 0.0;
  for (const auto& term : label) used += query.contains(term);
  return 0.5 * covered / static_cast<double>(query.size()) + kExactBonus * used / static_cast<double>(label.size());
}

// Some word of the query stands neither in the row's label nor in its section, and the label has nothing
// near it in meaning.
bool names_more(const Wish& wish, const Row& row) {
  if (row.meaning > 0.8 || (wish.line != nullptr && synonym_rank(*wish.line, row.label) >= 0)) return false;
  for (const auto& term : wish.terms) {
    std::string stem = term.size() > 4 && term.ends_with("s") ? term.substr(0, term.size() - 1) : term;
    if (!contains_ignoring_case(row.label, stem) && !contains_ignoring_case(row.section, stem)) return true;
  }
  return false;
}

// 0 for the oldest period a company's rows have here, 1 for the newest.
double recency(const std::string& period, const std::string& oldest, const std::string& newest) {
  if (period.empty() || newest <= oldest) return 0;
  auto days = [](const std::string& iso) { return std::stoi(iso.substr(0, 4)) * 372 + std::stoi(iso.substr(5, 2)) * 31 + std::stoi(iso.substr(8, 2)); };
  return static_cast<double>(days(period) - days(oldest)) / std::max(1, days(newest) - days(oldest));
}

}  // namespace

Result<std::vector<Figure>> Memory::find_figures(const std::string& query, const FigureFilter& filter, int k) const {
  if (k < 1 || k > kFiguresMax)
    return fail(make_error(ErrorCode::invalid_argument, 5008, "k must be 1 to " + std::to_string(kFiguresMax)).got(std::to_string(k)).to_fix("give a k in that range"));
  CONSORT_ASSIGN(auto cache, state_->search_cache());
  Wish wish;
  wish.filter = filter;
  std::string rest;
  auto named = companies_named(query, cache->companies, &rest);
  if (filter.companies.empty()) wish.filter.companies = named;
  std::string topic;
  for (const auto& term : query_terms(rest)) {
    if (is_year(term)) {
      wish.years.insert(term);
    } else if (term == "fiscal" || term == "year" || term == "company" || term == "s") {
      continue;
    } else if (term == "quarter" || term == "quarterly" || (term.size() == 2 && term[0] == 'q')) {
      wish.quarter = true;
    } else {
      wish.terms.push_back(term);
      topic += (topic.empty() ? "" : " ") + term;
    }
  }
  wish.line = row_name_of(topic);
  std::map<RowKey, Row> rows;
  std::map<std::string, double> near;
  CONSORT_ASSIGN(auto db, state_->table_readers->take());
  CONSORT_ASSIGN(auto snapshot, store::Transaction::begin_read(*db));
  CONSORT_TRY(add_by_words(*db, wish, rows));
  if (state_->embedder.embed && cache->labels.size() > 0 && !topic.empty()) {
    CONSORT_ASSIGN(auto embedded, state_->embed_query(topic));
    CONSORT_TRY(add_by_meaning(*db, *cache, embedded, wish, rows, near));
  }
  std::map<std::string, std::pair<std::string, std::string>> span;  // Company -> oldest, newest.
  for (auto& [key, row] : rows) {
    CONSORT_TRY(load_row(*db, key, wish, &row));
    if (row.newest.empty()) continue;
    auto& range = span.try_emplace(row.company, row.newest, row.newest).first->second;
    range.first = std::min(range.first, row.newest);
    range.second = std::max(range.second, row.newest);
  }
  std::vector<Row*> order;
  for (auto& [key, row] : rows) {
    if (row.figures.empty()) continue;
    if (auto it = near.find(lower_ascii(row.label)); it != near.end()) row.meaning = it->second;
    row.score = word_match(wish, row) + 0.3 * row.words + 0.5 * row.meaning;
    // A statement of the whole company answers only a question that names nothing narrower ("AWS ...").
    bool narrower = names_more(wish, row);
    if (narrower) row.score -= kNarrowerCost;
    if (!narrower && is_primary(row.section)) row.score += contains_ignoring_case(row.section, "consolidated") ? kPrimaryBonus : kStatementBonus;
    const auto range = span.find(row.company);
    if (range != span.end()) row.score += kNewestBonus * recency(row.newest, range->second.first, range->second.second);
    if (row.newest.empty()) row.score -= 0.2;
    bool has_year = wish.years.empty();
    bool annual = false;
    for (const auto& f : row.figures) {
      for (const auto& year : wish.years) has_year |= f.period_end.starts_with(year) || f.column_label.find(year) != std::string::npos;
      annual |= f.period_kind == "year" || f.period_kind == "instant";
    }
    if (!has_year) row.score -= 0.5;
    if (wish.quarter == annual) row.score -= 0.15;
    order.push_back(&row);
  }
  std::stable_sort(order.begin(), order.end(), [](const Row* a, const Row* b) { return a->score > b->score; });
  std::vector<Figure> out;
  for (Row* row : order) {
    auto wanted = [&](const Figure& f) {
      for (const auto& year : wish.years) {
        if (f.period_end.starts_with(year)) return 1;
      }
      return 0;
    };
    std::stable_sort(row->figures.begin(), row->figures.end(), [&](const Figure& a, const Figure& b) {
      return wanted(a) != wanted(b) ? wanted(a) > wanted(b) : a.period_end > b.period_end;
    });
    for (auto& f : row->figures) {
      if (static_cast<int>(out.size()) == k) return out;
      f.score = row->score;
      out.push_back(std::move(f));
    }
  }
  return out;
}

}  // namespace consort::memory
