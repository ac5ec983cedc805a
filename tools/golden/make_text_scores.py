"""Golden next-token scores of SmolLM2 on English text, by llama.cpp and by transformers.

Text: Isaac Newton, "Opticks" (4th edition, 1730, public domain), the plain text that the Go source
ships as src/testdata/Isaac.Newton-Opticks.txt; Debian package golang-1.19-src 1.19.8-2 has it at
/usr/share/go-1.19/src/testdata/. The header of the file up to the book's title is left out.

Outputs (tests/golden):
  smollm2_opticks.bin.gz   little endian, per chunk: u16 ids[512], f32 logprob[511], u16 argmax[511]
                           logprob[i] = ln P(ids[i+1] | ids[0..i]) and argmax[i] = the most likely
                           id after ids[0..i], both by llama.cpp on the Q4_1 file, fresh context for
                           every chunk, no begin token, 512 tokens in one batch, f16 KV cache
  smollm2_opticks_f32.bin.gz  little endian, per chunk: f32 logprob[511], u16 argmax[511],
                           f16 margin[511] (top logit minus the runner-up's) by transformers in f32
                           on the dequantised weights: no activation is rounded there
  smollm2_opticks.json     counts, cross-entropy (nats a token), the text's SHA-256, versions; with
                           the same figures of transformers in f32 on the dequantised weights, and how often llama.cpp's argmax
                           is the f32 one, over all positions and where the f32 margin is clear
"""

import argparse
import hashlib
import sys

import numpy as np

import common
from llama_oracle import Llama, log_softmax

CHUNK, CHUNKS = 512, 44
TEXT_SHA256 = "d4a9ac22462b35e7821a4f2706c211093da678620a8f9997989ee7cf8d507bbd"


def transformers_scores(chunks):
    import torch
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(
        str(common.SMOL.parent), gguf_file=common.SMOL.name, dtype=torch.float32).eval()
    logprobs, tops, margins = [], [], []
    with torch.no_grad():
        for i, ids in enumerate(chunks):
            logits = model(torch.tensor([ids.tolist()])).logits[0, :-1].numpy()
            logprobs.append(log_softmax(logits)[np.arange(CHUNK - 1), ids[1:]])
            tops.append(logits.argmax(-1))
            best = np.partition(logits, -2, axis=-1)[:, -2:]
            margins.append(best[:, 1] - best[:, 0])
            print(f"transformers: chunk {i + 1}/{len(chunks)}", file=sys.stderr)
    return np.stack(logprobs), np.stack(tops), np.stack(margins)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--text", default="/usr/share/go-1.19/src/testdata/Isaac.Newton-Opticks.txt")
    parser.add_argument("--no-transformers", action="store_true")
    args = parser.parse_args()
    data = open(args.text, "rb").read()
    if hashlib.sha256(data).hexdigest() != TEXT_SHA256:
        raise SystemExit(f"make_text_scores: {args.text} is another text; install golang-1.19-src")
    llama = Llama(common.SMOL, n_ctx=CHUNK)
    body = data[data.index(b"OPTICKS"):].replace(b"\r\n", b"\n")
    ids = np.array(llama.tokenize(body[:200000], parse_special=False)[:CHUNK * CHUNKS])
    chunks = ids.reshape(CHUNKS, CHUNK)
    logprobs, tops, blob = [], [], b""
    for i, chunk in enumerate(chunks):
        llama.clear()
        logits = llama.decode(chunk.tolist())[:-1]
        logprobs.append(log_softmax(logits)[np.arange(CHUNK - 1), chunk[1:]])
        tops.append(logits.argmax(-1))
        blob += (chunk.astype("<u2").tobytes() + logprobs[-1].astype("<f4").tobytes()
                 + tops[-1].astype("<u2").tobytes())
        print(f"llama.cpp: chunk {i + 1}/{CHUNKS}", file=sys.stderr)
    logprobs, tops = np.stack(logprobs), np.stack(tops)
    summary = {
        "about": "SmolLM2 next-token scores on Newton's Opticks", "text_sha256": TEXT_SHA256,
        "text_package": "golang-1.19-src 1.19.8-2 (Debian)", "chunk_tokens": CHUNK, "chunks": CHUNKS,
        "tokens": int(chunks.size), "scored": int(logprobs.size),
        "llama_cpp": {"cross_entropy": float(-logprobs.mean()), "kv_cache": "f16"}}
    if not args.no_transformers:
        hf, hf_top, margin = transformers_scores(chunks)
        same = hf_top == tops
        summary["transformers_f32"] = {
            "cross_entropy": float(-hf.mean()),
            "top1_agreement_with_llama_cpp": float(same.mean()),
            "top1_agreement_where_margin_at_least": {
                str(m): {"positions": int((margin >= m).sum()),
                         "agreement": float(same[margin >= m].mean())} for m in (0.1, 0.25, 0.5, 1.0)},
            "max_abs_logprob_difference": float(np.abs(hf - logprobs).max()),
            "mean_abs_logprob_difference": float(np.abs(hf - logprobs).mean())}
        common.save_bytes("smollm2_opticks_f32.bin.gz", b"".join(
            lp.astype("<f4").tobytes() + top.astype("<u2").tobytes() + gap.astype("<f2").tobytes()
            for lp, top, gap in zip(hf, hf_top, margin)))
    summary["versions"] = common.versions("xllamacpp", "torch", "transformers", "gguf", "numpy")
    common.save_bytes("smollm2_opticks.bin.gz", blob)
    common.save_json("smollm2_opticks.json", summary)
    print(summary)


if __name__ == "__main__":
    main()
