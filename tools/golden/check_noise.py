"""How far llama.cpp is from itself and from exact arithmetic on the same weights.

Writes an F32 copy of the GGUF (dequantised, in a temporary folder) and prints, on the first chunks
of the golden text, next-token agreement between: the golden (Q4_1 file, batch of 512), the same
file with an f32 KV cache, the same file one token at a time, the F32 copy, and prints the LoRA
difference between llama.cpp on the F32 copy and PEFT. Result: tests/golden/smollm2_noise.json.
"""

import gzip
import json
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np

import common
from llama_oracle import Llama, log_softmax

CHUNK, CHUNKS, SINGLE = 512, 8, 2


def write_f32(source, target):
    """The GGUF `source` with every tensor dequantised to F32, all other fields kept."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "llama")
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        writer.add_key_value(name, field.contents(), kind,
                             sub_type=field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for t in reader.tensors:
        writer.add_tensor(t.name, gguf.dequantize(t.data, t.tensor_type).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read_chunks():
    raw = gzip.decompress((common.OUT / "smollm2_opticks.bin.gz").read_bytes())
    size = CHUNK * 2 + (CHUNK - 1) * 6
    for at in range(0, CHUNKS * size, size):
        ids = np.frombuffer(raw, "<u2", CHUNK, at)
        logprob = np.frombuffer(raw, "<f4", CHUNK - 1, at + CHUNK * 2)
        argmax = np.frombuffer(raw, "<u2", CHUNK - 1, at + CHUNK * 2 + (CHUNK - 1) * 4)
        yield ids, logprob, argmax


def score(llama, ids, one_by_one=False):
    llama.clear()
    ids = ids.tolist()
    if one_by_one:
        logits = np.concatenate([llama.decode([t], i) for i, t in enumerate(ids[:-1])])
    else:
        logits = llama.decode(ids)[:-1]
    return log_softmax(logits)[np.arange(len(ids) - 1), ids[1:]], logits.argmax(-1)


def compare(llama, chunks, one_by_one=False):
    same, mine, golden = [], [], []
    for ids, logprob, argmax in chunks:
        lp, top = score(llama, ids, one_by_one)
        same.append(top == argmax)
        mine.append(lp)
        golden.append(logprob)
    mine, golden = np.concatenate(mine), np.concatenate(golden)
    return {"positions": int(mine.size), "top1_agreement": float(np.mean(same)),
            "cross_entropy": float(-mine.mean()), "golden_cross_entropy": float(-golden.mean()),
            "mean_abs_logprob_difference": float(np.abs(mine - golden).mean())}


def lora_difference(path):
    """Largest distance of llama.cpp on the F32 copy from the golden top-64 logits, per prompt."""
    llama = Llama(path, n_ctx=256, f32_kv=True)
    out = {}
    for key, adapter in (("smollm2_logits.json.gz", None),
                         ("smollm2_lora.json.gz", str(common.OUT / "lora" / "adapter.gguf"))):
        llama.use_adapter(adapter)
        golden = json.loads(gzip.decompress((common.OUT / key).read_bytes()))
        worst = []
        for p in golden["prompts"]:
            llama.clear()
            logits = llama.decode(p["ids"])
            worst.append(max(float(np.abs(row[t["ids"]] - t["logits"]).max())
                             for row, t in zip(logits, p["top"])))
        out["with adapter, to PEFT" if adapter else "base, to transformers"] = worst
    return out


def main():
    chunks = list(read_chunks())
    out = {"about": "llama.cpp against its own golden (Q4_1 file, one batch, f16 KV cache)"}
    out["q4_1, again"] = compare(Llama(common.SMOL, n_ctx=CHUNK), chunks[:1])
    out["q4_1, f32 KV cache"] = compare(Llama(common.SMOL, n_ctx=CHUNK, f32_kv=True), chunks)
    out["q4_1, one token at a time"] = compare(Llama(common.SMOL, n_ctx=CHUNK), chunks[:SINGLE], True)
    with tempfile.TemporaryDirectory() as folder:
        exact = Path(folder) / "f32.gguf"
        write_f32(common.SMOL, exact)
        out["dequantised to f32"] = compare(Llama(exact, n_ctx=CHUNK, f32_kv=True), chunks)
        out["max_abs_logit_difference_f32"] = lora_difference(exact)
    out["versions"] = common.versions("xllamacpp", "gguf", "numpy")
    common.save_json("smollm2_noise.json", out)
    json.dump(out, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
