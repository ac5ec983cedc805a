"""The analyzer's specialist: question + table -> SQL (data set analyzer/wikisql), its rows and its evaluation by execution.

    CONSORT_DATA=... python tools/specialists/analyzer_sql.py rows --out rows.jsonl [--n 2000] [--seed 1]
    CONSORT_DATA=... python tools/specialists/analyzer_sql.py eval --split dev --n 500 [--adapter FILE] [--shots 3] [--tries 6]

`rows` takes the train split alone, in an order fixed by the seed, and leaves out whatever the dev and test splits hold: the
same question (case, punctuation and figures set aside), a table of the same id, or a table with the same title and header. It
prints how many each rule left out. `eval` asks the program that serves, each question under the contract of its table
(table_question.py), runs the SQL in SQLite read-only, and compares the rows. It prints the share that is right with its 95 %
Wilson interval, and slices. `executable` counts answers that name the table's columns and run. With --tries an answer that
finds nothing is drawn anew, and the one drawn most often that finds something counts.
"""
import argparse
import gzip
import json
import math
import os
import pathlib
import random
import re
import sqlite3
import subprocess
import sys

import table_question

PROMPT_MAX = 700         # Characters of a prompt that is taught: a long one costs the time of several.
STEPS_MAX = 2_000_000   # Of SQLite's machine; a longer query counts as one that does not run.


def lines(path):
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt") as f:
        for line in f:
            yield json.loads(line)


def same_rows(found, wanted):
    def key(row):
        return [("n", f"{float(v):.9g}") if isinstance(v, (int, float)) else ("t", str(v)) for v in row]
    return sorted(map(key, found)) == sorted(map(key, wanted))


def folder():
    if "CONSORT_DATA" not in os.environ:
        raise SystemExit("CONSORT_DATA names no folder: set it to the folder of the data sets")
    return pathlib.Path(os.environ["CONSORT_DATA"]) / "analyzer" / "wikisql"


def question_key(question):
    return " ".join(re.sub(r"\d+", "0", re.sub(r"[^\w\s]", " ", question.lower())).split())


def table_key(table):
    return table["title"].lower(), tuple(name.lower() for name in table["header"])


def without_held_out(train, held_out, tables):
    """The train items that share neither question nor table with `held_out`, and how many each rule left out."""
    questions = {question_key(item["question"]) for item in held_out}
    ids = {item["table_id"] for item in held_out}
    keys = {table_key(tables[i]) for i in ids}
    kept, left_out, seen = [], {"question": 0, "table": 0, "like_table": 0, "twice": 0}, set()
    for item in train:
        table = tables[item["table_id"]]
        own = (item["table_id"], question_key(item["question"]))
        reason = ("table" if item["table_id"] in ids else "question" if own[1] in questions
                  else "like_table" if table_key(table) in keys else "twice" if own in seen else None)
        if reason:
            left_out[reason] += 1
        else:
            seen.add(own)
            kept.append(item)
    return kept, left_out


def execute(table, sql):
    """Rows of `sql` over `table`, or None where it does not run. It can neither write nor run for long."""
    db = sqlite3.connect(":memory:")
    try:
        quoted = ['"' + name.replace('"', '""') + '"' for name in table["header"]]
        kinds = ["NUMERIC" if kind == "number" else "TEXT" for kind in table["types"]]
        db.execute(f"CREATE TABLE t ({', '.join(map(' '.join, zip(quoted, kinds)))})")
        db.executemany(f"INSERT INTO t VALUES ({','.join('?' * len(quoted))})", table["rows"])
        db.commit()
        db.execute("PRAGMA query_only = ON")
        db.set_progress_handler(lambda: 1, STEPS_MAX)
        return db.execute(sql).fetchall()
    except (sqlite3.Error, sqlite3.Warning, ValueError):
        return None
    finally:
        db.close()


def wilson(right, n, z=1.959964):
    middle, spread = right + z * z / 2, z * math.sqrt(right * (n - right) / n + z * z / 4)
    return [round((middle - spread) / (n + z * z), 4), round((middle + spread) / (n + z * z), 4)]


def rows(args):
    tables = {t["table_id"]: t for t in lines(folder() / "tables.jsonl.gz")}
    held_out = [item for split in ("dev", "test") for item in lines(folder() / f"{split}.jsonl")]
    kept, left_out = without_held_out(lines(folder() / "train.jsonl.gz"), held_out, tables)
    random.Random(args.seed).shuffle(kept)
    written, unfit, prompts = 0, {"other_rows": 0, "beyond_contract": 0, "long": 0, "same_prompt": 0}, set()
    with open(args.out, "w") as out:
        for item in kept:
            if written == args.n:
                break
            question, table = item["question"], tables[item["table_id"]]
            answer, prompt = table_question.answer_of(item["sql"], table), table_question.prompt(question, table)
            found = execute(table, table_question.to_sql(answer))
            reason = ("other_rows" if found is None or not same_rows(found, item["answer"])
                      else "beyond_contract" if not table_question.allowed(answer, question, table)
                      else "long" if len(prompt) > PROMPT_MAX else "same_prompt" if prompt in prompts else None)
            if reason:
                unfit[reason] += 1
                continue
            prompts.add(prompt)
            written += 1
            out.write(json.dumps({"system": table_question.SYSTEM, "prompt": prompt,
                                  "completion": table_question.write(answer)}) + "\n")
    print(json.dumps({"rows": written, "of": len(kept), "left_out": left_out, "unfit": unfit}))


