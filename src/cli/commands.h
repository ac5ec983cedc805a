// The commands of the program: each adds its sub-command to the parser. `context` outlives the
// parser.
#pragma once

#include "cli/context.h"

namespace consort::cli {

void add_contract(CLI::App& app, Context& context);
void add_schema(CLI::App& app, Context& context);
void add_validate(CLI::App& app, Context& context);
void add_graph(CLI::App& app, Context& context);
void add_explain(CLI::App& app, Context& context);
void add_doctor(CLI::App& app, Context& context);
void add_ingest(CLI::App& app, Context& context);
void add_search(CLI::App& app, Context& context);
void add_generate(CLI::App& app, Context& context);
void add_perplexity(CLI::App& app, Context& context);
void add_embed(CLI::App& app, Context& context);
void add_bench(CLI::App& app, Context& context);
void add_run(CLI::App& app, Context& context);
void add_resume(CLI::App& app, Context& context);
void add_cancel(CLI::App& app, Context& context);
void add_replay(CLI::App& app, Context& context);
void add_call(CLI::App& app, Context& context);
void add_ls(CLI::App& app, Context& context);
void add_show(CLI::App& app, Context& context);
void add_trace(CLI::App& app, Context& context);
void add_eval(CLI::App& app, Context& context);
void add_import(CLI::App& app, Context& context);
void add_pull(CLI::App& app, Context& context);
void add_train(CLI::App& app, Context& context);
void add_dataset(CLI::App& app, Context& context);
void add_promote(CLI::App& app, Context& context);
void add_rollback(CLI::App& app, Context& context);
// serve: known by name, answered with `unsupported` 8005.
void add_unbuilt(CLI::App& app, Context& context);

}  // namespace consort::cli
