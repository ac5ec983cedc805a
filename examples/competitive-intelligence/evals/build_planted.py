#!/usr/bin/env python3
"""Writes planted.real.jsonl and planted.bundled.jsonl: good reports in which some claims were made wrong on purpose.

Claims are made from filing_rows.psv (figures, changes, shares, comparisons) and claim_texts.*.psv (statements in words); the
errors are planted by a generator with a fixed seed, so that the sets can be rebuilt. Every claim is checked before it is
written: a good one must be supported by its cited pages, a wrong number or unit must not be.
"""
import json
import os
import random
import re
import sys
from decimal import Decimal

import claims as C
import filings
from bundled import bundled_corpus
from check_gold import claim_problems, supported

SEED = 20230711
KINDS = ("wrong_number", "unit", "year", "company", "sign", "unsupported")
PAIRS = [("General Mills", "Kraft Heinz"), ("Walmart", "Costco"), ("Amazon", "eBay"), ("Salesforce", "Oracle")]
PREFIX = {"General Mills": "gis", "Kraft Heinz": "khc", "Walmart": "wmt", "Costco": "cost", "Amazon": "amzn", "eBay": "ebay",
          "Salesforce": "crm", "Oracle": "orcl"}
TOTAL = {"gis": "gis.net_sales", "khc": "khc.net_sales", "wmt": "wmt.net_sales", "cost": "cost.net_sales",
         "amzn": "amzn.net_sales", "ebay": "ebay.net_revenues", "crm": "crm.total_revenues", "orcl": "orcl.total_revenues"}
PARTS = ["gis.seg_nar_sales", "gis.seg_pet_sales", "gis.snacks", "gis.cereal", "gis.us_sales", "gis.advertising",
         "khc.taste_elevation", "khc.condiments", "khc.cheese", "khc.seg_intl_sales", "khc.us_sales", "khc.advertising",
         "wmt.us_sales", "wmt.sams_sales", "wmt.intl_sales", "wmt.us_grocery", "cost.foods", "cost.ancillary", "cost.nonfoods",
         "cost.membership_fees", "amzn.advertising", "amzn.third_party", "amzn.aws_sales", "amzn.online_stores", "amzn.marketing",
         "ebay.uk_revenue", "ebay.marketing", "ebay.product_dev", "ebay.germany_revenue", "crm.service_cloud", "crm.marketing",
         "crm.data", "crm.rnd", "orcl.services", "orcl.rnd", "orcl.cloud_services", "orcl.marketing", "orcl.hardware"]
VERSUS = [("khc.net_sales", "FY2022", "gis.net_sales", "FY2022", "net sales"), ("khc.advertising", "FY2022", "gis.advertising", "FY2022", "advertising expense"),
          ("gis.rnd", "FY2022", "khc.rnd", "FY2022", "research and development expense"),
          ("wmt.total_revenues", "FY2023", "cost.total_revenues", "FY2022", "total revenue"),
          ("wmt.operating_profit", "FY2023", "cost.operating_profit", "FY2022", "operating income"),
          ("wmt.net_income", "FY2023", "cost.net_income", "FY2022", "net income"),
          ("amzn.net_sales", "FY2022", "ebay.net_revenues", "FY2022", "revenue"), ("amzn.marketing", "FY2022", "ebay.marketing", "FY2022", "sales and marketing expense"),
          ("amzn.operating_profit", "FY2022", "ebay.operating_profit", "FY2022", "operating income"),
          ("orcl.total_revenues", "FY2023", "crm.total_revenues", "FY2023", "total revenue"), ("orcl.rnd", "FY2023", "crm.rnd", "FY2023", "research and development expense"),
          ("crm.marketing", "FY2023", "orcl.marketing", "FY2023", "sales and marketing expense"),
          ("orcl.operating_profit", "FY2023", "crm.operating_profit", "FY2023", "operating income")]
# Figures that stand in a sentence of the filing and are told by claim_texts.*.psv.
IN_WORDS = {"ebay.tcgplayer", "gis.walmart_share", "khc.walmart_share", "khc.pricing", "crm.attrition", "cost.skus", "cost.renewal",
            "cost.ecom_share", "orcl.cerner_price", "orcl.cerner_revenue", "ebay.q2_ads"}
