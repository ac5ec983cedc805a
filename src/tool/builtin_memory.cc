// The tools that read a memory: hybrid_search, sql, figures.
#include "tool/builtin_parts.h"
#include "tool/builtin_schemas.h"
#include "tool/rational.h"
#include "tool/sql.h"

namespace consort::tool {

using contract::Array;
using contract::Value;

std::vector<std::string> string_list(const Value& input, std::string_view key) {
  std::vector<std::string> out;
  if (const Value* list = input.find(key); list != nullptr && list->is_array())
    for (const Value& item : list->as_array())
      if (const std::string* text = item.get_string()) out.push_back(*text);
  return out;
}

int int_or(const Value& input, std::string_view key, int fallback) {
  const Value* v = input.find(key);
  if (v == nullptr || !v->is_number()) return fallback;
  return static_cast<int>(v->as_number().as_int64().value_or(fallback));
}

Value page_value(const std::optional<int>& page) { return page ? Value(*page) : Value(); }

ToolFunction hybrid_search_function(const memory::Memory& memory, const Value& options) {
  const int k_default = int_or(options, "k", 10);
  return [&memory, k_default](const Value& input, const CallContext&) -> Result<Value> {
    memory::SearchOptions search;
    search.k = int_or(input, "k", k_default);
    const std::string mode = input.string_or("mode", "fused");
    search.mode = mode == "words"     ? memory::SearchMode::words
                  : mode == "vectors" ? memory::SearchMode::vectors
                                      : memory::SearchMode::fused;
    search.companies = string_list(input, "companies");
    search.docs = string_list(input, "docs");
    CONSORT_ASSIGN(std::vector<memory::Passage> found, memory.search(input.string_or("query", ""), search));
    Array passages;
    for (const memory::Passage& p : found)
      passages.push_back(Value::object({{"id", p.id},
                                        {"doc", p.doc},
                                        {"title", p.title},
                                        {"company", p.company},
                                        {"page", page_value(p.page)},
                                        {"heading", p.heading},
                                        {"text", p.text},
                                        {"score", p.score}}));
    return Value::object({{"passages", std::move(passages)}});
  };
}

ToolFunction sql_function(const memory::Memory& memory, const Value& options) {
  SqlLimits limits;
  limits.rows_max = int_or(options, "rows", limits.rows_max);
  limits.time_ms_max = int_or(options, "time_ms", limits.time_ms_max);
  return [&memory, limits](const Value& input, const CallContext& context) -> Result<Value> {
    SqlQuery query;
    query.text = input.string_or("query", "");
    if (const Value* params = input.find("params")) query.params = *params;
    if (const Value* rows = input.find("max_rows"); rows != nullptr && rows->is_number())
      query.max_rows = int_or(input, "max_rows", limits.rows_max);
    return run_sql(memory.tables_path(), query, limits, context);
  };
}

Value figure_value(const memory::Figure& f) {
  std::string value = f.amount;
  if (auto amount = Rational::parse(f.amount))
    if (auto scaled = amount->times(Rational(f.scale))) value = scaled->to_decimal(30);
  return Value::object({{"figure_id", f.id},
                        {"doc", f.doc},
                        {"company", f.company},
                        {"page", page_value(f.page)},
                        {"section", f.section},
                        {"label", f.label},
                        {"column_label", f.column_label},
                        {"period_end", f.period_end.empty() ? Value() : Value(f.period_end)},
                        {"period_kind", f.period_kind},
                        {"value", value},
                        {"amount", f.amount},
                        {"scale", f.scale},
                        {"unit", f.unit},
                        {"as_printed", f.as_printed},
                        {"score", f.score}});
}

ToolFunction figures_function(const memory::Memory& memory, const Value& options) {
  const int k_default = int_or(options, "k", 10);
  return [&memory, k_default](const Value& input, const CallContext&) -> Result<Value> {
    memory::FigureFilter filter;
    filter.companies = string_list(input, "companies");
    filter.docs = string_list(input, "docs");
    filter.period_end_from = input.string_or("period_from", "");
    filter.period_end_to = input.string_or("period_to", "");
    filter.period_kinds = string_list(input, "period_kinds");
    CONSORT_ASSIGN(std::vector<memory::Figure> found,
                   memory.find_figures(input.string_or("query", ""), filter, int_or(input, "k", k_default)));
    Array figures;
    for (const memory::Figure& f : found) figures.push_back(figure_value(f));
    return Value::object({{"figures", std::move(figures)}});
  };
}

}  // namespace consort::tool
