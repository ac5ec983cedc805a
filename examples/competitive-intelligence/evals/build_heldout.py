#!/usr/bin/env python3
"""Makes planted.heldout.jsonl from heldout_claims.psv: true sentences and sentences with one planted error, written by
hand about pages that no other set cites. Same file every time (fixed seed).

    CONSORT_DATA=/path/to/data python3 build_heldout.py [--check]    # --check compares and writes nothing

heldout_claims.psv: a line `@DOCUMENT|PAGE|COMPANY` opens a report; each line after it is
`KIND|ROW|TEXT[|ORIGINAL]`. KIND is T (true) or a kind of planted error, whose sentence before the error is ORIGINAL.
ROW is the start of a table row (`#2` at its end: the second such row) or, after `~`, a phrase of the page.
Exit codes: 0 done, 1 a row, phrase or figure is not on its page or the file differs, 2 CONSORT_DATA is not set.
"""
import json
import os
import pathlib
import random
import re
import sys

HERE = pathlib.Path(__file__).parent
OTHERS = ["planted.real.jsonl", "planted.fresh.jsonl", "questions.real.jsonl"]
RIVAL = {"Walmart": "Costco", "Costco": "Walmart", "Amazon": "eBay", "eBay": "Amazon", "General Mills": "Kraft Heinz",
         "Kraft Heinz": "General Mills", "Salesforce": "Oracle", "Oracle": "Salesforce"}
QUOTE_WORDS = 25
problems = []


def flat(text):
    return re.sub(r"\s+", " ", text).strip()


def looks_like_a_row(line, label):
    return (re.search(r"\d", line[len(label):]) and len(re.findall(r"[A-Za-z]{2,}", line)) <= 14
            and re.search(r"[\d)%—]$|years$|\*$", line))


def quote(page, where, row):
    if row.startswith("~"):
        if row[1:] not in flat(page):
            problems.append(f"{where}: not on the page: {row[1:]}")
        return row[1:]
    nth = re.search(r"#(\d)$", row)
    label = row[:nth.start()] if nth else row
    rows = [line for line in map(flat, page.splitlines()) if line.startswith(label) and looks_like_a_row(line, label)]
    index = int(nth[1]) if nth else 1
    if len(rows) < index:
        problems.append(f"{where}: no such row: {row}")
        return label
    return " ".join(rows[index - 1].split()[:QUOTE_WORDS])


def cited_elsewhere():
    """(document, page) of every citation of the other sets."""
    found = set()
    for name in OTHERS:
        for line in (HERE / name).read_text().splitlines():
            record = json.loads(line)
            for gold in record.get("gold", []):
                found |= {(gold["doc"], page) for page in [gold["page"], *gold.get("also_pages", [])]}
            for claim in record.get("report", {}).get("claims", []):
                found |= {(cite["doc"], cite["page"]) for cite in claim["cites"]}
    return found


def groups(corpus):
    taken = cited_elsewhere()
    for line in (HERE / "heldout_claims.psv").read_text().splitlines():
        if line.startswith("@"):
            doc, number, company = line[1:].split("|")
            where = f"{doc}, page {number}"
            page = (corpus / f"{doc}.txt").read_text().split("\f")[int(number) - 1]
            if (doc, int(number)) in taken:
                problems.append(f"{where}: cited by another set")
            group = {"doc": doc, "page": int(number), "company": company, "where": where, "claims": []}
            yield group
            continue
        kind, row, text, *original = line.split("|")
        cite = {"doc": group["doc"], "page": group["page"], "quote": quote(page, where, row)}
        group["claims"].append((kind, {"text": text, "cites": [cite]}, original[0] if original else None))


def report(group, name, rng):
    """One record; the claims, (kind, claim, original), are put in another order."""
    claims, errors = [], []
    rng.shuffle(group["claims"])
    for i, (kind, claim, original) in enumerate(group["claims"], 1):
        claims.append({"id": f"c{i}", **claim})
        if kind != "T":
            errors.append({"claim_id": f"c{i}", "kind": kind, "original": original})
    companies = sorted([group["company"], RIVAL[group["company"]]])
    title = f"{companies[0]} and {companies[1]}: notes on {group['where']}"
    return {"id": name, "companies": companies, "report": {"title": title, "claims": claims}, "errors": errors}


def write(name, seed, groups):
    """Makes, or with --check compares, planted.NAME.jsonl; `groups` reads the list beside a folder of texts."""
    data = os.environ.get("CONSORT_DATA")
    if not data:
        print(f"build_{name}: set CONSORT_DATA to the folder that holds corpus/text", file=sys.stderr)
        return 2
    rng, out = random.Random(seed), HERE / f"planted.{name}.jsonl"
    opened = list(groups(pathlib.Path(data) / "corpus/text"))
    text = "".join(json.dumps(report(g, f"{name}-{i:02}", rng), ensure_ascii=False) + "\n" for i, g in enumerate(opened, 1))
    if "--check" not in sys.argv:
        out.write_text(text)
    elif text != out.read_text():
        problems.append(f"{out.name} is not what this makes")
    print("\n".join(problems) or f"{out.name}: {len(opened)} reports")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(write("heldout", 77, groups))
