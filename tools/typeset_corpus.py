#!/usr/bin/env python3
"""Typesets the bundled corpus: turns each corpus-src/NAME_DIGEST.md into corpus/filings/NAME_DIGEST.pdf.

    tools/typeset_corpus.py [--check] [--out DIR] [FILE.md ...]

Writes PDF directly with the Python standard library: the 14 standard fonts, so nothing is embedded; uncompressed
streams, no dates and no random ids, so the same source gives the same bytes. With --check nothing is written and the
exit status is 1 when a PDF differs from what its source gives.

The Markdown understood: `# ## ###` headings, paragraphs, `- ` lists, pipe tables (a `---:` column is set right-aligned)
and a line `\\pagebreak`. Anything else on a line of its own (HTML, code fences, images) is refused with file and line,
because text that silently vanished could not be cited. Tables are set in real columns, so `pdftotext -layout` gives them
back as columns; a row never breaks across pages and the heading row is repeated on the next page.
"""
import argparse
import os
import re
import sys

PAGE_W, PAGE_H = 612, 792  # US letter, points
LEFT, RIGHT, TOP, BOTTOM = 64, 548, 724, 72
TEXT_W = RIGHT - LEFT
BODY, LEAD = 10.0, 14.0
HEADINGS = {1: (18.0, 26.0), 2: (13.5, 22.0), 3: (11.0, 18.0)}
TABLE, TABLE_LEAD, CELL_GAP = 8.8, 13.0, 10.0

# Advance widths of characters 32..126, in 1/1000 em (Adobe Core 14 metrics).
_REGULAR = [278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278] + [556] * 10 + [
    278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667,
    778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556,
    556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584]
_BOLD = [278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278] + [556] * 10 + [
    333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778, 667,
    778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556, 333, 556, 611, 556, 611, 556, 333, 611,
    611, 278, 278, 556, 278, 889, 611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584]
WIDTHS = {"F1": _REGULAR, "F2": _BOLD}


class SourceError(Exception):
    """A source that cannot be typeset; the text says file, line and what to change."""


def text_width(text, font, size):
    table = WIDTHS[font]
    return sum(table[ord(c) - 32] if 32 <= ord(c) <= 126 else 556 for c in text) * size / 1000


def wrap(text, font, size, width):
    lines, line = [], ""
    for word in text.split():
        trial = f"{line} {word}" if line else word
        if line and text_width(trial, font, size) > width:
            lines.append(line)
            line = word
        else:
            line = trial
    return lines + [line] if line else lines


def parse(path):
    """Blocks of a source: ('heading', level, text), ('para', text), ('item', text), ('table', rows, right), ('break',)."""
    blocks, para, table = [], [], []

    def flush():
        if para:
            blocks.append(("para", " ".join(para)))
            para.clear()
        if table:
            if len(table) < 3 or not all(re.fullmatch(r":?-+:?", c) for c in table[1][1]):
                raise SourceError(f"{path}:{table[0][0]}: a table needs a heading row, a |---| row and a body")
            ragged = [n for n, cells in table if len(cells) != len(table[0][1])]
            if ragged:
                raise SourceError(f"{path}:{ragged[0]}: this row has another number of cells than the heading row")
            right = [c.endswith(":") for c in table[1][1]]
            blocks.append(("table", [cells for n, cells in table if n != table[1][0]], right))
            table.clear()

    with open(path, encoding="utf-8") as source:
        for n, raw in enumerate(source, 1):
            line = raw.rstrip("\n")
            try:
                line.encode("cp1252")
            except UnicodeEncodeError as e:
                raise SourceError(f"{path}:{n}: {line[e.start]!r} is not in the standard fonts (Windows-1252)") from e
            if line.startswith("|"):
                if para:
                    flush()
                table.append((n, [c.strip() for c in line.strip().strip("|").split("|")]))
                continue
            if table:
                flush()
            heading = re.fullmatch(r"(#{1,3}) (.+)", line)
            if not line.strip():
                flush()
            elif heading:
                flush()
                blocks.append(("heading", len(heading[1]), heading[2].strip()))
            elif line.strip() == "\\pagebreak":
                flush()
                blocks.append(("break",))
            elif line.startswith("- "):
                flush()
                blocks.append(("item", line[2:].strip()))
            elif line.startswith(("<", "```", "![", "#")):
                raise SourceError(f"{path}:{n}: {line.split()[0]!r} is not in the Markdown that this script sets")
            else:
                para.append(line.strip())
    flush()
    if not blocks:
        raise SourceError(f"{path}: nothing to typeset")
    return blocks


class Pages:
    """Sets lines on pages from the top down; `ops` of a page are PDF text operators."""

    def __init__(self):
        self.pages = []
        self.new_page()

    def new_page(self):
        self.pages.append([])
        self.y = TOP

    def room(self, height):
        return self.y - height >= BOTTOM

    def need(self, height):
        if not self.room(height):
            self.new_page()

    def put(self, x, text, font, size):
        raw = text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
        self.pages[-1].append(b"BT /%s %.1f Tf %.2f %.2f Td (%s) Tj ET" %
                              (font.encode(), size, x, self.y, raw))

    def rule(self, weight):
        self.pages[-1].append(b"%.2f w %.2f %.2f m %.2f %.2f l S" % (weight, LEFT, self.y + 9.5, RIGHT, self.y + 9.5))


