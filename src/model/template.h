// Template: a bounded subset of Jinja 2, for chat templates and prompt files
// (docs/formats/template.md).
//
// Statements: for/else/if filter, if/elif/else, set (also block form), macro, generation
// (transparent), comments, whitespace control. Expressions: literals, arithmetic, `~`, comparisons,
// in, and/or/not, is tests, inline if, indexing, slices, attributes, filters, and the methods of
// strings, lists and dictionaries that templates of published models use. `trim_blocks` and
// `lstrip_blocks` are on, as Hugging Face sets them.
//
// No file access, no import, no code. Work, depth and output are limited, so that a template from a
// model file cannot hang or fill memory.
//
// Errors: invalid_argument 3401 (syntax), unsupported 3402 (a construct of Jinja that is not here,
// by name), 3403 (a wrong type or call while rendering), not_found 3404 (undefined variable, strict
// mode), resource_exhausted 3405 (a limit), invalid_argument 3406 (the template called
// raise_exception). place is "NAME:line:column".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "contract/json.h"

namespace consort::model {

struct TemplateLimits {
  uint64_t source_bytes_max = 1 << 20;
  int depth_max = 64;                    // Of nesting, in the source and of macro calls.
  uint64_t steps_max = 4'000'000;        // Evaluated nodes.
  uint64_t output_bytes_max = 64 << 20;  // Also the limit of all strings built on the way.
};

enum class Undefined {
  strict,   // A name or member that is not there is error 3404, except under `is defined` and
            // `default`.
  lenient,  // As Jinja's default: it renders as nothing and is false; using its members is an
            // error.
};

// Immutable after parse; render is thread-safe.
class Template final {
 public:
  static Result<std::unique_ptr<const Template>> parse(std::string_view text, std::string name,
                                                       Undefined undefined = Undefined::strict,
                                                       const TemplateLimits& limits = {});
  ~Template();
  Template(const Template&) = delete;
  Template& operator=(const Template&) = delete;
  // `variables` is an object: its members are the template's globals.
  Result<std::string> render(const contract::Value& variables) const;
  const std::string& name() const { return name_; }
  const std::string& source() const { return source_; }

 private:
  struct Program;
  Template();
  std::string name_;
  std::string source_;
  Undefined undefined_ = Undefined::strict;
  TemplateLimits limits_;
  std::unique_ptr<const Program> program_;
};

}  // namespace consort::model
