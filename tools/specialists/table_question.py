"""A question about one table, as the SQL specialist reads it, and its answer as data: what training and serving share.

`prompt` writes the question, then one line a column: its name, `#` for numbers, and the cells that the question names.
The answer is one JSON array, [aggregate, column, condition, ...] with each condition [column, operator, value], conditions in
the order of the columns. `contract` is the JSON Schema of the answers that one table and one question allow: columns of the
header, texts that are cells of their column, numbers that the question holds. `to_sql` writes SQLite's SQL.
All of it depends on the question and the table alone.
"""
import json
import re

SYSTEM = "Table to query"
AGGREGATES = ["", "MAX", "MIN", "COUNT", "SUM", "AVG"]
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
LINKS_MAX = 3           # Cells that one column shows.
LINK_LENGTH_MAX = 60    # Characters of a cell that is shown.
CELLS_MAX = 120         # Cells of one column that a contract lists.
STOP = {"a", "an", "the", "in", "of", "is", "are", "was", "were", "on", "at", "to", "and", "or", "by", "for", "what", "which",
        "who", "when", "where", "how", "many", "much", "did", "does", "do", "with", "that", "has", "have", "had", "it", "as",
        "from", "be", "no", "not", "than", "there", "i", "s", "me", "his", "her", "their"}


def words(text):
    return re.findall(r"[^\W_]+", text.lower())


def numbers_of(question):
    """Numbers that the question holds, in figures or in words up to twelve, in order, each once."""
    found = [(m.start(), float(m[0].replace(",", ""))) for m in
             re.finditer(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?|(?<!\d)\.\d+", question)]
    found += [(m.start(), float(WORDS.index(m[0].lower()))) for m in re.finditer(r"\b(?:%s)\b" % "|".join(WORDS), question, re.I)]
    return [plain(v) for v in dict.fromkeys(v for _, v in sorted(found))]


def plain(value):
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value


def cells(table, column):
    return list(dict.fromkeys(row[column] for row in table["rows"] if row[column] is not None))


def positions(question):
    """The question's letters and digits in one piece, and the offsets at which a word begins or ends."""
    joined, begins, ends = "", set(), set()
    for word in words(question):
        begins.add(len(joined))
        joined += word
        ends.add(len(joined))
    return joined, begins, ends


def links(question, table, column):
    """Cells of a column that stand in the question word for word (case, spaces and marks set aside), longest first."""
    if table["types"][column] == "number":
        held = numbers_of(question)
        return [plain(v) for v in cells(table, column) if isinstance(v, (int, float)) and plain(v) in held]
    joined, begins, ends = positions(question)
    spans = []
    for cell in cells(table, column):
        key = "".join(words(str(cell)))
        if not key or key in STOP:
            continue
        at = joined.find(key)
        while at >= 0:
            if at in begins and at + len(key) in ends:
                spans.append((at, at + len(key), cell))
                break
            at = joined.find(key, at + 1)
    spans.sort(key=lambda s: (s[0] - s[1], s[0]))
    kept = []
    for begin, end, cell in spans:
        if not any(b <= begin and end <= e and (b, e) != (begin, end) for b, e, _ in kept):
            kept.append((begin, end, cell))
    return [cell for _, _, cell in kept]


def prompt(question, table):
    lines = [question]
    for i, (name, kind) in enumerate(zip(table["header"], table["types"])):
        found = [str(cell) for cell in links(question, table, i) if len(str(cell)) <= LINK_LENGTH_MAX][:LINKS_MAX]
        lines.append(name + (" #" if kind == "number" else "") + (" = " + " | ".join(found) if found else ""))
    return "\n".join(lines)


def allowed(answer, question, table):
    """Whether an answer keeps to what `contract` says of its conditions' values."""
    for name, operator, value in answer[2:]:
        i = table["header"].index(name)
        known = links(question, table, i) if table["types"][i] == "text" else numbers_of(question)
        if value not in (known or cells(table, i)):
            return False
    return len(answer) <= 6


CONDITION = re.compile(r""""((?:[^"]|"")*)" (=|<|>) ('(?:[^']|'')*'|-?[\d.]+(?:e[+-]?\d+)?)""")


def answer_of(sql, table):
    """The answer as data of SQL of the data set's form."""
    head, _, tail = sql.partition(" WHERE ")
    column = re.fullmatch(r'SELECT (?:([A-Z]+)\()?"((?:[^"]|"")*)"\)? FROM t', head)
    order = {name: i for i, name in enumerate(table["header"])}
    conditions = []
    for name, operator, value in CONDITION.findall(tail):
        value = value[1:-1].replace("''", "'") if value[0] == "'" else plain(float(value))
        conditions.append([name.replace('""', '"'), operator, value])
    conditions.sort(key=lambda c: order[c[0]])
    return [column[1] or "", column[2].replace('""', '"'), *conditions]


def write(answer):
    """The answer's text: JSON without spaces."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


def to_sql(answer):
    def quoted(name):
        return '"' + name.replace('"', '""') + '"'

    def literal(value):
        return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)
    aggregate, column, *conditions = answer
    what = f"{aggregate}({quoted(column)})" if aggregate else quoted(column)
    where = " AND ".join(f"{quoted(name)} {operator} {literal(value)}" for name, operator, value in conditions)
    return f"SELECT {what} FROM t" + (f" WHERE {where}" if where else "")


def contract(question, table):
    """JSON Schema of the answers."""
    held = numbers_of(question)
    conditions, seen = [], set()
    for i, (name, kind) in enumerate(zip(table["header"], table["types"])):
        if name in seen:
            continue
        seen.add(name)
        values = cells(table, i)
        if kind == "number":
            allowed = held
            operators = ["=", "<", ">"]
        else:
            linked = links(question, table, i)
            allowed = linked or values[:CELLS_MAX]
            operators = ["="]
        if allowed:
            conditions.append({"type": "array", "prefixItems": [{"const": name}, {"enum": operators}, {"enum": allowed}],
                               "items": False, "minItems": 3})
    schema = {"type": "array", "minItems": 2, "maxItems": 6,
              "prefixItems": [{"enum": AGGREGATES}, {"enum": sorted(seen)}], "items": {"anyOf": conditions}}
    if not conditions:
        schema["items"] = False
    return schema
