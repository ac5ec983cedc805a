#!/usr/bin/env python3
"""Writes questions.real.jsonl and questions.bundled.jsonl from question_list.*.psv and filing_rows.psv.

The real set needs $CONSORT_DATA (it looks up the pages); the bundled set needs pdftotext. Every figure and phrase is
looked up on its page first: what is not there stops the run with the line at fault.
"""
import json
import os
import re
import sys

import filings
from bundled import bundled_corpus

COMPANIES = {"GENERALMILLS": "General Mills", "KRAFTHEINZ": "Kraft Heinz", "WALMART": "Walmart", "COSTCO": "Costco",
             "AMAZON": "Amazon", "EBAY": "eBay", "SALESFORCE": "Salesforce", "ORACLE": "Oracle"}


def references(text):
    """'a.b@FY2023+FY2022,c.d@FY2023' -> [(key, period), ...]"""
    out = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, periods = part.split("@")
        out.extend((key, t) for t in periods.split("+"))
    return out


def compute(op, args):
    """Value of a computed answer; args are Decimals in the order written."""
    a = args
    if op == "pct_change":
        return (a[0] - a[1]) / abs(a[1]) * 100
    if op == "share":
        return a[0] / a[1] * 100
    if op == "ratio":
        return a[0] / a[1]
    if op == "difference":
        return a[0] - a[1]
    if op == "sum":
        return sum(a)
    raise ValueError(f"unknown operation {op!r}")


def computed(text, rows):
    if not text:
        return None
    op, *refs = text.split()
    pairs = [r.split("@") for r in refs]
    args = [filings.number(rows[k].values[t]) for k, t in pairs]
    first = rows[pairs[0][0]]
    unit = {"pct_change": "percent", "share": "percent", "ratio": "times"}.get(op, first.unit)
    if op == "difference" and first.unit == "percent":
        unit = "percentage points"
    scale = first.scale if op in ("difference", "sum") else "units"
    return {"op": op, "args": [rows[k].values[t] for k, t in pairs], "result": float(round(compute(op, args), 4)),
            "unit": unit, "scale": scale}


def also_pages(corpus, doc, page, printed):
    """Other pages with every figure of the answer; only figures of four digits and more tell pages apart."""
    if not printed or any(len(re.sub(r"\D", "", p)) < 4 for p in printed):
        return []
    corpus.page(doc, 1)
    found = [re.compile(r"(?<![\d.,])" + re.escape(p) + r"(?![\d]|[.,]\d)") for p in printed]
    return [n for n, text in enumerate(corpus.pages[doc], 1) if n != page and all(f.search(text) for f in found)]


def one_page_each(groups, rows, corpus):
    """Joins the pages of one document when one of them has all of that document's figures."""
    out = []
    for doc in dict.fromkeys(d for d, _, _ in groups):
        mine = [g for g in groups if g[0] == doc]
        refs = [r for g in mine for r in g[2]]
        printed = [rows[k].values[t] for k, t in refs]
        for _, page, _ in mine:
            if len(mine) > 1 and all(len(re.sub(r"\D", "", p)) >= 4 and p in corpus.page(doc, page) for p in printed):
                mine = [(doc, page, refs)]
                break
        out.extend(mine)
    return out


def elsewhere(printed, places, gold):
    """Other places (doc, page, text) with every figure of the answer, with or without its thousands commas."""
    if not printed or any(len(re.sub(r"\D", "", p)) < 4 for p in printed):
        return []
    known = {(g["doc"], p) for g in gold for p in [g["page"], *g.get("also_pages", [])]}
    patterns = [re.compile(r"(?<![\d.,])" + re.escape(p).replace(",", ",?") + r"(?![\d]|[.,]\d)") for p in printed]
    own = {COMPANIES.get(g["doc"].split("_")[0]) for g in gold}
    return [{"doc": doc, "page": page} for doc, page, text in places
            if (doc, page) not in known and COMPANIES.get(doc.split("_")[0]) in own | {None} and all(p.search(text) for p in patterns)]


def add_gold(gold, doc, page, also=()):
    for g in gold:
        if g["doc"] == doc and g["page"] == page:
            return
    entry = {"doc": doc, "page": page}
    if also:
        entry["also_pages"] = list(also)
    gold.append(entry)


