#!/bin/sh
# demo.sh AGENT: runs an example agent on real input and says where its report is.
set -eu
cd "$(dirname "$0")/.."
agent=${1:-competitive-intelligence}
out=out/$agent
export CONSORT_HOME="${CONSORT_HOME:-$PWD/out/home}"
mkdir -p "$out"
if [ "$agent" = competitive-intelligence ]; then
  if [ -n "${CONSORT_DATA:-}" ] && [ -d "$CONSORT_DATA/corpus/pdf" ]; then
    export CONSORT_CORPUS=@real-sources/sources.txt
    echo "demo: corpus: the public filings of $CONSORT_DATA/corpus, with the wiki pages and sales notes of examples/$agent/corpus"
  else
    echo "demo: corpus: the bundled one, examples/$agent/corpus (set CONSORT_DATA to read the filings themselves)"
  fi
fi
build/release/consort run "examples/$agent" --input "examples/$agent/brief.json" --out "$out"
echo "demo: wrote $(ls "$out" | tr '\n' ' ')to $out/"
echo "demo: open $out/report.html"
