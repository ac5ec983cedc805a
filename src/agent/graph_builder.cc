#include "agent/graph_builder.h"

#include <algorithm>

#include "agent/suggest.h"
#include "base/file.h"
#include "mask/mask.h"
#include "model/template.h"

namespace consort::agent {

using contract::Schema;
using contract::Value;
namespace fs = std::filesystem;

namespace {

Error at(Error error, const Location& where) {
  if (!error.place.empty() && error.place.find(where.file) == std::string::npos) {
    error.place = where.to_string() + " " + error.place;
  } else if (error.place.empty()) {
    error.place = where.to_string();
  }
  return error;
}

template <typename Map>
std::vector<std::string> keys(const Map& map) {
  std::vector<std::string> out;
  for (const auto& [key, unused] : map) out.push_back(key);
  return out;
}

Error missing(const std::string& what, const std::string& name, const std::vector<std::string>& known,
              const Location& where) {
  return make_error(ErrorCode::not_found, 6201, "no " + what + " is named '" + name + "'")
      .at(where.to_string())
      .got(name)
      .to_fix(did_you_mean(name, known));
}

}  // namespace

Result<std::shared_ptr<const Graph>> GraphBuilder::build(Definition definition,
                                                         std::vector<fs::path> stack) {
  std::error_code ignored;
  fs::path self = fs::weakly_canonical(definition.path, ignored);
  if (std::find(stack.begin(), stack.end(), self) != stack.end() || stack.size() >= kNestingMax) {
    return fail(make_error(ErrorCode::invalid_argument, 6207,
                           stack.size() >= kNestingMax ? "agents nest deeper than 8"
                                                       : "this agent contains itself")
                    .at(definition.path.string()));
  }
  stack.push_back(self);
  GraphBuilder builder(std::move(stack));
  builder.graph_ = std::make_shared<Graph>();
  Graph& g = *builder.graph_;
  g.definition_ = std::move(definition);
  const Definition& d = g.definition_;
  CONSORT_TRY(builder.read_contracts());
  CONSORT_ASSIGN(Value in, builder.type_document(d.in));
  CONSORT_ASSIGN(g.input_, builder.compile(in, d.name + ".in", d.in.where));
  CONSORT_ASSIGN(Value out, builder.type_document(d.out));
  CONSORT_ASSIGN(g.output_, builder.compile(out, d.name + ".out", d.out.where));
  builder.defined_["input"] = in;
  for (const auto& [name, spec] : d.components) CONSORT_TRY(builder.resolve_node(spec));
  CONSORT_TRY(builder.resolve_flow());
  builder.finish_digest();
  return std::shared_ptr<const Graph>(builder.graph_);
}

Result<void> GraphBuilder::read_contracts() {
  const Definition& d = graph_->definition_;
  contract::Object all;
  for (const std::string& name : d.contract_files) {
    fs::path path = d.path.parent_path() / name;
    auto text = read_file(path, kAgentFileBytesMax);
    if (!text) {
      return fail(make_error(ErrorCode::not_found, 6205, "cannot read the contract file '" + name + "'")
                      .at(d.path.string())
                      .got(path.string())
                      .to_fix("check the path under 'contracts'"));
    }
    CONSORT_ASSIGN(Value file, parse_yaml(*text, path.string()));
    if (!file.is_object()) {
      return fail(make_error(ErrorCode::invalid_argument, 6205, "a contract file maps names to JSON Schemas")
                      .at(path.string()));
    }
    for (const auto& [type, schema] : file.as_object()) {
      const Value* before = all.find(type);
      if (before != nullptr && !(*before == schema)) {
        return fail(make_error(ErrorCode::already_exists, 6205,
                               "contract '" + type + "' is defined twice, differently")
                        .at(path.string())
                        .got(type));
      }
      all.set(type, schema);
    }
  }
  graph_->contracts_ = Value(std::move(all));
  for (const auto& [type, schema] : graph_->contracts_.as_object()) {
    auto compiled = Schema::compile(schema, type, graph_->contracts_);
    if (!compiled) return fail(std::move(compiled).error().with_context("contract '" + type + "'"));
  }
  return {};
}

Result<Value> GraphBuilder::type_document(const TypeRef& type) const {
  if (type.schema) return *type.schema;
  std::string text = type.text;
  bool optional = !text.empty() && text.back() == '?';
  if (optional) text.pop_back();
  int lists = 0;
  while (text.size() > 2 && text.substr(text.size() - 2) == "[]") {
    text.resize(text.size() - 2);
    ++lists;
  }
  static const std::vector<std::string> kPlain = {"string", "number", "integer", "boolean", "object"};
  Value document;
  if (std::find(kPlain.begin(), kPlain.end(), text) != kPlain.end()) {
    document = Value::object({{"type", text}});
  } else if (graph_->contracts_.find(text) != nullptr) {
    document = Value::object({{"$ref", "#/$defs/" + text}});
  } else {
    return fail(missing("contract", text, keys(graph_->contracts_.as_object()), type.where));
  }
  for (; lists > 0; --lists) {
    document = Value::object({{"type", "array"}, {"items", std::move(document)}});
  }
  if (optional) {
    document = Value::object({{"anyOf", contract::Array{std::move(document), Value::object({{"type", "null"}})}}});
  }
  return document;
}

Result<std::shared_ptr<const Schema>> GraphBuilder::compile(const Value& document, const std::string& id,
                                                            const Location& where) const {
  auto schema = Schema::compile(document, id, graph_->contracts_);
  if (!schema) return fail(at(std::move(schema).error().with_context(id), where));
  return schema;
}

Result<Value> GraphBuilder::input_document(const ComponentSpec& spec) const {
  if (spec.in_type) return type_document(*spec.in_type);
  contract::Object properties;
  contract::Array required;
  for (const auto& [name, type] : spec.in_members) {
    CONSORT_ASSIGN(Value document, type_document(type));
    properties.set(name, std::move(document));
    if (type.schema || type.text.back() != '?') required.push_back(Value(name));
  }
  contract::Object out;
  out.set("type", "object");
  out.set("properties", std::move(properties));
  out.set("required", std::move(required));
  out.set("additionalProperties", false);
  return Value(std::move(out));
}

Result<void> GraphBuilder::check_names(const ComponentSpec& spec) const {
  const Definition& d = graph_->definition_;
  if (!spec.model.empty() && !d.models.contains(spec.model)) {
    return fail(missing("model", spec.model, keys(d.models), spec.where));
  }
  for (const std::string& tool : spec.tools) {
    auto found = d.tools.find(tool);
    if (found == d.tools.end()) return fail(missing("tool", tool, keys(d.tools), spec.where));
  }
  for (const Recovery& r : spec.on_violation) {
    if (r.kind == Recovery::Kind::escalate && !d.components.contains(r.component)) {
      return fail(missing("component", r.component, keys(d.components), spec.where));
    }
  }
  return {};
}

Result<void> GraphBuilder::resolve_nested(Node& node) {
  const Definition& d = graph_->definition_;
  CONSORT_ASSIGN(fs::path path, find_used_agent(d.path.parent_path(), node.spec.use, node.spec.where));
  auto definition = load_definition(path);
  if (!definition) return fail(std::move(definition).error().with_context("used agent '" + node.spec.use + "'"));
  size_t mark = node.spec.use.find('@');
  if (mark != std::string::npos) {
    std::string wanted = node.spec.use.substr(mark + 1);
    const std::string& has = definition->version;
    if (has != wanted && has.substr(0, wanted.size() + 1) != wanted + ".") {
      return fail(make_error(ErrorCode::failed_precondition, 6201,
                             "'" + node.spec.use + "' wants version " + wanted + ", the file has " + has)
                      .at(node.spec.where.to_string()));
    }
  }
  CONSORT_ASSIGN(node.nested, GraphBuilder::build(std::move(*definition), stack_));
  auto edge = [&](const Schema& consumer, const Schema& producer, const std::string& what) -> Result<void> {
    contract::Containment c = contract::contains(consumer, producer);
    graph_->edges_.push_back({what, node.spec.name, c});
    if (c.verdict == contract::Verdict::proved) return {};
    bool refuted = c.verdict == contract::Verdict::refuted;
    Error error = make_error(ErrorCode::contract_violation, refuted ? 6203 : 6204, what + ": " + c.reason)
                      .at(node.spec.where.to_string())
                      .to_fix("make the declared in/out of '" + node.spec.name + "' match the used agent's");
    if (c.witness) error.value = cut_utf8(contract::to_json(*c.witness), 200);
    return fail(std::move(error));
  };
  CONSORT_TRY(edge(*node.nested->input(), *node.input, "input of used agent"));
  return edge(*node.output, *node.nested->output(), "output of used agent");
}

Result<void> GraphBuilder::resolve_node(const ComponentSpec& spec) {
  CONSORT_TRY(check_names(spec));
  Node node;
  node.spec = spec;
  const Definition& d = graph_->definition_;
  CONSORT_ASSIGN(Value in, input_document(spec));
  CONSORT_ASSIGN(node.input, compile(in, spec.name + ".in", spec.where));
  CONSORT_ASSIGN(Value out, type_document(spec.out));
  CONSORT_ASSIGN(node.output, compile(out, spec.name + ".out", spec.where));
  if (spec.kind == ComponentKind::generate) {
    if (auto enforced = mask::enforceable(*node.output); !enforced) {
      return fail(at(std::move(enforced).error().with_context(spec.name + ".out"), spec.where));
    }
  }
  Sha256 hasher;
  hasher.update(node.input->digest().hex()).update(node.output->digest().hex());
  if (!spec.prompt.empty()) {
    fs::path path = d.path.parent_path() / spec.prompt;
    auto text = read_file(path, kAgentFileBytesMax);
    if (!text) {
      return fail(make_error(ErrorCode::not_found, 6206, "cannot read the prompt of '" + spec.name + "'")
                      .at(spec.where.to_string())
                      .got(path.string())
                      .to_fix("check the path under 'prompt'"));
    }
    node.prompt_text = std::move(*text);
    auto parsed = model::Template::parse(node.prompt_text, path.string());
    if (!parsed) return fail(std::move(parsed).error());
    hasher.update(node.prompt_text);
  }
  if (!spec.query.empty()) {
    auto parsed = model::Template::parse(spec.query, spec.where.to_string());
    if (!parsed) return fail(std::move(parsed).error());
  }
  if (spec.kind == ComponentKind::agent) {
    CONSORT_TRY(resolve_nested(node));
    hasher.update(node.nested->digest().hex());
  }
  node.digest = hasher.finish();
  graph_->nodes_.emplace(spec.name, std::move(node));
  return {};
}

Result<void> GraphBuilder::check_known(const Expression& value, const Location& where) const {
  for (const std::string& root : value.roots()) {
    if (defined_.contains(root)) continue;
    bool later = false;
    for (const auto& entry : graph_->definition_.flow) {
      later = later || std::visit([&](const auto& e) { return e.name == root; }, entry);
    }
    if (later) {
      return fail(make_error(ErrorCode::invalid_argument, 6202,
                             "cycle: '" + root + "' is read before it is defined")
                      .at(where.to_string())
                      .got(value.text)
                      .to_fix("move the step that defines '" + root + "' above, or use a redo loop"));
    }
    return fail(missing("value", root, keys(defined_), where));
  }
  return {};
}

Result<void> GraphBuilder::bind_arguments(Step& step) const {
  const ComponentSpec& spec = step.node->spec;
  std::vector<std::string> members;
  for (const auto& [name, unused] : spec.in_members) members.push_back(name);
  std::vector<std::string> given;
  for (Argument& a : step.line.arguments) {
    CONSORT_TRY(check_known(a.value, step.line.where));
    if (spec.in_type) {
      if (!a.name.empty() || step.line.arguments.size() != 1) {
        return fail(make_error(ErrorCode::invalid_argument, 6201,
                               "'" + spec.name + "' takes one value: " + spec.name + "(value)")
                        .at(step.line.where.to_string()));
      }
    } else {
      if (a.name.empty()) a.name = a.value.op == Expression::Op::path ? a.value.root : "";
      if (a.name.empty() || std::find(members.begin(), members.end(), a.name) == members.end()) {
        return fail(missing("argument of '" + spec.name + "'", a.name, members, step.line.where));
      }
      if (std::find(given.begin(), given.end(), a.name) != given.end()) {
        return fail(make_error(ErrorCode::invalid_argument, 6201, "argument '" + a.name + "' is given twice")
                        .at(step.line.where.to_string()));
      }
    }
    given.push_back(a.name);
    if (!a.value.fans_out()) continue;
    if (step.fan_out) {
      return fail(make_error(ErrorCode::invalid_argument, 6201, "only one argument may have [*]")
                      .at(step.line.where.to_string()));
    }
    step.fan_out = true;
    step.fan_argument = a.name;
  }
  if (spec.in_type && step.line.arguments.empty()) given.clear();
  for (const auto& [name, type] : spec.in_members) {
    bool optional = !type.schema && type.text.back() == '?';
    if (optional || std::find(given.begin(), given.end(), name) != given.end()) continue;
    return fail(make_error(ErrorCode::invalid_argument, 6201,
                           "argument '" + name + "' of '" + spec.name + "' is missing")
                    .at(step.line.where.to_string())
                    .to_fix("add " + name + "=..."));
  }
  if (spec.in_type && step.line.arguments.size() != 1) {
    return fail(make_error(ErrorCode::invalid_argument, 6201, "'" + spec.name + "' takes one value")
                    .at(step.line.where.to_string()));
  }
  return {};
}

Result<void> GraphBuilder::check_edge(const Expression& value, const std::string& to, bool element,
                                      const Value& consumer, bool unchecked, const Location& where) {
  SchemaLookup roots = [this](const std::string& name) {
    auto found = defined_.find(name);
    return found == defined_.end() ? nullptr : &found->second;
  };
  auto document = schema_of(value, roots, graph_->contracts_);
  if (!document) return fail(at(std::move(document).error(), where));
  if (element) {
    const Value* items = document->find("items");
    if (items == nullptr) {
      return fail(make_error(ErrorCode::invalid_argument, 6103, "'" + value.text + "' is not a list")
                      .at(where.to_string()));
    }
    document = Value(*items);
  }
  CONSORT_ASSIGN(auto producer_open, compile(*document, value.text, where));
  CONSORT_ASSIGN(auto consumer_schema, compile(consumer, to, where));
  contract::Containment c = contract::contains(*consumer_schema, *producer_open);
  graph_->edges_.push_back({value.text, to, c});
  if (c.verdict == contract::Verdict::proved) return {};
  if (c.verdict == contract::Verdict::unknown && unchecked) return {};
  bool refuted = c.verdict == contract::Verdict::refuted;
  Error error = make_error(ErrorCode::contract_violation, refuted ? 6203 : 6204,
                           "edge " + value.text + " -> " + to + (refuted ? " does not fit: " : " cannot be decided: ") +
                               c.reason)
                    .at(where.to_string())
                    .to_fix(refuted ? "narrow the producer's contract or widen the consumer's"
                                    : "simplify the contracts, or write 'unchecked: true' for a run-time check");
  if (c.witness) error.value = cut_utf8(contract::to_json(*c.witness), 200);
  return fail(std::move(error));
}

Result<void> GraphBuilder::resolve_step(const FlowStep& line) {
  auto node = graph_->nodes_.find(line.component);
  if (node == graph_->nodes_.end()) {
    return fail(missing("component", line.component, keys(graph_->nodes_), line.where));
  }
  Step step;
  step.line = line;
  step.node = &node->second;
  CONSORT_TRY(bind_arguments(step));
  const Value& input = node->second.input->document();
  for (const Argument& a : step.line.arguments) {
    const Value* consumer = &input;
    if (!a.name.empty()) consumer = input.find("properties")->find(a.name);
    std::string to = line.name + ": " + line.component + (a.name.empty() ? "" : "." + a.name);
    CONSORT_TRY(check_edge(a.value, to, step.fan_out && a.name == step.fan_argument, *consumer,
                           line.unchecked, line.where));
  }
  if (line.when) CONSORT_TRY(check_known(*line.when, line.where));
  std::vector<const Expression*> reads;
  for (const Argument& a : step.line.arguments) reads.push_back(&a.value);
  if (line.when) reads.push_back(&*line.when);
  for (size_t i = 0; i < graph_->steps_.size(); ++i) {
    bool read = std::any_of(reads.begin(), reads.end(), [&](const Expression* e) {
      return e->roots().contains(graph_->steps_[i].line.name);
    });
    if (read) step.depends.push_back(i);
  }
  // What the mask can emit is closed; a tool's or a nested agent's output is checked as declared.
  Value produced = node->second.output->document();
  if (step.fan_out) produced = Value::object({{"type", "array"}, {"items", std::move(produced)}});
  if (line.when) {
    produced = Value::object({{"anyOf", contract::Array{std::move(produced), Value::object({{"type", "null"}})}}});
  }
  step.output_schema = produced;
  defined_[line.name] = std::move(produced);
  graph_->steps_.push_back(std::move(step));
  return {};
}

Result<void> GraphBuilder::bind_redo(RedoLoop& loop) {
  auto target = std::find_if(graph_->steps_.begin(), graph_->steps_.end(),
                             [&](const Step& s) { return s.line.name == loop.redo; });
  if (target == graph_->steps_.end()) {
    std::vector<std::string> known;
    for (const Step& s : graph_->steps_) known.push_back(s.line.name);
    return fail(missing("earlier step", loop.redo, known, loop.where));
  }
  CONSORT_TRY(check_known(loop.when, loop.where));
  const ComponentSpec& spec = target->node->spec;
  for (const Argument& a : loop.with) {
    CONSORT_TRY(check_known(a.value, loop.where));
    const Value* properties = target->node->input->document().find("properties");
    const Value* consumer = spec.in_type || properties == nullptr ? nullptr : properties->find(a.name);
    if (consumer == nullptr) {
      std::vector<std::string> members;
      for (const auto& [name, unused] : spec.in_members) members.push_back(name);
      return fail(missing("argument of '" + spec.name + "'", a.name, members, loop.where));
    }
    CONSORT_TRY(check_edge(a.value, loop.name + ": " + loop.redo + "." + a.name, false, *consumer, false,
                           loop.where));
  }
  return {};
}

Result<void> GraphBuilder::resolve_flow() {
  const Definition& d = graph_->definition_;
  for (const auto& entry : d.flow) {
    if (const auto* line = std::get_if<FlowStep>(&entry)) {
      CONSORT_TRY(resolve_step(*line));
    } else {
      RedoLoop loop = std::get<RedoLoop>(entry);
      CONSORT_TRY(bind_redo(loop));
      graph_->loops_.push_back(std::move(loop));
      graph_->loop_after_.push_back(graph_->steps_.size() - 1);
    }
  }
  CONSORT_TRY(check_known(d.result, d.out.where));
  return check_edge(d.result, "return", false, graph_->output_->document(), false, d.out.where);
}

void GraphBuilder::finish_digest() {
  Sha256 hasher;
  hasher.update(graph_->definition_.digest.hex());
  hasher.update(contract::canonical_json(graph_->contracts_));
  for (const auto& [name, node] : graph_->nodes_) hasher.update(name).update(node.digest.hex());
  graph_->digest_ = hasher.finish();
}

Result<fs::path> find_used_agent(const fs::path& folder, const std::string& use, const Location& where) {
  std::string name = use.substr(0, use.find('@'));
  std::error_code ignored;
  fs::path at = fs::weakly_canonical(folder.empty() ? "." : folder, ignored);
  for (int up = 0; up < 5; ++up, at = at.parent_path()) {
    for (const fs::path& candidate : {at / name / "agent.yaml", at / (name + ".yaml")}) {
      if (fs::is_regular_file(candidate, ignored)) return candidate;
    }
  }
  return fail(make_error(ErrorCode::not_found, 6201, "no agent file for 'use: " + use + "'")
                  .at(where.to_string())
                  .got(use)
                  .to_fix("put it at " + name + "/agent.yaml beside this file or in a folder above"));
}

}  // namespace consort::agent
