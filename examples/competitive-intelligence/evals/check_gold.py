#!/usr/bin/env python3
"""Checks the evaluation sets against the documents they are about.

    check_gold.py            everything; sets over the real filings only when $CONSORT_DATA names them

Checked: every row of filing_rows.psv stands on its page; every figure of a question is printed on a gold page and every
phrase stands there; every quote of a report stands on its page and has at most 25 words; every number of a good claim is
printed on a cited page (after a change of scale and rounding) or computed from figures that are; planted numbers and units
are not; the bundled tables hold only figures of filing_rows.psv. Exit status 1 and one line for each fault.
"""
import csv
import json
import os
import re
import sys
from decimal import Decimal

import claims as C
import filings
from build_questions import compute

KINDS = {"wrong_number", "unit", "year", "company", "sign", "unsupported"}


def page_numbers(corpus, cites):
    """Every number printed on the cited pages, in the page's own scale."""
    out = set()
    for c in cites:
        for found in re.findall(r"\d[\d,]*(?:\.\d+)?", corpus.page(c["doc"], c["page"])):
            out.add(Decimal(found.replace(",", "").rstrip(".")))
    return out


def number_supported(value, step, words, claim, corpus):
    """Is this number of a claim printed on a cited page, or the computed result?

    The row a figure was taken from says its scale, so a changed unit word is not forgiven.
    """
    row = claim.get("row")
    if "illion" in words:
        if any(re.search(r"(?<![\d.,])" + re.escape(words), filings.normal(corpus.page(c["doc"], c["page"])), re.I)
               for c in claim["cites"]):
            return True
        if row is None:
            return False
        scales = {filings.SCALES[row.scale]}
    else:
        scales = {Decimal(1)} | ({filings.SCALES[row.scale]} if row is not None and row.unit == "count" else set())
    for printed in page_numbers(corpus, claim["cites"]):
        for scale in scales:
            if abs(printed * scale - value) <= step / 2:
                return True
    computed = claim.get("computed")
    if computed and ("illion" in words) == (computed["op"] in ("difference", "sum")):
        if "illion" in words:
            value, step = value / filings.SCALES[row.scale], step / filings.SCALES[row.scale]
        args = [filings.number(a) for a in computed["args"]]
        return abs(abs(compute(computed["op"], args)) - value) <= step / 2
    return False


def supported(claim, corpus):
    """True when every number of the claim's text is on a cited page or computed from figures that are."""
    text = claim["text"]
    if re.search(r"\$[\d.,]+ (?:million|billion)", text) and claim.get("row") is not None and claim["row"].unit == "percent":
        return False
    for value, step, words in C.numbers_in(text):
        if not number_supported(value, step, words, claim, corpus):
            return False
    if "computed" in claim and claim["computed"]["unit"] == "percent" and "%" not in text:
        return False
    return True


def claim_problems(claim, corpus):
    out = []
    for c in claim["cites"]:
        if len(c["quote"].split()) > filings.MAX_QUOTE_WORDS:
            out.append(f"quote of {len(c['quote'].split())} words")
        if filings.normal(c["quote"]) not in filings.normal(corpus.page(c["doc"], c["page"])):
            out.append(f"quote not on {c['doc']} page {c['page']}: {c['quote']}")
    for arg in claim.get("computed", {}).get("args", []):
        if not any(arg in c["quote"] for c in claim["cites"]):
            out.append(f"argument {arg} in no quote")
    if not supported(claim, corpus):
        out.append(f"a number is not on the cited page: {claim['text']}")
    return out


