"""The planner's specialist: brief -> plan (planner_briefs.py), its rows and its evaluation on briefs that it never met.

    python tools/specialists/planner_plan.py rows --out rows.jsonl [--n 1200] [--seed 1]
    python tools/specialists/planner_plan.py eval --split dev|test [--n 320] [--adapter FILE | --shots 3] [--agent]
    python tools/specialists/planner_plan.py golden --out plans.jsonl [--n 320]

Menus are made by the agents' own tool (`consort call examples/...:menu`), so rows and evaluation hold what a run holds; a third
of the briefs are of the data-analysis agent. `rows` leaves out a brief whose wording (companies and years set aside) stands in
the test or shares four fifths of its pairs of words with one, and one whose figures the menu lacks; it prints how many.
`eval` writes each plan under the contract narrowed to the menu, as the agents do, and counts plans with exactly the wanted
look-ups: tool, subject, companies, period. With --agent the agents' own planner answers (`consort call ...:planner`), and its
prompts are compared with those of the rows. `golden` writes the test as a golden set for `consort eval` and `consort promote`.
"""
import argparse
import collections
import json
import random
import subprocess
import sys

from analyzer_sql import wilson
import planner_briefs as pb
from planner_wording import DEV, TRAIN
from planner_wording_test_set import TEST

AGENTS = {False: "examples/competitive-intelligence", True: "examples/data-analysis"}
WORDINGS = {"train": (TRAIN, 1), "dev": (DEV, 2), "test": (TEST, 3)}
TABLE_SHARE = 0.3   # Briefs about a table.


