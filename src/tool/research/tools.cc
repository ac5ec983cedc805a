// The table of research tools with their contracts. An agent's own contracts are narrower; these say what
// the functions need and promise.
#include "tool/research/research.h"

namespace consort::tool {
namespace {

constexpr const char* kMenuIn = R"({"type":"object","properties":{"brief":{"type":"object","properties":{
  "topic":{"type":"string"},"companies":{"type":"array","items":{"type":"string"},"minItems":1},
  "questions":{"type":"array","items":{"type":"string"}}},"required":["topic","companies"]},
  "measures":{"anyOf":[{"type":"object"},{"type":"null"}]}},"required":["brief"]})";
constexpr const char* kMenuOut = R"({"type":"object","properties":{
  "subjects":{"type":"array","items":{"type":"string"},"minItems":1},
  "figures":{"type":"array","items":{"type":"string"}},
  "questions":{"type":"array","items":{"type":"string"}},
  "companies":{"type":"array","items":{"type":"string"}},
  "periods":{"type":"array","items":{"type":"string"},"minItems":1}},"required":["subjects","figures","questions","companies","periods"]})";
constexpr const char* kCheckIn = R"({"type":"object","properties":{
  "brief":{"type":"object"},"menu":{"type":"object"},
  "plan":{"type":"object","properties":{"steps":{"type":"array","items":{"type":"object","properties":{
    "tool":{"type":"string"},"subject":{"type":"string"},"companies":{"type":"array","items":{"type":"string"}},
    "period":{"type":"string"}},"required":["tool","subject","companies"]}}},"required":["steps"]},
  "costs":{"type":"object"}},"required":["menu","plan"]})";
constexpr const char* kTask = R"({"type":"object","properties":{
  "id":{"type":"string"},"tool":{"enum":["figures","search"]},"company":{"type":"string"},
  "subject":{"type":"string"},"question":{"type":"string"},"origin":{"enum":["planner","coverage"]},
  "cost_ms":{"type":"number"}},"required":["id","tool","company","subject","question","origin","cost_ms"]})";
constexpr const char* kWanted = R"({"type":"object","properties":{
  "metric":{"type":"string"},"second":{"type":"string"},"op":{"type":"string"},"years":{"type":"array","items":{"type":"integer"}},
  "date":{"type":"string"},"quarter":{"type":"boolean"},"newest":{"type":"boolean"},"number":{"type":"boolean"},
  "count":{"type":"boolean"},"percent":{"type":"boolean"},"query":{"type":"string"},"second_query":{"type":"string"}},
  "required":["metric","second","op","years","date","quarter","newest","number","count","percent","query","second_query"]})";
constexpr const char* kOptions = R"({"type":"object","properties":{"kind":{"enum":["figure","text","none"]},"items":{"type":"array","maxItems":6,
  "items":{"type":"object","properties":{"n":{"type":"string"},"text":{"type":"string"},"key":{"type":"object"}},
  "required":["n","text","key"]}}},"required":["kind","items"]})";
constexpr const char* kMaybe = R"({"anyOf":[{"type":"object"},{"type":"null"}]})";
constexpr const char* kFinding = R"({"type":"object","properties":{
  "id":{"type":"string"},"kind":{"enum":["figure","text","missing"]},"company":{"type":"string"},
  "subject":{"type":"string"},"section":{"type":"string"},"figures":{"type":"array"},"computed":{"type":"array"},
  "cites":{"type":"array"},"note":{"type":"string"}},
  "required":["id","kind","company","subject","section","figures","computed","cites","note"]})";

std::string object(std::initializer_list<std::pair<const char*, std::string>> members,
                   std::initializer_list<const char*> required) {
  std::string out = R"({"type":"object","properties":{)";
  bool first = true;
  for (const auto& [name, schema] : members) {
    out += (first ? "\"" : ",\"") + std::string(name) + "\":" + schema;
    first = false;
  }
  out += "},\"required\":[";
  first = true;
  for (const char* name : required) {
    out += (first ? "\"" : ",\"") + std::string(name) + "\"";
    first = false;
  }
  return out + "]}";
}

