#include "run/scope.h"

#include <algorithm>

namespace consort::run {

using agent::Argument;
using agent::Expression;
using contract::Value;

Scope::Scope(const agent::Graph& graph, Value input)
    : graph_(graph),
      input_(std::move(input)),
      steps_(graph.steps().size()),
      loops_(graph.loops().size()) {
  for (size_t i = 0; i < steps_.size(); ++i) by_name_.emplace(graph.steps()[i].line.name, i);
  for (size_t i = 0; i < loops_.size(); ++i) {
    auto first = by_name_.find(graph.loops()[i].redo);
    CONSORT_CHECK(first != by_name_.end());  // The graph was built with this edge checked.
    loops_[i].first = first->second;
    loops_[i].last = graph.loop_after()[i];
  }
}

const Value* Scope::look_up(std::string_view name) const {
  if (name == "input") return &input_;
  auto found = by_name_.find(name);
  if (found == by_name_.end() || !steps_[found->second].value) return nullptr;
  return &*steps_[found->second].value;
}

agent::Lookup Scope::lookup() const {
  return [this](const std::string& name) { return look_up(name); };
}

bool Scope::can_open(size_t step) const {
  if (steps_[step].phase != Phase::closed) return false;
  for (size_t earlier : graph_.steps()[step].depends) {
    if (steps_[earlier].phase != Phase::settled) return false;
  }
  return std::all_of(loops_.begin(), loops_.end(),
                     [&](const LoopSlot& loop) { return loop.settled || loop.last >= step; });
}

Result<std::vector<Opening>> Scope::open() {
  std::vector<Opening> out;
  bool progress = true;
  while (progress) {
    progress = settle_loops();
    while (first_unsettled_ < steps_.size() && steps_[first_unsettled_].phase == Phase::settled) {
      ++first_unsettled_;
    }
    for (size_t i = first_unsettled_; i < steps_.size(); ++i) {
      if (!can_open(i)) continue;
      CONSORT_ASSIGN(Opening opening, open_step(i));
      progress = progress || steps_[i].phase == Phase::settled;
      out.push_back(std::move(opening));
    }
  }
  return out;
}

Result<Opening> Scope::open_step(size_t step) {
  const agent::Step& line = graph_.steps()[step];
  StepSlot& slot = steps_[step];
  Opening out{.step = step, .execution = slot.executions++};
  agent::Lookup look = lookup();
  if (line.line.when && !agent::truthy(evaluate(*line.line.when, look))) {
    out.skipped = true;
    slot.phase = Phase::settled;
    slot.value.reset();
    return out;
  }
  out.inputs = bind_inputs(line, look, slot.overrides);
  if (out.inputs.size() > agent::kFanOutMax) {
    return fail(make_error(ErrorCode::resource_exhausted, 7006,
                           "step '" + line.line.name + "' fans out over " +
                               std::to_string(out.inputs.size()) + " elements, the limit is " +
                               std::to_string(agent::kFanOutMax))
                    .at(line.line.where.to_string())
                    .to_fix("bound the list by maxItems in its contract"));
  }
  slot.elements.assign(line.fan_out ? out.inputs.size() : 0, std::nullopt);
  slot.n_missing = out.inputs.size();
  slot.phase = Phase::open;
  if (out.inputs.empty()) {
    slot.value = Value(contract::Array{});
    slot.phase = Phase::settled;
  }
  return out;
}

void Scope::settle(size_t step, size_t element, Value value) {
  StepSlot& slot = steps_[step];
  CONSORT_CHECK(slot.phase == Phase::open && slot.n_missing > 0);
  --slot.n_missing;
  if (!graph_.steps()[step].fan_out) {
    slot.value = std::move(value);
  } else {
    slot.elements[element] = std::move(value);
    if (slot.n_missing > 0) return;
    contract::Array all;
    all.reserve(slot.elements.size());
    for (auto& each : slot.elements) all.push_back(std::move(*each));
    slot.elements.clear();
    slot.value = Value(std::move(all));
  }
  slot.phase = Phase::settled;
}

bool Scope::settle_loops() {
  for (size_t i = 0; i < loops_.size(); ++i) {
    LoopSlot& loop = loops_[i];
    if (loop.settled) continue;
    for (size_t s = loop.first; s <= loop.last; ++s) {
      if (steps_[s].phase != Phase::settled) return false;  // Later loops wait behind this one.
    }
    const agent::RedoLoop& line = graph_.loops()[i];
    if (loop.rounds < line.max && agent::truthy(evaluate(line.when, lookup()))) {
      begin_round(i);
    } else {
      loop.settled = true;
    }
    return true;
  }
  return false;
}

void Scope::begin_round(size_t index) {
  LoopSlot& loop = loops_[index];
  ++loop.rounds;
  // Evaluated now: they read values of the round that has just ended.
  std::vector<Argument> overrides;
  for (const Argument& argument : graph_.loops()[index].with) {
    Expression literal;
    literal.op = Expression::Op::literal;
    literal.literal = evaluate(argument.value, lookup());
    literal.text = argument.value.text;
    overrides.push_back(Argument{argument.name, std::move(literal)});
  }
  for (size_t s = loop.first; s <= loop.last; ++s) {
    steps_[s].phase = Phase::closed;
    steps_[s].overrides.clear();
  }
  steps_[loop.first].overrides = std::move(overrides);
  // Loops inside begin anew, too.
  for (size_t i = 0; i < loops_.size(); ++i) {
    if (i == index || loops_[i].last < loop.first || loops_[i].last > loop.last) continue;
    if (i > index) continue;  // After the same step and later in the file: not yet tested.
    loops_[i].settled = false;
    loops_[i].rounds = 0;
  }
  first_unsettled_ = std::min(first_unsettled_, loop.first);
}

bool Scope::finished() const {
  return std::all_of(steps_.begin() + static_cast<std::ptrdiff_t>(first_unsettled_), steps_.end(),
                     [](const StepSlot& s) { return s.phase == Phase::settled; }) &&
         std::all_of(loops_.begin(), loops_.end(), [](const LoopSlot& l) { return l.settled; });
}

Value Scope::result() const { return evaluate(graph_.definition().result, lookup()); }

std::string Scope::name_of(const Opening& opening, size_t element) const {
  const agent::Step& line = graph_.steps()[opening.step];
  std::string out = line.line.name;
  if (line.fan_out && element < opening.inputs.size())
    out.append("[").append(std::to_string(element)).append("]");
  if (opening.execution > 0) out.append("#").append(std::to_string(opening.execution));
  return out;
}

}  // namespace consort::run
