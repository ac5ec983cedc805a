#include "agent/definition.h"

#include <fmt/format.h>

#include "agent/suggest.h"
#include "agent/yaml.h"
#include "base/file.h"

namespace consort::agent {
namespace {

using contract::Value;

Result<TypeRef> read_type(const YAML::Node& node, const std::string& file, const std::string& what) {
  TypeRef type;
  type.where = location_of(node, file);
  if (node.IsScalar() && !node.Scalar().empty()) {
    type.text = node.Scalar();
    return type;
  }
  if (node.IsMap()) {
    CONSORT_ASSIGN(type.schema, to_value(node, file));
    return type;
  }
  return fail(make_error(ErrorCode::invalid_argument, 6004,
                         what + " must name a contract (Name, Name[], Name?) or be a JSON Schema")
                  .at(type.where.to_string()));
}

Result<Expression> read_expression(const YAML::Node& node, const std::string& file) {
  std::string place = location_of(node, file).to_string();
  if (!node.IsScalar()) {
    return fail(make_error(ErrorCode::invalid_argument, 6004, "expected an expression").at(place));
  }
  auto e = parse_expression(node.Scalar());
  if (!e) return fail(std::move(e).error().at(place));
  return e;
}

Result<ComponentKind> read_kind(MapReader& map) {
  CONSORT_ASSIGN(std::string kind, map.text("kind"));
  for (ComponentKind k : {ComponentKind::generate, ComponentKind::decide, ComponentKind::retrieve,
                          ComponentKind::tool, ComponentKind::agent}) {
    if (kind == name(k)) return k;
  }
  return fail(map.wrong("kind", "is not a component kind")
                  .got(kind)
                  .to_fix(did_you_mean(kind, {"generate", "decide", "retrieve", "tool", "agent"})));
}

Result<std::vector<Recovery>> read_recovery(MapReader& map) {
  std::vector<Recovery> out;
  YAML::Node list = map.node("on_violation");
  if (!list.IsDefined()) return out;
  if (!list.IsSequence()) return fail(map.wrong("on_violation", "must be a list"));
  for (const auto& item : list) {
    if (item.IsScalar() && item.Scalar() == "repair") {
      out.push_back({Recovery::Kind::repair, 1, ""});
    } else if (item.IsMap() && item.size() == 1 && item["retry"].IsDefined() && item["retry"].IsScalar()) {
      int n = item["retry"].as<int>(0);
      if (n < 1 || n > 8) return fail(map.wrong("on_violation", "retry must be from 1 to 8"));
      out.push_back({Recovery::Kind::retry, n, ""});
    } else if (item.IsMap() && item.size() == 1 && item["escalate"].IsDefined() && item["escalate"].IsScalar()) {
      out.push_back({Recovery::Kind::escalate, 1, item["escalate"].Scalar()});
    } else {
      return fail(map.wrong("on_violation", "takes: repair, {retry: n}, {escalate: component}"));
    }
  }
  return out;
}

Result<void> read_types(MapReader& map, ComponentSpec& spec) {
  YAML::Node in = map.node("in");
  if (!in.IsDefined()) return fail(map.wrong("in", "is missing"));
  if (in.IsMap() && !in["type"].IsDefined() && !in["$ref"].IsDefined() && !in["anyOf"].IsDefined()) {
    for (const auto& member : in) {
      CONSORT_ASSIGN(TypeRef type, read_type(member.second, map.file(), "'in'"));
      spec.in_members.emplace_back(member.first.Scalar(), std::move(type));
    }
  } else {
    CONSORT_ASSIGN(spec.in_type, read_type(in, map.file(), "'in'"));
  }
  YAML::Node out = map.node("out");
  if (!out.IsDefined()) return fail(map.wrong("out", "is missing"));
  CONSORT_ASSIGN(spec.out, read_type(out, map.file(), "'out'"));
  return {};
}

Result<void> read_generate_keys(MapReader& map, ComponentSpec& spec) {
  CONSORT_ASSIGN(spec.model, map.text("model"));
  CONSORT_ASSIGN(spec.adapter, map.text_or("adapter", ""));
  CONSORT_ASSIGN(spec.prompt, map.text("prompt"));
  CONSORT_ASSIGN(spec.max_tokens, map.integer_or("max_tokens", 256, 1, 8192));
  CONSORT_ASSIGN(spec.temperature, map.real_or("temperature", 0, 0, 2));
  CONSORT_ASSIGN(spec.top_k, map.integer_or("top_k", 40, 0, 1000));
  CONSORT_ASSIGN(spec.numerals, map.text_or("numerals", ""));
  if (!spec.numerals.empty() && spec.numerals != "input") {
    return fail(map.wrong("numerals", "must be 'input'").got(spec.numerals));
  }
  YAML::Node narrow = map.node("narrow");
  if (!narrow.IsDefined()) return {};
  if (!narrow.IsMap()) return fail(map.wrong("narrow", "must map JSON Pointers to expressions"));
  for (const auto& member : narrow) {
    CONSORT_ASSIGN(Expression e, read_expression(member.second, map.file()));
    spec.narrow[member.first.Scalar()] = e.text;
  }
  return {};
}

Result<void> read_kind_keys(MapReader& map, ComponentSpec& spec) {
  switch (spec.kind) {
    case ComponentKind::generate: return read_generate_keys(map, spec);
    case ComponentKind::decide: {
      CONSORT_ASSIGN(spec.model, map.text("model"));
      CONSORT_ASSIGN(spec.adapter, map.text_or("adapter", ""));
      CONSORT_ASSIGN(spec.prompt, map.text("prompt"));
      CONSORT_ASSIGN(spec.questions, map.value("questions"));
      if (!spec.questions.is_object() || spec.questions.as_object().empty()) {
        return fail(map.wrong("questions", "must map names to typed questions"));
      }
      return {};
    }
    case ComponentKind::retrieve: {
      CONSORT_ASSIGN(spec.query, map.text("query"));
      CONSORT_ASSIGN(spec.k, map.integer_or("k", 8, 1, 200));
      if (spec.tools.empty()) return fail(map.wrong("tools", "must name the search tool"));
      return {};
    }
    case ComponentKind::tool: {
      CONSORT_ASSIGN(spec.with, map.value("with"));
      CONSORT_ASSIGN(spec.arguments, map.text_or("arguments", ""));
      if (spec.tools.size() != 1) return fail(map.wrong("tools", "must name exactly one tool"));
      return {};
    }
    case ComponentKind::agent: return {};
  }
  return {};
}

Result<ComponentSpec> read_component(const std::string& name, const YAML::Node& node,
                                     const std::string& file) {
  CONSORT_ASSIGN(MapReader map, MapReader::create(node, file, "component '" + name + "'"));
  ComponentSpec spec;
  spec.name = name;
  spec.where = map.where();
  CONSORT_ASSIGN(spec.use, map.text_or("use", ""));
  if (!spec.use.empty()) {
    spec.kind = ComponentKind::agent;
    if (map.has("kind")) {
      CONSORT_ASSIGN(ComponentKind kind, read_kind(map));
      if (kind != ComponentKind::agent) return fail(map.wrong("kind", "must be agent beside 'use'"));
    }
  } else {
    CONSORT_ASSIGN(spec.kind, read_kind(map));
    if (spec.kind == ComponentKind::agent) {
      return fail(map.wrong("use", "is missing").to_fix("name the agent's folder or file"));
    }
  }
  CONSORT_TRY(read_types(map, spec));
  CONSORT_ASSIGN(spec.tools, map.texts("tools"));
  CONSORT_ASSIGN(spec.on_violation, read_recovery(map));
  CONSORT_ASSIGN(int64_t timeout, map.integer_or("timeout_ms", 0, 1, 3600 * 1000));
  if (timeout > 0) spec.timeout_ms = timeout;
  CONSORT_TRY(read_kind_keys(map, spec));
  CONSORT_TRY(map.finish());
  return spec;
}

// "analyzer(plan.steps[*], brief=input)"
Result<FlowStep> read_call(const std::string& name, const YAML::Node& node, const std::string& file) {
  FlowStep step;
  step.name = name;
  step.where = location_of(node, file);
  std::string text = node.Scalar();
  auto error = [&](std::string message) {
    return fail(make_error(ErrorCode::invalid_argument, 6101, "flow '" + name + "': " + std::move(message))
                    .at(step.where.to_string())
                    .got(text)
                    .to_fix("write " + name + ": component(value, name=value)"));
  };
  size_t open = text.find('(');
  if (open == std::string::npos || text.back() != ')') return error("expected component(arguments)");
  step.component = text.substr(0, open);
  std::string inside = text.substr(open + 1, text.size() - open - 2);
  size_t begin = 0;
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i <= inside.size(); ++i) {
    char c = i < inside.size() ? inside[i] : ',';
    if (c == '"') quoted = !quoted;
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (i < inside.size() && (quoted || depth > 0 || c != ',')) continue;
    std::string part = inside.substr(begin, i - begin);
    begin = i + 1;
    size_t first = part.find_first_not_of(" \t\n");
    if (first == std::string::npos) {
      if (inside.find_first_not_of(" \t\n") == std::string::npos) break;
      return error("empty argument");
    }
    part = part.substr(first);
    Argument argument;
    size_t equals = part.find('=');
    bool named = equals != std::string::npos && equals > 0 && equals + 1 < part.size() &&
                 part[equals + 1] != '=' && std::string_view("=!<>").find(part[equals - 1]) == std::string::npos;
    if (named) {
      argument.name = part.substr(0, part.find_last_not_of(" \t", equals - 1) + 1);
      part = part.substr(equals + 1);
    }
    auto value = parse_expression(part);
    if (!value) return error(value.error().message + " in '" + part + "'");
    argument.value = std::move(*value);
    step.arguments.push_back(std::move(argument));
  }
  return step;
}

Result<std::variant<FlowStep, RedoLoop>> read_flow_entry(const std::string& name, const YAML::Node& node,
                                                         const std::string& file) {
  using Entry = std::variant<FlowStep, RedoLoop>;
  if (node.IsScalar()) {
    CONSORT_ASSIGN(FlowStep step, read_call(name, node, file));
    return Entry(std::move(step));
  }
  CONSORT_ASSIGN(MapReader map, MapReader::create(node, file, "flow '" + name + "'"));
  if (map.has("redo")) {
    RedoLoop loop;
    loop.name = name;
    loop.where = map.where();
    CONSORT_ASSIGN(loop.when, read_expression(map.node("when"), file));
    CONSORT_ASSIGN(loop.redo, map.text("redo"));
    CONSORT_ASSIGN(loop.max, map.integer_or("max", 1, 1, 16));
    YAML::Node with = map.node("with");
    if (with.IsDefined()) {
      if (!with.IsMap()) return fail(map.wrong("with", "must map argument names to expressions"));
      for (const auto& member : with) {
        CONSORT_ASSIGN(Expression e, read_expression(member.second, file));
        loop.with.push_back({member.first.Scalar(), std::move(e)});
      }
    }
    CONSORT_TRY(map.finish());
    return Entry(std::move(loop));
  }
  YAML::Node call = map.node("call");
  if (!call.IsScalar()) {
    return fail(map.wrong("call", "is missing").to_fix("write {when: ..., call: component(...)} or {when, redo}"));
  }
  CONSORT_ASSIGN(FlowStep step, read_call(name, call, file));
  if (map.has("when")) {
    CONSORT_ASSIGN(step.when, read_expression(map.node("when"), file));
  }
  CONSORT_ASSIGN(std::string unchecked, map.text_or("unchecked", "false"));
  step.unchecked = unchecked == "true";
  CONSORT_TRY(map.finish());
  return Entry(std::move(step));
}

Result<void> read_flow(MapReader& root, const std::string& file, Definition& d) {
  YAML::Node flow = root.node("flow");
  if (!flow.IsMap()) return fail(root.wrong("flow", "is missing or not a mapping"));
  for (const auto& entry : flow) {
    const std::string& name = entry.first.Scalar();
    if (name == "return") {
      CONSORT_ASSIGN(d.result, read_expression(entry.second, file));
      continue;
    }
    for (const auto& earlier : d.flow) {
      bool same = std::visit([&](const auto& e) { return e.name == name; }, earlier);
      if (same || name == "input") {
        return fail(make_error(ErrorCode::invalid_argument, 6004, "flow: '" + name + "' is defined twice")
                        .at(location_of(entry.first, file).to_string()));
      }
    }
    CONSORT_ASSIGN(auto parsed, read_flow_entry(name, entry.second, file));
    d.flow.push_back(std::move(parsed));
  }
  if (d.flow.size() > kFlowStepsMax) {
    return fail(make_error(ErrorCode::resource_exhausted, 6005,
                           fmt::format("flow has more than {} steps", kFlowStepsMax))
                    .at(location_of(flow, file).to_string()));
  }
  if (d.result.op != Expression::Op::path) {
    return fail(root.wrong("flow", "needs 'return: NAME'").to_fix("end the flow with 'return: <step>'"));
  }
  return {};
}

// "60s", "500ms", "2m", or a number of milliseconds.
Result<int64_t> read_duration(MapReader& map, const std::string& key) {
  CONSORT_ASSIGN(std::string text, map.text(key));
  size_t used = 0;
  double amount = -1;
  try {
    amount = std::stod(text, &used);
  } catch (const std::exception&) {
  }
  std::string unit = text.substr(used);
  double scale = unit == "ms" || unit.empty() ? 1 : unit == "s" ? 1e3 : unit == "m" ? 6e4 : unit == "h" ? 3.6e6 : -1;
  if (amount <= 0 || scale < 0 || amount * scale > 7 * 24 * 3.6e6) {
    return fail(map.wrong(key, "must be a duration such as 500ms, 60s, 5m").got(text));
  }
  return static_cast<int64_t>(amount * scale);
}

Result<void> read_budget(MapReader& root, const std::string& file, Definition& d) {
  YAML::Node node = root.node("budget");
  if (!node.IsDefined()) return {};
  CONSORT_ASSIGN(MapReader map, MapReader::create(node, file, "budget"));
  if (map.has("deadline")) {
    CONSORT_ASSIGN(d.budget.deadline_ms, read_duration(map, "deadline"));
  }
  if (map.has("tokens")) {
    CONSORT_ASSIGN(d.budget.tokens, map.integer_or("tokens", 0, 1, int64_t{1} << 40));
  }
  map.node("deadline");
  map.node("tokens");
  return map.finish();
}

// Calls `read(name, node)` for each member of an optional mapping.
template <typename Read>
Result<void> each_member(MapReader& root, const std::string& key, Read read) {
  YAML::Node node = root.node(key);
  if (!node.IsDefined()) return {};
  if (!node.IsMap()) return fail(root.wrong(key, "must be a mapping of names"));
  for (const auto& member : node) {
    if (!member.first.IsScalar()) return fail(root.wrong(key, "has a key that is not text"));
    CONSORT_TRY(read(member.first.Scalar(), member.second));
  }
  return {};
}

Result<void> read_parts(MapReader& root, const std::string& file, Definition& d) {
  CONSORT_TRY(each_member(root, "models", [&](const std::string& name, const YAML::Node& node) -> Result<void> {
    CONSORT_ASSIGN(MapReader map, MapReader::create(node, file, "model '" + name + "'"));
    ModelSpec& spec = d.models[name];
    spec.where = map.where();
    CONSORT_ASSIGN(spec.ref, map.text("ref"));
    CONSORT_ASSIGN(spec.keep, map.text_or("keep", "lru"));
    if (spec.keep != "lru" && spec.keep != "always") {
      return fail(map.wrong("keep", "must be lru or always").got(spec.keep));
    }
    return map.finish();
  }));
  CONSORT_TRY(each_member(root, "memory", [&](const std::string& name, const YAML::Node& node) -> Result<void> {
    CONSORT_ASSIGN(MapReader map, MapReader::create(node, file, "memory '" + name + "'"));
    MemorySpec& spec = d.memories[name];
    spec.where = map.where();
    CONSORT_ASSIGN(spec.ingest, map.texts("ingest"));
    CONSORT_ASSIGN(std::string from, map.text_or("from", ""));
    spec.from_caller = from == "caller";
    if (!from.empty() && !spec.from_caller) return fail(map.wrong("from", "must be 'caller'").got(from));
    CONSORT_ASSIGN(spec.embed, spec.from_caller ? map.text_or("embed", "") : map.text("embed"));
    return map.finish();
  }));
  CONSORT_TRY(each_member(root, "tools", [&](const std::string& name, const YAML::Node& node) -> Result<void> {
    CONSORT_ASSIGN(MapReader map, MapReader::create(node, file, "tool '" + name + "'"));
    ToolSpec& spec = d.tools[name];
    spec.where = map.where();
    CONSORT_ASSIGN(spec.builtin, map.text("builtin"));
    CONSORT_ASSIGN(spec.memory, map.text_or("memory", ""));
    CONSORT_ASSIGN(spec.options, map.rest());
    return {};
  }));
  return each_member(root, "components", [&](const std::string& name, const YAML::Node& node) -> Result<void> {
    CONSORT_ASSIGN(d.components[name], read_component(name, node, file));
    return {};
  });
}

Result<void> read_outputs(MapReader& root, const std::string& file, Definition& d) {
  return each_member(root, "outputs", [&](const std::string& name, const YAML::Node& node) -> Result<void> {
    CONSORT_ASSIGN(MapReader map, MapReader::create(node, file, "output '" + name + "'"));
    OutputFile out;
    out.file = name;
    out.where = map.where();
    if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos) {
      return fail(map.wrong("outputs", "takes plain file names").got(name));
    }
    CONSORT_ASSIGN(out.tool, map.text_or("tool", ""));
    if (out.tool.empty()) {
      CONSORT_ASSIGN(std::string value, map.text("value"));
      if (value != "return") return fail(map.wrong("value", "must be 'return'").got(value));
    } else if (!d.tools.contains(out.tool)) {
      return fail(map.wrong("tool", "names no tool of this file").got(out.tool));
    }
    CONSORT_ASSIGN(out.with, map.rest());
    d.outputs.push_back(std::move(out));
    return {};
  });
}

