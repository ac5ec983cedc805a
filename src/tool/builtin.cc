#include "tool/builtin.h"

#include <fmt/format.h>

#include "tool/builtin_parts.h"
#include "tool/builtin_schemas.h"
#include "tool/calculate.h"
#include "tool/chart.h"
#include "tool/nearest.h"
#include "tool/report/report_tools.h"
#include "tool/research/research.h"

namespace consort::tool {
namespace {

using contract::Array;
using contract::Value;

// Raise it when a tool's answers change for the same input.
constexpr const char* kCodeVersion = "1";

Result<Quantity> variable_of(const std::string& name, const Value& v) {
  std::string text, unit;
  if (v.is_number()) {
    text = v.as_number().text;
  } else if (v.is_string()) {
    text = v.as_string();
  } else {
    const Value* value = v.find("value");
    if (value != nullptr) text = value->is_number() ? value->as_number().text : value->is_string() ? value->as_string() : "";
    unit = v.string_or("unit", "");
  }
  auto parsed = calculate(text);
  if (!parsed) return fail(std::move(parsed).error().with_context(fmt::format("variable '{}'", name)));
  if (unit.empty()) return parsed->result;
  auto scale = parse_unit(unit);
  if (!scale) return fail(std::move(scale).error().with_context(fmt::format("variable '{}'", name)));
  CONSORT_ASSIGN(Rational value, parsed->result.value.times(scale->value));
  return Quantity{value, scale->unit};
}

const std::vector<BuiltinInfo>& all() {
  // Immutable after its first use; built once.
  static const std::vector<BuiltinInfo> kAll = [] {
    std::vector<BuiltinInfo> list;
    auto add = [&](const char* name, const char* description, ToolSchemas schemas, bool needs_memory,
                   std::vector<std::string> options) {
      list.push_back({name, description, std::move(schemas.input), std::move(schemas.output), needs_memory, std::move(options)});
    };
    add("calculate", "Exact decimal arithmetic on figures with units, percentages and scales.", calculate_schemas(), false, {});
    add("chart", "A bar or line chart as one SVG text.", chart_schemas(), false, {});
    add("figures", "Figures of the tables of a memory, by what they are called, with company, period, unit and page.",
        figures_schemas(), true, {"k"});
    add("hybrid_search", "Passages of a memory by words and by meaning, with document and page.", hybrid_search_schemas(), true,
        {"k"});
    add("sql", "One read-only SELECT over the tables of a memory.", sql_schemas(), true, {"mode", "rows", "time_ms"});
    for (BuiltinInfo& info : report_builtins()) list.push_back(std::move(info));
    for (const ResearchTool& t : research_tools()) {
      auto input = contract::parse_json(t.input), output = contract::parse_json(t.output);
      CONSORT_CHECK(input && output);
      list.push_back({t.name, t.description, std::move(*input), std::move(*output), t.needs_memory, {}});
    }
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return list;
  }();
  return kAll;
}

double cost_of(std::string_view name) {
  if (name == "hybrid_search") return 30;
  if (name == "figures") return 20;
  if (name == "sql") return 5;
  if (name == "check_claims") return 20;
  return 1;
}

Result<void> check_options(const BuiltinInfo& info, const Value& options) {
  if (options.is_null()) return {};
  if (!options.is_object())
    return fail(make_error(ErrorCode::invalid_argument, 5206, "tool options are not an object").to_fix("write key: value pairs"));
  for (const auto& [key, value] : options.as_object()) {
    if (std::find(info.options.begin(), info.options.end(), key) == info.options.end())
      return fail(make_error(ErrorCode::invalid_argument, 5206, fmt::format("unknown option of builtin '{}'", info.name))
                      .got(key)
                      .to_fix(did_you_mean(key, info.options)));
    if (key == "mode") {
      if (!value.is_string() || value.as_string() != "read-only")
        return fail(make_error(ErrorCode::invalid_argument, 5206, "sql has one mode").got(contract::to_json(value)).to_fix("write mode: read-only"));
      continue;
    }
    const int most = key == "time_ms" ? 600000 : 1000;
    const std::optional<int64_t> n = value.is_number() ? value.as_number().as_int64() : std::nullopt;
    if (!n || *n < 1 || *n > most)
      return fail(make_error(ErrorCode::invalid_argument, 5206, fmt::format("option '{}' must be an integer from 1 to {}", key, most))
                      .got(contract::to_json(value))
                      .to_fix("give a number in that range"));
  }
  return {};
}

ToolFunction function_of(const std::string& name, const BuiltinContext& context) {
  if (name == "calculate") return calculate_function();
  if (name == "chart") return chart_function();
  if (name == "hybrid_search") return hybrid_search_function(*context.memory, context.options);
  if (name == "figures") return figures_function(*context.memory, context.options);
  if (name == "sql") return sql_function(*context.memory, context.options);
  for (const ResearchTool& t : research_tools()) {
    if (t.name != name) continue;
    return [function = t.function, memory = context.memory](const Value& input, const CallContext&) {
      return function(input, [memory](const std::string& doc, std::optional<int> page) {
        return memory->page_text(doc, page);
      });
    };
  }
  return report_function(name, context.memory);
}

}  // namespace

ToolFunction calculate_function() {
  return [](const Value& input, const CallContext&) -> Result<Value> {
    std::map<std::string, Quantity, std::less<>> variables;
    if (const Value* given = input.find("variables"); given != nullptr && given->is_object()) {
      for (const auto& [name, value] : given->as_object()) {
        CONSORT_ASSIGN(variables[name], variable_of(name, value));
      }
    }
    CONSORT_ASSIGN(Calculation result, calculate(input.string_or("expression", ""), variables));
    Array steps;
    for (const Step& step : result.steps)
      steps.push_back(Value::object({{"expression", step.expression},
                                     {"value", decimal_text(step.result.value)},
                                     {"unit", step.result.unit.to_string()}}));
    return Value::object({{"value", result.value},
                          {"unit", result.result.unit.to_string()},
                          {"exact", result.exact},
                          {"steps", std::move(steps)}});
  };
}

ToolFunction chart_function() {
  return [](const Value& input, const CallContext&) -> Result<Value> {
    CONSORT_ASSIGN(Chart chart, chart_from_value(input));
    CONSORT_ASSIGN(std::string svg, draw_chart(chart));
    return Value::object({{"svg", std::move(svg)}});
  };
}

const std::vector<BuiltinInfo>& builtins() { return all(); }

Result<std::unique_ptr<Tool>> make_builtin(const std::string& builtin, const BuiltinContext& context) {
  const BuiltinInfo* info = nullptr;
  std::vector<std::string> known;
  for (const BuiltinInfo& candidate : all()) {
    known.push_back(candidate.name);
    if (candidate.name == builtin) info = &candidate;
  }
  if (info == nullptr)
    return fail(make_error(ErrorCode::not_found, 5204, "no such built-in tool").got(builtin).to_fix(did_you_mean(builtin, known)));
  if (info->needs_memory && context.memory == nullptr)
    return fail(make_error(ErrorCode::failed_precondition, 5205, fmt::format("builtin '{}' reads a memory and has none", builtin))
                    .to_fix("add 'memory: NAME' to the tool's line"));
  CONSORT_TRY(check_options(*info, context.options));
  FunctionToolSpec spec;
  spec.name = context.name.empty() ? builtin : context.name;
  spec.description = info->description;
  spec.input = info->input;
  spec.output = info->output;
  spec.version = builtin + "/" + kCodeVersion;
  spec.cost_ms = cost_of(builtin);
  if (const memory::Memory* memory = info->needs_memory ? context.memory : nullptr) {
    spec.content = [memory, options = contract::canonical_json(context.options)] {
      auto digest = memory->digest();
      return (digest ? digest->hex() : "unreadable: " + digest.error().to_string()) + options;
    };
  }
  spec.function = function_of(builtin, context);
  return make_function_tool(std::move(spec));
}

}  // namespace consort::tool