def run(command, lines):
    done = subprocess.run(command, input="".join(json.dumps(line) + "\n" for line in lines), capture_output=True, text=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(lines):
        raise SystemExit(done.stderr)
    return answers


def call(consort, agent, component, inputs, *more):
    return run([consort, "-q", "call", f"{agent}:{component}", "--batch", "--no-ingest", *more], inputs)


def with_menus(items, consort):
    for of_table in (False, True):
        own = [i for i in items if ("measures" in i) == of_table]
        if not own:
            continue
        inputs = [{"brief": i["brief"], **({"measures": i["measures"]} if of_table else {})} for i in own]
        for item, menu in zip(own, call(consort, AGENTS[of_table], "menu", inputs)):
            item["menu"] = menu
            item["plan"] = pb.plan(item, menu)
    return items


def briefs(split, n, seed, consort):
    wording, salt = WORDINGS[split]
    rng = random.Random(seed * 1000 + salt)
    items, seen = [], set()
    while len(items) < n:
        table = rng.choice(wording.tables) if rng.random() < TABLE_SHARE else None
        item = pb.compose(wording, rng, table, light=split == "train")
        text = json.dumps(item and item["brief"])
        if item and text not in seen:
            seen.add(text)
            items.append(item)
    return with_menus(items, consort)


def menu_lacks(item):
    return any(f not in item["menu"]["figures"] for f, _, _ in item["wants"])


def rows(args):
    held_out = {pb.key(i) for i in briefs("test", args.held_out, 1, args.consort)}
    left_out, written = collections.Counter(), 0
    with open(args.out, "w") as out:
        for item in briefs("train", args.n + args.n // 2, args.seed, args.consort):
            if written == args.n:
                break
            own = pb.key(item)
            reason = ("like_test" if own in held_out or any(pb.near(own, k) for k in held_out)
                      else "menu_lacks" if menu_lacks(item) else None)
            if reason:
                left_out[reason] += 1
                continue
            written += 1
            out.write(json.dumps({"system": pb.SYSTEM, "prompt": pb.prompt(item["brief"], item["menu"]),
                                  "completion": pb.write(item["plan"])}) + "\n")
    print(json.dumps({"rows": written, "left_out": left_out}))


def few_shot(n, consort):
    """`n` worked briefs of the train wording, for a base that was taught nothing."""
    items = [i for i in briefs("train", 40, 7, consort) if not menu_lacks(i) and len(i["plan"]["steps"]) <= 5][:n]
    return "".join(f"{pb.prompt(i['brief'], i['menu'])}\n{pb.write(i['plan'])}\n\n" for i in items)


def planned_by_agents(args, items):
    """The plans of the agents' own planner; None where it failed. Its prompts must be those that are taught."""
    plans, other = [None] * len(items), 0
    for of_table in (False, True):
        places = [k for k, i in enumerate(items) if ("measures" in i) == of_table]
        inputs = [{"brief": items[k]["brief"], "menu": items[k]["menu"], **({} if of_table else {"evidence": {"passages": []}})} for k in places]
        for k, answer in zip(places, call(args.consort, AGENTS[of_table], "planner", inputs, "--trace")):
            if "error" in answer:
                continue
            plans[k] = answer["output"]
            text = json.dumps(answer["calls"][0])
            other += json.dumps(pb.prompt(items[k]["brief"], items[k]["menu"]))[1:-1] not in text
    if other:
        raise SystemExit(f"{other} prompts of the agents are not those that are taught: mend prompt() in planner_briefs.py")
    return plans


def planned(args, items):
    shots = few_shot(args.shots, args.consort) if args.shots else ""
    requests = [{"system": pb.SYSTEM, "prompt": shots + pb.prompt(i["brief"], i["menu"]), "schema": pb.contract(i["menu"])} for i in items]
    command = [args.consort, "-q", "generate", args.model, "--batch", "-", "--max-tokens", "640",
               *(["--adapter", args.adapter] if args.adapter else [])]
    plans = []
    for answer in run(command, requests):
        try:
            plans.append(json.loads(answer["text"]))
        except (KeyError, ValueError):
            plans.append(None)
    return plans


def evaluate(args):
    items = briefs(args.split, args.n, args.seed, args.consort)
    plans = planned_by_agents(args, items) if args.agent else planned(args, items)
    right, lacks, tools, slices = 0, 0, 0, {}
    for item, plan in zip(items, plans):
        good = plan is not None and pb.same_plan(plan, item["plan"])
        right += good
        lacks += menu_lacks(item)
        tools += plan is not None and {s["tool"] for s in plan["steps"]} == {s["tool"] for s in item["plan"]["steps"]}
        for name in (item["kind"], "table" if "measures" in item else "filings"):
            of = slices.setdefault(name, [0, 0])
            of[0] += good
            of[1] += 1
        if args.show and not good:
            print(json.dumps({"topic": item["brief"]["topic"], "menu": item["menu"]["figures"], "wrote": plan and plan["steps"],
                              "wanted": item["plan"]["steps"], "menu_lacks": menu_lacks(item)}), file=sys.stderr)
    print(json.dumps({"split": args.split, "n": len(items), "right": right, "accuracy": round(right / len(items), 4),
                      "interval_95": wilson(right, len(items)), "right_tools": tools, "menu_lacks": lacks,
                      "slices": {k: {"right": r, "n": n} for k, (r, n) in sorted(slices.items())}}))


def golden(args):
    with open(args.out, "w") as out:
        for item in briefs("test", args.n, 1, args.consort):
            if "measures" not in item:
                out.write(json.dumps({"input": {"brief": item["brief"], "menu": item["menu"], "evidence": {"passages": []}},
                                      "expected": item["plan"], "slice": item["kind"]}) + "\n")


def main():
    parser = argparse.ArgumentParser()
    what = parser.add_subparsers(dest="what", required=True)
    make, judge, gold = what.add_parser("rows"), what.add_parser("eval"), what.add_parser("golden")
    make.add_argument("--out", required=True)
    make.add_argument("--n", type=int, default=1200)
    make.add_argument("--held-out", type=int, default=320, help="briefs of the test that rows must not be like")
    make.set_defaults(run=rows)
    judge.add_argument("--split", choices=["dev", "test"], default="dev")
    judge.add_argument("--n", type=int, default=320)
    judge.add_argument("--shots", type=int, default=0)
    judge.add_argument("--agent", action="store_true", help="ask the example agents' planners")
    judge.add_argument("--show", action="store_true", help="print what went wrong, one line each")
    judge.add_argument("--model", default="smollm2-135m:q4_1")
    judge.add_argument("--adapter")
    judge.set_defaults(run=evaluate)
    gold.add_argument("--out", required=True)
    gold.add_argument("--n", type=int, default=320)
    gold.set_defaults(run=golden)
    for one in (make, judge, gold):
        one.add_argument("--seed", type=int, default=1)
        one.add_argument("--consort", default="build/release/consort")
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
