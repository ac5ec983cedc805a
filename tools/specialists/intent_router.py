"""The planner's router: one of 150 intents, or none of them (data set planner/clinc150), its rows and its evaluation.

    CONSORT_DATA=... python tools/specialists/intent_router.py rows --out FOLDER [--seed 1]
    CONSORT_DATA=... python tools/specialists/intent_router.py eval --split dev --adapter FILE

`rows` writes train.jsonl ({"text", "label"}, null for out of scope) of the train split alone, without what dev or test hold as well
(case, punctuation and figures set aside), and dev.jsonl, on which temperature and threshold are fitted. `eval` asks the program
that serves: in-scope accuracy (an answer of "none" is wrong there) and recall on the out-of-scope items, with 95 % Wilson intervals.
"""
import argparse
import json
import math
import os
import pathlib
import random
import re
import subprocess

FOLDER = ("planner", "clinc150")


def items(split):
    if "CONSORT_DATA" not in os.environ:
        raise SystemExit("CONSORT_DATA names no folder: set it to the folder of the data sets")
    path = pathlib.Path(os.environ["CONSORT_DATA"]).joinpath(*FOLDER) / f"{split}.jsonl"
    return [json.loads(line) for line in path.open()]


def key(text):
    return " ".join(re.sub(r"\d+", "0", re.sub(r"[^\w\s]", " ", text.lower())).split())


def label(item):
    return None if item["intent"] == "oos" else item["intent"]


def without_held_out(train, held_out):
    """The train items whose text nothing held out has, each text once, and how many each rule left out."""
    keys, seen, kept, left_out = {key(i["text"]) for i in held_out}, set(), [], {"held_out": 0, "twice": 0}
    for item in train:
        own = key(item["text"])
        reason = "held_out" if own in keys else "twice" if own in seen else None
        if reason:
            left_out[reason] += 1
            continue
        seen.add(own)
        kept.append(item)
    return kept, left_out


def write(path, rows):
    with open(path, "w") as out:
        for item in rows:
            out.write(json.dumps({"text": item["text"], "label": label(item)}) + "\n")


def rows(args):
    kept, left_out = without_held_out(items("train"), items("dev") + items("test"))
    random.Random(args.seed).shuffle(kept)
    folder = pathlib.Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "train.jsonl", kept[:args.n])
    dev, _ = without_held_out(items("dev"), [])
    write(folder / "dev.jsonl", dev)
    print(json.dumps({"rows": min(len(kept), args.n), "left_out": left_out, "dev": len(dev)}))


def wilson(right, n, z=1.959964):
    middle, spread = right + z * z / 2, z * math.sqrt(right * (n - right) / n + z * z / 4)
    return [round((middle - spread) / (n + z * z), 4), round((middle + spread) / (n + z * z), 4)]


def measure(wanted, answers):
    inside = [(w, a) for w, a in zip(wanted, answers) if w is not None]
    outside = [a for w, a in zip(wanted, answers) if w is None]
    right = sum(w == a["label"] for w, a in inside)
    found = sum(a["label"] is None for a in outside)
    return {"in_scope": len(inside), "accuracy": round(right / len(inside), 4), "accuracy_95": wilson(right, len(inside)),
            "accuracy_without_threshold": round(sum(w == a["best"] for w, a in inside) / len(inside), 4),
            "out_of_scope": len(outside), "recall": round(found / len(outside), 4), "recall_95": wilson(found, len(outside))}


def evaluate(args):
    test = items(args.split)
    done = subprocess.run([args.consort, "-q", "embed", args.model, "--adapter", args.adapter, "--say", "classes", "--batch", "-"],
                          input="".join(json.dumps({"text": i["text"]}) + "\n" for i in test), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(test):
        raise SystemExit(f"{len(answers)} answers to {len(test)} texts")
    print(json.dumps({"split": args.split, **measure([label(i) for i in test], answers)}))


def main():
    parser = argparse.ArgumentParser()
    what = parser.add_subparsers(dest="what", required=True)
    make = what.add_parser("rows")
    make.add_argument("--out", required=True)
    make.add_argument("--seed", type=int, default=1)
    make.add_argument("--n", type=int, default=10 ** 9)
    make.set_defaults(run=rows)
    judge = what.add_parser("eval")
    judge.add_argument("--split", choices=["dev", "test"], default="dev")
    judge.add_argument("--consort", default="build/release/consort")
    judge.add_argument("--model", default="minilm-l6:f32")
    judge.add_argument("--adapter", required=True)
    judge.set_defaults(run=evaluate)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
