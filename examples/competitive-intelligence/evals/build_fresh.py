#!/usr/bin/env python3
"""Makes planted.fresh.jsonl: true sentences and sentences with one planted error about rows of pages that the first
sets do not cite (balance sheets and cash flows). The sentences are our own; a citation names document, page and row
label, and the reader of the set looks the row up. Same file every time (fixed seed).

    CONSORT_DATA=/path/to/data python3 build_fresh.py [--check]    # also checks every figure on its page
"""
import json
import os
import pathlib
import random
import re
import sys

HERE = pathlib.Path(__file__).parent
KINDS = ["wrong_number", "unit", "year", "company", "sign", "unsupported"]
RIVAL = {"Walmart": "Costco", "Costco": "Walmart", "Amazon": "eBay", "eBay": "Amazon", "General Mills": "Kraft Heinz",
         "Kraft Heinz": "General Mills", "Salesforce": "Oracle", "Oracle": "Salesforce"}
UNSUPPORTED = [
    "{c} expects its {n} to double within two years.",
    "{c} attributes the change in its {n} to a new pricing strategy in Asia.",
    "Analysts consider the {n} of {c} the best in its industry.",
    "{c} moved the management of its {n} to a subsidiary in Ireland.",
    "Customers of {c} were told about the change in {n} by letter.",
    "A regulator has asked {c} to explain its {n}.",
]


def rows():
    for line in (HERE / "fresh_rows.psv").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        doc, page, company, label, name, kind, periods = line.split("|")
        values = [tuple(p.strip().rsplit("=", 1)) for p in periods.split(";")]
        yield {"doc": doc, "page": int(page), "company": company, "label": label, "name": name, "kind": kind, "values": values}


def number(printed):
    return float(printed.strip("()").replace(",", ""))


def when(row, period):
    return f"in fiscal {period}" if row["kind"] == "flow" else f"as of {period}"


def amount(value, style):
    if style == 0 and value >= 1000:
        return f"${value / 1000:.1f} billion"
    return f"${value:,.1f} million" if value != int(value) else f"${value:,.0f} million"


def owner(company):
    return company + ("'" if company.endswith("s") else "'s")


def plain(row, company, period, value, style):
    t = when(row, period)
    return [f"{t[0].upper()}{t[1:]}, {owner(company)} {row['name']} came to {amount(value, style)}.",
            f"{owner(company)} {row['name']} amounted to {amount(value, style)} {t}.",
            f"{company} reported {row['name']} of {amount(value, style)} {t}."][style_of(row, period)]


def style_of(row, period):
    return (len(row["label"]) + sum(map(ord, period))) % 3


def change(row, company, new, old, up=None):
    (p1, v1), (p0, v0) = new, old
    pct = abs(number(v1) - number(v0)) / number(v0) * 100
    up = number(v1) > number(v0) if up is None else up
    return f"{owner(company)} {row['name']} {'rose' if up else 'fell'} by {pct:.1f}% to {amount(number(v1), 0)} {when(row, p1)}."


def from_to(row, company, new, old):
    (p1, v1), (p0, v0) = new, old
    verb = "increased" if number(v1) > number(v0) else "decreased"
    return f"{owner(company)} {row['name']} {verb} from {amount(number(v0), 1)} {when(row, p0)} to {amount(number(v1), 1)} {when(row, p1)}."


def year_apart(row):
    new, old = row["values"][0], row["values"][1]
    if len(row["values"]) == 3 and row["kind"] == "stock":
        old = row["values"][2]
    return new, old


def true_sentences(row):
    new, old = row["values"][0], row["values"][1]
    apart = year_apart(row)
    out = [plain(row, row["company"], new[0], number(new[1]), 0), plain(row, row["company"], old[0], number(old[1]), 1)]
    out.append(from_to(row, row["company"], *apart))
    if not row["doc"].startswith("EBAY_2023Q2"):
        out.append(change(row, row["company"], *apart))
    return out


