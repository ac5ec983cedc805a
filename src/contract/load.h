// Which documents, resources and anchors a compilation sees. Internal to the loader.
//
// A document is indexed when a reference first reaches it. Indexing walks the places where schemas
// stand (by keyword, never into `enum`), and notes each schema object's resource, dialect and place.
#pragma once

#include <map>
#include <set>
#include <unordered_map>

#include "contract/program.h"

namespace consort::contract {

struct Resource {
  std::string uri;  // Without fragment.
  const Value* root = nullptr;
  Dialect dialect = Dialect::draft2020_12;
  bool has_validation = true;  // False if its meta-schema leaves the validation vocabulary out.
  std::map<std::string, const Value*, std::less<>> anchors;          // Dynamic ones too.
  std::map<std::string, const Value*, std::less<>> dynamic_anchors;  // "" = $recursiveAnchor.
};

// Where one schema object stands.
struct SchemaPlace {
  Resource* resource = nullptr;
  std::string pointer;  // "#/properties/a", with the document's name before '#'.
};

class Resources {
 public:
  Resources(const Value& document, const Value& definitions, const CompileOptions& options);

  Result<void> index_root();
  // Null if `schema` is none of the objects indexed so far.
  const SchemaPlace* find(const Value* schema) const;
  const SchemaPlace& at(const Value* schema) const { return *find(schema); }
  struct Target {
    const Value* schema = nullptr;
    Resource* resource = nullptr;   // Of the target.
    std::string_view plain_name;    // The fragment, if it is an anchor; points into `reference`.
  };
  // Error 2103. `from`: the object that holds the reference; `place`: of the keyword, for errors.
  Result<Target> resolve(const Value* from, std::string_view reference, const std::string& place);
  // True once any resource declares a dynamic anchor: then scopes matter.
  bool has_dynamic() const { return has_dynamic_; }
  const std::set<std::string>& used_definitions() const { return used_definitions_; }

 private:
  struct Walk {
    const Value* value;
    Resource* resource;
    std::string pointer;
    int depth;
  };
  Result<Resource*> open_document(const Value& document, const std::string& uri,
                                  const std::string& label, Resource* parent);
  Result<void> index(const Value& value, Resource* resource, std::string pointer, int depth);
  Result<void> index_one(const Walk& at, std::vector<Walk>& work);
  Result<Resource*> enter(const Value& schema, Resource* resource, const std::string& pointer);
  Result<void> set_dialect(Resource& resource, const Value& schema, const std::string& pointer,
                           bool is_document);
  Result<const Value*> by_pointer(Resource* resource, const std::string& pointer);
  Result<Resource*> resource_of(const std::string& uri);
  Result<const Value*> definition(std::string_view reference);

  const Value& document_;
  const Value& definitions_;
  const CompileOptions& options_;
  std::deque<Resource> owned_;
  std::map<std::string, Resource*, std::less<>> by_uri_;
  std::unordered_map<const Value*, SchemaPlace> places_;
  std::map<std::string, Resource*, std::less<>> definition_roots_;
  std::set<std::string> used_definitions_;
  Resource* main_ = nullptr;
  bool has_dynamic_ = false;
};

// The dialect of a $schema URI.
std::optional<Dialect> dialect_of(std::string_view uri);
// The meta-schemas of all dialects and their vocabularies.
const Value* find_metaschema(std::string_view uri);

// What `keyword` holds in `dialect`: nothing, one schema, a list, or a map of schemas.
enum class Holds : uint8_t { no_schema, schema, list, map, schema_or_list, schema_or_strings_map };
Holds holds(std::string_view keyword, Dialect dialect);

Error load_refused(const std::string& place, std::string message, std::string fix);
Error load_malformed(const std::string& place, std::string message, const Value& got);
Error load_limit(const std::string& place, std::string message);

inline constexpr int kSchemaDepthMax = 400;
inline constexpr size_t kSchemasMax = 20'000;

}  // namespace consort::contract
