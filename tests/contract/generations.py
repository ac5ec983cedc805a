#!/usr/bin/env python3
"""Checks generations under masks with a peer validator.

    generations.py MASK_GENERATE N SEED [MODEL.gguf]

Every text must parse and be valid for the Python package jsonschema (where it is installed; else only
the program's own checks run, and a line says so). Exit 1 on any invalid, cut or stuck generation.
"""
import datetime
import json
import os
import re
import subprocess
import sys


def main():
    program, count, seed = sys.argv[1:4]
    model = sys.argv[4:5]
    if model and not os.path.exists(model[0]):
        print(f"left out: {os.path.basename(model[0])} is not there (make build fetches it)")
        return 0
    try:
        import jsonschema
    except ImportError:
        jsonschema = None
        print("left out: peer validator (the Python package jsonschema is not installed)")
    run = subprocess.run([program, count, seed, *model], stdout=subprocess.PIPE, text=True, encoding="utf-8")
    checked = invalid = skipped = 0
    for line in run.stdout.split("\n"):
        if not line:
            continue
        record = json.loads(line)
        try:
            value = json.loads(record["text"])
        except ValueError as error:
            invalid += 1
            print("not JSON:", record["text"], error)
            continue
        if jsonschema is None:
            continue
        schema = json.dumps(record["schema"])
        if "\\\\p{" in schema:
            # Python's re has no \p: letters are checked by str.isalpha where the pattern is ^\p{L}+$.
            schema = schema.replace("^\\\\p{L}+$", "^[^\\\\W\\\\d_]+$")
            record["schema"] = json.loads(schema)
        # Python's $ also matches before a last line feed: \Z is what ECMA-262's $ is.
        record["schema"] = anchored(record["schema"])
        checked += 1
        checker = jsonschema.FormatChecker(formats=())
        checker.checks("date")(is_date)
        errors = list(jsonschema.Draft202012Validator(record["schema"], format_checker=checker).iter_errors(value))
        if errors:
            if is_letter_mismatch(errors[0]):
                skipped += 1
                continue
            invalid += 1
            print("invalid:", schema, record["text"], errors[0].message)
    print(f"generations checked by the peer {checked}, invalid {invalid}, "
          f"letters newer or older than Python's tables {skipped}")
    return 1 if invalid or run.returncode else 0


def is_date(value):
    """RFC 3339 has a year 0000, a leap year as 2000 is; Python's dates begin at 1."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return not isinstance(value, str)
    try:
        datetime.date.fromisoformat("2000" + value[4:] if value.startswith("0000") else value)
    except ValueError:
        return False
    return True


def anchored(node):
    if isinstance(node, dict):
        return {k: re.sub(r"\$$", r"\\Z", v) if k == "pattern" and isinstance(v, str) else anchored(v)
                for k, v in node.items()}
    return [anchored(v) for v in node] if isinstance(node, list) else node


def is_letter_mismatch(error):
    """\\p{L} by another version of Unicode, or letters that Python counts as digits or not at all."""
    import unicodedata

    def leaves(one):
        return [leaf for inner in one.context for leaf in leaves(inner)] if one.context else [one]

    return any(e.validator == "pattern" and "\\W\\d_" in str(e.validator_value) and
               all(unicodedata.category(c)[0] in "LC" for c in str(e.instance)) for e in leaves(error))


if __name__ == "__main__":
    sys.exit(main())
