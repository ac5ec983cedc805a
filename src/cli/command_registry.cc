// promote, rollback: which version of an adapter an alias means.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "run/adapters.h"
#include "store/registry.h"

namespace consort::cli {
namespace {

using contract::Value;

struct Options {
  std::string adapter, alias = std::string(run::kDefaultAlias), ungated;
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

// A statistical gate decides whether a version deserves an alias, and there is none yet: the move is made
// only when the user takes the decision on themselves, and the registry keeps the reason.
Result<int> promote(Context& context, const Options& o) {
  size_t at = o.adapter.find('@');
  if (at == std::string::npos || at == 0 || at + 1 == o.adapter.size())
    return fail(usage("promote takes ADAPTER@VERSION").got(o.adapter).to_fix("versions are listed by 'consort ls adapters'"));
  store::ItemName item{store::ItemKind::adapter, o.adapter.substr(0, at)};
  std::string version = o.adapter.substr(at + 1);
  CONSORT_ASSIGN(auto registry, store::Registry::open(context.home(), context.clock));
  CONSORT_TRY(registry->find(item, version));
  if (o.ungated.empty()) {
    return fail(make_error(ErrorCode::unsupported, 8005,
                           "promote needs the statistical gate that compares a version with the one in service; "
                           "this program has none yet")
                    .got(o.adapter)
                    .to_fix("measure the version yourself, then write --ungated REASON: the alias moves and the reason is kept"));
  }
  CONSORT_ASSIGN(store::AliasMove move, registry->move_alias(item, o.alias, version, "ungated: " + o.ungated));
  print_move(context, item.name, move);
  return kExitOk;
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
