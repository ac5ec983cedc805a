#!/bin/sh
# Teaches the planner's router and judges it on the dev split: rows, training, evaluation.
#   CONSORT_DATA=... tools/specialists/intent_router.sh OUT
set -eu
out=${1:?folder to write to}
consort=${CONSORT:-build/release/consort}
here=$(dirname "$0")
mkdir -p "$out"
python3 "$here/intent_router.py" rows --out "$out"
"$consort" train --model minilm-l6:f32 --data "$out/train.jsonl" --dev "$out/dev.jsonl" --out "$out" --rank 16 --epochs "${EPOCHS:-2}" \
  --learning-rate 0.002 --batch-examples 128 --outside-weight 2 --scope-cost 0.015 --checkpoint-every 100 --seed 1 \
  --licence "CC BY 3.0 (CLINC150, Clinc, Inc.)" --adapter-type f16
python3 "$here/intent_router.py" eval --split dev --consort "$consort" --adapter "$out/adapter.gguf"
