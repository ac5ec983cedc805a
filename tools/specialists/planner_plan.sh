#!/bin/sh
# Teaches a planner's specialist and judges it on the dev wordings: rows, training, evaluation. None ships: LIMITATIONS.md says
# how far it got.
#   tools/specialists/planner_plan.sh OUT [ROWS] [BRIEFS]
set -eu
out=${1:?folder to write to}
n=${2:-500}
briefs=${3:-150}
consort=${CONSORT:-build/release/consort}
here=$(dirname "$0")
mkdir -p "$out"
python3 "$here/planner_plan.py" rows --n "$n" --out "$out/rows.jsonl" --consort "$consort"
"$consort" train --model smollm2-135m:q4_1 --data "$out/rows.jsonl" --out "$out" --rank 8 --learning-rate 0.0015 \
  --warmup 0.05 --batch-tokens 512 --precision f32 --checkpoint-every 10 --seed 1 --licence Apache-2.0 --adapter-type f16
python3 "$here/planner_plan.py" eval --split dev --n "$briefs" --consort "$consort" --adapter "$out/adapter.gguf"
