#include <algorithm>

#include "contract/load.h"
#include "contract/uri.h"

namespace consort::contract {

Error load_refused(const std::string& place, std::string message, std::string fix) {
  return make_error(ErrorCode::unsupported, 2101, std::move(message)).at(place).to_fix(
      std::move(fix));
}
Error load_malformed(const std::string& place, std::string message, const Value& got) {
  return make_error(ErrorCode::invalid_argument, 2102, std::move(message))
      .at(place)
      .got(cut_utf8(to_json(got), 200))
      .to_fix("see the keyword's definition in JSON Schema");
}
Error load_limit(const std::string& place, std::string message) {
  return make_error(ErrorCode::resource_exhausted, 2104, std::move(message))
      .at(place)
      .to_fix("split the schema");
}

std::string_view name(Dialect dialect) {
  static constexpr std::string_view kNames[] = {"draft-04", "draft-06", "draft-07", "2019-09",
                                                "2020-12"};
  return kNames[static_cast<size_t>(dialect)];
}

std::optional<Dialect> dialect_of(std::string_view uri) {
  if (!uri.empty() && uri.back() == '#') uri.remove_suffix(1);
  for (std::string_view scheme : {"https://", "http://"}) {
    if (uri.substr(0, scheme.size()) != scheme) continue;
    uri.remove_prefix(scheme.size());
    break;
  }
  if (uri == "json-schema.org/draft-04/schema") return Dialect::draft4;
  if (uri == "json-schema.org/draft-06/schema") return Dialect::draft6;
  if (uri == "json-schema.org/draft-07/schema") return Dialect::draft7;
  if (uri == "json-schema.org/draft/2019-09/schema") return Dialect::draft2019_09;
  if (uri == "json-schema.org/draft/2020-12/schema") return Dialect::draft2020_12;
  return std::nullopt;
}

Holds holds(std::string_view keyword, Dialect dialect) {
  struct Entry {
    std::string_view keyword;
    Holds holds;
    Dialect from, to;
  };
  constexpr Dialect d4 = Dialect::draft4, d6 = Dialect::draft6, d7 = Dialect::draft7,
                    d19 = Dialect::draft2019_09, d20 = Dialect::draft2020_12;
  static const std::unordered_map<std::string_view, std::vector<Entry>> kTable = [] {
    std::unordered_map<std::string_view, std::vector<Entry>> table;
    for (const Entry& e : std::initializer_list<Entry>{
             {"properties", Holds::map, d4, d20},
             {"patternProperties", Holds::map, d4, d20},
             {"additionalProperties", Holds::schema, d4, d20},
             {"propertyNames", Holds::schema, d6, d20},
             {"items", Holds::schema_or_list, d4, d19},
             {"items", Holds::schema, d20, d20},
             {"additionalItems", Holds::schema, d4, d19},
             {"prefixItems", Holds::list, d20, d20},
             {"contains", Holds::schema, d6, d20},
             {"unevaluatedItems", Holds::schema, d19, d20},
             {"unevaluatedProperties", Holds::schema, d19, d20},
             {"dependencies", Holds::schema_or_strings_map, d4, d20},
             {"dependentSchemas", Holds::map, d19, d20},
             {"allOf", Holds::list, d4, d20},
             {"anyOf", Holds::list, d4, d20},
             {"oneOf", Holds::list, d4, d20},
             {"not", Holds::schema, d4, d20},
             {"if", Holds::schema, d7, d20},
             {"then", Holds::schema, d7, d20},
             {"else", Holds::schema, d7, d20},
             {"definitions", Holds::map, d4, d20},
             {"$defs", Holds::map, d4, d20},
             {"contentSchema", Holds::schema, d19, d20}}) {
      table[e.keyword].push_back(e);
    }
    return table;
  }();
  const auto found = kTable.find(keyword);
  if (found == kTable.end()) return Holds::no_schema;
  for (const Entry& e : found->second) {
    if (e.from <= dialect && dialect <= e.to) return e.holds;
  }
  return Holds::no_schema;
}

Result<void> Registry::add(std::string uri, Value document) {
  if (!has_scheme(uri)) {
    return fail(make_error(ErrorCode::invalid_argument, 2102, "a registered URI is absolute")
                    .got(uri)
                    .to_fix("give it a scheme, as https://example.com/schema.json"));
  }
  documents_.emplace_back(std::string(split_fragment(uri).first), std::move(document));
  return {};
}

const Value* Registry::find(std::string_view uri) const {
  for (const auto& [known, document] : documents_) {
    if (known == uri) return &document;
  }
  return nullptr;
}

Resources::Resources(const Value& document, const Value& definitions, const CompileOptions& options)
    : document_(document), definitions_(definitions), options_(options) {}

Result<void> Resources::index_root() {
  CONSORT_ASSIGN(main_, open_document(document_, "", "", nullptr));
  // Registered documents may declare other URIs by $id; those with their own are found by it.
  return {};
}

const SchemaPlace* Resources::find(const Value* schema) const {
  const auto found = places_.find(schema);
  return found == places_.end() ? nullptr : &found->second;
}

Result<Resource*> Resources::open_document(const Value& document, const std::string& uri,
                                           const std::string& label, Resource* parent) {
  Resource& resource = owned_.emplace_back();
  resource.uri = uri;
  resource.root = &document;
  resource.dialect = parent ? parent->dialect : options_.dialect;
  CONSORT_TRY(set_dialect(resource, document, label + "#", true));
  by_uri_.try_emplace(uri, &resource);
  CONSORT_TRY(index(document, &resource, label + "#", 0));
  return &resource;
}

Result<void> Resources::set_dialect(Resource& resource, const Value& schema,
                                    const std::string& pointer, bool is_document) {
  const Value* declared = schema.find("$schema");
  if (!declared) return {};
  const std::string* uri = declared->get_string();
  if (!uri) return fail(load_malformed(pointer + "/$schema", "$schema is a string", *declared));
  if (auto dialect = dialect_of(*uri)) {
    resource.dialect = *dialect;
    resource.has_validation = true;
    return {};
  }
  const std::string bare(split_fragment(*uri).first);
  const Value* meta = options_.registry ? options_.registry->find(bare) : nullptr;
  if (meta) {
    const std::string base = meta->string_or("$schema", "");
    if (auto dialect = dialect_of(base)) resource.dialect = *dialect;
    if (const Value* vocabulary = meta->find("$vocabulary")) {
      const char* needed = resource.dialect == Dialect::draft2019_09
                               ? "https://json-schema.org/draft/2019-09/vocab/validation"
                               : "https://json-schema.org/draft/2020-12/vocab/validation";
      resource.has_validation = vocabulary->find(needed) != nullptr;
    }
    return {};
  }
  const bool older = uri->find("json-schema.org/draft-0") != std::string::npos;
  if (older || (options_.strict && is_document)) {
    return fail(load_refused(pointer + "/$schema", "dialect '" + *uri + "' is not supported",
                             "write the schema in https://json-schema.org/draft/2020-12/schema"));
  }
  return {};
}

// `schema` may open a resource of its own, or name itself.
Result<Resource*> Resources::enter(const Value& schema, Resource* resource,
                                   const std::string& pointer) {
  const bool old = resource->dialect <= Dialect::draft7;
  if (old && schema.find("$ref") && &schema != resource->root) return resource;
  const char* keyword = resource->dialect == Dialect::draft4 ? "id" : "$id";
  const Value* id = schema.find(keyword);
  if (id && !id->get_string()) {
    // draft-04's `id` is often a property's own note.
    if (resource->dialect == Dialect::draft4) return resource;
    return fail(load_malformed(pointer + "/" + keyword, "$id is a string", *id));
  }
  if (old && schema.find("$ref")) return resource;
  if (id) {
    const std::string& text = *id->get_string();
    const auto [bare, fragment] = split_fragment(text);
    if (old && bare.empty() && !fragment.empty()) {
      resource->anchors.try_emplace(std::string(fragment), &schema);
      return resource;
    }
    const std::string full = resolve_uri(resource->uri, bare);
    if (&schema == resource->root) {
      resource->uri = full;
      by_uri_.try_emplace(full, resource);
    } else if (!bare.empty()) {
      Resource& inner = owned_.emplace_back();
      inner.uri = full;
      inner.root = &schema;
      inner.dialect = resource->dialect;
      inner.has_validation = resource->has_validation;
      CONSORT_TRY(set_dialect(inner, schema, pointer, false));
      by_uri_.try_emplace(full, &inner);
      resource = &inner;
    }
    if (old && !fragment.empty()) {
      resource->anchors.try_emplace(std::string(fragment), &schema);
    }
  }
  if (old) return resource;
  for (const char* anchor : {"$anchor", "$dynamicAnchor"}) {
    const Value* found = schema.find(anchor);
    const bool dynamic = anchor[1] == 'd';
    if (!found || (dynamic && resource->dialect == Dialect::draft2019_09)) continue;
    const std::string* text = found->get_string();
    if (!text) return fail(load_malformed(pointer + "/" + anchor, "an anchor is a string", *found));
    resource->anchors.try_emplace(*text, &schema);
    if (dynamic) {
      resource->dynamic_anchors.try_emplace(*text, &schema);
      has_dynamic_ = true;
    }
  }
  if (resource->dialect == Dialect::draft2019_09 && &schema == resource->root) {
    const Value* recursive = schema.find("$recursiveAnchor");
    if (recursive && recursive->get_bool() && *recursive->get_bool()) {
      resource->dynamic_anchors.try_emplace("", &schema);
      has_dynamic_ = true;
    }
  }
  return resource;
}

Result<void> Resources::index(const Value& value, Resource* resource, std::string pointer,
                              int depth) {
  std::vector<Walk> work = {{&value, resource, std::move(pointer), depth}};
  while (!work.empty()) {
    const Walk at = std::move(work.back());
    work.pop_back();
    CONSORT_TRY(index_one(at, work));
  }
  return {};
}

Result<void> Resources::index_one(const Walk& at, std::vector<Walk>& work) {
  const Value* value = at.value;
  if (places_.count(value)) return {};
  if (at.depth > kSchemaDepthMax) {
    return fail(load_limit(at.pointer, "schema nested too deeply"));
  }
  if (places_.size() >= 4 * kSchemasMax) {
    return fail(load_limit(at.pointer,
                           "more than " + std::to_string(4 * kSchemasMax) + " schema objects"));
  }
  const Object* object = value->get_object();
  if (!object) {
    places_.emplace(value, SchemaPlace{at.resource, at.pointer});
    return {};
  }
  CONSORT_ASSIGN(Resource * resource, enter(*value, at.resource, at.pointer));
  places_.emplace(value, SchemaPlace{resource, at.pointer});
  const auto push = [&](const Value& child, std::string pointer) {
    work.push_back({&child, resource, std::move(pointer), at.depth + 1});
  };
  for (const auto& [keyword, argument] : *object) {
    const Holds kind = holds(keyword, resource->dialect);
    if (kind == Holds::no_schema) continue;
    const std::string inner = pointer_child(at.pointer, keyword);
    const Array* list = argument.get_array();
    const Object* map = argument.get_object();
    const bool takes_list = kind == Holds::list || kind == Holds::schema_or_list;
    const bool takes_map = kind == Holds::map || kind == Holds::schema_or_strings_map;
    if (takes_list && list) {
      for (size_t i = 0; i < list->size(); ++i) push((*list)[i], pointer_child(inner, i));
    } else if (takes_map && map) {
      for (const auto& [key, child] : *map) {
        const bool is_keys = kind == Holds::schema_or_strings_map && child.is_array();
        if (!is_keys) push(child, pointer_child(inner, key));
      }
    } else if (kind == Holds::schema || kind == Holds::schema_or_list) {
      push(argument, inner);
    }
  }
  return {};
}

Result<Resource*> Resources::resource_of(const std::string& uri) {
  if (const auto found = by_uri_.find(uri); found != by_uri_.end()) return found->second;
  const Value* document = options_.registry ? options_.registry->find(uri) : nullptr;
  if (!document) document = find_metaschema(uri);
  if (!document) return nullptr;
  return open_document(*document, uri, uri, nullptr);
}

// "NAME", "NAME#/...", and "#/$defs/NAME/..." of the main document reach `definitions_`.
Result<const Value*> Resources::definition(std::string_view reference) {
  const Object* definitions = definitions_.get_object();
  if (!definitions) return nullptr;
  auto [bare, fragment] = split_fragment(reference);
  std::string key(bare);
  auto pointer = percent_decoded(fragment);
  if (!pointer) return nullptr;
  if (key.empty()) {
    constexpr std::string_view kDefs = "/$defs/";
    if (pointer->substr(0, kDefs.size()) != kDefs) return nullptr;
    const std::string rest = pointer->substr(kDefs.size());
    for (const auto& [known, value] : *definitions) {
      const std::string step = pointer_child("", known).substr(1);
      if (rest != step && rest.substr(0, step.size() + 1) != step + "/") continue;
      key = known;
      pointer = rest.substr(step.size());
      break;
    }
  }
  const Value* document = definitions->find(key);
  if (!document || (!pointer->empty() && (*pointer)[0] != '/')) return nullptr;

  used_definitions_.insert(key);
  Resource*& root = definition_roots_[key];
  if (!root) {
    CONSORT_ASSIGN(root, open_document(*document, key, key, nullptr));
  }
  return by_pointer(root, *pointer);
}

// What stands at `pointer` below the resource's root; indexed with the resource of the innermost
// schema object passed on the way. Null if nothing is there.
Result<const Value*> Resources::by_pointer(Resource* resource, const std::string& pointer) {
  const Value* at = resource->root;
  const Value* schema = at;
  std::string below = places_.count(at) ? places_.at(at).pointer : "#";
  size_t from = 0;
  while (from < pointer.size()) {
    const size_t next = std::min(pointer.find('/', from + 1), pointer.size());
    const std::string step = pointer.substr(from, next - from);
    at = at_pointer(*at, step);
    if (!at) return nullptr;
    below += step;
    if (const auto found = places_.find(at); found != places_.end()) {
      schema = at;
      below = found->second.pointer;
    }
    from = next;
  }
  if (!places_.count(at)) {
    CONSORT_TRY(index(*at, places_.at(schema).resource, below, 0));
  }
  return at;
}

Result<Resources::Target> Resources::resolve(const Value* from, std::string_view reference,
                                             const std::string& place) {
  Resource* resource = at(from).resource;
  const auto unresolved = [&] {
    return fail(
        make_error(ErrorCode::not_found, 2103, "$ref leads nowhere")
            .at(place)
            .got(cut_utf8(reference, 200))
            .to_fix("use '#', '#/$defs/NAME', or the name of a schema defined beside this one"));
  };
  const auto [bare, fragment] = split_fragment(reference);
  const auto pointer = percent_decoded(fragment);
  if (!pointer) return unresolved();
  Resource* target = resource;
  if (!bare.empty()) {
    const std::string full = resolve_uri(resource->uri, bare);
    CONSORT_ASSIGN(target, resource_of(full));
  }
  Target result;
  if (target) {
    if (pointer->empty()) {
      result.schema = target->root;
    } else if ((*pointer)[0] == '/') {
      CONSORT_ASSIGN(result.schema, by_pointer(target, *pointer));
    } else if (const auto found = target->anchors.find(*pointer); found != target->anchors.end()) {
      result.schema = found->second;
      result.plain_name = fragment;
    }
  }
  if (!result.schema) {
    CONSORT_ASSIGN(result.schema, definition(reference));
  }
  if (!result.schema) return unresolved();
  result.resource = at(result.schema).resource;
  return result;
}

}  // namespace consort::contract
