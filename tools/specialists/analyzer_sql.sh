#!/bin/sh
# Teaches the analyzer's SQL specialist and judges it on the dev split: rows, training, evaluation.
# An interrupted training goes on from its checkpoint when the command is given again.
#   CONSORT_DATA=... tools/specialists/analyzer_sql.sh OUT [ROWS] [QUESTIONS]
set -eu
out=${1:?folder to write to}
n=${2:-5000}
questions=${3:-500}
consort=${CONSORT:-build/release/consort}
here=$(dirname "$0")
mkdir -p "$out"
python3 "$here/analyzer_sql.py" rows --n "$n" --out "$out/rows.jsonl"
"$consort" train --model smollm2-135m:q4_1 --data "$out/rows.jsonl" --out "$out" --rank 8 --learning-rate 0.001 \
  --warmup 0.03 --checkpoint-every 50 --seed 1 --licence "BSD-3-Clause (WikiSQL), MIT (TabFact)" --adapter-type f16
python3 "$here/analyzer_sql.py" eval --split dev --n "$questions" --tries 6 --consort "$consort" --adapter "$out/adapter.gguf"
