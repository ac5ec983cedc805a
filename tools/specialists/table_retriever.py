"""The retriever: question -> table among all 16,573 (data sets retriever/wikisql and analyzer/wikisql), its rows and its evaluation.

    CONSORT_DATA=... python tools/specialists/table_retriever.py rows --out train.jsonl [--tables 8000] [--seed 1]
    CONSORT_DATA=... python tools/specialists/table_retriever.py eval --split dev --n 500 --weight auto [--adapter FILE]
    CONSORT_DATA=... python tools/specialists/table_retriever.py eval --split test --weight W [--adapter FILE]
    CONSORT_DATA=... python tools/specialists/table_retriever.py rerank-rows --adapter FILE --weight W --out pairs.jsonl
    CONSORT_DATA=... python tools/specialists/table_retriever.py rerank --split dev --n 200 --adapter FILE --weight W --scorer FILE --mix auto

A table's text is title, columns and first cells. `rows` takes questions and tables of the train split alone, without questions that dev
or test hold (case, punctuation and figures set aside) and without tables that have a held-out table's title and columns. A negative is
a train table that BM25 ranks high for the question and that does not answer it.
`eval` ranks all tables by words (BM25, k1 0.9, b 0.4, title + columns + all cells), by vectors, and by both: BM25 of the query divided by
its largest value, plus WEIGHT times the cosine. `auto` tries weights and prints each: choose on dev, then test once. nDCG@10 with
a 95 % bootstrap interval over questions, and hit@10. `rerank` orders the fused top 50 by the pair scorer mixed with the fused score
and prints MRR@10 of both. Needs numpy.
"""
import argparse
import collections
import gzip
import json
import math
import os
import pathlib
import random
import re
import subprocess
import sys

CELLS_WORDS = 40  # Of a table's cells in its text: the rest is for BM25.
K1, B = 0.9, 0.4
TOP = 50
WEIGHTS = [0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 10]
MIXES = [0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1]


def data(*parts):
    if "CONSORT_DATA" not in os.environ:
        raise SystemExit("CONSORT_DATA names no folder: set it to the folder of the data sets")
    return pathlib.Path(os.environ["CONSORT_DATA"]).joinpath(*parts)


def lines(path):
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt") as f:
        for line in f:
            yield json.loads(line)


def all_tables():
    return list(lines(data("analyzer", "wikisql", "tables.jsonl.gz")))


def questions(split):
    return list(lines(data("retriever", "wikisql", f"queries.{split}.jsonl" + (".gz" if split == "train" else ""))))


def question_key(question):
    return " ".join(re.sub(r"\d+", "0", re.sub(r"[^\w\s]", " ", question.lower())).split())


def table_key(table):
    return table["title"].lower(), tuple(name.lower() for name in table["header"])


def table_text(table):
    words = []
    for row in table["rows"]:
        words += " , ".join(map(str, row)).split() + [";"]
        if len(words) >= CELLS_WORDS:
            break
    return f"{table['title']} | {' , '.join(table['header'])} | {' '.join(words[:CELLS_WORDS])}"


def tokens(text):
    return re.findall(r"[^\W_]+", text.casefold())


class Words:
    """BM25 over whole tables."""

    def __init__(self, tables):
        self.postings = collections.defaultdict(list)
        lengths = []
        for i, t in enumerate(tables):
            counts = collections.Counter(tokens(" ".join([t["title"], *t["header"], *(str(c) for row in t["rows"] for c in row)])))
            lengths.append(sum(counts.values()))
            for word, n in counts.items():
                self.postings[word].append((i, n))
        mean = sum(lengths) / len(lengths)
        self.norms = [K1 * (1 - B + B * n / mean) for n in lengths]
        self.n = len(tables)

    def scores(self, question):
        out = collections.defaultdict(float)
        for word in tokens(question):
            found = self.postings.get(word, ())
            weight = math.log(1 + (self.n - len(found) + 0.5) / (len(found) + 0.5))
            for i, n in found:
                out[i] += weight * n * (K1 + 1) / (n + self.norms[i])
        return out


