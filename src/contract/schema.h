// Schema: a compiled JSON Schema, and the questions one may ask of it.
//
// Two readings. A contract that people write for an agent is read strictly: a keyword that no dialect
// knows is refused at compile time by name and JSON Pointer, never ignored. A schema from elsewhere
// is read as its standard says. Either in any of five dialects; a mask refuses what it cannot
// enforce (docs/formats/contract.md).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "contract/json.h"

namespace consort::contract {

struct Program;  // What everyone reads, see program.h.
struct CompileOptions;

// Immutable after compile; share by shared_ptr<const Schema> among threads.
class Schema final {
 public:
  // `id` names the schema in errors ("Brief", "contracts.yaml#/Brief"). `definitions` are further
  // named schemas that `$ref: "#/$defs/NAME"` or a bare `$ref: "NAME"` may reach (an object NAME ->
  // schema). Errors: 2101 unsupported keyword, 2102 malformed keyword, 2103 unresolved $ref, 2104
  // limit; place = JSON Pointer into the document.
  static Result<std::shared_ptr<const Schema>> compile(const Value& document, std::string id,
                                                       const Value& definitions = {});
  // As the standard says, see CompileOptions in program.h. Errors: those of compile_program.
  static Result<std::shared_ptr<const Schema>> compile(const Value& document, std::string id,
                                                       const Value& definitions,
                                                       const CompileOptions& options);
  ~Schema();
  const std::string& id() const { return id_; }
  const Value& document() const { return document_; }  // As written.
  const Digest& digest() const {
    return digest_;
  }  // Of the canonical document and what it references.
  // As written, whether or not it is closed.
  const Program& program() const { return *program_; }
  // Its language: if it is closed, that of the objects without undeclared keys.
  const Program& language() const { return closed_program_ ? *closed_program_ : *program_; }
  // The same document, definitions and reading: the same language. False says nothing.
  bool same_as(const Schema& other) const {
    return digest_ == other.digest_ && reading_ == other.reading_ &&
           is_closed() == other.is_closed();
  }
  // Made by `emitted`: undeclared keys are refused, whatever the document says.
  bool is_closed() const { return closed_program_ != nullptr; }

  Schema(const Schema&) = delete;
  Schema& operator=(const Schema&) = delete;

 private:
  friend std::shared_ptr<const Schema> emitted(const Schema& schema);
  Schema();
  std::string id_;
  Value document_;
  Digest digest_;
  std::shared_ptr<const Program> program_;
  std::pair<int, const void*> reading_;  // Dialect and formats; the registry.
  std::shared_ptr<const Program> closed_program_;  // Null unless `emitted` made it.
};

// One way in which a value does not match.
struct Violation {
  std::string instance;  // JSON Pointer into the value.
  std::string schema;    // JSON Pointer into the schema.
  std::string keyword;   // "maxLength"
  std::string message;   // A sentence.
  bool operator==(const Violation&) const = default;
};

// All violations (at most `max`), empty when valid. Depth is counted, see program_validate.h.
std::vector<Violation> validate(const Schema& schema, const Value& value, size_t max = 16);
// First violation as Error 3001 contract_violation with place = instance pointer.
Result<void> check(const Schema& schema, const Value& value);

enum class Verdict { proved, refuted, unknown };
struct Containment {
  Verdict verdict = Verdict::unknown;
  std::optional<Value>
      witness;         // Refuted: valid under the first, invalid under the second (verified).
  std::string reason;  // One sentence: which keyword where; for unknown, why.
};
// Is everything that `producer` accepts accepted by `consumer`? Bounded by counted work.
Containment contains(const Schema& consumer, const Schema& producer);

// What a mask can emit for `schema`: objects closed (no undeclared keys). The producer's side of an
// edge check.
std::shared_ptr<const Schema> emitted(const Schema& schema);

// A value that the schema accepts, drawn from `seed`; not_found 2105 if none was found.
Result<Value> example(const Schema& schema, uint64_t seed);

}  // namespace consort::contract
