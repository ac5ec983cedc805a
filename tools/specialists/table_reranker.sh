#!/bin/sh
# Teaches the pair scorer over the retriever's fused top 50 and looks at it on the dev split.
#   CONSORT_DATA=... tools/specialists/table_reranker.sh OUT RETRIEVER_ADAPTER FUSION_WEIGHT [ROWS] [QUESTIONS]
set -eu
out=${1:?folder to write to}
retriever=${2:?the retriever's adapter}
weight=${3:?weight of the vectors, chosen on dev}
consort=${CONSORT:-build/release/consort}
python=${PYTHON:-python3}
here=$(dirname "$0")
mkdir -p "$out"
"$python" "$here/table_retriever.py" rerank-rows --n "${4:-4000}" --adapter "$retriever" --weight "$weight" --consort "$consort" --out "$out/rows.jsonl"
"$consort" train --model minilm-l6:f32 --data "$out/rows.jsonl" --out "$out" --rank 16 --epochs 1 --learning-rate 0.001 \
  --batch-examples 16 --rank-loss listwise --checkpoint-every 50 --seed 1 --licence "BSD-3-Clause (WikiSQL), MIT (TabFact)" --adapter-type f16
"$python" "$here/table_retriever.py" rerank --split dev --n "${5:-200}" --adapter "$retriever" --weight "$weight" --scorer "$out/adapter.gguf" \
  --mix auto --consort "$consort"
