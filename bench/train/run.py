"""Training speed against torch + PEFT on the same machine, in turns.

    python bench/train/run.py --consort build/release/consort --gguf models/cache/smollm2-135m-q4_1/model.gguf

The peer is SmolLM2-135M's shape with random weights in bfloat16, LoRA r=16 on all projections, AdamW.
Tokens/s over sequences of about 256 tokens, 4 a batch, both with the loss on every token of the completion.
"""
import argparse
import json
import os
import pathlib
import random
import re
import resource
import subprocess
import tempfile
import time


def peer(rows, steps_max, seconds_max):
    import peft
    import torch
    import transformers
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, tie_word_embeddings=True)
    net = transformers.LlamaForCausalLM(config).bfloat16()
    net = peft.get_peft_model(net, peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
    trained = [p for p in net.parameters() if p.requires_grad]
    adam = torch.optim.AdamW(trained, lr=2e-4)
    times, tokens, examples = [], [], []
    for batch in rows[:steps_max]:
        width = max(len(ids) for ids, _ in batch)
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
        for i, (row, n_prompt) in enumerate(batch):
            ids[i, :len(row)] = torch.tensor(row)
            mask[i, :len(row)] = 1
            labels[i, n_prompt:len(row)] = torch.tensor(row[n_prompt:])
        start = time.perf_counter()
        net(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        adam.step()
        adam.zero_grad()
        times.append(time.perf_counter() - start)
        tokens.append(int(mask.sum()))
        examples.append(len(batch))
        if sum(times) > seconds_max:
            break
    use = slice(1, None) if len(times) > 1 else slice(None)  # The first step warms up.
    return {"tokens_per_s": sum(tokens[use]) / sum(times[use]), "examples_per_s": sum(examples[use]) / sum(times[use]),
            "steps": len(times), "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def ours(consort, gguf, path, n_rows, extra=()):
    with tempfile.TemporaryDirectory() as out:
        command = ["/usr/bin/time", "-v"] if os.path.exists("/usr/bin/time") else []
        done = subprocess.run([*command, consort, "--json", "-q", "train", "--model", gguf, "--data", path, "--out", out,
                               "--checkpoint-every", "0", *extra], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        answer = json.loads(done.stdout)
        rss = re.search(r"Maximum resident set size \(kbytes\): (\d+)", done.stderr)
    return {"tokens_per_s": answer["tokens_per_second"], "examples_per_s": n_rows / answer["seconds"],
            "seconds": answer["seconds"], "steps": answer["steps"],
            "rss_mb": int(rss[1]) // 1024 if rss else None}  # Without GNU time it is not known.


def dense_rows(n):
    """Texts of which nearly every token is learnt: a short prompt, a completion of about 250 tokens."""
    rng = random.Random(1)
    words = "market sales growth table figure report quarter income margin units region price".split()
    return [{"prompt": f"{i}", "completion": " ".join(rng.choice(words) for _ in range(222)), "system": "x"} for i in range(n)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--consort", default="build/release/consort")
    parser.add_argument("--gguf", default="models/cache/smollm2-135m-q4_1/model.gguf")
    parser.add_argument("--n", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as folder:
        dense = pathlib.Path(folder) / "dense.jsonl"
        dense.write_text("".join(json.dumps(r) + "\n" for r in dense_rows(args.n)))
        same = [[(list(range(1, 257)), 24)] * 4 for _ in range(50)]
        for _ in range(args.rounds):
            a, b = ours(args.consort, args.gguf, str(dense), args.n), peer(same, 50, args.seconds)
            print(json.dumps({"set": "dense, about 256 tokens", "load": os.getloadavg()[0], "consort": a, "torch+peft": b,
                              "tokens_ratio": round(a["tokens_per_s"] / b["tokens_per_s"], 2)}), flush=True)


if __name__ == "__main__":
    main()
