#include "cli/help.h"

#include "contract/json.h"

namespace consort::cli {

std::string top_help() {
  return R"(consort composes agents out of small, specialised models that talk through contracts.

Usage: consort COMMAND [OPTIONS]          consort COMMAND --help for each

Run
  run AGENT            run an agent: --input FILE|-, --set k=v, --out DIR
  resume RUN           go on with a run that was interrupted or killed
  cancel RUN           give up a run: it is listed as cancelled and not resumed
  replay RUN           recompute a finished run and compare, bit for bit
  call AGENT:COMPONENT call one component: input JSON on stdin; --batch for JSON Lines

Look
  ls [runs|models|adapters|components|agents]
  show RUN|NAME        what is known about a run, a model, or a component
  trace RUN            steps with times and tokens; --prompt STEP
  doctor               what is missing on this machine

Define
  validate AGENT       types, edges, budgets, keywords that cannot be enforced
  graph AGENT          the flow as text; --svg, --mermaid
  schema NAME          JSON Schema of agent, run, error, search, ... or a tool
  contract check|accepts|contains|diff|example

Memory and models
  ingest MEMORY PATH...   read documents: PDF, HTML, Markdown, text, CSV
  search MEMORY QUERY     words and meaning: -k N, --mode, --batch
  generate MODEL          text or, with --schema, JSON
  perplexity MODEL FILE   how well a model predicts a text
  embed MODEL             unit vectors
  import FILE, pull REF   add a model or adapter file to the home
  promote, rollback       which version of an adapter an alias means
  bench engine            speed of the engine on this machine

Teach
  train COMPONENT         --data ROWS --out DIR: an adapter; or --model REF
  dataset FILES...        rows without duplicates and golden rows, with provenance

Judge
  eval AGENT           --data questions.jsonl, planted.jsonl, or briefs.yaml
  explain CODE         what an error means and what to do: consort explain E2101

Options of every command
  --json       one JSON document, or JSON Lines for listings and streams
  --home DIR   state folder (default: $CONSORT_HOME, then ./.consort)
  -q, --quiet  no progress

Exit codes: 0 ok, 1 run failed, 2 usage or invalid definition, 3 contract violation,
4 model, tool or backend unavailable, 10 gate failed, 130 interrupted.
)";
}

std::string version_text(bool json) {
  if (!json) return std::string("consort ") + CONSORT_VERSION + "\n";
  return contract::to_json(
             contract::Value::object({{"name", "consort"}, {"version", CONSORT_VERSION}})) +
         "\n";
}

}  // namespace consort::cli
