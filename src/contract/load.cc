// Copies schema objects into the nodes of a Program, one dynamic scope at a time.
#include <algorithm>

#include "contract/load.h"
#include "contract/load_keywords.h"

namespace consort::contract {
namespace {

// A dynamic scope: for each dynamic anchor, the outermost schema that declares it.
using Scope = std::map<std::string, const Value*>;

class Loader final : public NodeSource {
 public:
  Loader(const Value& document, const Value& definitions, const CompileOptions& options)
      : document_(document), options_(options), resources_(document, definitions, options) {}

  Result<std::unique_ptr<Program>> load() {
    CONSORT_TRY(resources_.index_root());
    scopes_.emplace(Scope(), 0);
    scope_list_.push_back(&scopes_.begin()->first);
    CONSORT_ASSIGN(program_->root, node(document_, 0));
    for (size_t next = 0; next < work_.size(); ++next) {
      const auto [schema, scope] = work_[next];
      const auto id = static_cast<NodeId>(next);
      CONSORT_TRY(fill(id, *schema, scope));
    }
    CONSORT_TRY(refuse_loops());
    program_->used_definitions.assign(resources_.used_definitions().begin(),
                                      resources_.used_definitions().end());
    return std::move(program_);
  }

  Result<NodeId> child(const Value& schema) override { return node(schema, scope_); }

 private:
  Result<NodeId> node(const Value& schema, size_t scope) {
    const SchemaPlace* place = resources_.find(&schema);
    CONSORT_CHECK(place != nullptr);
    if (resources_.has_dynamic()) scope = entered(scope, *place->resource);
    const auto [found, fresh] =
        ids_.try_emplace({&schema, scope}, static_cast<NodeId>(work_.size()));
    if (!fresh) return found->second;
    if (work_.size() >= kSchemasMax) {
      return fail(
          load_limit(place->pointer, "more than " + std::to_string(kSchemasMax) + " subschemas"));
    }
    work_.emplace_back(&schema, scope);
    program_->nodes.emplace_back();
    return found->second;
  }

  size_t entered(size_t scope, const Resource& resource) {
    Scope next = *scope_list_[scope];
    for (const auto& [anchor, schema] : resource.dynamic_anchors) next.try_emplace(anchor, schema);
    const auto [found, fresh] = scopes_.try_emplace(std::move(next), scope_list_.size());
    if (fresh) scope_list_.push_back(&found->first);
    return found->second;
  }

  Result<void> fill(NodeId id, const Value& schema, size_t scope) {
    const SchemaPlace place = resources_.at(&schema);
    Subschema& out = program_->nodes[id];
    out.pointer = place.pointer;
    out.dialect = place.resource->dialect;
    scope_ = scope;
    if (const bool* boolean = schema.get_bool()) {
      out.is_false = !*boolean;
      return {};
    }
    const Object* object = schema.get_object();
    if (!object) {
      return fail(load_malformed(place.pointer, "a schema is an object or a boolean", schema));
    }
    const bool only_ref = out.dialect <= Dialect::draft7 && object->find("$ref");
    KeywordReader reader(*this, *program_, patterns_, options_, place.resource->has_validation);
    for (const auto& [keyword, argument] : *object) {
      const std::string at = pointer_child(place.pointer, keyword);
      if (keyword == "$ref") {
        CONSORT_ASSIGN(out.ref, reference(schema, argument, at));
      } else if (keyword == "$dynamicRef" && out.dialect == Dialect::draft2020_12) {
        CONSORT_ASSIGN(out.dynamic_ref, dynamic_reference(schema, argument, at));
      } else if (keyword == "$recursiveRef" && out.dialect == Dialect::draft2019_09) {
        CONSORT_ASSIGN(out.dynamic_ref, recursive_reference(schema, argument, at));
      } else if (!only_ref) {
        CONSORT_TRY(reader.read(out, keyword, argument, *object, at));
      }
    }
    if (!only_ref) reader.finish(out);
    return {};
  }

