#include "cli/eval_sets.h"

namespace consort::cli {

using contract::Value;

Result<std::vector<Value>> read_records(const std::string& path) {
  std::vector<Value> out;
  if (std::filesystem::path(path).extension() == ".jsonl" || path == "-") {
    CONSORT_TRY(each_line(path, [&](int number, const std::string& line) -> Result<void> {
      auto value = contract::parse_json(line);
      if (!value) return fail(std::move(value).error().at(path + ":" + std::to_string(number)));
      out.push_back(std::move(*value));
      return {};
    }));
    return out;
  }
  CONSORT_ASSIGN(Value document, read_document(path));
  const Value* list = document.is_array() ? &document : nullptr;
  if (document.is_object() && document.as_object().size() == 1)
    list = &document.as_object().begin()->second;
  if (list == nullptr || !list->is_array()) {
    return fail(make_error(ErrorCode::invalid_argument, 8008,
                           "a data set is JSON Lines, a list, or one named list")
                    .at(path));
  }
  return list->as_array();
}

}  // namespace consort::cli