def rows(args):
    tables = all_tables()
    held_out = {question_key(q["text"]) for split in ("dev", "test") for q in questions(split)}
    like = {table_key(t) for t in tables if t["split"] != "train"}
    mine = {t["table_id"]: t for t in tables if t["split"] == "train" and table_key(t) not in like}
    by_table, left_out = collections.defaultdict(list), {"question": 0, "table": 0}
    for q in questions("train"):
        if question_key(q["text"]) in held_out:
            left_out["question"] += 1
        elif not set(q["relevant"]) <= mine.keys():
            left_out["table"] += 1
        else:
            by_table[q["relevant"][0]].append(q)
    order = sorted(by_table)
    random.Random(args.seed).shuffle(order)
    listed = list(mine.values())
    words = Words(listed)
    n_queries, seen = 0, set()
    with open(args.out, "w") as out:
        for table_id in order[:args.tables]:
            group = [q for q in by_table[table_id] if q["text"] not in seen][:args.queries]
            seen.update(q["text"] for q in group)
            if not group:
                continue
            relevant = {i for q in by_table[table_id] for i in q["relevant"]}
            ranked = words.scores(group[0]["text"])
            negatives = []
            for i in sorted(ranked, key=lambda i: (-ranked[i], i))[:30]:
                text = table_text(listed[i])
                if listed[i]["table_id"] not in relevant and text != table_text(mine[table_id]) and text not in negatives:
                    negatives.append(text)
            out.write(json.dumps({"query": [q["text"] for q in group], "positive": table_text(mine[table_id]),
                                  "negatives": negatives[:args.negatives]}) + "\n")
            n_queries += len(group)
    print(json.dumps({"tables": min(len(order), args.tables), "queries": n_queries, "left_out": left_out,
                      "train_tables_like_held_out": sum(t["split"] == "train" for t in tables) - len(mine)}))


def ask(args, extra, requests):
    done = subprocess.run([args.consort, "-q", "embed", args.model, *extra], input="".join(json.dumps(r) + "\n" for r in requests),
                          capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def vectors(args, texts):
    import numpy
    adapter = ["--adapter", args.adapter] if args.adapter else []
    return numpy.array(ask(args, [*adapter, "--batch", "-"], [{"text": t} for t in texts]), dtype=numpy.float32)


def ranked(bm25, cosines, weight, n):
    """The best n tables: BM25 over its largest, plus weight times the cosine; weight None: vectors alone."""
    import numpy
    score = numpy.zeros(len(cosines)) if weight is None else (weight or 0) * cosines.astype(numpy.float64)
    if weight is None:
        score = cosines.astype(numpy.float64)
    elif bm25:
        most = max(bm25.values())
        for i, s in bm25.items():
            score[i] += s / most
    best = numpy.argsort(-score, kind="stable")[:n]
    return [int(i) for i in best], [float(score[i]) for i in best]


def ndcg(found, relevant):
    gain = sum(1 / math.log2(place + 2) for place, i in enumerate(found[:10]) if i in relevant)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(10, len(relevant))))


def reciprocal(found, relevant):
    return next((1 / (place + 1) for place, i in enumerate(found[:10]) if i in relevant), 0.0)


def interval(values, seed=1, rounds=1000):
    rng = random.Random(seed)
    means = sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(rounds))
    return [round(means[int(0.025 * rounds)], 4), round(means[int(0.975 * rounds)], 4)]


class Collection:
    def __init__(self, args, asked, tables=None):
        self.tables = tables or all_tables()
        self.place = {t["table_id"]: i for i, t in enumerate(self.tables)}
        self.words = Words(self.tables)
        self.asked = [q for q in asked if all(i in self.place for i in q["relevant"])]
        self.relevant = [{self.place[i] for i in q["relevant"]} for q in self.asked]
        self.cosines = vectors(args, [q["text"] for q in self.asked]) @ vectors(args, [table_text(t) for t in self.tables]).T
        self.bm25 = [self.words.scores(q["text"]) for q in self.asked]

    def fused(self, weight, n=10):
        return [ranked(b, c, weight, n) for b, c in zip(self.bm25, self.cosines)]


def chosen(args, split):
    asked = questions(split)
    random.Random(args.seed).shuffle(asked)
    tables = all_tables()
    asked = asked[:args.n]
    if args.pool:  # A smaller collection, for a quick look: the questions' own tables, and others.
        wanted = {i for q in asked for i in q["relevant"]}
        others = [t for t in tables if t["table_id"] not in wanted]
        random.Random(args.seed).shuffle(others)
        tables = [t for t in tables if t["table_id"] in wanted] + others[:max(0, args.pool - len(wanted))]
    return asked, tables


