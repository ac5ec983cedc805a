"""Text of the bundled corpus by document and page: PDFs through pdftotext, pages from 1; other files whole, page None."""
import csv
import html
import os
import re
import subprocess

import filings

CORPUS = os.path.join(os.path.dirname(filings.HERE), "corpus")


class BundledCorpus:
    def __init__(self):
        self.files = {}
        for folder, _, names in os.walk(CORPUS):
            for name in names:
                self.files[os.path.splitext(name)[0]] = os.path.join(folder, name)
        self.pages = {}

    def page(self, doc, number):
        if doc not in self.files:
            raise ValueError(f"no document {doc} in the bundled corpus")
        path = self.files[doc]
        if path.endswith(".pdf"):
            if doc not in self.pages:
                run = subprocess.run(["pdftotext", "-layout", path, "-"], check=True, capture_output=True, timeout=60)
                self.pages[doc] = run.stdout.decode("utf-8").split("\f")
            if number is None or not 1 <= number <= len(self.pages[doc]):
                raise ValueError(f"{doc} has no page {number}")
            return self.pages[doc][number - 1]
        if number is not None:
            raise ValueError(f"{doc} has no pages")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        if path.endswith(".html"):
            return html.unescape(re.sub(r"<[^>]+>", " ", text))
        if path.endswith(".csv"):
            return "\n".join("  ".join(row) for row in csv.reader(text.splitlines()))
        return text.replace("|", " ")


def bundled_corpus():
    return BundledCorpus()
