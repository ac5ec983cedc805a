"""Training rows and an evaluation of the analyzer's task: question + table -> SQL (data set analyzer/wikisql).

    CONSORT_DATA=... python tools/make_sql_rows.py rows train.jsonl.gz 300 > rows.jsonl
    CONSORT_DATA=... python tools/make_sql_rows.py eval dev.jsonl 30 --consort build/release/consort --model REF [--adapter FILE]

`eval` asks the serving path for each question, runs the SQL it writes in SQLite, and compares the rows.
"""
import argparse
import gzip
import json
import os
import pathlib
import random
import sqlite3
import subprocess


def lines(path):
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt") as f:
        for line in f:
            yield json.loads(line)


def prompt(question, table):
    """Columns with their type and two values, so that text conditions can be copied."""
    columns = []
    for i, (name, kind) in enumerate(zip(table["header"], table["types"])):
        values = [str(row[i]) for row in table["rows"][:2] if row[i] is not None]
        columns.append(f'"{name}" {kind} ({"; ".join(v[:24] for v in values)})')
    return f"Table t: {', '.join(columns)}\nQuestion: {question}\nSQL:"


def same_rows(found, wanted):
    def key(row):
        return [("n", f"{float(v):.9g}") if isinstance(v, (int, float)) else ("t", str(v)) for v in row]
    return sorted(map(key, found)) == sorted(map(key, wanted))


def execute(table, sql):
    db = sqlite3.connect(":memory:")
    quoted = ['"' + h.replace('"', '""') + '"' for h in table["header"]]
    kinds = ["NUMERIC" if t == "number" else "TEXT" for t in table["types"]]
    db.execute(f"CREATE TABLE t ({', '.join(f'{q} {k}' for q, k in zip(quoted, kinds))})")
    db.executemany(f"INSERT INTO t VALUES ({','.join('?' * len(quoted))})", table["rows"])
    try:
        return db.execute(sql).fetchall()
    except (sqlite3.Error, sqlite3.Warning):
        return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["rows", "eval"])
    parser.add_argument("file")
    parser.add_argument("n", type=int)
    parser.add_argument("--consort", default="build/release/consort")
    parser.add_argument("--model", default="smollm2-135m:q4_1")
    parser.add_argument("--adapter")
    args = parser.parse_args()
    folder = pathlib.Path(os.environ["CONSORT_DATA"]) / "analyzer" / "wikisql"
    items = list(lines(folder / args.file))
    random.Random(5).shuffle(items)
    items = items[:args.n]
    wanted = {i["table_id"] for i in items}
    tables = {t["table_id"]: t for t in lines(folder / "tables.jsonl.gz") if t["table_id"] in wanted}
    if args.what == "rows":
        for item in items:
            print(json.dumps({"prompt": prompt(item["question"], tables[item["table_id"]]), "completion": item["sql"]}))
        return
    right = ran = 0
    for item in items:
        table = tables[item["table_id"]]
        command = [args.consort, "-q", "generate", args.model, "--prompt", prompt(item["question"], table),
                   "--max-tokens", "80", *(["--adapter", args.adapter] if args.adapter else [])]
        sql = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        found = execute(table, sql)
        ran += found is not None
        right += found is not None and same_rows(found, item["answer"])
    print(json.dumps({"n": len(items), "executable": ran, "right": right}))


if __name__ == "__main__":
    main()
