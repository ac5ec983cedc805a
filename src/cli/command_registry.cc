// promote, rollback: which version of an adapter an alias means.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/gate_promotion.h"
#include "run/adapters.h"
#include "store/registry.h"

namespace consort::cli {
namespace {

using contract::Value;

struct Options {
  std::string adapter, alias = std::string(run::kDefaultAlias), ungated, policy;
};

void print_move(Context& context, const std::string& name, const store::AliasMove& move) {
  if (context.json) {
    print_document(context, Value::object({{"adapter", name},
                                           {"alias", move.alias},
                                           {"from", move.from.empty() ? Value() : Value(move.from)},
                                           {"to", move.to},
                                           {"reason", move.reason},
                                           {"rollback", move.is_rollback}}));
  } else {
    print_line(fmt::format("{}@{}: {} -> {}", name, move.alias, move.from.empty() ? "nothing" : move.from, move.to));
  }
}

Result<int> promote_gated(Context& context, store::Registry& registry, const PromotionRequest& request) {
  CONSORT_ASSIGN(const PromotionOutcome outcome, promote_through_gate(context, registry, request));
  if (context.json) {
    print_document(context, outcome.document);
  } else {
    for (const std::string& line : outcome.lines) print_line(line);
  }
  return outcome.exit_code;
}

Result<int> promote(Context& context, const Options& o) {
  size_t at = o.adapter.find('@');
  if (at == std::string::npos || at == 0 || at + 1 == o.adapter.size())
    return fail(usage("promote takes ADAPTER@VERSION").got(o.adapter).to_fix("versions are listed by 'consort ls adapters'"));
  store::ItemName item{store::ItemKind::adapter, o.adapter.substr(0, at)};
  CONSORT_ASSIGN(auto registry, store::Registry::open(context.home(), context.clock));
  PromotionRequest request;
  CONSORT_ASSIGN(request.candidate, registry->find(item, o.adapter.substr(at + 1)));
  request.alias = o.alias;
  CONSORT_ASSIGN(request.champion, meaning_of(*registry, item, o.alias));
  const bool there = request.champion == request.candidate.version;
  if (!o.ungated.empty() || there) {  // Nothing is left to decide.
    CONSORT_ASSIGN(store::AliasMove move, registry->move_alias(item, o.alias, request.candidate.version, "ungated: " + o.ungated));
    print_move(context, item.name, move);
    return kExitOk;
  }
  request.policy = o.policy.empty() ? "gates/" + item.name + ".yaml" : o.policy;
  std::error_code ignored;
  if (!std::filesystem::exists(request.policy, ignored)) {
    return fail(make_error(ErrorCode::not_found, 8206, "there is no policy for the gate of this adapter")
                    .at(request.policy)
                    .got(o.adapter)
                    .to_fix("write one (docs/formats/gate.md) and name it with --policy; or --ungated REASON"));
  }
  return promote_gated(context, *registry, request);
}

Result<int> rollback(Context& context, const Options& o) {
  store::ItemName item{store::ItemKind::adapter, o.adapter};
  CONSORT_ASSIGN(auto registry, store::Registry::open(context.home(), context.clock));
  CONSORT_ASSIGN(store::AliasMove move, registry->roll_back(item, o.alias, "rollback"));
  print_move(context, item.name, move);
  return kExitOk;
}

}  // namespace

void add_promote(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("promote", "let an alias mean another version of an adapter");
  command->add_option("ADAPTER@VERSION", o->adapter, "as 'consort ls adapters' lists them")->required();
  command->add_option("--alias", o->alias, "the alias to move")->capture_default_str();
  command->add_option("--policy", o->policy, "of the gate; default: gates/ADAPTER.yaml");
  command->add_option("--ungated", o->ungated, "move it without a gate, for this reason");
  command->callback([&context, o] { context.action = [&context, o] { return promote(context, *o); }; });
}

void add_rollback(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("rollback", "let an alias mean what it meant before its last move");
  command->add_option("ADAPTER", o->adapter, "name")->required();
  command->add_option("--alias", o->alias, "the alias to move")->capture_default_str();
  command->callback([&context, o] { context.action = [&context, o] { return rollback(context, *o); }; });
}

}  // namespace consort::cli
