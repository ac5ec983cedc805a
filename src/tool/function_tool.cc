#include "tool/function_tool.h"

#include <fmt/format.h>

namespace consort::tool {
namespace {

class FunctionTool final : public Tool {
 public:
  FunctionTool(FunctionToolSpec spec, std::shared_ptr<const contract::Schema> input,
               std::shared_ptr<const contract::Schema> output)
      : spec_(std::move(spec)), input_(std::move(input)), output_(std::move(output)) {}

  const std::string& name() const override { return spec_.name; }
  const std::string& description() const override { return spec_.description; }
  const std::shared_ptr<const contract::Schema>& input() const override { return input_; }
  const std::shared_ptr<const contract::Schema>& output() const override { return output_; }
  Effect effect() const override { return spec_.effect; }
  double cost_ms() const override { return spec_.cost_ms; }

  Digest version() const override {
    Sha256 hash;
    hash.update(spec_.name).update("\n").update(spec_.version).update("\n");
    hash.update(input_->digest().hex()).update("\n").update(output_->digest().hex()).update("\n");
    if (spec_.content) hash.update(spec_.content());
    return hash.finish();
  }

  Result<contract::Value> call(const contract::Value& input, const CallContext& context) override {
    auto result = spec_.function(input, context);
    if (!result) return fail(std::move(result).error().with_context(fmt::format("tool '{}'", spec_.name)));
    return result;
  }

 private:
  FunctionToolSpec spec_;
  std::shared_ptr<const contract::Schema> input_, output_;
};

}  // namespace

Result<std::unique_ptr<Tool>> make_function_tool(FunctionToolSpec spec) {
  auto input = contract::Schema::compile(spec.input, spec.name + ".in");
  if (!input) return fail(std::move(input).error().with_context(fmt::format("input of tool '{}'", spec.name)));
  auto output = contract::Schema::compile(spec.output, spec.name + ".out");
  if (!output) return fail(std::move(output).error().with_context(fmt::format("output of tool '{}'", spec.name)));
  return std::unique_ptr<Tool>(std::make_unique<FunctionTool>(std::move(spec), std::move(*input), std::move(*output)));
}

}  // namespace consort::tool