Result<void> read_head(MapReader& root, const std::string& file, Definition& d) {
  CONSORT_ASSIGN(int64_t version, root.integer_or("consort", 0, 1, 1));
  if (version != 1) return fail(root.wrong("consort", "is missing").to_fix("start the file with 'consort: 1'"));
  CONSORT_ASSIGN(MapReader agent, MapReader::create(root.node("agent"), file, "agent"));
  CONSORT_ASSIGN(d.name, agent.text("name"));
  CONSORT_ASSIGN(d.version, agent.text("version"));
  CONSORT_ASSIGN(d.in, read_type(agent.node("in"), file, "agent 'in'"));
  CONSORT_ASSIGN(d.out, read_type(agent.node("out"), file, "agent 'out'"));
  CONSORT_TRY(agent.finish());
  CONSORT_ASSIGN(d.contract_files, root.texts("contracts"));
  YAML::Node evals = root.node("evals");
  if (evals.IsDefined()) {
    CONSORT_ASSIGN(MapReader map, MapReader::create(evals, file, "evals"));
    CONSORT_ASSIGN(d.eval_suite, map.text("suite"));
    CONSORT_TRY(map.finish());
  }
  return {};
}

}  // namespace

std::string_view name(ComponentKind kind) {
  static constexpr std::string_view kNames[] = {"generate", "decide", "retrieve", "tool", "agent"};
  return kNames[static_cast<int>(kind)];
}

