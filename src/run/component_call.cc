#include "run/component_call.h"

#include "contract/schema.h"
#include "run/executor.h"

namespace consort::run {
namespace {

Result<agent::Outcome> call_nested(const Callee& callee, const contract::Value& input) {
  Executor executor(nullptr, callee.clock);
  RunOptions options;
  options.seed = callee.seed;
  options.watch.stop = callee.stop;
  CONSORT_ASSIGN(RunResult result,
                 executor.start(*callee.node.nested, callee.provider, input, options));
  if (result.error) return fail(*std::move(result.error));
  return agent::Outcome{std::move(result.output), result.usage, {}};
}

}  // namespace

Result<agent::Outcome> call_component(const Callee& callee, const contract::Value& input) {
  CONSORT_TRY_CONTEXT(contract::check(*callee.node.input, input),
                      "the input of '" + callee.path + "'");
  if (callee.node.nested) return call_nested(callee, input);
  agent::Component* component = callee.provider.find(callee.owner, callee.node.spec.name);
  if (component == nullptr) {
    return fail(make_error(ErrorCode::unavailable, 7002, "there is no component for this step")
                    .got(callee.path));
  }
  agent::CallScope scope;
  scope.run = "call";
  scope.step = callee.path;
  scope.seed = callee.seed;
  scope.clock = &callee.clock;
  scope.stop = callee.stop;
  auto outcome = component->call(input, scope);
  if (!outcome) return fail(std::move(outcome).error().error);
  return std::move(*outcome);
}

}  // namespace consort::run
