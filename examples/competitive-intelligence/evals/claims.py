"""Writes single claims the way a summarizer would, and reads the numbers back out of a text.

A claim is {"text", "cites": [{"doc", "page", "quote"}]} and, where a figure was calculated, "computed". Besides that the
builder keeps what it needs to plant an error: the figure's row and period, the words that carry number, unit, year,
company and sign.
"""
import re
from decimal import ROUND_HALF_UP, Decimal

import filings
from build_questions import compute

UNIT_WORDS = {"billion": Decimal(10) ** 9, "million": Decimal(10) ** 6, "thousand": Decimal(10) ** 3}
NUMBER = re.compile(r"(?<![\w.])(\d[\d,]*(?:\.\d+)?)(?:\s+(billion|million|thousand))?(?![\w-])", re.I)
# Words for a loss, by metric; the filings print losses in brackets.
LOSSES = {"net income (loss)": "a net loss", "North America operating income (loss)": "an operating loss in its North America segment",
          "International operating loss": "an operating loss in its International segment",
          "diluted earnings per share": "a diluted loss per share", "diluted net income (loss) per share": "a diluted loss per share"}
QUARTERS = {"Q1FY2024": "the three months ended April 30, 2023", "Q1FY2023": "the three months ended April 30, 2022",
            "Q3FY2023": "the 12 weeks ended May 7, 2023", "Q3FY2022": "the 12 weeks ended May 8, 2022",
            "9MFY2023": "the 36 weeks ended May 7, 2023", "9MFY2022": "the 36 weeks ended May 8, 2022"}
SALESFORCE_QUARTERS = {"Q2FY2024": "the three months ended July 31, 2023", "Q2FY2023": "the three months ended July 31, 2022",
                       "H1FY2024": "the six months ended July 31, 2023", "H1FY2023": "the six months ended July 31, 2022"}


def possessive(name):
    return name + ("'" if name.endswith("s") else "'s")


def metric_words(row):
    """The metric in running text: a positive figure of 'net income (loss)' is called net income."""
    words = row.metric.replace(" (loss)", "").replace(" at period end", "")
    return words.removeprefix(row.company + " ")


def period(row, token):
    """Words for a period; parts of a year are named by their last day, as the documents do."""
    if row.company == "Salesforce" and token in SALESFORCE_QUARTERS:
        return SALESFORCE_QUARTERS[token]
    if token in QUARTERS and row.company in ("Walmart", "Costco"):
        return QUARTERS[token]
    return filings.period_words(row.company, token)


def rounded(value, digits):
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def amount(value, row, style):
    """A figure in running text: '$611.3 billion', '$243 million', '65.8 million', '$4.27', '23.5%'."""
    value = abs(value)
    if row.unit == "percent":
        return f"{value}%"
    if row.unit == "percentage points":
        return f"{value} percentage points"
    if row.unit == "USD/share":
        return f"${value}"
    dollar = "$" if row.unit == "USD" else ""
    whole = value * filings.SCALES[row.scale]
    if whole >= UNIT_WORDS["billion"] and style != "millions":
        return f"{dollar}{rounded(whole / UNIT_WORDS['billion'], 1)} billion"
    if whole >= UNIT_WORDS["million"] and not (row.unit == "count" and row.scale == "units"):
        digits = 0 if style == "millions" and row.unit == "USD" and value != rounded(value, 0) else 1
        shown = whole / UNIT_WORDS["million"]
        shown = rounded(shown, 0) if shown == rounded(shown, 0) else rounded(shown, digits or 1)
        return f"{dollar}{shown:,} million"
    return f"{dollar}{whole:,.0f}"


def level(row, token, style, quote):
    """States one figure of one period."""
    value = filings.number(row.values[token])
    shown, when = amount(value, row, style), period(row, token)
    if value < 0:
        text = f"{row.company} reported {LOSSES[row.metric]} of {shown} in {when}."
        sign = ("loss", "profit")
    elif row.unit == "count":
        at = "at the end of" if token.startswith("FY") else "in"
        text = f"{row.company} counted {shown} {metric_words(row)} {at} {when}."
        sign = None
    else:
        verb = {0: "came to", 1: "amounted to", 2: "reached"}[len(row.key) % 3]
        text = f"{possessive(row.company)} {metric_words(row)} {verb} {shown} in {when}."
        sign = None
    return {"text": text, "cites": [cite(row, quote)], "row": row, "token": token, "shown": shown, "when": when, "sign": sign,
            "kind": "level"}


def cite(row, quote):
    return {"doc": row.doc, "page": row.page, "quote": quote}