Result<Definition> parse_definition(std::string_view yaml, const std::filesystem::path& path) {
  std::string file = path.string();
  CONSORT_ASSIGN(YAML::Node node, load_yaml(yaml, file));
  Definition d;
  d.path = path;
  d.digest = sha256(yaml);
  try {
    CONSORT_ASSIGN(MapReader root, MapReader::create(node, file, "agent file"));
    CONSORT_TRY(read_head(root, file, d));
    CONSORT_TRY(read_parts(root, file, d));
    CONSORT_TRY(read_flow(root, file, d));
    CONSORT_TRY(read_outputs(root, file, d));
    CONSORT_TRY(read_budget(root, file, d));
    CONSORT_TRY(root.finish());
  } catch (const YAML::Exception& e) {  // A conversion that yaml-cpp refuses.
    Location where{file, e.mark.line + 1, e.mark.column + 1};
    return fail(make_error(ErrorCode::invalid_argument, 6002, "YAML: " + e.msg).at(where.to_string()));
  }
  return d;
}

Result<Definition> load_definition(const std::filesystem::path& path) {
  std::filesystem::path file = path;
  if (std::filesystem::is_directory(file)) file /= "agent.yaml";
  auto text = read_file(file, kAgentFileBytesMax);
  if (!text) {
    Error error = std::move(text).error();
    error.number = 6001;
    return fail(std::move(error).with_context("reading the agent file"));
  }
  return parse_definition(*text, file);
}

}  // namespace consort::agent
