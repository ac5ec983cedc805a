#!/usr/bin/env python3
"""Makes planted.fresh4.jsonl from fresh4_claims.psv, as build_fresh2.py does from fresh2_claims.psv (the format is
described there), about pages that neither that set nor any other cites. Same file every time (fixed seed).

    CONSORT_DATA=/path/to/data python3 build_fresh4.py [--check]    # --check compares and writes nothing

Exit codes: 0 done, 1 a row, phrase or figure is not on its page or the file differs, 2 CONSORT_DATA is not set.
"""
import pathlib
import sys

import build_fresh2 as fresh2
import build_heldout as heldout

HERE = pathlib.Path(__file__).parent
heldout.OTHERS = [*heldout.OTHERS, "planted.fresh2.jsonl"]
problems = heldout.problems


def groups(corpus):
    taken = heldout.cited_elsewhere()
    for line in (HERE / "fresh4_claims.psv").read_text().splitlines():
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
            claim["computed"] = fresh2.computed(rule, quotes, where)
        group["claims"].append((kind, claim, rest[0] if rest else None))


if __name__ == "__main__":
    sys.exit(heldout.write("fresh4", 7341, groups))