def change(row, new, old, style, quote, with_levels):
    """States how a figure changed between two periods; the percentage is computed from the two printed figures."""
    a, b = filings.number(row.values[new]), filings.number(row.values[old])
    percent = compute("pct_change", [a, b])
    verb = "rose" if percent > 0 else "fell"
    shown = f"{rounded(abs(percent), 1)}%"
    when = period(row, new)
    subject = f"{possessive(row.company)} {metric_words(row)}"
    if with_levels:
        text = f"{subject} {verb} {shown} to {amount(a, row, style)} in {when}."
    else:
        text = f"{subject} {verb} by {shown} in {when}."
    return {"text": text, "cites": [cite(row, quote)], "row": row, "token": new, "old": old, "shown": shown, "when": when,
            "sign": (verb, "fell" if verb == "rose" else "rose"), "kind": "change",
            "computed": {"op": "pct_change", "args": [row.values[new], row.values[old]], "result": float(rounded(percent, 1)),
                         "unit": "percent"}}


def share(part, whole, token, quotes):
    percent = compute("share", [filings.number(part.values[token]), filings.number(whole.values[token])])
    shown = f"{rounded(percent, 1)}%"
    when = period(part, token)
    cites = [cite(part, quotes[0])]
    if (whole.doc, whole.page) != (part.doc, part.page) or quotes[1] != quotes[0]:
        cites.append(cite(whole, quotes[1]))
    text = f"{part.metric[0].upper()}{part.metric[1:]} equalled {shown} of {possessive(part.company)} {whole.metric} in {when}."
    return {"text": text, "cites": cites, "row": part, "token": token, "shown": shown, "when": when, "sign": None, "kind": "share",
            "computed": {"op": "share", "args": [part.values[token], whole.values[token]],
                         "result": float(rounded(percent, 1)), "unit": "percent"}}


def other_period(a, token_a, b, token_b):
    """' in fiscal 2022' for the second company of a comparison when its year has another name."""
    return "" if period(a, token_a) == period(b, token_b) else f" in {period(b, token_b)}"


def versus(a, token_a, b, token_b, what, quotes):
    """Compares one measure of two companies: how many times as large."""
    ratio = compute("ratio", [filings.number(a.values[token_a]), filings.number(b.values[token_b])])
    shown = f"{rounded(ratio, 1)} times"
    text = (f"{possessive(a.company)} {what} of {amount(filings.number(a.values[token_a]), a, '')} in {period(a, token_a)} "
            f"was {shown} that of {b.company}{other_period(a, token_a, b, token_b)}.")
    return {"text": text, "cites": [cite(a, quotes[0]), cite(b, quotes[1])], "row": a, "token": token_a, "shown": shown,
            "when": period(a, token_a), "sign": None, "kind": "versus", "other": b.company,
            "computed": {"op": "ratio", "args": [a.values[token_a], b.values[token_b]],
                         "result": float(rounded(ratio, 1)), "unit": "times"}}


def exceeds(a, token_a, b, token_b, what, quotes):
    """Compares one measure of two companies: by how much one exceeds the other. Both rows have one unit and scale."""
    gap = compute("difference", [filings.number(a.values[token_a]), filings.number(b.values[token_b])])
    shown = amount(gap, a, "")
    old, new = ("exceeded", "fell short of") if gap > 0 else ("fell short of", "exceeded")
    text = (f"{possessive(a.company)} {what} in {period(a, token_a)} {old} that of {b.company}"
            f"{other_period(a, token_a, b, token_b)} by {shown}.")
    return {"text": text, "cites": [cite(a, quotes[0]), cite(b, quotes[1])], "row": a, "token": token_a, "shown": shown,
            "when": period(a, token_a), "sign": (old, new), "kind": "exceeds", "other": b.company,
            "computed": {"op": "difference", "args": [a.values[token_a], b.values[token_b]], "result": float(gap),
                         "unit": f"{a.unit} {a.scale}"}}


def numbers_in(text):
    """[(value in units, decimals shown, words)] of every number of a text except years, days of a date and bare names."""
    out = []
    dates = [m.span() for m in re.finditer(r"(?:January|February|March|April|May|June|July|August|September|October|November|"
                                           r"December) \d{1,2}(?:, (?:19|20)\d\d)?|\b(?:19|20)\d\d\b(?! (?:million|billion|times|percent))",
                                           text)]
    for m in NUMBER.finditer(text):
        if any(s <= m.start() < e for s, e in dates):
            continue
        digits = m[1].replace(",", "")
        scale = UNIT_WORDS[m[2].lower()] if m[2] else Decimal(1)
        decimals = len(digits.split(".")[1]) if "." in digits else 0
        out.append((Decimal(digits) * scale, scale.scaleb(-decimals), m[0]))
    return out


def years_in(text):
    return set(re.findall(r"(?<![\d$,.])((?:19|20)\d\d)(?!\d|,\d|\.\d| million| billion)", text))
