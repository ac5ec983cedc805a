"""The summarizer's specialist: facts -> one sentence (summary_facts.py), its rows and its evaluation by rule.

    python tools/specialists/summary_sentence.py rows --out rows.jsonl [--n 450]
    python tools/specialists/summary_sentence.py eval --split dev|test [--n 300] [--adapter FILE | --shots 3] [--no-frame] [--agent]

Facts and frames are made by the agent's own tool (`consort call examples/shared/report-summarizer:plan_writing`). Companies, lines
of tables and figures of the test are in no row. A sentence is right when it says company, line, period, amount and change, each
as printed, with the change in its direction, no other number, and no word beyond those that join facts. `figures` counts
sentences whose numbers are right and whole, whatever their words. --no-frame leaves the mask to a string of 300 characters.
With --agent the agent's own writer answers (`consort call ...:writer`), and its prompts are compared with those of the rows.
"""
import argparse
import collections
import json
import random
import sys

from analyzer_sql import wilson
from planner_plan import call, run
import planner_wording
import planner_wording_test_set
import summary_facts as sf

AGENT = "examples/shared/report-summarizer"
COMPANIES = {"train": planner_wording.TRAIN.companies, "dev": planner_wording.DEV.companies, "test": planner_wording_test_set.COMPANIES}
FREE = {"type": "string", "maxLength": 300}


def tasks(split, n, consort):
    rng = random.Random({"train": 11, "dev": 12, "test": 13}[split])
    labels = sf.LABELS["test" if split == "test" else "train"]
    findings = [sf.finding(rng, COMPANIES[split], labels) for _ in range(n)]
    made = call(consort, AGENT, "plan_writing", [{"findings": [f]} for f in findings])
    return [m["items"][0] for m in made]


def rows(args):
    rng = random.Random(args.seed)
    held_out = {t["facts"] for t in tasks("test", args.held_out, args.consort)}
    written, left_out, seen = 0, collections.Counter(), set()
    with open(args.out, "w") as out:
        for task in tasks("train", args.n + args.n // 10, args.consort):
            if written == args.n:
                break
            text = sf.sentence(task["facts"], rng)
            reason = "like_test" if task["facts"] in held_out else "twice" if task["facts"] in seen else "faulty" if sf.faults(text, task["facts"]) else None
            if reason:
                left_out[reason] += 1
                continue
            seen.add(task["facts"])
            written += 1
            out.write(json.dumps({"system": sf.SYSTEM, "prompt": task["facts"], "completion": sf.write(text)}) + "\n")
    print(json.dumps({"rows": written, "left_out": left_out}))


def few_shot(n, consort):
    rng = random.Random(5)
    return "".join(f"{t['facts']}\n{sf.write(sf.sentence(t['facts'], rng))}\n\n" for t in tasks("train", n, consort))


def written(args, items):
    shots = few_shot(args.shots, args.consort) if args.shots else ""
    requests = [{"system": sf.SYSTEM, "prompt": shots + t["facts"], "schema": {
        "type": "object", "properties": {"text": FREE if args.no_frame else {"type": "string", "pattern": t["frame"]}},
        "required": ["text"], "additionalProperties": False}} for t in items]
    command = [args.consort, "-q", "generate", args.model, "--batch", "-", "--max-tokens", "160",
               *(["--adapter", args.adapter] if args.adapter else [])]
    texts = []
    for answer in run(command, requests):
        try:
            texts.append(json.loads(answer["text"])["text"])
        except (KeyError, ValueError):
            texts.append("")
    return texts


def written_by_agent(args, items):
    texts, other = [], 0
    for task, answer in zip(items, call(args.consort, AGENT, "writer", [{"task": t} for t in items], "--trace")):
        texts.append(answer["output"]["text"] if "output" in answer else "")
        other += json.dumps(task["facts"])[1:-1] not in json.dumps(answer.get("calls", [task["facts"]])[0])
    if other:
        raise SystemExit(f"{other} prompts of the agent are not those that are taught")
    return texts


def evaluate(args):
    items = tasks(args.split, args.n, args.consort)
    texts = written_by_agent(args, items) if args.agent else written(args, items)
    kinds, right, figures, complete, none_added = collections.Counter(), 0, 0, 0, 0
    for task, text in zip(items, texts):
        faults = sf.faults(text, task["facts"])
        right += not faults
        figures += not any(f in ("no amount", "no percent", "another number", "direction", "a change that is not given") for f in faults)
        complete += not any(f.startswith("no ") for f in faults)
        none_added += not any(f.startswith(("added", "another", "a change")) for f in faults)
        kinds.update(f.split(":")[0] for f in faults)
        if args.show:
            print(json.dumps({"facts": task["facts"], "wrote": text, "faults": faults}), file=sys.stderr)
    print(json.dumps({"split": args.split, "n": len(items), "frame": not args.no_frame, "right": right, "accuracy": round(right / len(items), 4),
                      "interval_95": wilson(right, len(items)), "figures": figures, "complete": complete, "none_added": none_added,
                      "different_wordings": len({wording(x, t["facts"]) for x, t in zip(texts, items)}), "faults": kinds}))


def wording(text, facts):
    for name, value in sf.parts(facts).items():
        if isinstance(value, str) and value:
            text = text.replace(value, name)
    return text


def main():
    parser = argparse.ArgumentParser()
    what = parser.add_subparsers(dest="what", required=True)
    make, judge = what.add_parser("rows"), what.add_parser("eval")
    make.add_argument("--out", required=True)
    make.add_argument("--n", type=int, default=450)
    make.add_argument("--held-out", type=int, default=300)
    make.add_argument("--seed", type=int, default=1)
    make.set_defaults(run=rows)
    judge.add_argument("--split", choices=["dev", "test"], default="dev")
    judge.add_argument("--n", type=int, default=300)
    judge.add_argument("--shots", type=int, default=0)
    judge.add_argument("--no-frame", action="store_true")
    judge.add_argument("--agent", action="store_true", help="ask the agent's writer")
    judge.add_argument("--show", action="store_true", help="print the sentences with their faults")
    judge.add_argument("--model", default="smollm2-135m:q4_1")
    judge.add_argument("--adapter")
    judge.set_defaults(run=evaluate)
    for one in (make, judge):
        one.add_argument("--consort", default="build/release/consort")
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
