// The questions of schema.h about one value.
#include "contract/program_validate.h"
#include "contract/schema.h"
#include "contract/utf8.h"

namespace consort::contract {

std::vector<Violation> validate(const Schema& schema, const Value& value, size_t max) {
  if (is_valid(schema.language(), value)) return {};
  std::vector<Violation> result = validate(schema.program(), value, max);
  if (result.empty() && max > 0) {
    result.push_back({"", "#", "additionalProperties", "a key is not declared by the schema"});
  }
  return result;
}

Result<void> check(const Schema& schema, const Value& value) {
  const std::vector<Violation> violations = validate(schema, value, 1);
  if (violations.empty()) return {};
  const Violation& first = violations[0];
  const Value* offender = at_pointer(value, first.instance);
  std::string message = first.message;
  if (!schema.id().empty()) message += " (schema " + schema.id() + ", " + first.schema + ")";
  return fail(make_error(ErrorCode::contract_violation, 3001, std::move(message))
                  .at(first.instance)
                  .got(offender ? cut_utf8(to_json(*offender), 200) : "")
                  .to_fix("change the value so that it matches '" + first.keyword + "'"));
}

}  // namespace consort::contract
