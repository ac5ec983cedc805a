"""Facts of made-up tables with the sentences that say them, for the summarizer: what training and evaluation share.

A finding is drawn: a company, a line of a table, a period, its figure and the one before. The agent's own tool turns it into a
writing task (facts on a line, and the frame; examples/shared/report-summarizer), so both hold what a run holds. `sentence` says
the facts in one of many wordings; `faults` reads a sentence by rule and names what is wrong with it.
"""
import json
import re

SYSTEM = "Write one sentence"

UP = ["rose by", "grew by", "increased by", "climbed by", "went up by", "advanced by"]
DOWN = ["fell by", "declined by", "decreased by", "dropped by", "went down by", "slipped by"]
UP_AFTER = ["up", "an increase of", "higher by", "a rise of", "a gain of", "an improvement of"]
DOWN_AFTER = ["down", "a decrease of", "lower by", "a decline of", "a drop of", "a reduction of"]
STAND = ["{be}", "came to", "reached", "amounted to", "stood at", "totalled"]
# Words that may stand between the facts: none of them says more than the facts do.
PLAIN = set("was were is came come to reached amounted stood at totalled total by of a an the and with which that it this from compared change "
            "year on over before earlier previous year's in for or as being against its their up down".split())
RISE = set("rose rise rises grew growth grow increased increase climbed climb advanced higher more gain gained improvement improved went up".split())
FALL = set("fell fall declined decline decreased decrease dropped drop slipped lower less reduction reduced down went".split())


def be(label):
    last = label.split(" of ")[0].split()[-1]
    return "were" if last.endswith("s") and not last.endswith("ss") else "was"


def possessive(company):
    return company + ("'" if company.endswith("s") else "'s")


def parts(facts):
    company, label, period, amount, *more = facts.split(" | ")
    change = more[0] if more else ""
    return {"company": company, "label": label, "period": period, "amount": amount, "down": change.startswith("down"), "percent": change.split(" ")[-1]}


def sentence(facts, rng):
    p = parts(facts)
    first = rng.random() < 0.6
    own = rng.random() < 0.7
    label = p["label"] if first or own else p["label"][0].upper() + p["label"][1:]
    who = f"{possessive(p['company'])} {p['label']}" if own else f"{label} of {p['company']}"
    stand = rng.choice(STAND).format(be=be(p["label"]))
    if not p["percent"]:
        says = f"{who} {stand} {p['amount']}"
    elif rng.random() < 0.6:
        says = f"{who} {rng.choice(DOWN if p['down'] else UP)} {p['percent']} to {p['amount']}"
    else:
        says = f"{who} {stand} {p['amount']}, {rng.choice(DOWN_AFTER if p['down'] else UP_AFTER)} {p['percent']}"
    instant = p["period"].startswith("as of ")
    word = "" if instant else rng.choice(["In ", "In ", "For "])
    when = p["period"] if not instant else p["period"][0].upper() + p["period"][1:]
    return f"{word}{when}, {says}." if first else f"{says} {word.lower()}{p['period']}."


def faults(text, facts):
    """What a sentence says wrong, leaves out or adds, by rule."""
    p = parts(facts)
    found, rest = [], text
    for name in ("period", "amount", "percent"):
        if p[name]:
            at = rest.lower().find(p[name].lower())
            if at < 0:
                found.append(f"no {name}")
            else:
                rest = rest[:at] + " " + rest[at + len(p[name]):]
    for name in ("company", "label"):
        at = rest.lower().find(p[name].lower())
        if at < 0:
            found.append(f"no {name}")
        else:
            rest = rest[:at] + " " + rest[at + len(p[name]):]
    if re.search(r"\d", rest):
        found.append("another number")
    words = re.findall(r"[a-z]+", re.sub(r"'s?\b", " ", rest.lower()))
    directions = {d for w in words for d, known in (("up", RISE), ("down", FALL)) if w in known and not (w == "went" or (w in RISE and w in FALL))}
    if p["percent"] and directions != {"down" if p["down"] else "up"}:
        found.append("direction")
    if not p["percent"] and directions:
        found.append("a change that is not given")
    added = [w for w in words if w not in PLAIN | RISE | FALL]
    if added:
        found.append("added: " + " ".join(added))
    return found