  Result<Resources::Target> target(const Value& schema, const Value& argument,
                                   const std::string& at) {
    const std::string* text = argument.get_string();
    if (!text) return fail(load_malformed(at, "a reference is a string", argument));
    return resources_.resolve(&schema, *text, at);
  }

  Result<NodeId> reference(const Value& schema, const Value& argument, const std::string& at) {
    CONSORT_ASSIGN(const auto found, target(schema, argument, at));
    return node(*found.schema, scope_);
  }

  Result<NodeId> dynamic_reference(const Value& schema, const Value& argument,
                                   const std::string& at) {
    CONSORT_ASSIGN(const auto found, target(schema, argument, at));
    const std::string anchor(found.plain_name);
    const auto declared = found.resource->dynamic_anchors.find(anchor);
    if (anchor.empty() || declared == found.resource->dynamic_anchors.end() ||
        declared->second != found.schema) {
      return node(*found.schema, scope_);
    }
    const auto outermost = scope_list_[scope_]->find(anchor);
    return node(outermost == scope_list_[scope_]->end() ? *found.schema : *outermost->second,
                scope_);
  }

  Result<NodeId> recursive_reference(const Value& schema, const Value& argument,
                                     const std::string& at) {
    CONSORT_ASSIGN(const auto found, target(schema, argument, at));
    const auto outermost = scope_list_[scope_]->find("");
    const bool follows = found.resource->dynamic_anchors.count("") > 0 &&
                         outermost != scope_list_[scope_]->end();
    return node(follows ? *outermost->second : *found.schema, scope_);
  }

  // A schema that applies itself to the same instance has no meaning.
  Result<void> refuse_loops() {
    std::vector<uint8_t> colour(program_->nodes.size(), 0);
    std::vector<std::pair<NodeId, size_t>> stack;
    for (NodeId start = 0; start < program_->nodes.size(); ++start) {
      if (colour[start] != 0) continue;
      stack.emplace_back(start, 0);
      colour[start] = 1;
      while (!stack.empty()) {
        auto& [id, next] = stack.back();
        const NodeId below = in_place(program_->nodes[id], next++);
        if (below == kNoNode) {
          colour[id] = 2;
          stack.pop_back();
        } else if (colour[below] == 1) {
          return fail(make_error(ErrorCode::invalid_argument, 2102,
                                 "schema refers to itself without going into the value")
                          .at(program_->nodes[below].pointer)
                          .to_fix("put the reference below properties or items"));
        } else if (colour[below] == 0) {
          colour[below] = 1;
          stack.emplace_back(below, 0);
        }
      }
    }
    return {};
  }

  static NodeId in_place(const Subschema& node, size_t index) {
    for (NodeId one : {node.ref, node.dynamic_ref, node.negated, node.condition, node.then_branch,
                       node.else_branch}) {
      if (one != kNoNode && index-- == 0) return one;
    }
    for (const auto* list : {&node.all_of, &node.any_of, &node.one_of}) {
      if (index < list->size()) return (*list)[index];
      index -= list->size();
    }
    if (node.object && index < node.object->dependent_schemas.size()) {
      return node.object->dependent_schemas[index].second;
    }
    return kNoNode;
  }

  const Value& document_;
  const CompileOptions& options_;
  Resources resources_;
  std::unique_ptr<Program> program_ = std::make_unique<Program>();
  std::map<std::pair<const Value*, size_t>, NodeId> ids_;
  std::vector<std::pair<const Value*, size_t>> work_;
  std::map<Scope, size_t> scopes_;
  std::vector<const Scope*> scope_list_;
  size_t scope_ = 0;  // Of the node being filled.
  PatternCache patterns_;
};

}  // namespace

Result<std::unique_ptr<Program>> compile_program(const Value& document, const Value& definitions,
                                                 const CompileOptions& options) {
  return Loader(document, definitions, options).load();
}

}  // namespace consort::contract
