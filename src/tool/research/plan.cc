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
    {"revenue", "revenue revenues sales growth grow fast large size retail product"},
    {"operating income", "operating income profit profits profitability margin develop"},
    {"net income", "net income profit profitability earnings"},
    {"gross profit", "gross profit margin price prices pricing"},
    {"membership fees", "membership memberships member members renew renewal fee"},
    {"advertising expense", "advertising marketing media spending advertise"},
    {"marketing and sales expense", "marketing sales spending spend share"},
    {"research and development expense", "research development technology spending product"},
    {"advertising revenues", "advertising business services ads"},
    {"selling, general and administrative expenses", "administrative expense cost spending overhead"},
    {"cost of sales", "cost price prices input inflation"},
    {"cloud services revenues", "cloud services subscription software growth"},
    {"third-party seller services", "seller sellers third party marketplace"},
    {"gross merchandise volume", "merchandise volume marketplace seller sellers"},
    {"active buyers", "buyers active customers marketplace"},
    {"operating cash flow", "cash flow"},
    {"total assets", "assets balance size"},
};

// Of the brief's words the share that ask for the subject, and of the subject's words the share in the brief.
double relevance(const Subject& subject, const std::string& brief) {
  return overlap(brief, std::string(subject.name) + " " + subject.asked_by) + 0.5 * overlap(subject.name, brief);
}

constexpr size_t kFiguresAlways = 3;
constexpr size_t kMeasuresMax = 5;

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
    if (out.size() < kMeasuresMax) out.push_back(label);
  }
  return out;
}

bool same(const std::string& a, const std::string& b) { return words(a, false) == words(b, false); }

Value task(size_t n, const std::string& tool, const std::string& company, const std::string& subject,
           const std::string& origin, double cost_ms) {
  std::string question = tool == "figures" ? subject + " of " + company : company + ": " + subject;
  return Value::object({{"id", "t" + std::to_string(n)},
                        {"tool", tool},
                        {"company", company},
                        {"subject", subject},
                        {"question", question},
                        {"origin", origin},
                        {"cost_ms", cost_ms}});
}

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
    if (subjects.size() < 3 || (score > 0.6 * ranked[0].first && subjects.size() < 5)) subjects.push_back(subject->name);
  }
  if (Array measures = measures_of(input, topic + questions_text); !measures.empty()) subjects = std::move(measures);
  Array questions;
  for (const Value& q : list(brief, "questions")) questions.push_back(q);
  Array menu = subjects;
  menu.insert(menu.end(), questions.begin(), questions.end());
  return Value::object({{"subjects", std::move(menu)},
                        {"figures", std::move(subjects)},
                        {"questions", std::move(questions)},
                        {"companies", *brief.find("companies")}});
}

Result<Value> check_plan(const Value& input) {
  const Value& menu = *input.find("menu");
  const Array& companies = list(menu, "companies");
  auto is_figure = [&](const std::string& subject) {
    for (const Value& f : list(menu, "figures")) {
      if (same(f.as_string(), subject)) return true;
    }
    return false;
  };
  const Value* costs = input.find("costs");
  auto cost = [&](const std::string& tool) {
    const Value* c = costs == nullptr ? nullptr : costs->find(tool);
    return c == nullptr || !c->is_number() ? (tool == "figures" ? 900.0 : 1100.0) : c->as_number().as_double();
  };
  Array notes;
  struct Wanted {
    std::string tool, company, subject, origin;
  };
  std::vector<Wanted> wanted;
  auto add = [&](Wanted w) {
    for (const Wanted& have : wanted) {
      if (have.company == w.company && same(have.subject, w.subject)) return false;
    }
    wanted.push_back(std::move(w));
    return true;
  };
  for (const Value& step : list(*input.find("plan"), "steps")) {
    Wanted w{text(step, "tool"), text(step, "company"), text(step, "subject"), "planner"};
    bool known = std::any_of(companies.begin(), companies.end(),
                             [&](const Value& c) { return c.as_string() == w.company; });
    if (!known) {
      notes.push_back("dropped: '" + w.company + "' is not in the brief");
      continue;
    }
    std::string fits = is_figure(w.subject) ? "figures" : "search";
    if (w.tool != fits) {
      notes.push_back("'" + w.subject + "': " + fits + " instead of " + w.tool);
      w.tool = fits;
    }
    if (!add(w)) notes.push_back("dropped: '" + w.subject + "' of " + w.company + " was there already");
  }
  // A figure of one company alone cannot be compared; a question of the brief must be asked everywhere.
  std::vector<std::string> subjects;
  // What fits the topic best is always looked up, and comes first.
  for (size_t i = 0; i < kFiguresAlways && i < list(menu, "figures").size(); ++i) subjects.push_back(list(menu, "figures")[i].as_string());
  for (const Wanted& w : wanted) {
    if (w.tool == "figures" && std::find(subjects.begin(), subjects.end(), w.subject) == subjects.end()) {
      subjects.push_back(w.subject);
    }
  }
  for (size_t i = 0; subjects.size() < 3 && i < list(menu, "figures").size(); ++i) {
    const std::string& s = list(menu, "figures")[i].as_string();
    if (std::find(subjects.begin(), subjects.end(), s) == subjects.end()) subjects.push_back(s);
  }
  size_t covered = 0;
  for (const std::string& subject : subjects) {
    for (const Value& c : companies) covered += add({"figures", c.as_string(), subject, "coverage"});
  }
  for (const Value& q : list(menu, "questions")) {
    for (const Value& c : companies) covered += add({"search", c.as_string(), q.as_string(), "coverage"});
  }
  if (covered > 0) notes.push_back(std::to_string(covered) + " tasks added so that every company and question is covered");
  auto place = [&](const Wanted& w) {
    size_t subject = static_cast<size_t>(std::find(subjects.begin(), subjects.end(), w.subject) - subjects.begin());
    size_t company = static_cast<size_t>(std::find_if(companies.begin(), companies.end(), [&](const Value& c) { return c.as_string() == w.company; }) - companies.begin());
    const Array& questions = list(menu, "questions");
    size_t question = static_cast<size_t>(std::find_if(questions.begin(), questions.end(), [&](const Value& q) { return q.as_string() == w.subject; }) - questions.begin());
    return std::make_tuple(w.tool != "figures", subject, question, company);
  };
  std::stable_sort(wanted.begin(), wanted.end(),
                   [&](const Wanted& a, const Wanted& b) { return place(a) < place(b); });
  Array tasks;
  double total = 0;
  for (const Wanted& w : wanted) {
    if (tasks.size() == kTasksMax) {
      notes.push_back("left out, over the limit of " + std::to_string(kTasksMax) + " tasks: " + w.subject + " (" +
                      w.company + ")");
      continue;
    }
    total += cost(w.tool);
    tasks.push_back(task(tasks.size() + 1, w.tool, w.company, w.subject, w.origin, cost(w.tool)));
  }
  return Value::object({{"tasks", std::move(tasks)}, {"cost_ms", total}, {"notes", std::move(notes)}});
}

}  // namespace consort::tool