def column_widths(rows, right):
    """Natural widths; when they do not fit, the left-aligned columns share what is left and are wrapped."""
    columns = range(len(rows[0]))
    natural = [max(text_width(r[c], "F2" if i == 0 else "F1", TABLE) for i, r in enumerate(rows)) for c in columns]
    room = TEXT_W - CELL_GAP * (len(natural) - 1)
    if sum(natural) <= room:
        natural[0] += room - sum(natural)
        return natural
    fixed = sum(w for c, w in enumerate(natural) if right[c])
    flexible = sum(w for c, w in enumerate(natural) if not right[c])
    if flexible == 0 or fixed >= room:
        raise SourceError("a table is wider than the page")
    return [w if right[c] else w * (room - fixed) / flexible for c, w in enumerate(natural)]


def set_table(pages, rows, right):
    widths = column_widths(rows, right)

    def set_row(cells, font):
        wrapped = [wrap(c, font, TABLE, widths[i] + 0.01) or [""] for i, c in enumerate(cells)]
        height = max(len(w) for w in wrapped)
        for k in range(height):
            x = LEFT
            for i, lines in enumerate(wrapped):
                if k < len(lines):
                    shift = widths[i] - text_width(lines[k], font, TABLE) if right[i] else 0
                    pages.put(x + shift, lines[k], font, TABLE)
                x += widths[i] + CELL_GAP
            pages.y -= TABLE_LEAD
        return height

    def height_of(cells, font):
        return TABLE_LEAD * max(len(wrap(c, font, TABLE, widths[i] + 0.01)) for i, c in enumerate(cells))

    def set_heading():
        set_row(rows[0], "F2")
        pages.rule(0.7)

    pages.need(3 * TABLE_LEAD)
    set_heading()
    for cells in rows[1:]:
        if not pages.room(height_of(cells, "F1")):
            pages.new_page()
            set_heading()
        set_row(cells, "F1")
    pages.rule(0.4)
    pages.y -= 8


def typeset(blocks):
    pages = Pages()
    title = next((b[2] for b in blocks if b[0] == "heading"), "")
    for i, block in enumerate(blocks):
        kind = block[0]
        if kind == "break":
            pages.new_page()
        elif kind == "heading":
            size, lead = HEADINGS[block[1]]
            follows = 3 * TABLE_LEAD if i + 1 < len(blocks) and blocks[i + 1][0] == "table" else LEAD
            pages.need(lead + follows)
            for line in wrap(block[2], "F2", size, TEXT_W):
                pages.put(LEFT, line, "F2", size)
                pages.y -= lead
        elif kind == "para":
            for line in wrap(block[1], "F1", BODY, TEXT_W):
                pages.need(LEAD)
                pages.put(LEFT, line, "F1", BODY)
                pages.y -= LEAD
            pages.y -= 6
        elif kind == "item":
            for k, line in enumerate(wrap(block[1], "F1", BODY, TEXT_W - 14)):
                pages.need(LEAD)
                if k == 0:
                    pages.put(LEFT + 2, "-", "F1", BODY)
                pages.put(LEFT + 14, line, "F1", BODY)
                pages.y -= LEAD
            if i + 1 == len(blocks) or blocks[i + 1][0] != "item":
                pages.y -= 6
        else:
            set_table(pages, block[1], block[2])
    for n, ops in enumerate(pages.pages, 1):
        footer = Pages()
        footer.y = 44
        footer.put(LEFT, title, "F1", 8.0)
        mark = f"Page {n} of {len(pages.pages)}"
        footer.put(RIGHT - text_width(mark, "F1", 8.0), mark, "F1", 8.0)
        ops.extend(footer.pages[0])
    return title, pages.pages


def pdf_bytes(title, pages):
    def escape(text):
        return text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")

    first_page = 6
    kids = b" ".join(b"%d 0 R" % (first_page + 2 * i) for i in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
        b"<< /Title (%s) /Producer (typeset_corpus.py) >>" % escape(title),
    ]
    for i, ops in enumerate(pages):
        stream = b"\n".join(ops) + b"\n"
        objects.append(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> "
                       b"/Contents %d 0 R >>" % (PAGE_W, PAGE_H, first_page + 2 * i + 1))
        objects.append(b"<< /Length %d >>\nstream\n%sendstream" % (len(stream), stream))
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for n, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (n, body)
    xref = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % o for o in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, xref)
    return bytes(out)


def main(argv):
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    example = os.path.join(root, "examples", "competitive-intelligence")
    folder = os.path.join(example, "corpus-src")
    parser = argparse.ArgumentParser(description="Typeset the bundled corpus: Markdown to PDF.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a PDF is not up to date")
    parser.add_argument("--out", default=os.path.join(example, "corpus", "filings"), help="folder of the PDFs")
    parser.add_argument("sources", nargs="*", help="Markdown files (default: every .md of the bundled corpus's filings)")
    args = parser.parse_args(argv)
    sources = args.sources or sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith("_DIGEST.md"))
    stale = 0
    for source in sources:
        try:
            data = pdf_bytes(*typeset(parse(source)))
        except (SourceError, OSError) as e:
            print(f"typeset_corpus: {e}", file=sys.stderr)
            return 2
        target = os.path.join(args.out, os.path.splitext(os.path.basename(source))[0] + ".pdf")
        old = None
        if os.path.exists(target):
            with open(target, "rb") as f:
                old = f.read()
        if args.check:
            stale += old != data
            if old != data:
                print(f"typeset_corpus: {target} is not what {os.path.basename(source)} gives; run this without --check",
                      file=sys.stderr)
        elif old != data:
            with open(target, "wb") as f:
                f.write(data)
            print(f"{target}: {data.count(b'/Type /Page ')} pages, {len(data)} bytes", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
