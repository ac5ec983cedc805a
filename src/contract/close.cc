// The closed form of a program, see program.h.
//
// Every schema has two nodes: one as it was, for conditions and negations, and a closed one, whose
// children are closed. A closed child of an object or array is a node that refuses all keys which
// no schema in force evaluates.
#include "contract/program.h"

namespace consort::contract {
namespace {

class Closer {
 public:
  explicit Closer(const Program& open) : open_(open), size_(static_cast<NodeId>(open.nodes.size())) {}

  std::unique_ptr<Program> run() {
    // [0, size) as they were, [size, 2 size) closed, [2 size, 3 size) the same as children.
    for (NodeId id = 0; id < size_; ++id) add(copy(id, false));
    for (NodeId id = 0; id < size_; ++id) add(copy(id, true));
    for (NodeId id = 0; id < size_; ++id) {
      Subschema child = blank(id);
      child.all_of = {size_ + id};
      child.object = std::make_unique<ObjectKeywords>();
      child.object->unevaluated = 3 * size_;
      add(std::move(child));
    }
    Subschema nothing = blank(open_.root);
    nothing.is_false = true;
    add(std::move(nothing));
    Subschema anything = blank(open_.root);  // Evaluates every key.
    anything.object = std::make_unique<ObjectKeywords>();
    anything.object->additional = 3 * size_ + 2;
    add(std::move(anything));
    add(blank(open_.root));
    for (auto& [id, keys] : declarations_) {
      Subschema declares = blank(id);
      declares.object = std::make_unique<ObjectKeywords>();
      for (const std::string& key : keys) declares.object->properties.emplace_back(key, 3 * size_ + 2);
      index(*declares.object);
      out_->nodes[size_ + id].all_of.push_back(static_cast<NodeId>(out_->nodes.size()));
      add(std::move(declares));
    }
    for (auto& [id, nodes] : branches_) {
      Subschema any = blank(id);
      any.any_of = std::move(nodes);
      out_->nodes[size_ + id].all_of.push_back(static_cast<NodeId>(out_->nodes.size()));
      add(std::move(any));
    }
    Subschema root = blank(open_.root);
    root.all_of = {open_.root, 2 * size_ + open_.root};
    out_->root = static_cast<NodeId>(out_->nodes.size());
    add(std::move(root));
    return std::move(out_);
  }

 private:
  void add(Subschema node) { out_->nodes.push_back(std::move(node)); }
  Subschema blank(NodeId id) const {
    Subschema node;
    node.pointer = open_.at(id).pointer;
    node.dialect = Dialect::draft2020_12;
    return node;
  }
  static void index(ObjectKeywords& object) {
    object.index.clear();
    for (uint32_t i = 0; i < object.properties.size(); ++i) {
      object.index.emplace(object.properties[i].first, i);
    }
  }
  Subschema copy(NodeId id, bool closing) {
    const Subschema& from = open_.at(id);
    // Listed values are written as they stand, so nothing below them is closed.
    const bool closed = closing && !from.has_enum;
    const auto here = [&](NodeId child) {
      return child == kNoNode ? kNoNode : closed ? size_ + child : child;
    };
    const auto below = [&](NodeId child) {
      return child == kNoNode ? kNoNode : closed ? 2 * size_ + child : child;
    };
    const auto list = [&](const std::vector<NodeId>& nodes) {
      std::vector<NodeId> result;
      for (const NodeId child : nodes) result.push_back(here(child));
      return result;
    };
    Subschema to;
    to.pointer = from.pointer;
    to.dialect = from.dialect;
    to.is_false = from.is_false;
    to.types = from.types;
    to.has_enum = from.has_enum;
    to.is_const = from.is_const;
    to.values = from.values;
    if (from.number) to.number = std::make_unique<NumberKeywords>(*from.number);
    if (from.string) to.string = std::make_unique<StringKeywords>(*from.string);
    to.ref = here(from.ref);
    to.dynamic_ref = here(from.dynamic_ref);
    to.all_of = list(from.all_of);
    to.any_of = list(from.any_of);
    to.one_of = list(from.one_of);
    if (closed && !to.one_of.empty()) {
      // That one branch alone matches, the schema as it was makes sure of.
      branches_.emplace_back(id, std::move(to.one_of));
      to.one_of.clear();
    }
    to.negated = from.negated;
    to.condition = from.condition;
    to.then_branch = here(from.then_branch);
    to.else_branch = here(from.else_branch);
    if (from.array) {
      to.array = std::make_unique<ArrayKeywords>(*from.array);
      for (NodeId& child : to.array->prefix) child = below(child);
      to.array->items = below(from.array->items);
      to.array->unevaluated = below(from.array->unevaluated);
    }
    if (from.object) {
      to.object = std::make_unique<ObjectKeywords>(*from.object);
      ObjectKeywords& object = *to.object;
      for (auto& [key, child] : object.properties) child = below(child);
      for (auto& [pattern, child] : object.patterns) child = below(child);
      for (auto& [key, child] : object.dependent_schemas) child = here(child);
      object.additional = below(object.additional);
      object.unevaluated = below(object.unevaluated);
      if (closed && from.object->additional != kNoNode && says_nothing(open_.at(from.object->additional))) {
        object.additional = kNoNode;
      }
      index(object);
      if (closed) {
        std::vector<std::string>& keys = declarations_.emplace_back(id, object.required).second;
        for (const auto& [key, needed] : object.dependent_required) {
          keys.insert(keys.end(), needed.begin(), needed.end());
        }
      }
    }
    if (closing && from.has_enum) to.all_of.push_back(3 * size_ + 1);
    return to;
  }

  const Program& open_;
  const NodeId size_;
  std::vector<std::pair<NodeId, std::vector<std::string>>> declarations_;
  std::vector<std::pair<NodeId, std::vector<NodeId>>> branches_;
  std::unique_ptr<Program> out_ = std::make_unique<Program>();
};

}  // namespace

std::unique_ptr<Program> closed(const Program& open) { return Closer(open).run(); }

}  // namespace consort::contract
