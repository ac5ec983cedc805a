#!/usr/bin/env python3
"""Makes planted.SET.jsonl from SET_claims.psv (SET: fresh2 to fresh5): true sentences and sentences with one
planted error, written by hand, page by page, about pages that no earlier set cites. Same file every time (fixed seed).

    CONSORT_DATA=/path/to/data python3 build_by_page.py SET [--check]    # --check compares and writes nothing

SET_claims.psv: a line `@DOCUMENT|PAGE|COMPANY` opens a report; each line after it is
`KIND|ROW[ ;; ROW]|TEXT[|ORIGINAL][|=OP ARG ARG]`. KIND is T (true) or a kind of planted error, whose sentence before the
error is ORIGINAL. ROW is the start of a table row (`#2` at its end: the second such row) or, after `~`, a phrase of the
page. OP and its arguments (pct_change, share, ratio, difference, sum) say how a figure of the true sentence was computed.
Exit codes: 0 done, 1 a row, phrase or figure is not on its page or the file differs, 2 CONSORT_DATA is not set.
"""
import pathlib
import sys

import build_heldout as heldout
import filings
from build_questions import compute

HERE = pathlib.Path(__file__).parent
EARLIER = ["planted.real.jsonl", "planted.fresh.jsonl", "planted.heldout.jsonl", "questions.real.jsonl",
           "questions.notes.jsonl"]
SEEDS = {"fresh2": 4242, "fresh3": 5151, "fresh4": 7341, "fresh5": 9127}   # In the order in which they were written.
# Written at the same time, about other documents: neither knew the other.
TOGETHER = {"fresh3", "fresh4"}
UNITS = {"pct_change": "percent", "share": "percent", "ratio": "times"}
problems = heldout.problems


def computed(rule, quotes, where):
    op, *args = rule.split()
    problems.extend(f"{where}: {arg} in no quote" for arg in args if not any(arg in quote for quote in quotes))
    result = compute(op, [filings.number(arg) for arg in args])
    return {"op": op, "args": args, "result": float(round(result, 4)), "unit": UNITS.get(op, "as printed")}


def groups(name, corpus):
    taken = heldout.cited_elsewhere()
    for line in (HERE / f"{name}_claims.psv").read_text().splitlines():
        if line.startswith("@"):
            doc, number, company = line[1:].split("|")
            where = f"{doc}, page {number}"
            page = (corpus / f"{doc}.txt").read_text().split("\f")[int(number) - 1]
            if (doc, int(number)) in taken:
                problems.append(f"{where}: cited by another set")
            group = {"doc": doc, "page": int(number), "company": company, "where": where, "claims": []}
            yield group
            continue
        kind, rows, text, *rest = line.split("|")
        rule = rest.pop()[1:] if rest and rest[-1].startswith("=") else None
        if (kind == "T") != (not rest):
            problems.append(f"{where}: an error needs its original, a true sentence has none: {text}")
        quotes = [heldout.quote(page, where, row) for row in rows.split(" ;; ")]
        claim = {"text": text, "cites": [{"doc": group["doc"], "page": group["page"], "quote": quote} for quote in quotes]}
        if rule:
            claim["computed"] = computed(rule, quotes, where)
        group["claims"].append((kind, claim, rest[0] if rest else None))


def earlier(name):
    names = list(SEEDS)
    before = [n for n in names[:names.index(name)] if not {n, name} <= TOGETHER]
    return EARLIER + [f"planted.{n}.jsonl" for n in before]


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in SEEDS:
        sys.exit(f"usage: build_by_page.py {'|'.join(SEEDS)} [--check]")
    name = sys.argv[1]
    heldout.OTHERS = earlier(name)
    sys.exit(heldout.write(name, SEEDS[name], lambda corpus: groups(name, corpus)))
