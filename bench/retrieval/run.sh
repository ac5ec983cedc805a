#!/bin/sh
# Fusion must beat words alone by 5 % on Cranfield. Vaswani is printed.
if [ -z "$CONSORT_DATA" ] || [ ! -d "$CONSORT_DATA/retriever" ]; then
  echo "left out: CONSORT_DATA names no folder with retriever/"
  exit 77
fi
if [ ! -f models/cache/minilm-l6-f32/model.safetensors ]; then
  echo "left out: the encoder is not there; run tools/fetch_models.py"
  exit 77
fi
exec "$1" models/cache/minilm-l6-f32 "$CONSORT_DATA/retriever/cranfield" "$CONSORT_DATA/retriever/vaswani" --least-gain 1.05
