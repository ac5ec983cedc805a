"""Figures of the public filings that the question and report sets are made of.

filing_rows.psv holds one row of a filing a line: where it stands (document, page), what it measures, the row's label and
the figures exactly as printed. This module reads that list, and the text of the filings when it is on hand
(`$CONSORT_DATA/corpus/text/NAME.txt`: pdftotext -layout, a form feed between pages, page numbers from 1).
"""
import os
import re
from dataclasses import dataclass, field
from decimal import Decimal

HERE = os.path.dirname(os.path.abspath(__file__))
SCALES = {"units": Decimal(1), "thousands": Decimal(10) ** 3, "millions": Decimal(10) ** 6, "billions": Decimal(10) ** 9}
MAX_QUOTE_WORDS = 25

# (company, period token) -> last day of the period.
PERIOD_ENDS = {
    "General Mills": {"FY2022": "2022-05-29", "FY2021": "2021-05-30", "FY2020": "2020-05-31"},
    "Kraft Heinz": {"FY2022": "2022-12-31", "FY2021": "2021-12-25", "FY2020": "2020-12-26"},
    "Walmart": {"FY2023": "2023-01-31", "FY2022": "2022-01-31", "FY2021": "2021-01-31",
                "Q1FY2024": "2023-04-30", "Q1FY2023": "2022-04-30"},
    "Costco": {"FY2022": "2022-08-28", "FY2021": "2021-08-29", "FY2020": "2020-08-30",
               "Q3FY2023": "2023-05-07", "Q3FY2022": "2022-05-08", "9MFY2023": "2023-05-07", "9MFY2022": "2022-05-08"},
    "Amazon": {"FY2022": "2022-12-31", "FY2021": "2021-12-31", "FY2020": "2020-12-31"},
    "eBay": {"FY2022": "2022-12-31", "FY2021": "2021-12-31", "FY2020": "2020-12-31",
             "Q2FY2023": "2023-06-30", "Q2FY2022": "2022-06-30"},
    "Salesforce": {"FY2023": "2023-01-31", "FY2022": "2022-01-31", "FY2021": "2021-01-31",
                   "Q2FY2024": "2023-07-31", "Q2FY2023": "2022-07-31", "H1FY2024": "2023-07-31", "H1FY2023": "2022-07-31"},
    "Oracle": {"FY2023": "2023-05-31", "FY2022": "2022-05-31", "FY2021": "2021-05-31"},
}
# Companies that call their year by the calendar, and so write "in 2022" and not "in fiscal 2022".
CALENDAR_YEAR = {"Kraft Heinz", "Amazon", "eBay"}


def period_words(company, token):
    """How a writer names the period: 'fiscal 2023', '2022', 'the first quarter of fiscal 2024'."""
    head, year = token.split("FY")
    year = year if company in CALENDAR_YEAR else "fiscal " + year
    names = {"": "{}", "Q1": "the first quarter of {}", "Q2": "the second quarter of {}", "Q3": "the third quarter of {}",
             "H1": "the first half of {}", "9M": "the first 36 weeks of {}"}
    return names[head].format(year)


def number(printed):
    """Decimal value of a figure as printed: '(2,722)' is negative, commas and a dollar sign are dropped."""
    negative = printed.startswith("(")
    value = Decimal(re.sub(r"[^0-9.]", "", printed))
    return -value if negative else value


def normal(text):
    """Text with every run of white space made one space, so that a table row can be compared."""
    return " ".join(text.split())


@dataclass
class Row:
    key: str
    company: str
    doc: str
    page: int
    metric: str
    label: str
    unit: str
    scale: str
    values: dict
    quote: str = ""
    extra: dict = field(default_factory=dict)

    def figure(self, token):
        printed = self.values[token]
        return {"metric": self.metric, "company": self.company, "period_end": PERIOD_ENDS[self.company][token],
                "value": float(number(printed)), "unit": self.unit, "scale": self.scale, "as_printed": printed}


def load_rows(path=os.path.join(HERE, "filing_rows.psv")):
    rows = {}
    with open(path, encoding="utf-8") as lines:
        for n, line in enumerate(lines, 1):
            if line.startswith("#") or not line.strip():
                continue
            cells = line.rstrip("\n").split("|")
            if len(cells) != 10:
                raise ValueError(f"{path}:{n}: {len(cells)} cells, expected 10")
            key, company, doc, page, metric, label, unit, scale, values, quote = cells
            values = dict(v.split("=") for v in values.split(";"))
            if key in rows or scale not in SCALES or any(t not in PERIOD_ENDS[company] for t in values):
                raise ValueError(f"{path}:{n}: key used twice, unknown scale or unknown period")
            rows[key] = Row(key, company, doc, int(page), metric, label, unit, scale, values, quote)
    return rows


class Corpus:
    """Pages of documents: {name: [page text, ...]}, page 1 first."""

    def __init__(self, folder):
        self.folder = folder
        self.pages = {}

    def page(self, doc, number_from_1):
        if doc not in self.pages:
            with open(os.path.join(self.folder, doc + ".txt"), encoding="utf-8", errors="replace") as f:
                self.pages[doc] = f.read().split("\f")
        pages = self.pages[doc]
        if not 1 <= number_from_1 <= len(pages):
            raise ValueError(f"{doc} has no page {number_from_1}")
        return pages[number_from_1 - 1]


def real_corpus():
    """Corpus of the real filings, or None when CONSORT_DATA does not name them."""
    data = os.environ.get("CONSORT_DATA", "")
    folder = os.path.join(data, "corpus", "text")
    return Corpus(folder) if data and os.path.isdir(folder) else None


def row_quote(row, corpus):
    """The row as it stands on its page (white space made single, at most 25 words), or ValueError."""
    page = corpus.page(row.doc, row.page)
    if row.quote:
        if row.quote not in normal(page):
            raise ValueError(f"{row.key}: quote not on {row.doc} page {row.page}")
        missing = [v for v in row.values.values() if v not in row.quote]
        if missing:
            raise ValueError(f"{row.key}: {missing} not in the quote")
        return row.quote
    for line in page.split("\n"):
        line = normal(line)
        if not line.startswith(row.label):
            continue
        rest, found = line[len(row.label):], True
        at = 0
        for printed in row.values.values():
            at = rest.find(printed, at)
            if at < 0:
                found = False
                break
            at += len(printed)
        if found:
            return " ".join((row.label + rest).split(" ")[:MAX_QUOTE_WORDS])
    raise ValueError(f"{row.key}: no line '{row.label}' with {list(row.values.values())} on {row.doc} page {row.page}")
