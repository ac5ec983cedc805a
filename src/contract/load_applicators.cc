// Keywords that hold schemas, and those of arrays and objects beside them.
#include "contract/load.h"
#include "contract/load_keywords.h"

namespace consort::contract {
namespace {

template <typename T>
T& part(std::unique_ptr<T>& slot) {
  if (!slot) slot = std::make_unique<T>();
  return *slot;
}

}  // namespace

Result<bool> KeywordReader::in_place(Subschema& out, const std::string& keyword,
                                     const Value& argument, const Object& siblings,
                                     const std::string& at) {
  const std::pair<std::string_view, std::vector<NodeId>*> lists[] = {
      {"anyOf", &out.any_of}, {"oneOf", &out.one_of}, {"allOf", &out.all_of}};
  for (const auto& [known, list] : lists) {
    if (keyword != known) continue;
    const Array* schemas = argument.get_array();
    if (!schemas || schemas->empty()) {
      return fail(load_malformed(at, keyword + " is a non-empty array of schemas", argument));
    }
    for (const Value& schema : *schemas) {
      CONSORT_ASSIGN(const NodeId child, nodes_.child(schema));
      list->push_back(child);
    }
    return true;
  }
  if (keyword == "not") {
    CONSORT_ASSIGN(out.negated, nodes_.child(argument));
    return true;
  }
  if (keyword != "if" && keyword != "then" && keyword != "else") return false;
  if (out.dialect < Dialect::draft7) return false;
  if (!siblings.find("if")) return true;  // Without `if` they say nothing.
  NodeId& slot = keyword == "if"     ? out.condition
                 : keyword == "then" ? out.then_branch
                                     : out.else_branch;
  CONSORT_ASSIGN(slot, nodes_.child(argument));
  return true;
}

Result<bool> KeywordReader::arrays(Subschema& out, const std::string& keyword,
                                   const Value& argument, const Object& siblings,
                                   const std::string& at) {
  if (keyword == "uniqueItems" && has_validation_) {
    if (!argument.get_bool()) return fail(load_malformed(at, "uniqueItems is a boolean", argument));
    if (*argument.get_bool()) part(out.array).unique = true;
    return true;
  }
  const Holds kind = holds(keyword, out.dialect);
  if (kind == Holds::no_schema) return false;
  const bool is_list =
      keyword == "prefixItems" || (keyword == "items" && argument.is_array());
  if (is_list) {
    const Array* schemas = argument.get_array();
    if (!schemas || kind == Holds::schema) {
      return fail(load_malformed(
          at, keyword + (keyword == "items" ? " is a schema; positions are in prefixItems"
                                            : " is an array of schemas"),
          argument));
    }
    for (const Value& schema : *schemas) {
      CONSORT_ASSIGN(const NodeId child, nodes_.child(schema));
      part(out.array).prefix.push_back(child);
    }
    return true;
  }
  if (keyword == "items") {
    CONSORT_ASSIGN(part(out.array).items, nodes_.child(argument));
  } else if (keyword == "additionalItems") {
    const Value* items = siblings.find("items");
    if (!items || !items->is_array()) return true;
    CONSORT_ASSIGN(part(out.array).items, nodes_.child(argument));
  } else if (keyword == "contains") {
    CONSORT_ASSIGN(part(out.array).contains, nodes_.child(argument));
  } else if (keyword == "unevaluatedItems") {
    CONSORT_ASSIGN(part(out.array).unevaluated, nodes_.child(argument));
  } else {
    return false;
  }
  return true;
}

Result<bool> KeywordReader::objects(Subschema& out, const std::string& keyword,
                                    const Value& argument, const std::string& at) {
  if (has_validation_ && keyword == "required") {
    // draft-03's boolean form, still seen in draft-04 documents, is no keyword of any dialect here.
    CONSORT_ASSIGN(part(out.object).required, strings_of(argument, at));
    return true;
  }
  const Object* map = argument.get_object();
  const auto need_map = [&] {
    return load_malformed(at, keyword + " is an object", argument);
  };
  if (keyword == "dependentRequired" && has_validation_ && out.dialect >= Dialect::draft2019_09) {
    if (!map) return fail(need_map());
    for (const auto& [key, names] : *map) {
      CONSORT_ASSIGN(auto keys, strings_of(names, pointer_child(at, key)));
      part(out.object).dependent_required.emplace_back(key, std::move(keys));
    }
    return true;
  }
  const Holds kind = holds(keyword, out.dialect);
  if (kind == Holds::no_schema) return false;
  if (keyword == "$defs" || keyword == "definitions" || keyword == "contentSchema") {
    // Where people write contracts, unused definitions are read too.
    if (!options_.strict || keyword == "contentSchema") return true;
    if (!map) return fail(need_map());
    for (const auto& [key, schema] : *map) CONSORT_TRY(nodes_.child(schema));
    return true;
  }
  if (keyword == "properties" || keyword == "patternProperties" || keyword == "dependencies" ||
      keyword == "dependentSchemas") {
    if (!map) return fail(need_map());
    ObjectKeywords& object = part(out.object);
    for (const auto& [key, schema] : *map) {
      if (keyword == "dependencies" && schema.is_array()) {
        CONSORT_ASSIGN(auto keys, strings_of(schema, pointer_child(at, key)));
        object.dependent_required.emplace_back(key, std::move(keys));
        continue;
      }
      CONSORT_ASSIGN(const NodeId child, nodes_.child(schema));
      if (keyword == "properties") {
        object.properties.emplace_back(key, child);
      } else if (keyword == "patternProperties") {
        CONSORT_ASSIGN(auto compiled,
                       pattern(key, "patternProperties", pointer_child(at, key)));
        object.patterns.emplace_back(std::move(compiled), child);
      } else {
        object.dependent_schemas.emplace_back(key, child);
      }
    }
    object.index.clear();
    for (uint32_t i = 0; i < object.properties.size(); ++i) {
      object.index.emplace(object.properties[i].first, i);
    }
    return true;
  }
  if (keyword == "additionalProperties") {
    CONSORT_ASSIGN(part(out.object).additional, nodes_.child(argument));
  } else if (keyword == "propertyNames") {
    CONSORT_ASSIGN(part(out.object).names, nodes_.child(argument));
  } else if (keyword == "unevaluatedProperties") {
    CONSORT_ASSIGN(part(out.object).unevaluated, nodes_.child(argument));
  } else {
    return false;
  }
  return true;
}

Result<void> KeywordReader::unknown(const std::string& keyword, const Value& argument,
                                    const std::string& at) {
  static constexpr std::string_view kNotes[] = {
      "title",     "description",      "$comment",        "default", "examples",
      "deprecated", "readOnly",        "writeOnly",       "$schema", "$id",
      "id",        "$anchor",          "$dynamicAnchor",  "$recursiveAnchor",
      "$vocabulary", "contentEncoding", "contentMediaType"};
  for (std::string_view note : kNotes) {
    // `content...` reads like a rule, but is none: where people write contracts, it is refused.
    const bool misleads = options_.strict && note.starts_with("content");
    if (keyword == note && !misleads) return {};
  }
  if (options_.strict) {
    return fail(load_refused(at, "keyword '" + keyword + "' is not known in this dialect, or not enforced",
                             "remove it, or express it with the keywords of "
                             "docs/formats/contract.md")
                    .got(cut_utf8(to_json(argument), 80)));
  }
  if (program_.unknown_keywords.size() < 100) program_.unknown_keywords.push_back(at);
  return {};
}

}  // namespace consort::contract