def few_shot(n, tables):
    """`n` worked questions of the train split, for a base that was taught nothing."""
    items = list(lines(folder() / "train.jsonl.gz"))
    random.Random(3).shuffle(items)
    worked = []
    for item in items[:n]:
        table = tables[item["table_id"]]
        answer = table_question.write(table_question.answer_of(item["sql"], table))
        worked.append(f"{table_question.prompt(item['question'], table)}\n{answer}\n\n")
    return "".join(worked)


def ask(args, requests):
    """The texts that the program writes, one a request; None where it refused one."""
    command = [args.consort, "-q", "generate", args.model, "--batch", "-", "--max-tokens", "160",
               *(["--adapter", args.adapter] if args.adapter else [])]
    done = subprocess.run(command, input="".join(json.dumps(r) + "\n" for r in requests), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return [json.loads(line).get("text") for line in done.stdout.splitlines()]


def result_of(text, table):
    """The rows of an answer's SQL; None where it is no answer, names what the table lacks, or does not run."""
    try:
        answer = json.loads(text)
        names = [answer[1], *(c[0] for c in answer[2:])]
        if answer[0] not in table_question.AGGREGATES or not set(names) <= set(table["header"]):
            return None
        if any(len(c) != 3 or c[1] not in ("=", "<", ">") for c in answer[2:]):
            return None
        return execute(table, table_question.to_sql(answer))
    except (TypeError, ValueError, IndexError, KeyError, AttributeError):
        return None


def empty(found):
    return not found or all(v is None for row in found for v in row) or found == [(0,)]


def evaluate(args):
    items = list(lines(folder() / f"{args.split}.jsonl"))
    random.Random(args.seed).shuffle(items)
    items = items[:args.n]
    tables = {t["table_id"]: t for t in lines(folder() / "tables.jsonl.gz")}
    shots = few_shot(args.shots, tables)
    requests = []
    for item in items:
        table = tables[item["table_id"]]
        request = {"system": table_question.SYSTEM, "prompt": shots + table_question.prompt(item["question"], table)}
        if not args.no_mask:
            request["schema"] = table_question.contract(item["question"], table)
        requests.append(request)
    texts = ask(args, requests)
    found = [result_of(text, tables[item["table_id"]]) for text, item in zip(texts, items)]
    first = sum(f is not None and same_rows(f, i["answer"]) for f, i in zip(found, items))
    retried = [i for i, f in enumerate(found) if empty(f)] if args.tries else []
    more = ask(args, [{**requests[i], "temperature": 0.8, "seed": seed} for i in retried for seed in range(1, args.tries + 1)]) \
        if retried else []
    for place, i in enumerate(retried):
        table = tables[items[i]["table_id"]]
        written = [t for t in more[place * args.tries:(place + 1) * args.tries] if t and not empty(result_of(t, table))]
        if written:
            texts[i] = max(dict.fromkeys(written), key=written.count)
            found[i] = result_of(texts[i], table)
    slices = {}
    for text, rows_found, item in zip(texts, found, items):
        good = rows_found is not None and same_rows(rows_found, item["answer"])
        for name in (f"aggregate {item['agg'] or 'none'}", f"conditions {min(item['conditions'], 3)}"):
            of = slices.setdefault(name, [0, 0])
            of[0] += good
            of[1] += 1
        if args.show and not good:
            print(json.dumps({"id": item["id"], "question": item["question"], "wrote": text, "wanted": item["sql"]}), file=sys.stderr)
    right = sum(f is not None and same_rows(f, i["answer"]) for f, i in zip(found, items))
    print(json.dumps({"split": args.split, "n": len(items), "mask": not args.no_mask, "tries": args.tries,
                      "executable": sum(f is not None for f in found), "right_at_first": first, "retried": len(retried), "right": right,
                      "accuracy": round(right / len(items), 4), "interval_95": wilson(right, len(items)),
                      "slices": {k: {"right": r, "n": n, "interval_95": wilson(r, n)} for k, (r, n) in sorted(slices.items())}}))


def main():
    parser = argparse.ArgumentParser()
    what = parser.add_subparsers(dest="what", required=True)
    make = what.add_parser("rows")
    make.add_argument("--out", required=True)
    make.add_argument("--n", type=int, default=10 ** 9)
    make.set_defaults(run=rows)
    judge = what.add_parser("eval")
    judge.add_argument("--split", choices=["dev", "test"], default="dev")
    judge.add_argument("--n", type=int, default=500)
    judge.add_argument("--shots", type=int, default=0)
    judge.add_argument("--no-mask", action="store_true", help="without the table's contract")
    judge.add_argument("--tries", type=int, default=0, help="answers drawn anew where the first finds nothing")
    judge.add_argument("--show", action="store_true", help="print what went wrong, one line each")
    judge.add_argument("--consort", default="build/release/consort")
    judge.add_argument("--model", default="smollm2-135m:q4_1")
    judge.add_argument("--adapter")
    judge.set_defaults(run=evaluate)
    for one in (make, judge):
        one.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if getattr(args, "n") < 1:
        parser.error("--n must be at least 1")
    args.run(args)


if __name__ == "__main__":
    main()
