#include <fmt/format.h>

#include <cmath>

#include "cli/eval_sets.h"
#include "eval/metrics.h"

namespace consort::cli {
namespace {

using contract::Value;
using eval::Place;

constexpr int kRetrieved = 10;

std::optional<int> page_of(const Value& v) {
  const Value* page = v.find("page");
  if (page == nullptr || page->get_number() == nullptr) return std::nullopt;
  return static_cast<int>(page->get_number()->as_int64().value_or(0));
}

const contract::Array& list(const Value& v, std::string_view key) {
  static const contract::Array kNone;
  const Value* found = v.find(key);
  return found != nullptr && found->is_array() ? found->as_array() : kNone;
}

eval::Needed gold_of(const Value& record) {
  eval::Needed out;
  for (const Value& g : list(record, "gold")) {
    std::string doc = g.string_or("doc", "");
    std::vector<Place> any{{doc, page_of(g)}};
    for (const Value& page : list(g, "also_pages")) {
      if (page.get_number() != nullptr)
        any.push_back({doc, static_cast<int>(page.get_number()->as_int64().value_or(0))});
    }
    out.needed.push_back(std::move(any));
  }
  for (const Value& a : list(record, "also"))
    out.also.push_back({a.string_or("doc", ""), page_of(a)});
  return out;
}

double scale_of(const Value& v) {
  const Value* scale = v.find("scale");
  if (scale != nullptr && scale->get_number() != nullptr) return scale->get_number()->as_double();
  std::string word = v.string_or("scale", "units");
  return word == "thousands" ? 1e3 : word == "millions" ? 1e6 : word == "billions" ? 1e9 : 1;
}

// A number, or a text with thousands commas.
std::optional<double> amount(const Value* v) {
  if (v == nullptr) return std::nullopt;
  if (v->get_number() != nullptr) return v->get_number()->as_double();
  if (!v->is_string()) return std::nullopt;
  std::string digits;
  for (char c : v->as_string()) {
    if (c != ',') digits += c;
  }
  char* end = nullptr;
  double value = std::strtod(digits.c_str(), &end);
  if (digits.empty() || *end != '\0') return std::nullopt;
  return value;
}

bool near(double a, double b, double relative) {
  return std::abs(a - b) <= relative * std::max(std::abs(a), std::abs(b));
}

// The same company, period, and amount in base units. Digits are exact in both: the tolerance is
// rounding of doubles.
bool same_figure(const Value& gold, const Value& found) {
  auto a = amount(gold.find("value")), b = amount(found.find("amount"));
  return a && b && near(*a * scale_of(gold), *b * scale_of(found), 1e-9) &&
         gold.string_or("period_end", "") == found.string_or("period_end", "?") &&
         gold.string_or("company", "") == found.string_or("company", "?");
}

// To the one decimal that a report prints; amounts of money, which are in base units, exactly.
bool same_result(const Value& gold, const Value& found) {
  auto a = amount(gold.find("result")), b = amount(found.find("value"));
  if (!a || !b || gold.string_or("op", "") != found.string_or("op", "?")) return false;
  return scale_of(gold) > 1 ? near(*a * scale_of(gold), *b, 1e-9) : std::abs(*a - *b) < 0.0501;
}

// A question about several companies, as it is put to the analyzer for one of them: without the others' names.
std::string question_for(const Value& company, const Value& record) {
  std::string question = record.string_or("question", "");
  for (const Value& other : list(record, "companies")) {
    if (other == company) continue;
    const std::string& name = other.as_string();
    for (const std::string& form : {name + "'s", name}) {
      for (size_t at = question.find(form); at != std::string::npos; at = question.find(form))
        question.erase(at, form.size());
    }
  }
  return question;
}

struct Findings {
  contract::Array figures, computed;
  agent::Usage usage;
  double ms = 0;
  bool failed = false;
};

struct Measured {
  eval::Rate hit5, hit10, figures, questions, computed, failures;
  eval::Spread search_ms, analyzer_ms;
  agent::Usage usage;
  int64_t without_figures = 0;
  contract::Array misses;  // {id, class, gold, found}: why a figure is not there.
};

// Why `gold` is not among `found`, by what is there instead.
std::string miss_class(const Value& gold, const contract::Array& found) {
  auto a = amount(gold.find("value"));
  bool any = false, period = false;
  for (const Value& f : found) {
    if (f.string_or("company", "") != gold.string_or("company", "?")) continue;
    any = true;
    auto b = amount(f.find("amount"));
    if (a && b && near(*a, *b, 1e-9)) return f.string_or("period_end", "") == gold.string_or("period_end", "?") ? "scale" : "period";
    period = period || f.string_or("period_end", "") == gold.string_or("period_end", "?");
  }
  return !any ? "nothing_found" : period ? "row" : "row_and_period";
}

Value brief_figure(const Value& f) {
  contract::Object out;
  for (const char* key : {"label", "metric", "period_end", "as_printed", "scale", "unit", "doc", "page"}) {
    if (const Value* v = f.find(key)) out.set(key, *v);
  }
  return Value(std::move(out));
}

// The question, asked of the analyzer once for each company that it names.
Findings find_figures(Context& context, run::Host& host, const agent::Node& node,
                      const Value& record) {
  Findings out;
  for (const Value& company : list(record, "companies")) {
    std::string question = question_for(company, record);
    Value task = Value::object({{"id", record.string_or("id", "q")},
                                {"tool", "figures"},
                                {"company", company},
                                {"subject", question},
                                {"question", question},
                                {"origin", "planner"},
                                {"cost_ms", 0}});
    run::Executor executor(nullptr, context.clock);
    run::RunOptions options;
    options.watch.stop = context.stop.get_token();
    Nanoseconds begin = context.clock.monotonic();
    auto result = executor.start(*node.nested, host, std::move(task), options);
    out.ms += std::chrono::duration<double, std::milli>(context.clock.monotonic() - begin).count();
    if (!result || result->state != store::RunState::completed) {
      out.failed = true;
      continue;
    }
    out.usage += result->usage;
    for (const Value& f : list(result->output, "figures")) out.figures.push_back(f);
    for (const Value& c : list(result->output, "computed")) out.computed.push_back(c);
  }
  return out;
}

void count_figures(const Value& record, const Findings& found, Measured& m) {
  bool all = true;
  for (const Value& gold : list(record, "figures")) {
    bool right = std::any_of(found.figures.begin(), found.figures.end(),
                             [&](const Value& f) { return same_figure(gold, f); });
    m.figures.count(right);
    all = all && right;
    if (right) continue;
    contract::Array there;
    for (const Value& f : found.figures) there.push_back(brief_figure(f));
    m.misses.push_back(Value::object({{"id", record.string_or("id", "")},
                                      {"class", miss_class(gold, found.figures)},
                                      {"gold", brief_figure(gold)},
                                      {"found", std::move(there)}}));
  }
  m.questions.count(all);
  m.failures.count(found.failed);
  if (const Value* gold = record.find("computed"); gold != nullptr && gold->is_object()) {
    m.computed.count(std::any_of(found.computed.begin(), found.computed.end(),
                                 [&](const Value& c) { return same_result(*gold, c); }));
  }
  m.analyzer_ms.add(found.ms);
  m.usage += found.usage;
}

Result<void> measure(Context& context, run::Host& host, memory::Memory& memory,
                     const agent::Node* analyzer, const Value& record, Measured& m) {
  memory::SearchOptions search;
  search.k = kRetrieved;
  Nanoseconds begin = context.clock.monotonic();
  CONSORT_ASSIGN(auto hits, memory.search(record.string_or("question", ""), search));
  m.search_ms.add(
      std::chrono::duration<double, std::milli>(context.clock.monotonic() - begin).count());
  std::vector<Place> ranked;
  for (const memory::Passage& p : hits) ranked.push_back({p.doc, p.page});
  eval::Needed gold = gold_of(record);
  m.hit5.count(eval::hit_at(gold, ranked, 5));
  m.hit10.count(eval::hit_at(gold, ranked, 10));
  if (list(record, "figures").empty()) {
    ++m.without_figures;
  } else if (analyzer != nullptr) {
    count_figures(record, find_figures(context, host, *analyzer, record), m);
  }
  return {};
}

Value metrics_of(const Measured& m, bool analyzed) {
  contract::Object out;
  out.set("hit@5", m.hit5.to_value());
  out.set("hit@10", m.hit10.to_value());
  out.set("search_ms", m.search_ms.to_value());
  if (analyzed) {
    out.set("figures_found", m.figures.to_value());
    out.set("questions_with_all_figures", m.questions.to_value());
    out.set("computed_right", m.computed.to_value());
    std::map<std::string, int64_t> classes;
    for (const Value& miss : m.misses) ++classes[miss.string_or("class", "")];
    contract::Object by_class;
    for (const auto& [name, n] : classes) by_class.set(name, n);
    out.set("figures_missed_by_class", std::move(by_class));
    out.set("misses", m.misses);
    out.set("analyzer_failed", m.failures.to_value());
    out.set("analyzer_ms", m.analyzer_ms.to_value());
    out.set("usage", m.usage.to_value());
  }
  out.set("questions_without_gold_figures", m.without_figures);
  return out;
}

}  // namespace

Result<Value> eval_questions(Context& context, Session& session, const std::vector<Value>& records,
                             const EvalOptions& options) {
  const agent::Definition& d = session.graph().definition();
  std::string name = options.memory;
  if (name.empty() && d.memories.size() == 1) name = d.memories.begin()->first;
  if (!d.memories.contains(name)) {
    return fail(make_error(ErrorCode::not_found, 8008,
                           "questions are asked of a memory, and the agent has " +
                               std::to_string(d.memories.size()))
                    .at(d.path.string())
                    .to_fix("name one with --memory"));
  }
  auto node = session.graph().nodes().find(options.analyzer);
  bool analyzed = node != session.graph().nodes().end() && node->second.nested != nullptr;
  if (!analyzed)
    say(context,
        "note: no used agent is named '" + options.analyzer + "': figures are not measured");
  CONSORT_ASSIGN(run::Host * host, session.host());
  Measured measured;
  std::map<std::string, eval::Rate> by_kind;
  for (size_t i = 0; i < records.size(); ++i) {
    context.progress().update("questions",
                              static_cast<double>(i) / static_cast<double>(records.size()));
    if (context.stop.stop_requested())
      return fail(make_error(ErrorCode::cancelled, 7011, "the evaluation was interrupted"));
    int64_t before = measured.hit10.hits;
    CONSORT_TRY(measure(context, *host, *host->memory(name), analyzed ? &node->second : nullptr,
                        records[i], measured));
    by_kind[records[i].string_or("kind", "other")].count(measured.hit10.hits > before);
  }
  Value metrics = metrics_of(measured, analyzed);
  contract::Object kinds;
  for (const auto& [kind, rate] : by_kind) kinds.set(kind, rate.to_value());
  metrics.get_object()->set("hit@10_by_kind", std::move(kinds));
  return Value::object({{"component", d.name},
                        {"version", d.version},
                        {"n", records.size()},
                        {"metrics", std::move(metrics)}});
}

}  // namespace consort::cli
