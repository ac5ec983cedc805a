#include "contract/schema.h"

#include "contract/program.h"
#include "contract/schema_ir.h"
#include "contract/schema_raw.h"

namespace consort::contract {
namespace {

// A document alone is its own identity; with definitions, those it reached belong to it.
Digest digest_of(const Value& document, const Value& definitions, const Program& program) {
  if (program.used_definitions.empty()) return sha256(canonical_json(document));
  Object used;
  for (const std::string& name : program.used_definitions) {
    used.set(name, *definitions.find(name));
  }
  return sha256(canonical_json(
      Value::object({{"definitions", Value(std::move(used))}, {"document", document}})));
}

}  // namespace

Schema::Schema() = default;
Schema::~Schema() = default;
const Node& Schema::root() const { return *ir_->root; }

Result<std::shared_ptr<const Schema>> Schema::compile(const Value& document, std::string id,
                                                      const Value& definitions) {
  CompileOptions options;
  options.strict = true;
  return compile(document, std::move(id), definitions, options);
}

Result<std::shared_ptr<const Schema>> Schema::compile(const Value& document, std::string id,
                                                      const Value& definitions,
                                                      const CompileOptions& options) {
  const std::string context = id.empty() ? "schema" : "schema '" + id + "'";
  std::shared_ptr<Schema> schema(new Schema());
  // The normal form reads 2020-12 with formats enforced, and so does whoever reads it.
  Result<std::unique_ptr<RawProgram>> raw =
      options.dialect == Dialect::draft2020_12 && options.assert_formats
          ? read_raw(document, definitions)
          : fail(make_error(ErrorCode::unsupported, 2101, "the schema is not in 2020-12").at("#"));
  Result<Ir> ir = raw ? build_ir(**raw) : Result<Ir>(fail(raw.error()));
  if (ir) {
    schema->ir_ = std::make_unique<Ir>(std::move(*ir));
  } else {
    schema->refusal_ = ir.error();
    if (options.strict) return fail(std::move(ir).error().with_context(context));
  }
  auto program = compile_program(document, definitions, options);
  if (!program) return fail(std::move(program).error().with_context(context));
  schema->reading_ = {static_cast<int>(options.dialect) * 2 + options.assert_formats,
                      options.registry};
  schema->id_ = std::move(id);
  schema->document_ = document;
  schema->digest_ = digest_of(document, definitions, **program);
  schema->program_ = std::move(*program);
  return std::shared_ptr<const Schema>(std::move(schema));
}

namespace {

// The IR with `additional` cut off: the objects of an emitted value have declared keys only.
std::unique_ptr<Ir> closed(const Ir& open) {
  auto result = std::make_unique<Ir>();
  for (const auto& node : open.nodes) {
    result->nodes.push_back(std::make_unique<Node>(*node));
    result->nodes.back()->is_any = false;
  }
  Node& nothing = *result->nodes.emplace_back(std::make_unique<Node>());
  nothing.id = result->nodes.size() - 1;
  nothing.pointer = "#";
  nothing.is_empty = true;
  const auto moved = [&](const Node*& node) { node = result->nodes[node->id].get(); };
  for (const auto& simple : open.simples) {
    Simple& copy = *result->simples.emplace_back(std::make_unique<Simple>(*simple));
    for (const Node*& node : copy.array.prefix) moved(node);
    moved(copy.array.items);
    for (Property& property : copy.object.properties) moved(property.node);
    copy.object.additional = &nothing;
  }
  for (auto& node : result->nodes) {
    for (const Simple*& simple : node->alternatives) {
      simple = result->simples[simple->id].get();
    }
  }
  result->root = result->nodes[open.root->id].get();
  return result;
}

}  // namespace

Result<std::shared_ptr<const Schema>> emitted(const Schema& schema) {
  if (schema.refusal()) return fail(*schema.refusal());
  std::shared_ptr<Schema> result(new Schema());
  result->reading_ = schema.reading_;
  result->id_ = schema.id_;
  result->document_ = schema.document_;
  result->digest_ = schema.digest_;
  result->program_ = schema.program_;
  result->closed_ = true;
  result->ir_ = closed(*schema.ir_);
  CONSORT_TRY(mark_empty(*result->ir_));
  return std::shared_ptr<const Schema>(std::move(result));
}

}  // namespace consort::contract
