#!/usr/bin/env python3
"""Computes questions.jsonl: questions on trends with exact answers, from ../data with exact decimals and nothing else.

    answers.py           writes questions.jsonl
    answers.py --check   exit status 1 when questions.jsonl is not what the data give

Every answer is rounded half up to `decimals` places at the very end. Independent of the program: no SQL, no floats.
"""
import csv
import json
import os
import sys
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal, getcontext

getcontext().prec = 50
HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(os.path.dirname(HERE), "data")
SALES, YEARS = "synthetic_monthly_sales.csv", "public_company_years.csv"


def load(name):
    with open(os.path.join(DATA, name), newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def total(rows, column, **where):
    names = {"region": "Region", "product": "Product"}
    out = Decimal(0)
    for r in rows:
        if all(r["Month"].startswith(v) if k == "month" else r[names[k]] == v for k, v in where.items()):
            out += Decimal(r[column])
    return out


def by(rows, key, column, year=""):
    out = defaultdict(Decimal)
    for r in rows:
        if r["Month"].startswith(year):
            out[r[key]] += Decimal(r[column])
    return out


def rounded(value, decimals):
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def percent(new, old):
    return (new - old) / abs(old) * 100


def slope(values):
    """Least-squares slope of values over 0, 1, 2, ..."""
    n = len(values)
    mean_x, mean_y = Decimal(n - 1) / 2, sum(values) / n
    return (sum((Decimal(i) - mean_x) * (v - mean_y) for i, v in enumerate(values)) /
            sum((Decimal(i) - mean_x) ** 2 for i in range(n)))


def questions():
    s, y = load(SALES), load(YEARS)
    units, revenue, marketing, returns = "Units (count)", "Revenue (USD)", "Marketing (USD)", "Returns (count)"
    out = []

    def ask(kind, data, question, value, unit, decimals, label=None):
        answer = {"value": str(rounded(value, decimals)), "unit": unit, "decimals": decimals}
        if label is not None:
            answer["label"] = label
        out.append({"id": f"trend-{len(out) + 1:02d}", "kind": kind, "data": data, "question": question, "answer": answer})

    def company(name):
        rows = sorted((r for r in y if r["Company"] == name), key=lambda r: r["Period end"])
        return [{"year": r["Fiscal year"], "revenue": Decimal(r["Revenue (USD millions)"]),
                 "operating": Decimal(r["Operating income (USD millions)"]), "net": Decimal(r["Net income (USD millions)"])}
                for r in rows]

    ask("total", SALES, "What was total revenue in 2022?", total(s, revenue, month="2022"), "USD", 2)
    ask("change", SALES, "By how many percent did total revenue change from 2021 to 2022?",
        percent(total(s, revenue, month="2022"), total(s, revenue, month="2021")), "percent", 1)
    ask("change", SALES, "By how many percent did total revenue change from 2022 to 2023?",
        percent(total(s, revenue, month="2023"), total(s, revenue, month="2022")), "percent", 1)
    products = by(s, "Product", revenue, "2023")
    best = max(products, key=products.get)
    ask("rank", SALES, "Which product had the highest revenue in 2023, and how high was it?", products[best], "USD", 2, best)
    growth = {p: percent(total(s, units, product=p, month="2023"), total(s, units, product=p, month="2021")) for p in products}
    fast = max(growth, key=growth.get)
    ask("rank", SALES, "Which product's units grew most from 2021 to 2023, and by how many percent?", growth[fast], "percent", 1, fast)
    slow = min(growth, key=growth.get)
    ask("rank", SALES, "Which product's units shrank most from 2021 to 2023, and by how many percent did they change?", growth[slow],
        "percent", 1, slow)
    months = by(s, "Month", units)
    peak = max(months, key=months.get)
    ask("peak", SALES, "In which month were total units highest, and how many were sold?", months[peak], "count", 0, peak)
    low = min(months, key=months.get)
    ask("peak", SALES, "In which month were total units lowest, and how many were sold?", months[low], "count", 0, low)
    ask("break", SALES, "By how many percent did units of Soup kit in the South change from August 2022 to September 2022?",
        percent(total(s, units, product="Soup kit", region="South", month="2022-09"),
                total(s, units, product="Soup kit", region="South", month="2022-08")), "percent", 1)
    ask("break", SALES, "What was the average price (revenue divided by units) of a Trail bar in March 2022?",
        total(s, revenue, product="Trail bar", month="2022-03") / total(s, units, product="Trail bar", month="2022-03"), "USD", 2)
    ask("break", SALES, "What was the average price (revenue divided by units) of a Trail bar in April 2022?",
        total(s, revenue, product="Trail bar", month="2022-04") / total(s, units, product="Trail bar", month="2022-04"), "USD", 2)
    ask("share", SALES, "What share of 2023 revenue came from the West?",
        total(s, revenue, region="West", month="2023") / total(s, revenue, month="2023") * 100, "percent", 1)
    ask("ratio", SALES, "What was marketing as a share of revenue in 2022?",
        total(s, marketing, month="2022") / total(s, revenue, month="2022") * 100, "percent", 2)
    ask("ratio", SALES, "What was the return rate (returns divided by units) over all three years?",
        total(s, returns) / total(s, units) * 100, "percent", 2)
    oat = by([r for r in s if r["Product"] == "Oat drink"], "Month", units)
    ask("slope", SALES, "What is the least-squares trend of monthly Oat drink units over all 36 months, in units a month?",
        slope([oat[m] for m in sorted(oat)]), "units a month", 1)
    soup = by([r for r in s if r["Product"] == "Soup kit"], "Month", units)
    first, last = sum(soup[m] for m in sorted(soup)[:12]) / 12, sum(soup[m] for m in sorted(soup)[-12:]) / 12
    ask("change", SALES, "How many Soup kits a month were sold on average in 2021?", first, "count", 0)
    ask("change", SALES, "How many Soup kits a month were sold on average in 2023?", last, "count", 0)
    quarter = {q: sum(total(s, revenue, month=f"2023-{m:02d}") for m in range(3 * q - 2, 3 * q + 1)) for q in range(1, 5)}
    top = max(quarter, key=quarter.get)
    ask("peak", SALES, "Which quarter of 2023 had the highest revenue, and how high was it?", quarter[top], "USD", 2, f"2023-Q{top}")

    for name, kind in (("Walmart", "revenue"), ("Costco", "revenue")):
        c = company(name)
        ask("change", YEARS, f"By how many percent did {name}'s revenue grow from its fiscal year {c[1]['year']} to {c[2]['year']}?",
            percent(c[2][kind], c[1][kind]), "percent", 1)
    margin = {n: company(n)[-1]["operating"] / company(n)[-1]["revenue"] * 100 for n in dict.fromkeys(r["Company"] for r in y)}
    best = max(margin, key=margin.get)
    ask("rank", YEARS, "Which company had the highest operating margin in its latest fiscal year, and how high was it?", margin[best],
        "percent", 1, best)
    worst = min(margin, key=margin.get)
    ask("rank", YEARS, "Which company had the lowest operating margin in its latest fiscal year, and how high was it?", margin[worst],
        "percent", 1, worst)
    losses = [n for n in margin if company(n)[-1]["net"] < 0]
    ask("count", YEARS, "How many of the companies made a net loss in their latest fiscal year?", Decimal(len(losses)), "count", 0,
        ", ".join(sorted(losses)))
    c = company("Salesforce")
    ask("change", YEARS, "What was Salesforce's average yearly revenue growth (compound) over its three fiscal years?",
        ((c[2]["revenue"] / c[0]["revenue"]).sqrt() - 1) * 100, "percent", 1)
    c = company("Kraft Heinz")
    ask("change", YEARS, "By how many percentage points did Kraft Heinz's operating margin change from 2020 to 2022?",
        c[2]["operating"] / c[2]["revenue"] * 100 - c[0]["operating"] / c[0]["revenue"] * 100, "percentage points", 1)
    return out


def main(argv):
    text = "".join(json.dumps(q, ensure_ascii=False) + "\n" for q in questions())
    path = os.path.join(HERE, "questions.jsonl")
    if "--check" in argv:
        with open(path, encoding="utf-8") as f:
            same = f.read() == text
        print("questions.jsonl: " + ("as the data give" if same else "not what the data give; run answers.py"))
        return 0 if same else 1
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    print(f"questions.jsonl: {text.count(chr(10))} questions")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