MIN_CHANGE = Decimal("0.005")  # a smaller change would read "0.0%" or hang on rounding
TITLES = ["{} and {}: competitive summary", "{} against {}: where each one is strong", "Briefing for the brand team: {} and {}",
          "{} and {}: growth, spending and risks", "Quarterly competitor review: {} and {}", "What changed at {} and {}",
          "{} and {}: figures for the sales meeting"]


def read_texts(path):
    out = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("#") or not line.strip():
                continue
            company, doc, page, quote, text = line.rstrip("\n").split("|")
            out.append({"text": text, "cites": [{"doc": doc, "page": int(page) if page else None, "quote": quote}],
                        "company": company, "kind": "text", "sign": None})
    return out


def years_on_page(corpus, claim):
    return all(any(y in corpus.page(c["doc"], c["page"]) for c in claim["cites"]) for y in C.years_in(claim["text"]))


def pool_of(pair, rows, quotes, texts, corpus):
    """All good claims about two companies, by kind; those that their pages do not fully support are left out."""
    pool = {"level": [], "change": [], "share": [], "versus": [], "text": [t for t in texts if t["company"] in pair]}
    mine = [r for r in rows.values() if r.company in pair and r.key in quotes]
    for r in mine:
        if r.key in IN_WORDS:
            continue
        tokens = list(r.values)
        for i, token in enumerate(sorted(tokens, key=lambda t: (t[:2], t), reverse=True)):
            if i < 2:
                pool["level"].append(C.level(r, token, "millions" if i else "", quotes[r.key]))
        for new in tokens:
            old = re.sub(r"\d{4}$", lambda m: str(int(m[0]) - 1), new)
            if old not in tokens or r.unit not in ("USD", "count", "USD/share"):
                continue
            if min(filings.number(r.values[new]), filings.number(r.values[old])) <= 0:
                continue
            if abs(filings.number(r.values[new]) / filings.number(r.values[old]) - 1) < MIN_CHANGE:
                continue
            for levels in (True, False):
                pool["change"].append(C.change(r, new, old, "", quotes[r.key], levels))
    for key in PARTS:
        if key in quotes and rows[key].company in pair:
            part, whole = rows[key], rows[TOTAL[key.split(".")[0]]]
            token = max(t for t in part.values if t.startswith("FY"))
            if whole.key in quotes and token in whole.values:
                pool["share"].append(C.share(part, whole, token, (quotes[key], quotes[whole.key])))
    for a, ta, b, tb, what in VERSUS:
        if a in quotes and b in quotes and rows[a].company in pair:
            both = (rows[a], ta, rows[b], tb, what, (quotes[a], quotes[b]))
            pool["versus"].append(C.versus(*both))
            if (rows[a].unit, rows[a].scale) == (rows[b].unit, rows[b].scale):
                pool["versus"].append(C.exceeds(*both))
    for kind, found in pool.items():
        kept = [c for c in found if not claim_problems(c, corpus) and years_on_page(corpus, c)]
        left_out = [c["text"] for c in found if c not in kept]
        if kind == "text" and left_out:
            raise SystemExit(f"not supported by the cited page: {left_out}")
        pool[kind] = kept
    return pool


def company_of(claim):
    return claim["row"].company if "row" in claim else claim["company"]


def swap_number(claim, rng, corpus):
    shown = claim["shown"]
    old = re.search(r"\d[\d,]*(?:\.\d+)?", shown)[0]
    decimals = len(old.split(".")[1]) if "." in old else 0
    value = Decimal(old.replace(",", ""))
    for _ in range(50):
        factor = Decimal(rng.choice([72, 81, 88, 91, 94, 107, 112, 118, 127, 139])) / 100
        new = f"{(value * factor).quantize(Decimal(1).scaleb(-decimals)):,}"
        digits = [i for i in range(len(old) - 1) if old[i].isdigit() and old[i + 1].isdigit() and old[i] != old[i + 1]]
        if digits and rng.random() < 0.4:
            i = rng.choice(digits)
            swapped = old[:i] + old[i + 1] + old[i] + old[i + 2:]
            new = swapped if not swapped.startswith("0") else new
        text = claim["text"].replace(shown, shown.replace(old, new, 1), 1)
        if new != old and value >= 1 and text != claim["text"] and not supported({**claim, "text": text}, corpus):
            return text
    return None


