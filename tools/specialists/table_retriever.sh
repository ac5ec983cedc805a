#!/bin/sh
# Teaches the retriever (question -> table) and looks at it on the dev split: rows, training, weights of the fusion.
#   CONSORT_DATA=... tools/specialists/table_retriever.sh OUT [TABLES] [QUESTIONS]
set -eu
out=${1:?folder to write to}
consort=${CONSORT:-build/release/consort}
python=${PYTHON:-python3}
here=$(dirname "$0")
mkdir -p "$out"
"$python" "$here/table_retriever.py" rows --out "$out/rows.jsonl" --tables "${2:-8000}"
"$consort" train --model minilm-l6:f32 --data "$out/rows.jsonl" --out "$out" --rank 16 --epochs 1 --learning-rate 0.001 \
  --batch-examples 64 --temperature 0.05 --checkpoint-every 25 --seed 1 --licence "BSD-3-Clause (WikiSQL), MIT (TabFact)" --adapter-type f16
"$python" "$here/table_retriever.py" eval --split dev --n "${3:-500}" --weight auto --consort "$consort" --adapter "$out/adapter.gguf"
