"""Every error number of the sources has a page in the catalogue of `consort explain`.

Numbers are read from the sources, not from a list: `ErrorCode::x, 1234`, `? 1101 : 1102`, `.number = 6001`.
"""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PATTERNS = [
    re.compile(r"ErrorCode::\w+\s*,\s*(\d{4})\b"),
    re.compile(r"\?\s*(\d{4})\s*:\s*\d{4}\b"),
    re.compile(r"\?\s*\d{4}\s*:\s*(\d{4})\b"),
    re.compile(r"\.number\s*=\s*(\d{4})\b"),
]


def sources():
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix in (".cc", ".h") and not path.stem.endswith(("_test", "_bench")) and "test_" not in path.stem:
            yield path, re.sub(r"//[^\n]*", "", path.read_text())


def used():
    numbers = {}
    for path, text in sources():
        for pattern in PATTERNS:
            for match in pattern.finditer(text):
                numbers.setdefault(int(match[1]), set()).add(str(path.relative_to(ROOT)))
    return numbers


def pages():
    text = (ROOT / "src/base/error_catalog.cc").read_text()
    return [int(n) for n in re.findall(r"^    \{(\d{4}), \"", text, re.M)]


class ErrorCatalog(unittest.TestCase):
    def test_every_number_of_the_sources_has_a_page(self):
        numbers = used()
        self.assertGreater(len(numbers), 100, "the patterns no longer find the numbers")
        known = set(pages())
        missing = {n: sorted(where) for n, where in sorted(numbers.items()) if n not in known and n != 0}
        self.assertEqual(missing, {})

    def test_pages_ascend_without_repetition(self):
        numbers = pages()
        self.assertEqual(numbers, sorted(set(numbers)))


if __name__ == "__main__":
    unittest.main()
