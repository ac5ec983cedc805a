// Values of a schema: the smallest, random ones, and those at the edges of its rules. Internal to
// this folder; `example` and the search for witnesses are built from it.
#pragma once

#include <vector>

#include "base/rng.h"
#include "contract/schema_ir.h"

namespace consort::contract {

// Knows how deep the shallowest value of every node of one Ir is, so that generation ends.
class Generator {
 public:
  explicit Generator(const Ir& ir);

  // A small value; nullopt if the node is empty.
  std::optional<Value> smallest(const Node& node) const;
  // A random value, at most about `depth` deep where the schema allows.
  std::optional<Value> random(const Node& node, Rng& rng, int depth = 6) const;
  // Numbers near the edges of `rule` and of `also`, all accepted by `rule`.
  static std::vector<Value> numbers(const NumberRule& rule,
                                    const std::vector<const NumberRule*>& also = {});
  static std::optional<std::string> string(const StringRule& rule, Rng* rng);

 private:
  std::optional<Value> of_simple(const Simple& simple, Rng* rng, int depth) const;
  std::optional<Value> of_node(const Node& node, Rng* rng, int depth) const;
  std::optional<Value> array(const ArrayRule& rule, Rng* rng, int depth) const;
  std::optional<Value> object(const ObjectRule& rule, Rng* rng, int depth) const;
  int height_of(const Simple& simple) const;

  std::vector<int> height_;  // By node id; kNoValue when empty.
};

}  // namespace consort::contract