def evaluate(args):
    if args.split == "test" and args.weight == "auto":
        raise SystemExit("choose the weight on dev, then give it here")
    asked, tables = chosen(args, args.split)
    collection = Collection(args, asked, tables)

    def report(name, weight):
        found = [order for order, _ in collection.fused(weight)]
        values = [ndcg(f, r) for f, r in zip(found, collection.relevant)]
        hits = sum(any(i in r for i in f) for f, r in zip(found, collection.relevant))
        print(json.dumps({"split": args.split, "n": len(values), "tables": len(tables), "by": name, "ndcg10": round(sum(values) / len(values), 4),
                          "ndcg10_95": interval(values), "hit10": round(hits / len(values), 4)}), flush=True)
    report("words", 0)
    report("vectors", None)
    for weight in WEIGHTS[1:] if args.weight == "auto" else [float(args.weight)]:
        report(f"words + {weight} vectors", weight)


def rerank_rows(args):
    """Questions of the train split with the fused top: the right table and others that stand high."""
    asked, _ = chosen(args, "train")
    held_out = {question_key(q["text"]) for split in ("dev", "test") for q in questions(split)}
    tables = all_tables()
    like = {table_key(t) for t in tables if t["split"] != "train"}
    mine = [t for t in tables if t["split"] == "train" and table_key(t) not in like]
    asked = [q for q in asked if question_key(q["text"]) not in held_out]
    collection = Collection(args, asked, mine)
    rng, written = random.Random(args.seed), 0
    with open(args.out, "w") as out:
        for q, relevant, (order, _) in zip(collection.asked, collection.relevant, collection.fused(float(args.weight), TOP)):
            wrong = [i for i in order if i not in relevant]
            picked = wrong[:3] + rng.sample(wrong[3:], min(args.negatives - 3, len(wrong[3:])))
            group = [min(relevant), *picked]
            rng.shuffle(group)
            out.write(json.dumps({"query": q["text"], "texts": [table_text(mine[i]) for i in group],
                                  "relevance": [int(i in relevant) for i in group]}) + "\n")
            written += 1
    print(json.dumps({"rows": written}))


def rerank(args):
    if args.split == "test" and args.mix == "auto":
        raise SystemExit("choose the mix on dev, then give it here")
    asked, tables = chosen(args, args.split)
    collection = Collection(args, asked, tables)
    fused = collection.fused(float(args.weight), TOP)
    scores = ask(args, ["--adapter", args.scorer, "--say", "pairs", "-"],
                 [{"query": q["text"], "texts": [table_text(tables[i]) for i in order]} for q, (order, _) in zip(collection.asked, fused)])
    before = [reciprocal(order, r) for (order, _), r in zip(fused, collection.relevant)]
    mean = sum(before) / len(before)
    print(json.dumps({"split": args.split, "n": len(before), "by": "fusion", "mrr10": round(mean, 4), "mrr10_95": interval(before)}))
    for mix in MIXES if args.mix == "auto" else [float(args.mix)]:
        after = []
        for (order, first), own, r in zip(fused, scores, collection.relevant):
            joined = sorted(range(len(order)), key=lambda i: -(first[i] + mix * own[i]))
            after.append(reciprocal([order[i] for i in joined], r))
        gain = [a - b for a, b in zip(after, before)]
        print(json.dumps({"split": args.split, "by": f"fusion + {mix} scorer", "mrr10": round(sum(after) / len(after), 4),
                          "gain": round(sum(after) / len(after) / mean - 1, 4), "difference_95": interval(gain)}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    what = parser.add_subparsers(dest="what", required=True)
    make = what.add_parser("rows")
    make.add_argument("--out", required=True)
    make.add_argument("--tables", type=int, default=8000)
    make.add_argument("--queries", type=int, default=2, help="of one table, at most")
    make.add_argument("--negatives", type=int, default=1)
    make.set_defaults(run=rows)
    judge = what.add_parser("eval")
    pairs = what.add_parser("rerank-rows")
    pairs.add_argument("--out", required=True)
    pairs.add_argument("--negatives", type=int, default=7)
    order = what.add_parser("rerank")
    order.add_argument("--scorer", required=True)
    order.add_argument("--mix", default="auto")
    for one, run in ((judge, evaluate), (pairs, rerank_rows), (order, rerank)):
        one.add_argument("--n", type=int, default=10 ** 9)
        one.add_argument("--pool", type=int, default=0, help="tables of a smaller collection; 0: all")
        one.add_argument("--weight", default="auto")
        one.add_argument("--consort", default="build/release/consort")
        one.add_argument("--model", default="minilm-l6:f32")
        one.add_argument("--adapter")
        one.set_defaults(run=run)
    for one in (judge, order):
        one.add_argument("--split", choices=["dev", "test"], default="dev")
    for one in (make, judge, pairs, order):
        one.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
