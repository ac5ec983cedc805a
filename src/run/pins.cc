#include "run/pins.h"

namespace consort::run {
namespace {

using contract::Value;

constexpr int kPinsDepthMax = 8;

void compare(const std::string& pointer, const Value* recorded, const Value* now, int depth,
             std::vector<PinDifference>& out) {
  if (recorded != nullptr && now != nullptr && recorded->is_object() && now->is_object() &&
      depth < kPinsDepthMax) {
    for (const auto& [key, value] : recorded->as_object()) {
      compare(contract::pointer_child(pointer, key), &value, now->find(key), depth + 1, out);
    }
    for (const auto& [key, value] : now->as_object()) {
      if (recorded->find(key) == nullptr) {
        compare(contract::pointer_child(pointer, key), nullptr, &value, depth + 1, out);
      }
    }
    return;
  }
  auto text = [](const Value* value) {
    return value == nullptr ? std::string("none") : contract::to_json(*value);
  };
  std::string before = text(recorded), after = text(now);
  if (before != after) out.push_back({pointer, std::move(before), std::move(after)});
}

}  // namespace

Value collect_pins(const agent::Graph& graph, const ComponentProvider& provider) {
  contract::Object out;
  out.set("graph", graph.digest().hex());
  Value more = provider.pins();
  if (const contract::Object* members = more.get_object()) {
    for (const auto& [key, value] : *members) out.set(key, value);
  }
  return Value(std::move(out));
}

std::vector<PinDifference> compare_pins(const Value& recorded, const Value& now) {
  std::vector<PinDifference> out;
  compare("", &recorded, &now, 0, out);
  return out;
}

Error pins_changed(const std::string& run, const std::vector<PinDifference>& differences) {
  std::string names;
  for (size_t i = 0; i < differences.size() && i < 3; ++i) {
    names += (i == 0 ? "" : ", ") + differences[i].pointer;
  }
  if (differences.size() > 3) names += " and " + std::to_string(differences.size() - 3) + " more";
  const PinDifference& first = differences.front();
  return make_error(ErrorCode::failed_precondition, 7010,
                    "what the run depends on has changed since it started: " + names)
      .at(run)
      .got(first.pointer + " was " + first.recorded + ", is " + first.now)
      .to_fix("restore it and resume, or see what the change does with `consort replay " + run +
              " --swap component=version`");
}

}  // namespace consort::run