def swap_unit(claim, rng, corpus):
    text = claim["text"]
    options = []
    if " billion" in text:
        options += [text.replace(" billion", " million", 1)] * 3
    if " million" in text:
        options += [text.replace(" million", " billion", 1)] * 2
    if "%" in text and claim["kind"] in ("share", "level"):
        number = re.search(r"(\d[\d.]*)%", text)
        options.append(text.replace(number[0], f"${number[1]} million", 1))
    options = [o for o in options if not supported({**claim, "text": o}, corpus)]
    return rng.choice(options) if options else None


def swap_year(claim, rng, corpus):
    row, token = claim["row"], claim["token"]
    other = [t for t in row.values if t != token and t[:2] == token[:2] and not same_when_rounded(claim, t)]
    if claim["kind"] == "exceeds":
        other = []
    year = re.search(r"(?:19|20)\d\d", claim["when"])[0]
    wrong = [C.period(row, t) for t in other] * 2 + [claim["when"].replace(year, str(int(year) - 4))]
    wrong = [w for w in wrong if w != claim["when"]]
    return claim["text"].replace(claim["when"], rng.choice(wrong), 1)


def same_when_rounded(claim, token):
    """True when the figure of another period would read the same, so that its year would be no error."""
    row = claim["row"]
    styles = ("", "millions")
    return any(C.amount(filings.number(row.values[t]), row, s) in claim["text"]
               for t in [token] for s in styles if claim["kind"] in ("level", "change", "versus"))


def swap_company(claim, pair):
    mine = company_of(claim)
    rival = pair[1] if mine == pair[0] else pair[0]
    if claim["text"].count(mine) != 1 or rival in claim["text"]:
        return None
    return claim["text"].replace(C.possessive(mine), C.possessive(rival)).replace(mine, rival)


def swap_sign(claim):
    if not claim.get("sign"):
        return None
    old, new = claim["sign"]
    text = re.sub(rf"\b{old}\b", new, claim["text"], count=1)
    return text if text != claim["text"] else None


def plant(kind, report, at, pair, rng, corpus, unsupported):
    """Replaces claim `at` of a report by a wrong one; gives the error record, or None when this claim cannot take this kind."""
    claim = report[at]
    if kind == "unsupported":
        options = [u for u in unsupported if u["company"] in pair]
        if not options:
            return None
        bad = rng.choice(options)
        unsupported.remove(bad)
        report[at] = {**bad, "original": claim["text"]}
        return True
    if kind in ("wrong_number", "unit", "year") and "row" not in claim:
        return None
    text = {"wrong_number": lambda: swap_number(claim, rng, corpus), "unit": lambda: swap_unit(claim, rng, corpus),
            "year": lambda: swap_year(claim, rng, corpus), "company": lambda: swap_company(claim, pair),
            "sign": lambda: swap_sign(claim)}[kind]()
    if not text or text == claim["text"]:
        return None
    report[at] = {**claim, "text": text, "original": claim["text"]}
    return True


