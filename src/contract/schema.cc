#include "contract/schema.h"

#include "contract/program.h"

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

std::shared_ptr<const Schema> emitted(const Schema& schema) {
  std::shared_ptr<Schema> result(new Schema());
  result->reading_ = schema.reading_;
  result->id_ = schema.id_;
  result->document_ = schema.document_;
  result->digest_ = schema.digest_;
  result->program_ = schema.program_;
  result->closed_program_ = schema.is_closed() ? schema.closed_program_ : closed(*schema.program_);
  return result;
}

}  // namespace consort::contract
