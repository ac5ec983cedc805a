"""Golden MiniLM sentence embeddings by sentence-transformers in f32.

Texts: sentences of Newton's Opticks (see make_text_scores.py), lines of gen_lines.py, and twenty
passages longer than the model's 256 tokens, which are cut. Outputs (tests/golden):
  minilm_texts.jsonl.gz        a header object, then {"text", "n_tokens"} a line, 1,000 lines
  minilm_embeddings.f16.gz     little endian f16 [1000, 384], L2-normalised, in the same order
Rounding to f16 moves the cosine by less than 1e-6 (printed).
"""

import argparse
import hashlib
import re

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

import common
import gen_lines
from make_text_scores import TEXT_SHA256

SEED, N = 20261125, 1000


def texts_from(path):
    data = open(path, "rb").read()
    if hashlib.sha256(data).hexdigest() != TEXT_SHA256:
        raise SystemExit(f"make_embeddings: {path} is another text; install golang-1.19-src")
    body = re.sub(r"\s+", " ", data[data.index(b"OPTICKS"):].decode("utf-8"))
    sentences = [s for s in re.split(r"(?<=[.?!]) (?=[A-Z])", body) if 20 <= len(s) <= 600]
    words = body.split(" ")
    long = [" ".join(words[i * 2000:i * 2000 + 150 + 40 * i]) for i in range(20)]
    lines = [d.decode("utf-8") for _, d in gen_lines.lines(1200, SEED, with_invalid=False)]
    return list(dict.fromkeys(sentences[:680] + long + [s for s in lines if s.strip()]))[:N]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--text", default="/usr/share/go-1.19/src/testdata/Isaac.Newton-Opticks.txt")
    args = parser.parse_args()
    texts = texts_from(args.text)
    assert len(texts) == N
    torch.set_num_threads(1)
    model = SentenceTransformer(str(common.MINILM), device="cpu")
    # One text at a time: no padding, so nothing but the text itself decides its embedding.
    exact = model.encode(texts, batch_size=1, normalize_embeddings=True, show_progress_bar=False)
    half = exact.astype("<f2")
    back = half.astype(np.float64)
    cosine = (back * exact).sum(1) / np.linalg.norm(back, axis=1) / np.linalg.norm(exact, axis=1)
    print(f"{len(texts)} texts, f16 rounding costs at most {1 - cosine.min():.2e} of cosine")
    counts = [len(model.tokenizer(t, truncation=True, max_length=256)["input_ids"]) for t in texts]
    header = {"about": "MiniLM sentence embeddings by sentence-transformers, f32, batch 1",
              "texts": N, "dim": int(exact.shape[1]), "cut_at": 256,
              "cut": sum(c == 256 for c in counts),
              "versions": common.versions("sentence-transformers", "torch", "transformers", "numpy")}
    common.save_jsonl("minilm_texts.jsonl.gz", [header] + [
        {"text": t, "n_tokens": n} for t, n in zip(texts, counts)])
    common.save_bytes("minilm_embeddings.f16.gz", half.tobytes())


if __name__ == "__main__":
    main()
