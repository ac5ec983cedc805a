"""Contrastive training of MiniLM-L6 with LoRA: pairs/s against sentence-transformers on the same machine, in turns.

    python bench/train/encoders.py --consort build/release/consort --model models/cache/minilm-l6-f32 [--rounds 3] [--pairs 1024]

Both read the same pairs (a question of about 14 words, a passage of about 60) in batches of 64, InfoNCE over the batch at temperature
0.05 (sentence-transformers: MultipleNegativesRankingLoss, scale 20), LoRA r=16 on all linear layers (PEFT), AdamW. The peer runs in
f32 and under bfloat16 autocast with 2 threads, its padded batches, and without its first step; the better one counts. Needs
sentence-transformers, peft, datasets.
"""
import argparse
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile
import time


def pairs(n):
    rng = random.Random(1)
    words = ("market sales growth table figure report quarter income margin units region price year company team score city "
             "player record season points club match").split()

    def text(mean):
        return " ".join(rng.choice(words) for _ in range(max(4, round(rng.gauss(mean, mean / 4)))))
    return [(f"{text(14)} {i}", f"{text(60)} {i}") for i in range(n)]


def peer(folder, rows, bf16, seconds_max):
    import peft
    import torch
    from sentence_transformers import SentenceTransformer, losses
    torch.manual_seed(0)
    torch.set_num_threads(2)
    net = SentenceTransformer(str(folder), device="cpu")
    net[0].auto_model = peft.get_peft_model(net[0].auto_model, peft.LoraConfig(
        r=16, lora_alpha=32, target_modules=["query", "key", "value", "dense"]))
    loss_of = losses.MultipleNegativesRankingLoss(net, scale=20.0)
    trained = [p for p in net.parameters() if p.requires_grad]
    adam = torch.optim.AdamW(trained, lr=1e-3)
    net.train()
    times = []
    for first in range(0, len(rows), 64):
        batch = rows[first:first + 64]
        start = time.perf_counter()
        features = [net.tokenize([pair[side] for pair in batch]) for side in (0, 1)]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = loss_of(features, None)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        adam.step()
        adam.zero_grad()
        times.append(time.perf_counter() - start)
        if sum(times) > seconds_max:
            break
    use = times[1:] or times
    return 64 * len(use) / sum(use)


def ours(consort, rows):
    with tempfile.TemporaryDirectory() as out:
        data = pathlib.Path(out) / "rows.jsonl"
        data.write_text("".join(json.dumps({"query": q, "positive": p}) + "\n" for q, p in rows))
        command = ["/usr/bin/time", "-v"] if os.path.exists("/usr/bin/time") else []
        done = subprocess.run([*command, consort, "--json", "-q", "train", "--model", "minilm-l6:f32", "--data", str(data), "--out", out,
                               "--rank", "16", "--learning-rate", "0.001", "--batch-examples", "64", "--threads", "2",
                               "--checkpoint-every", "0"], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        answer = json.loads(done.stdout)
        rss = re.search(r"Maximum resident set size \(kbytes\): (\d+)", done.stderr)
    return {"pairs_per_s": len(rows) / answer["seconds"], "tokens_per_s": answer["tokens_per_second"],
            "rss_mb": int(rss[1]) // 1024 if rss else None}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--consort", default="build/release/consort")
    parser.add_argument("--model", default="models/cache/minilm-l6-f32")
    parser.add_argument("--pairs", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60, help="of one run of the peer, at most")
    parser.add_argument("--alone", action="store_true", help="without the peer")
    args = parser.parse_args()
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    rows = pairs(args.pairs)
    for _ in range(args.rounds):
        line = {"load": os.getloadavg()[0], "consort": ours(args.consort, rows)}
        if not args.alone:
            both = {name: peer(args.model, rows, bf16, args.seconds) for name, bf16 in (("f32", False), ("bf16", True))}
            line |= {"sentence_transformers": both, "ratio": round(line["consort"]["pairs_per_s"] / max(both.values()), 2)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
