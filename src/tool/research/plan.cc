// Menu and check of a research plan.
#include <algorithm>
#include <set>
#include <tuple>

#include "tool/research/research.h"
#include "tool/research/text.h"

namespace consort::tool {

using contract::Array;
using contract::Object;
using contract::Value;
using namespace research;

namespace {

// Figures that annual reports print, each with words that ask for it.
struct Subject {
  const char* name;
  const char* asked_by;
};
constexpr Subject kSubjects[] = {
    {"revenue", "revenue revenues sales growth grow fast large size retail product turnover top line"},
    {"operating income", "operating income profit profits profitability profitable margin develop operations results"},
    {"net income", "net income profit profits profitability profitable earnings result bottom line tax"},
    {"gross profit", "gross profit margin price prices pricing"},
    {"membership fees", "membership memberships member members renew renewal fee pay"},
    {"advertising expense", "advertising marketing media spending spend advertise ad ads cost"},
    {"marketing and sales expense", "marketing sales spending spend share budget cost"},
    {"research and development expense", "research development technology spending product r d"},
    {"advertising revenues", "advertising business services ad ads revenue income sales"},
    {"selling, general and administrative expenses", "administrative expense cost spending overhead sg a"},
    {"cost of sales", "cost price prices input inflation goods product"},
    {"cloud services revenues", "cloud services subscription software growth business revenue"},
    {"third-party seller services", "seller sellers third party marketplace fee"},
    {"gross merchandise volume", "merchandise volume marketplace seller sellers gmv goods sold"},
    {"active buyers", "buyers active customers marketplace number"},
    {"operating cash flow", "cash flow flows generated operations"},
    {"total assets", "assets balance sheet size base"},
};

// Of the brief's words the share that ask for the subject, and of the subject's words the share in the brief.
double relevance(const Subject& subject, const std::string& brief) {
  return overlap(brief, std::string(subject.name) + " " + subject.asked_by) + 0.5 * overlap(subject.name, brief);
}

constexpr size_t kFiguresAlways = 3;
constexpr size_t kFiguresMax = 8;  // That a plan may choose from.

// What a table measures, nearest to the brief first; empty without a table.
Array measures_of(const Value& input, const std::string& brief) {
  const Value* table = input.find("measures");
  if (table == nullptr || !table->is_object()) return {};
  std::vector<std::pair<double, std::string>> ranked;
  for (const Value& row : list(*table, "rows")) {
    if (!row.is_array() || row.as_array().empty() || !row.as_array()[0].is_string()) continue;
    const std::string& label = row.as_array()[0].as_string();
    ranked.emplace_back(overlap(label, brief), label);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  Array out;
  for (const auto& [score, label] : ranked) {
    if (out.size() < kFiguresMax) out.push_back(label);
  }
  return out;
}

constexpr const char* kLatest = "latest";

bool same(const std::string& a, const std::string& b) { return words(a, false) == words(b, false); }

// "latest", then the years that the topic names, newest first: what a step's period may be.
Array periods_of(const std::string& topic) {
  std::set<std::string, std::greater<>> years;
  for (const std::string& word : words(topic, false)) {
    bool digits = word.size() == 4 && word.find_first_not_of("0123456789") == std::string::npos;
    if (digits && (word.starts_with("19") || word.starts_with("20"))) years.insert(word);
  }
  Array out{Value(kLatest)};
  for (const std::string& year : years) out.push_back(year);
  return out;
}

// One company's part of a step. No period: the newest that is found.
struct Lookup {
  std::string tool, company, subject, period, origin;
};

Value task(size_t n, const Lookup& l, double cost_ms) {
  std::string question = l.tool == "figures" ? l.subject + " of " + l.company : l.company + ": " + l.subject;
  if (!l.period.empty()) question += " in " + l.period;
  return Value::object({{"id", "t" + std::to_string(n)},
                        {"tool", l.tool},
                        {"company", l.company},
                        {"subject", l.subject},
                        {"question", question},
                        {"origin", l.origin},
                        {"cost_ms", cost_ms}});
}

// The plan's own look-ups, each company of a step apart: known companies, the tool that fits, no step twice.
class Lookups {
 public:
  Lookups(const Value& menu, Array* notes) : menu_(menu), notes_(notes) {}

  bool add(Lookup l) {
    for (const Lookup& have : all_) {
      if (have.company == l.company && same(have.subject, l.subject) && have.period == l.period) return false;
    }
    all_.push_back(std::move(l));
    return true;
  }

  void add_step(const Value& step) {
    Lookup l{text(step, "tool"), "", text(step, "subject"), text(step, "period"), "planner"};
    const char* fits = is_in("figures", l.subject) ? "figures" : "search";
    if (l.tool != fits) {
      notes_->push_back("'" + l.subject + "': " + fits + " instead of " + l.tool);
      l.tool = fits;
    }
    if (l.period == kLatest || l.tool == "search") l.period.clear();  // A question says its own.
    if (!l.period.empty() && !is_in("periods", l.period)) {
      notes_->push_back("'" + l.subject + "': the brief names no period " + l.period);
      l.period.clear();
    }
    for (const Value& company : list(step, "companies")) {
      l.company = company.as_string();
      if (!is_company(l.company)) notes_->push_back("dropped: '" + l.company + "' is not in the brief");
      else if (!add(l)) notes_->push_back("dropped: '" + l.subject + "' of " + l.company + " was there already");
    }
  }

  // A figure of one company alone cannot be compared, what fits the topic best is always looked up, and a question of
  // the brief is asked everywhere. Returns how many look-ups were added.
  size_t complete() {
    std::vector<std::pair<std::string, std::string>> figures;  // Subject and period.
    auto want = [&](const std::string& subject, const std::string& period) {
      std::pair<std::string, std::string> one{subject, period};
      if (std::find(figures.begin(), figures.end(), one) == figures.end()) figures.push_back(std::move(one));
    };
    const Array& best = list(menu_, "figures");
    for (size_t i = 0; i < kFiguresAlways && i < best.size(); ++i) {
      bool planned = std::any_of(all_.begin(), all_.end(), [&](const Lookup& l) { return same(l.subject, best[i].as_string()); });
      if (!planned) want(best[i].as_string(), "");
    }
    for (const Lookup& l : all_) {
      if (l.tool == "figures") want(l.subject, l.period);
    }
    size_t added = 0;
    for (const Value& company : list(menu_, "companies")) {
      for (const auto& [subject, period] : figures) added += add({"figures", company.as_string(), subject, period, "coverage"});
      for (const Value& question : list(menu_, "questions")) added += add({"search", company.as_string(), question.as_string(), "", "coverage"});
    }
    return added;
  }

  // Figures first, by the menu's order; then questions; each subject's companies in the brief's order.
  std::vector<Lookup> in_order() {
    auto place = [&](const Lookup& l) {
      return std::make_tuple(l.tool != "figures", at("figures", l.subject), at("questions", l.subject), at("companies", l.company));
    };
    std::stable_sort(all_.begin(), all_.end(), [&](const Lookup& a, const Lookup& b) { return place(a) < place(b); });
    return all_;
  }

 private:
  size_t at(std::string_view key, const std::string& name) const {
    const Array& names = list(menu_, key);
    auto found = std::find_if(names.begin(), names.end(), [&](const Value& v) { return same(v.as_string(), name); });
    return static_cast<size_t>(found - names.begin());
  }
  bool is_in(std::string_view key, const std::string& name) const { return at(key, name) < list(menu_, key).size(); }
  bool is_company(const std::string& name) const {
    const Array& names = list(menu_, "companies");
    return std::any_of(names.begin(), names.end(), [&](const Value& v) { return v.as_string() == name; });
  }

  const Value& menu_;
  Array* notes_;
  std::vector<Lookup> all_;
};

}  // namespace

Result<Value> plan_menu(const Value& input) {
  const Value& brief = *input.find("brief");
  std::string topic = text(brief, "topic"), questions_text;
  for (const Value& q : list(brief, "questions")) questions_text += " " + q.as_string();
  // The topic says what is compared; questions are asked as they stand, and only hint at figures.
  std::vector<std::pair<double, const Subject*>> ranked;
  for (const Subject& s : kSubjects) ranked.emplace_back(relevance(s, topic) + 0.5 * relevance(s, questions_text), &s);
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  Array subjects;
  for (const auto& [score, subject] : ranked) {
    if (subjects.size() < kFiguresMax) subjects.push_back(subject->name);
  }
  if (Array measures = measures_of(input, topic + questions_text); !measures.empty()) subjects = std::move(measures);
  Array questions;
  for (const Value& q : list(brief, "questions")) questions.push_back(q);
  Array menu = subjects;
  menu.insert(menu.end(), questions.begin(), questions.end());
  return Value::object({{"subjects", std::move(menu)},
                        {"figures", std::move(subjects)},
                        {"questions", std::move(questions)},
                        {"companies", *brief.find("companies")},
                        {"periods", periods_of(topic)}});
}

Result<Value> check_plan(const Value& input) {
  const Value& menu = *input.find("menu");
  const Value* costs = input.find("costs");
  auto cost = [&](const std::string& tool) {
    const Value* c = costs == nullptr ? nullptr : costs->find(tool);
    return c == nullptr || !c->is_number() ? (tool == "figures" ? 900.0 : 1100.0) : c->as_number().as_double();
  };
  Array notes;
  Lookups lookups(menu, &notes);
  for (const Value& step : list(*input.find("plan"), "steps")) lookups.add_step(step);
  if (size_t added = lookups.complete(); added > 0)
    notes.push_back(std::to_string(added) + " tasks added so that every company and question is covered");
  Array tasks;
  double total = 0;
  for (const Lookup& l : lookups.in_order()) {
    if (tasks.size() == kTasksMax) {
      notes.push_back("left out, over the limit of " + std::to_string(kTasksMax) + " tasks: " + l.subject + " (" + l.company + ")");
      continue;
    }
    total += cost(l.tool);
    tasks.push_back(task(tasks.size() + 1, l, cost(l.tool)));
  }
  return Value::object({{"tasks", std::move(tasks)}, {"cost_ms", total}, {"notes", std::move(notes)}});
}

}  // namespace consort::tool
