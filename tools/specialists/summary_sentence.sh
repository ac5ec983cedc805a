#!/bin/sh
# Teaches the summarizer's sentence specialist and judges it: rows, training, evaluation on the held-out facts.
# An interrupted training goes on from its checkpoint when the command is given again.
#   tools/specialists/summary_sentence.sh OUT [ROWS] [SENTENCES]
set -eu
out=${1:?folder to write to}
n=${2:-240}
sentences=${3:-300}
consort=${CONSORT:-build/release/consort}
here=$(dirname "$0")
mkdir -p "$out"
python3 "$here/summary_sentence.py" rows --n "$n" --out "$out/rows.jsonl" --consort "$consort"
"$consort" train --model smollm2-135m:q4_1 --data "$out/rows.jsonl" --out "$out" --rank 8 --learning-rate 0.002 \
  --warmup 0.05 --batch-tokens 384 --precision f32 --checkpoint-every 10 --seed 1 --licence Apache-2.0 --adapter-type f16
python3 "$here/summary_sentence.py" eval --split test --n "$sentences" --consort "$consort" --adapter "$out/adapter.gguf"