LABELS = {   # Line of a table -> unit.
    "train": {"Net sales": "USD", "Revenues": "USD", "Operating profit": "USD", "Net earnings": "USD", "Cost of goods sold": "USD", "Interest expense": "USD",
              "Income taxes": "USD", "Capital spending": "USD", "Inventories": "USD", "Long-term debt": "USD", "Segment sales": "USD", "Franchise fees": "USD",
              "Licence income": "USD", "Freight costs": "USD", "Wages": "USD", "Dividends paid": "USD", "Goodwill": "USD", "Shares outstanding": "count",
              "Stores": "count", "Employees": "count", "Orders shipped": "count", "Paid seats": "count", "Earnings per share": "USD/share",
              "Tonnes sold": "tonnes", "Rooms booked": "count", "Price per unit": "USD/unit", "Gross margin": "USD", "Deposits": "USD"},
    "test": {"Total revenues": "USD", "Operating income": "USD", "Net income": "USD", "Membership fees": "USD", "Advertising expense": "USD", "Total assets": "USD",
             "Gross merchandise volume": "USD", "Cash and cash equivalents": "USD", "Research and development": "USD", "Active buyers": "count",
             "Warehouses": "count", "Diluted earnings per share": "USD/share", "Accounts payable": "USD", "Cloud services revenues": "USD", "Units": "count",
             "Selling, general and administrative expenses": "USD", "Marketing spend": "USD", "Barrels": "barrels"}}


def finding(rng, companies, labels):
    """A finding of one figure and, mostly, the one before; its amounts are drawn over the scales that reports print."""
    company, label = rng.choice(companies), rng.choice(sorted(labels))
    unit, scale = labels[label], 10 ** rng.randint(4, 11)
    if "/" in labels[label]:
        scale = 10
    value = round(rng.uniform(0.11, 1) * scale, 2 if "/" in unit else 0)
    before = value * rng.choice([rng.uniform(0.55, 0.99), rng.uniform(1.01, 1.8), rng.uniform(0.9, 1.1)])
    year, (month, days) = rng.randint(2001, 2027), rng.choice(list({"01": 31, "03": 31, "05": 31, "06": 30, "09": 30, "12": 31, "02": 28, "08": 31}.items()))
    kind = rng.choices(["year", "quarter", "half", "nine_months", "instant"], [50, 20, 8, 7, 15])[0]
    months = dict(zip("01 02 03 05 06 08 09 12".split(), "January February March May June August September December".split()))
    date = f"{months[month]} {days - rng.choice([0, 0, 1, 3])}, {year}"
    period = {"year": "the fiscal year ended ", "quarter": "the three months ended ", "half": "the six months ended ",
              "nine_months": "the nine months ended ", "instant": "as of "}[kind] + date
    figure = {"company": company, "metric": label.lower(), "label": label, "period_end": f"{year}-{month}-28", "period": period,
              "value": f"{value:.2f}" if "/" in unit else str(int(value)), "amount": str(value), "scale": 1, "unit": unit, "as_printed": str(value),
              "doc": "drawn", "page": None}
    change = round((value - before) / before * 100, 1)
    computed = [] if rng.random() < 0.2 else [{"op": "pct_change", "args": [0, 1], "value": f"{change:.1f}", "unit": "%"}]
    return {"id": "t1", "kind": "figure", "company": company, "subject": label.lower(), "section": label, "figures": [figure], "computed": computed,
            "cites": [{"doc": "drawn", "page": None, "quote": label}], "note": ""}


def write(text):
    return json.dumps({"text": text}, ensure_ascii=False, separators=(",", ":"))