def text_gold(text, corpus, gold, phrases):
    for part in filter(None, (p.strip() for p in text.split(";;"))):
        doc, page, phrase = part.split(":", 2)
        page = int(page) if page else None
        if filings.normal(phrase) not in filings.normal(corpus.page(doc, page)):
            raise ValueError(f"phrase {phrase!r} is not on {doc} page {page}")
        same = [g for g in gold if g["doc"] == doc]
        if same and page not in (same[0]["page"], None):
            same[0].setdefault("also_pages", []).append(page)
        else:
            add_gold(gold, doc, page)
        phrases.append({"doc": doc, "page": page, "phrase": phrase.strip()})


def companies_of(rows_used, gold):
    names = [r.company for r in rows_used]
    for g in gold:
        names.append(COMPANIES.get(g["doc"].split("_")[0], ""))
    return list(dict.fromkeys(n for n in names if n))


def places_of(corpus, docs, bundled_docs):
    """Every (doc, page, text) that a question could be answered from besides its gold passage."""
    out = []
    for doc in docs:
        corpus.page(doc, 1)
        out.extend((doc, n, text) for n, text in enumerate(corpus.pages[doc], 1) if text.strip())
    bundled = bundled_corpus()
    for doc in sorted(bundled_docs):
        if bundled.files[doc].endswith(".pdf"):
            bundled.page(doc, 1)
            out.extend((doc, n, text) for n, text in enumerate(bundled.pages[doc], 1) if text.strip())
        else:
            out.append((doc, None, bundled.page(doc, None)))
    return out


def build(path, rows, corpus, prefix, bundled):
    out = []
    files = bundled_corpus().files
    if bundled:
        places = places_of(corpus, [], files)
    else:
        wiki = [d for d, f in files.items() if os.sep + "wiki" + os.sep in f]
        places = places_of(corpus, sorted({r.doc for r in rows.values()}), wiki)
    with open(path, encoding="utf-8") as lines:
        for n, line in enumerate(lines, 1):
            if line.startswith("#") or not line.strip():
                continue
            try:
                kind, question, figures, text, calc = line.rstrip("\n").split("|")
                gold, found, phrases, used = [], [], [], []
                groups = []
                if bundled:
                    for part in filter(None, (p.strip() for p in figures.split(";;"))):
                        doc, page, refs = part.split(":", 2)
                        groups.append((doc, int(page) if page else None, references(refs)))
                else:
                    by_page = {}
                    for key, token in references(figures):
                        by_page.setdefault((rows[key].doc, rows[key].page), []).append((key, token))
                    groups = one_page_each([(d, p, refs) for (d, p), refs in by_page.items()], rows, corpus)
                for doc, page, refs in groups:
                    printed = [rows[k].values[t] for k, t in refs]
                    missing = [p for p in printed if p not in corpus.page(doc, page)]
                    if missing and not bundled:
                        raise ValueError(f"{missing} not on {doc} page {page}")
                    also = also_pages(corpus, doc, page, printed) if not bundled else []
                    add_gold(gold, doc, page, also)
                    for k, t in refs:
                        figure = rows[k].figure(t)
                        if rows[k].values[t] not in corpus.page(doc, page):
                            raise ValueError(f"{k} {t} {rows[k].values[t]} not in {doc} page {page}")
                        found.append(figure)
                        used.append(rows[k])
                text_gold(text, corpus, gold, phrases)
                if not gold:
                    raise ValueError("no gold passage")
            except (ValueError, KeyError) as e:
                raise SystemExit(f"{path}:{n}: {e}")
            record = {"id": f"{prefix}-{len(out) + 1:03d}", "kind": kind, "question": question,
                      "companies": companies_of(used, gold), "gold": gold, "figures": found}
            if phrases:
                record["phrases"] = phrases
            also = elsewhere([f["as_printed"].strip("()") for f in found], places, gold) if len(gold) == 1 else []
            if also:
                record["also"] = also
            if calc:
                record["computed"] = computed(calc, rows)
            out.append(record)
    return out


def write(name, records):
    path = os.path.join(filings.HERE, name)
    with open(path, "w", encoding="utf-8") as f:
        for r in records:
            f.write(json.dumps(r, ensure_ascii=False) + "\n")
    print(f"{name}: {len(records)} questions")


def main():
    rows = filings.load_rows()
    real = filings.real_corpus()
    if real is None:
        print("questions.real.jsonl: left out, CONSORT_DATA does not name the filings")
    else:
        write("questions.real.jsonl", build(os.path.join(filings.HERE, "question_list.real.psv"), rows, real, "real", False))
    write("questions.bundled.jsonl",
          build(os.path.join(filings.HERE, "question_list.bundled.psv"), rows, bundled_corpus(), "bundled", True))


if __name__ == "__main__":
    sys.exit(main())
