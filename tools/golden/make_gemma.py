"""Golden token ids and next-token scores of Gemma 3 270M (GGUF Q4_K_M, models/models.lock), which is not a default model.

Token ids are llama.cpp's. Scores are llama.cpp's on the file (8-bit activations, f16 KV cache) and transformers' in
f32 on the dequantised weights. Text: the start of Newton's "Opticks" as smollm2_opticks.bin.gz keeps it (make_text_scores.py).
Chunks of 1,024 tokens reach past the sliding window of 512.

Outputs (tests/golden):
  gemma3_tokens.jsonl.gz  as smollm2_tokens.jsonl.gz (make_tokenizer.py); first line a header
  gemma3_scores.json.gz   {"chunks": [{"ids", "llama": {"logprob", "top"}, "f32": {"logprob", "top", "margin"}}]};
                          ids[0] is the begin token; logprob[i] = ln P(ids[i + 1] | ids[0..i])
"""

import base64
import gzip
import json
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM

import common
import gen_lines
from llama_oracle import Llama, log_softmax

GEMMA = common.ROOT / "models" / "cache" / "gemma3-270m-q4_k_m" / "model.gguf"
CHUNK, CHUNKS, LINES, SEED, BOS = 1024, 5, 3000, 20261124, 2


def tokens():
    llama = Llama(GEMMA, vocab_only=True)
    seen, rows = set(), []
    for kind, data in gen_lines.lines(LINES, SEED):
        if data in seen or kind in ("invalid", "lenient"):
            continue
        seen.add(data)
        ids, plain = llama.tokenize(data), llama.tokenize(data, parse_special=False)
        row = {"b64": base64.b64encode(data).decode(), "ids": ids, "kind": kind}
        if plain != ids:
            row["plain"] = plain
        rows.append(row)
    common.save_jsonl("gemma3_tokens.jsonl.gz", [
        {"about": "Gemma 3 token ids by llama.cpp on the GGUF", "seed": SEED, "lines": len(rows),
         "versions": common.versions("xllamacpp")}] + rows)


def text():
    blob = gzip.decompress((common.OUT / "smollm2_opticks.bin.gz").read_bytes())
    size = 512 * 2 + 511 * 6
    ids = [int(i) for at in range(0, len(blob), size) for i in np.frombuffer(blob, "<u2", 512, at)]
    return Llama(common.SMOL, vocab_only=True).detokenize(ids)


def rows_of(logits, ids):
    logprob = log_softmax(logits)[np.arange(CHUNK - 1), ids[1:]]
    best = np.partition(logits, -2, axis=-1)[:, -2:]
    return {"logprob": [round(float(x), 5) for x in logprob], "top": logits.argmax(-1).tolist(),
            "margin": [round(float(x), 4) for x in best[:, 1] - best[:, 0]]}


def main():
    torch.set_num_threads(2)
    tokens()
    llama = Llama(GEMMA, n_ctx=CHUNK, n_threads=2)
    ids = llama.tokenize(text(), parse_special=False)
    chunks = [[BOS] + ids[i * (CHUNK - 1):(i + 1) * (CHUNK - 1)] for i in range(CHUNKS)]
    model = AutoModelForCausalLM.from_pretrained(str(GEMMA.parent), gguf_file=GEMMA.name, dtype=torch.float32,
                                                 attn_implementation="eager").eval()
    out = []
    for i, chunk in enumerate(chunks):
        llama.clear()
        theirs = rows_of(llama.decode(chunk)[:-1], chunk)
        with torch.no_grad():
            exact = rows_of(model(torch.tensor([chunk])).logits[0, :-1].numpy(), chunk)
        del theirs["margin"]
        out.append({"ids": chunk, "llama": theirs, "f32": exact})
        print(f"chunk {i + 1}: cross-entropy llama.cpp {-np.mean(theirs['logprob']):.5f}, "
              f"f32 {-np.mean(exact['logprob']):.5f}, same top "
              f"{np.mean(np.array(theirs['top']) == np.array(exact['top'])):.4f}", file=sys.stderr)
    common.save_bytes("gemma3_scores.json.gz", json.dumps(
        {"about": "Gemma 3 270M next-token scores on Newton's Opticks",
         "versions": common.versions("xllamacpp", "torch", "transformers", "gguf", "numpy"), "chunks": out}).encode())


if __name__ == "__main__":
    main()