def read(name):
    with open(os.path.join(filings.HERE, name), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def row_of(claim, rows):
    """The row whose quote the claim cites first, to know the scale of its figures."""
    for r in rows:
        if (r.doc, r.page) == (claim["cites"][0]["doc"], claim["cites"][0]["page"]) and r.quote == claim["cites"][0]["quote"]:
            return r
    return None


def check_questions(name, corpus):
    faults, questions = [], read(name)
    for q in questions:
        for g in q["gold"]:
            corpus.page(g["doc"], g["page"])
        for f in q["figures"]:
            pages = [corpus.page(g["doc"], p) for g in q["gold"] for p in [g["page"]]]
            if not any(f["as_printed"] in text for text in pages):
                faults.append(f"{name} {q['id']}: {f['as_printed']} on no gold page")
            if filings.number(f["as_printed"]) != Decimal(str(f["value"])):
                faults.append(f"{name} {q['id']}: value {f['value']} is not {f['as_printed']}")
        for g in q["gold"]:
            for page in g.get("also_pages", []):
                text = corpus.page(g["doc"], page)
                if q["figures"] and not any(f["as_printed"] in text for f in q["figures"]):
                    faults.append(f"{name} {q['id']}: no figure on {g['doc']} page {page}")
        for p in q.get("phrases", []):
            if filings.normal(p["phrase"]) not in filings.normal(corpus.page(p["doc"], p["page"])):
                faults.append(f"{name} {q['id']}: phrase not on {p['doc']} page {p['page']}")
        c = q.get("computed")
        if c and abs(float(compute(c["op"], [filings.number(a) for a in c["args"]])) - c["result"]) > 0.001:
            faults.append(f"{name} {q['id']}: computed result is not {c['result']}")
    return len(questions), faults


def check_planted(name, corpus, rows):
    faults, n_claims, n_errors = [], 0, 0
    reports = read(name)
    for r in reports:
        by_id = {c["id"]: c for c in r["report"]["claims"]}
        wrong = {e["claim_id"]: e for e in r["errors"]}
        if len(by_id) != len(r["report"]["claims"]) or not set(wrong) <= set(by_id):
            faults.append(f"{name} {r['id']}: claim ids")
        for cid, claim in by_id.items():
            n_claims += 1
            known = {**claim, "row": row_of(claim, rows)}
            if cid not in wrong:
                faults.extend(f"{name} {r['id']} {cid}: {p}" for p in claim_problems(known, corpus))
                continue
            n_errors += 1
            error = wrong[cid]
            if error["kind"] not in KINDS or error["original"] == claim["text"]:
                faults.append(f"{name} {r['id']} {cid}: not an error")
            if error["kind"] in ("wrong_number", "unit") and supported(known, corpus):
                faults.append(f"{name} {r['id']} {cid}: planted {error['kind']} is supported: {claim['text']}")
            if error["kind"] == "year" and C.years_in(claim["text"]) == C.years_in(error["original"]):
                faults.append(f"{name} {r['id']} {cid}: same year as the original")
    return len(reports), n_claims, n_errors, faults


def on_page(text, claim, corpus):
    """Is every number of the text printed on a cited page, in the scale that it has there, millions or thousands, or computed?"""
    printed = page_numbers(corpus, claim["cites"])
    known = {abs(p) for p in printed}
    rule = claim.get("computed")
    if rule:
        known.add(abs(compute(rule["op"], [filings.number(a) for a in rule["args"]])))
    for value, step, words in C.numbers_in(text):
        scales = [Decimal(1), C.UNIT_WORDS[words.split()[-1].lower()], C.UNIT_WORDS["million"], C.UNIT_WORDS["thousand"]] if "illion" in words else [Decimal(1)]
        if not any(abs(k * scale - value) <= step / 2 for k in known for scale in scales):
            return False
    return True


def check_hand_written(name, corpus):
    """Quotes, true numbers and planted numbers of a set whose claims have no row of filing_rows.psv."""
    faults, n_claims, n_errors = [], 0, 0
    reports = read(name)
    for r in reports:
        wrong = {e["claim_id"]: e for e in r["errors"]}
        for claim in r["report"]["claims"]:
            n_claims += 1
            where = f"{name} {r['id']} {claim['id']}"
            for c in claim["cites"]:
                if len(c["quote"].split()) > filings.MAX_QUOTE_WORDS:
                    faults.append(f"{where}: long quote")
                if filings.normal(c["quote"]) not in filings.normal(corpus.page(c["doc"], c["page"])):
                    faults.append(f"{where}: quote not on the page: {c['quote']}")
            error = wrong.get(claim["id"])
            n_errors += error is not None
            if not on_page(error["original"] if error else claim["text"], claim, corpus):
                faults.append(f"{where}: a number is not on the cited page: {claim['text']}")
            if error and error["kind"] == "wrong_number" and on_page(claim["text"], claim, corpus):
                faults.append(f"{where}: planted number is on the page: {claim['text']}")
    return len(reports), n_claims, n_errors, faults


def check_tables(rows):
    """Every figure of the bundled tables is one of filing_rows.psv, with its document and page."""
    faults, n = [], 0
    folder = os.path.join(os.path.dirname(filings.HERE), "corpus", "tables")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8", newline="") as f:
            for i, record in enumerate(csv.DictReader(f), 2):
                doc, page = record["Source document"], int(record["Source page"])
                known = {filings.number(v) for r in rows.values() if (r.doc, r.page) == (doc, page) for v in r.values.values()}
                for column, cell in record.items():
                    if cell and ("USD" in column or column == "Value"):
                        n += 1
                        if Decimal(cell) not in known:
                            faults.append(f"{name}:{i}: {column} {cell} is no figure of {doc} page {page}")
    return n, faults


def main():
    from build_planted import bundled_rows
    from bundled import bundled_corpus
    rows = filings.load_rows()
    faults = []
    n, found = check_tables(rows)
    faults += found
    print(f"bundled tables: {n} figures, each one in filing_rows.psv")
    bundled = bundled_corpus()
    own, quotes = bundled_rows(rows, bundled)
    for key, r in own.items():
        r.quote = quotes[key]
    n, found = check_questions("questions.bundled.jsonl", bundled)
    faults += found
    print(f"questions.bundled.jsonl: {n} questions")
    *counts, found = check_planted("planted.bundled.jsonl", bundled, list(own.values()))
    faults += found
    print("planted.bundled.jsonl: {} reports, {} claims, {} planted errors".format(*counts))
    real = filings.real_corpus()
    if real is None:
        print("questions.real.jsonl, planted.real.jsonl: left out, CONSORT_DATA does not name the filings")
    else:
        for r in rows.values():
            try:
                r.quote = filings.row_quote(r, real)
            except ValueError as e:
                faults.append(str(e))
        print(f"filing_rows.psv: {len(rows)} rows, {sum(len(r.values) for r in rows.values())} figures")
        n, found = check_questions("questions.real.jsonl", real)
        faults += found
        print(f"questions.real.jsonl: {n} questions")
        *counts, found = check_planted("planted.real.jsonl", real, list(rows.values()))
        faults += found
        print("planted.real.jsonl: {} reports, {} claims, {} planted errors".format(*counts))
        for name in ("planted.fresh2.jsonl", "planted.fresh3.jsonl", "planted.fresh4.jsonl"):
            *counts, found = check_hand_written(name, real)
            faults += found
            print("{}: {} reports, {} claims, {} planted errors".format(name, *counts))
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