def write(name, prefix, pairs, n_reports, per_kind, mix, rows, quotes, texts, unsupported, corpus):
    rng = random.Random(SEED)
    pools = {pair: pool_of(pair, rows, quotes, texts, corpus) for pair in pairs}
    todo = [k for k in KINDS for _ in range(per_kind)]
    rng.shuffle(todo)
    used, out = set(), []
    for n in range(n_reports):
        pair = pairs[n % len(pairs)]
        picked, seen = [], set()
        for kind, count in mix.items():
            fresh = [c for c in pools[pair][kind] if c["text"] not in used] or pools[pair][kind]
            rng.shuffle(fresh)
            for c in fresh:
                about = (c["row"].key, c["kind"]) if "row" in c else c["text"]
                if count and about not in seen:
                    seen.add(about)
                    used.add(c["text"])
                    picked.append(dict(c))
                    count -= 1
        rng.shuffle(picked)
        # The last reports stay free of errors, so that a checker which always finds something is caught too.
        clean = n >= n_reports - max(1, n_reports // 8)
        quota = 0 if clean else -(-len(todo) // max(1, n_reports - max(1, n_reports // 8) - n))
        errors, places = [], list(range(len(picked)))
        rng.shuffle(places)
        for _ in range(quota):
            done = False
            for kind in list(dict.fromkeys(todo)):
                for at in places:
                    if plant(kind, picked, at, pair, rng, corpus, unsupported):
                        errors.append((at, kind))
                        places.remove(at)
                        todo.remove(kind)
                        done = True
                        break
                if done:
                    break
        title = TITLES[n % len(TITLES)].format(*pair)
        record = {"id": f"{prefix}-{n + 1:02d}", "companies": list(pair), "report": {"title": title, "claims": []}, "errors": []}
        for i, c in enumerate(picked):
            claim = {"id": f"c{i + 1}", "text": c["text"], "cites": c["cites"]}
            if c.get("computed") and not any(at == i and k == "unsupported" for at, k in errors):
                claim["computed"] = c["computed"]
            record["report"]["claims"].append(claim)
        for at, kind in sorted(errors):
            record["errors"].append({"claim_id": f"c{at + 1}", "kind": kind, "original": picked[at]["original"]})
        out.append(record)
    if todo:
        raise SystemExit(f"{name}: no claim could take these errors: {todo}")
    with open(os.path.join(filings.HERE, name), "w", encoding="utf-8") as f:
        for r in out:
            f.write(json.dumps(r, ensure_ascii=False) + "\n")
    n_claims = sum(len(r["report"]["claims"]) for r in out)
    n_errors = sum(len(r["errors"]) for r in out)
    print(f"{name}: {len(out)} reports, {n_claims} claims, {n_errors} planted errors, {n_claims - n_errors} good claims")


def bundled_rows(rows, corpus):
    """The rows as they stand in the bundled corpus (digest or wiki page instead of filing), and their quotes."""
    digests = {"Walmart": "WALMART_2023_DIGEST", "Costco": "COSTCO_2022_DIGEST", "General Mills": "GENERALMILLS_2022_DIGEST",
               "Kraft Heinz": "KRAFTHEINZ_2022_DIGEST", "Amazon": "amazon", "eBay": "ebay", "Salesforce": "salesforce", "Oracle": "oracle"}
    out, quotes = {}, {}
    for r in rows.values():
        doc = digests[r.company]
        pages = range(1, 5) if doc.endswith("DIGEST") else [None]
        for page in pages:
            for line in corpus.page(doc, page).split("\n"):
                line = filings.normal(line)
                values = {t: v for t, v in r.values.items() if re.search(r"(?<![\d.,])" + re.escape(v.strip("()")) + r"(?![\d.,]*\d)", line)}
                complete = len(values) == len(r.values) or (page is None and len(values) == 2)
                first = r.metric.split()[0].lower()
                if not r.quote and complete and len(r.values) >= 2 and len(line.split()) <= 20 and first[:4] in line.lower():
                    token = max(values)
                    if r.key not in out and len(values[token]) >= 3:
                        out[r.key] = filings.Row(r.key, r.company, doc, page, r.metric, r.label, r.unit, r.scale, values)
                        quotes[r.key] = line
    return out, quotes


def main():
    rows = filings.load_rows()
    here = filings.HERE
    real = filings.real_corpus()
    if real is None:
        print("planted.real.jsonl: left out, CONSORT_DATA does not name the filings")
    else:
        quotes = {k: filings.row_quote(r, real) for k, r in rows.items()}
        write("planted.real.jsonl", "planted-real", PAIRS, 32, 13, {"level": 3, "change": 3, "share": 1, "versus": 1, "text": 2}, rows,
              quotes, read_texts(os.path.join(here, "claim_texts.real.psv")),
              read_texts(os.path.join(here, "claim_unsupported.real.psv")), real)
    bundled = bundled_corpus()
    own, quotes = bundled_rows(rows, bundled)
    write("planted.bundled.jsonl", "planted-bundled", PAIRS[:2], 12, 5, {"level": 3, "change": 2, "share": 1, "text": 2}, own, quotes,
          read_texts(os.path.join(here, "claim_texts.bundled.psv")),
          read_texts(os.path.join(here, "claim_unsupported.bundled.psv")), bundled)


if __name__ == "__main__":
    sys.exit(main())
