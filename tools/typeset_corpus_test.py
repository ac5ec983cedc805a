#!/usr/bin/env python3
"""Tests of typeset_corpus.py. Run: python3 tools/typeset_corpus_test.py; those that read a PDF back need pdftotext."""
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import typeset_corpus as tc

SOURCE = """# Title (with brackets) and a back\\slash

A paragraph that is long enough to be wrapped, because it goes on and on about nothing in particular and then goes on a
little more, with a price of $1,234 and an accent: café.

| Name | 2022 | 2021 |
|---|---:|---:|
| Alpha | 1,234.5 | 99 |
| Beta and Gamma | 7 | (2,722) |

\\pagebreak

## Second page

- one
- two
"""


class TypesetCorpus(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, text):
        path = os.path.join(self.folder, "X_DIGEST.md")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def run_tool(self, *argv):
        self.said = io.StringIO()
        with contextlib.redirect_stderr(self.said):
            return tc.main(["--out", self.folder, *argv])

    def pages(self):
        run = subprocess.run(["pdftotext", "-layout", os.path.join(self.folder, "X_DIGEST.pdf"), "-"], check=True,
                             capture_output=True, timeout=60)
        self.assertEqual(run.stderr, b"")
        return run.stdout.decode().split("\f")

    def test_the_bundled_pdfs_are_what_their_sources_give(self):
        self.assertEqual(tc.main(["--check"]), 0)

    def test_the_same_source_gives_the_same_bytes(self):
        path = self.write(SOURCE)
        self.assertEqual(tc.pdf_bytes(*tc.typeset(tc.parse(path))), tc.pdf_bytes(*tc.typeset(tc.parse(path))))

    @unittest.skipUnless(shutil.which("pdftotext"), "pdftotext is missing")
    def test_text_and_pages_read_back(self):
        self.assertEqual(self.run_tool(self.write(SOURCE)), 0)
        first, second, *_ = self.pages()
        self.assertIn("Title (with brackets) and a back\\slash", first)
        self.assertIn("café", first)
        self.assertIn("Second page", second)
        self.assertNotIn("Second page", first)
        self.assertIn("Page 2 of 2", second)

    @unittest.skipUnless(shutil.which("pdftotext"), "pdftotext is missing")
    def test_figures_of_a_column_end_at_one_place(self):
        self.run_tool(self.write(SOURCE))
        rows = [line for line in self.pages()[0].split("\n") if re.match(r"(Name|Alpha|Beta and Gamma) ", line)]
        self.assertEqual([re.split(r" {2,}", r.strip()) for r in rows],
                         [["Name", "2022", "2021"], ["Alpha", "1,234.5", "99"], ["Beta and Gamma", "7", "(2,722)"]])
        ends = [max(m.end() for m in re.finditer(r"\S+", r)) for r in rows]
        self.assertLessEqual(max(ends) - min(ends), 3)

    @unittest.skipUnless(shutil.which("pdftotext"), "pdftotext is missing")
    def test_a_long_table_repeats_its_heading_on_the_next_page(self):
        body = "".join(f"| row {i} | {i} |\n" for i in range(90))
        self.run_tool(self.write("# T\n\n| Name | Value of it |\n|---|---:|\n" + body))
        pages = [p for p in self.pages() if p.strip()]
        self.assertGreater(len(pages), 1)
        for page in pages:
            self.assertIn("Value of it", page)
        self.assertEqual(sorted({int(n) for p in pages for n in re.findall(r"row (\d+)", p)}), list(range(90)))

    def test_what_cannot_be_set_is_refused_with_file_and_line(self):
        for text, line in (("# T\n\n<b>x</b>\n", 3), ("# T\n\n| a | b |\n|---|---|\n| 1 |\n", 5), ("# T\n\n```\n", 3),
                           ("# T\n\nsnow \u2603\n", 3), ("# T\n\n| a | b |\n", 3)):
            self.assertEqual(self.run_tool(self.write(text)), 2, text)
            self.assertIn(f"X_DIGEST.md:{line}:", self.said.getvalue())
            self.assertFalse(os.path.exists(os.path.join(self.folder, "X_DIGEST.pdf")))

    def test_check_notices_a_stale_pdf_and_writes_nothing(self):
        path = self.write(SOURCE)
        self.assertEqual(self.run_tool("--check", path), 1)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "X_DIGEST.pdf")))


if __name__ == "__main__":
    unittest.main()