constexpr const char* kReport = R"({"type":"object","properties":{
  "title":{"type":"string"},"subtitle":{"type":"string"},"claims":{"type":"array"},"table":{"type":"object"},
  "charts":{"type":"array"},"sources":{"type":"array"},"dropped":{"type":"array"},"missing":{"type":"array"}},
  "required":["title","claims"]})";
constexpr const char* kVerdict = R"({"type":"object","properties":{"ok":{"type":"boolean"},
  "issues":{"type":"array"},"checked":{"type":"object"},"support":{"type":"object"}},
  "required":["ok","issues","checked","support"]})";
constexpr const char* kList = R"({"type":"array"})";
constexpr const char* kMaybeList = R"({"anyOf":[{"type":"array"},{"type":"null"}]})";
constexpr const char* kObject = R"({"type":"object"})";

template <typename Function>
auto pure(Function f) {
  return [f](const contract::Value& input, const PageText&) { return f(input); };
}

}  // namespace

const std::vector<ResearchTool>& research_tools() {
  static const std::vector<ResearchTool> kTools = {
      {"plan_menu", "The figures and questions that a plan for this brief may name.", kMenuIn, kMenuOut, false,
       pure(plan_menu)},
      {"check_plan", "Removes what a plan may not contain, completes its coverage, and costs it.", kCheckIn,
       object({{"tasks", std::string(R"({"type":"array","maxItems":24,"items":)") + kTask + "}"},
               {"cost_ms", R"({"type":"number"})"},
               {"notes", R"({"type":"array","items":{"type":"string"}})"}},
              {"tasks", "cost_ms", "notes"}),
       false, pure(check_plan)},
      {"read_task", "What a task asks for: words of the row, periods, computation.", object({{"task", kTask}}, {"task"}), kWanted, false,
       pure(read_task)},
      {"finding_options", "At most six lettered candidates, rows or sentences, for one task.",
       object({{"task", kTask}, {"wanted", kMaybe}, {"rows", kMaybe}, {"passages", kMaybe}, {"second", R"({"type":"boolean"})"}}, {"task"}), kOptions, false,
       pure(finding_options)},
      {"make_finding", "A finding with its figures, exact growth and citation.",
       object({{"task", kTask}, {"wanted", kMaybe}, {"options", kOptions}, {"choice", kMaybe}, {"series", kMaybe},
               {"second_options", kMaybe}, {"second_series", kMaybe}}, {"task", "options"}),
       kFinding, true, make_finding},
      {"writing_tasks", "What is to be written, each with the pattern its sentence must match.",
       object({{"findings", std::string(R"({"type":"array","items":)") + kFinding + "}"},
               {"previous", kMaybe},
               {"critique", R"({"anyOf":[{"type":"array"},{"type":"null"}]})"}},
              {"findings"}),
       object({{"items", R"({"type":"array","items":{"type":"object","properties":{
          "id":{"type":"string"},"finding":{"type":"object"},"facts":{"type":"string"},"frame":{"type":"string"},
          "issues":{"type":"array","items":{"type":"string"}},"last":{"type":"string"}},
          "required":["id","finding","facts","frame","issues","last"]}})"}},
              {"items"}),
       false, pure(writing_tasks)},
      {"assemble_report", "A report from findings and their sentences, with table, charts and sources.",
       object({{"brief", kObject}, {"findings", kList}, {"tasks", kObject}, {"texts", kList},
               {"previous", kMaybe}, {"critique", kMaybeList}},
              {"brief", "findings", "tasks", "texts"}),
       kReport, false, pure(assemble_report)},
      {"verdict", "Joins what the rules found with the judge's probabilities.",
       object({{"report", kReport}, {"rules", kObject}, {"support", kList}}, {"report", "rules", "support"}),
       kVerdict, false, pure(verdict)},
      {"drop_claims", "The report without its failing claims, which it lists as dropped.",
       object({{"report", kReport}, {"verdict", kVerdict}}, {"report", "verdict"}), kReport, false,
       pure(drop_claims)}};
  return kTools;
}

}  // namespace consort::tool