def planted(row, kind, rng):
    company, (p, v), (p0, v0) = row["company"], row["values"][0], row["values"][1]
    value = number(v)
    if kind == "wrong_number":
        wrong = value * rng.choice([1.13, 0.86, 1.31, 0.72])
        return plain(row, company, p, round(wrong, 1) if value != int(value) else round(wrong), 1), plain(row, company, p, value, 1)
    if kind == "unit":
        good = plain(row, company, p, value, 0)
        bad = good.replace(" billion", " million") if " billion" in good else good.replace(" million", " billion")
        return bad, good
    if kind == "year":
        return plain(row, company, p0, value, 1), plain(row, company, p, value, 1)
    if kind == "company":
        return plain(row, RIVAL[company], p, value, 0), plain(row, company, p, value, 0)
    if kind == "sign":
        new, old = year_apart(row)
        good = change(row, company, new, old)
        return change(row, company, new, old, up=number(new[1]) < number(old[1])), good
    return UNSUPPORTED[rng.randrange(len(UNSUPPORTED))].format(c=company, n=row["name"]), plain(row, company, p, value, 0)


def page_line(data, row):
    pages = (pathlib.Path(data) / "corpus/text" / (row["doc"] + ".txt")).read_text().split("\f")
    for line in pages[row["page"] - 1].splitlines():
        flat = re.sub(r"\s+", " ", line).strip()
        if flat.startswith(row["label"]) and not re.match(r"[A-Za-z,]", flat[len(row["label"]):].strip()[:1] or "0"):
            return flat
    return None


def build():
    rng = random.Random(20261124)
    records, n_error = [], 0
    all_rows = list(rows())
    for at in range(0, len(all_rows), 5):
        part = all_rows[at:at + 5]
        claims, errors = [], []
        for row in part:
            cite = {"doc": row["doc"], "page": row["page"], "row": row["label"]}
            for text in true_sentences(row):
                claims.append((text, cite, None))
            kind = KINDS[n_error % len(KINDS)]
            n_error += 1
            if kind == "sign" and row["doc"].startswith("EBAY_2023Q2"):
                kind = "wrong_number"
            claims.append((*planted(row, kind, rng), kind, cite))
            if n_error % 4 == 0:
                extra = KINDS[(n_error // 4) % 4]
                claims.append((*planted(row, extra, rng), extra, cite))
        rng.shuffle(claims)
        out = []
        for i, claim in enumerate(claims, 1):
            planted_kind = claim[2] if len(claim) == 4 else None
            cite = claim[3] if len(claim) == 4 else claim[1]
            out.append({"id": f"c{i}", "text": claim[0], "cites": [cite]})
            if planted_kind:
                errors.append({"claim_id": f"c{i}", "kind": planted_kind, "original": claim[1]})
        companies = sorted({r["company"] for r in part} | {RIVAL[r["company"]] for r in part})
        records.append({"id": f"fresh-{len(records) + 1:02}", "companies": companies,
                        "report": {"title": " and ".join(companies) + ": balance sheets and cash flows", "claims": out}, "errors": errors})
    return records


def main():
    data = os.environ.get("CONSORT_DATA")
    bad = 0
    for row in rows() if data else ():
        line = page_line(data, row)
        found = line is not None and all(v.strip("()") in line for _, v in row["values"])
        if not found:
            bad += 1
            print(f"not on its page: {row['doc']} p. {row['page']} {row['label']}: {line}")
    if not data:
        print("left out: CONSORT_DATA is not set, figures are not looked up")
    text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in build())
    target = HERE / "planted.fresh.jsonl"
    if "--check" in sys.argv:
        if target.read_text() != text:
            print("planted.fresh.jsonl differs")
            bad += 1
    else:
        target.write_text(text)
    records = [json.loads(l) for l in text.splitlines()]
    n = sum(len(r["report"]["claims"]) for r in records)
    e = sum(len(r["errors"]) for r in records)
    print(f"{len(records)} reports, {n} claims, {e} planted errors, {n - e} true")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
