#include "cli/contract_file.h"

#include <algorithm>

#include "agent/suggest.h"
#include "cli/context.h"

namespace consort::cli {
namespace {

using contract::Schema;
using contract::Value;

// A mapping of names to schemas, and no schema itself: every key begins with a capital letter,
// which no keyword of JSON Schema does.
bool is_contract_file(const Value& document) {
  const contract::Object* object = document.get_object();
  if (object == nullptr || object->empty()) return false;
  return std::all_of(object->begin(), object->end(), [](const contract::Member& m) {
    return !m.first.empty() && m.first[0] >= 'A' && m.first[0] <= 'Z' &&
           (m.second.is_object() || m.second.is_bool());
  });
}

Result<std::shared_ptr<const Schema>> compile(const Value& document, const std::string& id,
                                              const Value& definitions) {
  auto schema = Schema::compile(document, id, definitions);
  if (!schema)
    return fail(std::move(schema).error().at(id + (id.find('#') == std::string::npos ? "#" : "") +
                                             schema.error().place));
  return schema;
}

// Adds the named schemas of a contract file. Error 6205: a name is there already.
Result<void> add_definitions(const Value& document, const std::string& file,
                             contract::Object& definitions) {
  if (!is_contract_file(document)) return {};
  for (const auto& [name, schema] : document.as_object()) {
    if (definitions.find(name) != nullptr) {
      return fail(make_error(ErrorCode::already_exists, 6205,
                             "the contract '" + name + "' is defined twice")
                      .at(file));
    }
    definitions.set(name, schema);
  }
  return {};
}

}  // namespace

Result<std::vector<NamedSchema>> load_schemas(const std::vector<std::string>& files) {
  std::vector<std::pair<std::string, Value>> documents;
  contract::Object definitions;
  for (const std::string& file : files) {
    CONSORT_ASSIGN(Value document, read_document(file));
    CONSORT_TRY(add_definitions(document, file, definitions));
    documents.emplace_back(file, std::move(document));
  }
  std::vector<NamedSchema> out;
  Value named(definitions);
  for (const auto& [file, document] : documents) {
    if (!is_contract_file(document)) {
      CONSORT_ASSIGN(auto schema, compile(document, file, named));
      out.push_back({file, std::move(schema)});
      continue;
    }
    for (const auto& [name, body] : document.as_object()) {
      CONSORT_ASSIGN(auto schema, compile(body, file + "#" + name, named));
      out.push_back({file + "#" + name, std::move(schema)});
    }
  }
  return out;
}

Result<std::shared_ptr<const Schema>> load_schema(const std::string& file,
                                                  const std::vector<std::string>& others) {
  contract::Object definitions;
  for (const std::string& other : others) {
    CONSORT_ASSIGN(Value document, read_document(other));
    CONSORT_TRY(add_definitions(document, other, definitions));
  }
  size_t hash = file.rfind('#');
  std::string path = file.substr(0, hash);
  std::string wanted = hash == std::string::npos ? "" : file.substr(hash + 1);
  CONSORT_ASSIGN(Value document, read_document(path));
  if (!is_contract_file(document)) {
    if (wanted.empty()) return compile(document, path, definitions);
    return fail(make_error(ErrorCode::not_found, 8003, "the file is one schema and has no names")
                    .got(wanted)
                    .at(path));
  }
  CONSORT_TRY(add_definitions(document, path, definitions));
  std::vector<std::string> names;
  for (const auto& [name, body] : document.as_object()) names.push_back(name);
  const Value* body = document.find(wanted);
  if (body == nullptr) {
    return fail(make_error(ErrorCode::not_found, 8003,
                           wanted.empty() ? "the file holds several named schemas"
                                          : "no schema has this name")
                    .at(path)
                    .got(wanted)
                    .to_fix(wanted.empty() ? "write " + path + "#" + names.front()
                                           : agent::did_you_mean(wanted, names)));
  }
  return compile(*body, path + "#" + wanted, definitions);
}

}  // namespace consort::cli
