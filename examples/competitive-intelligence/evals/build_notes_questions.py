#!/usr/bin/env python3
"""Writes questions.notes.jsonl: questions that are answered by counting and adding over the sales notes.

    build_notes_questions.py            writes the file
    build_notes_questions.py --check    exit status 1 when the file is not what the notes give

The answers are computed here from the CSV files alone, so that they are independent of the program's SQL.
"""
import csv
import json
import os
import sys
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal

import filings
from bundled import CORPUS


def notes(name):
    with open(os.path.join(CORPUS, "notes", f"sales_notes_{name}.csv"), newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def pick(rows, **where):
    return [r for r in rows if all(r[k] == v for k, v in where.items())]


def amount(rows):
    return sum(Decimal(r["amount_usd"]) for r in rows)


def questions():
    out = []

    def ask(name, companies, question, value, unit, decimals=0, label=None):
        answer = {"value": str(Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)), "unit": unit, "decimals": decimals}
        if label is not None:
            answer["label"] = label
        out.append({"id": f"notes-{len(out) + 1:03d}", "kind": "notes", "question": question, "companies": companies,
                    "gold": [{"doc": f"sales_notes_{name}", "page": None}], "answer": answer})

    def most(rows, column):
        counts = Counter(r[column] for r in rows).most_common()
        if len(counts) > 1 and counts[0][1] == counts[1][1]:
            raise SystemExit(f"a tie between {counts[0]} and {counts[1]}: ask something else")
        return counts[0]

    for name, a, b in (("packaged_food", "General Mills", "Kraft Heinz"), ("mass_retail", "Walmart (Sam's Club)", "Costco"),
                       ("online_marketplace", "Amazon", "eBay"), ("business_software", "Salesforce", "Oracle")):
        rows = notes(name)
        pair = [a.replace(" (Sam's Club)", ""), b]
        ask(name, [pair[0]], f"How many sales notes about {a} ended as won?", len(pick(rows, company=a, stage="won")), "count")
        ask(name, [pair[1]], f"What is the total yearly value of the offers of {b} that were lost, in US dollars?",
            amount(pick(rows, company=b, stage="lost")), "USD")
        ask(name, pair, f"Which company has the higher total value of won offers in the sales notes, {a} or {b}, and how high is it?",
            max(amount(pick(rows, company=c, stage="won")) for c in (a, b)), "USD",
            label=max((a, b), key=lambda c: amount(pick(rows, company=c, stage="won"))))
        decided = [r for r in pick(rows, company=a) if r["stage"] in ("won", "lost")]
        ask(name, [pair[0]], f"What share of the decided offers (won or lost) of {a} was won, in percent?",
            Decimal(len(pick(decided, stage="won"))) / len(decided) * 100, "percent", 1)
    for name, company, stage in (("packaged_food", "Kraft Heinz", "lost"), ("online_marketplace", "Amazon", "lost"),
                                 ("online_marketplace", "eBay", "won"), ("business_software", "Oracle", "won")):
        reason, n = most(pick(notes(name), company=company, stage=stage), "reason")
        ask(name, [company], f"What is the most frequent reason for {stage} offers of {company} in the sales notes, and how often is it given?",
            n, "count", label=reason)
    rows = notes("business_software")
    ask("business_software", ["Salesforce", "Oracle"], "How many sales notes of the business software pair are dated 2023?",
        sum(r["date"].startswith("2023") for r in rows), "count")
    return out


def main(argv):
    path = os.path.join(filings.HERE, "questions.notes.jsonl")
    text = "".join(json.dumps(q, ensure_ascii=False) + "\n" for q in questions())
    if "--check" in argv:
        with open(path, encoding="utf-8") as f:
            same = f.read() == text
        print("questions.notes.jsonl: " + ("as the notes give" if same else "not what the notes give; run build_notes_questions.py"))
        return 0 if same else 1
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    print(f"questions.notes.jsonl: {text.count(chr(10))} questions")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
