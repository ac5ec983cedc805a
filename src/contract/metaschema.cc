// The meta-schemas of json-schema.org, read from the texts built into the program.
#include <map>
#include <span>

#include "contract/load.h"
#include "contract/uri.h"

namespace consort::contract {

std::span<const std::string_view> metaschema_texts();  // Written by the build, see CMakeLists.txt.

const Value* find_metaschema(std::string_view uri) {
  static const std::map<std::string, Value, std::less<>> kByUri = [] {
    std::map<std::string, Value, std::less<>> result;
    for (std::string_view text : metaschema_texts()) {
      auto document = parse_json(text);
      CONSORT_CHECK(document.has_value());
      const char* key = document->find("$id") ? "$id" : "id";
      const std::string id = document->string_or(key, "");
      result.emplace(std::string(split_fragment(id).first), std::move(*document));
    }
    return result;
  }();
  const auto found = kByUri.find(uri);
  return found == kByUri.end() ? nullptr : &found->second;
}

}  // namespace consort::contract
