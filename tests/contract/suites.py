#!/usr/bin/env python3
"""Runs public suites and a peer validator against the contract kernel.

    suites.py PROBE [json] [peer]

The suites are read from $CONSORT_DATA/schemas; without it they are left out, and a line says so. The
peer is the `jsonschema` package; without it that part is left out likewise. Exit 1 on any wrong answer.
"""
import collections
import json
import os
import random
import sys
import tarfile

from official_suite import Probe


def archive(*parts):
    root = os.environ.get("CONSORT_DATA")
    path = os.path.join(root, "schemas", *parts) if root else ""
    if not root or not os.path.exists(path):
        print(f"left out: {'/'.join(parts)} (CONSORT_DATA does not name a folder that has it)")
        return None
    return tarfile.open(path)


def json_suite(probe):
    tar = archive("json_test_suite", "test_parsing.tar.gz")
    if tar is None:
        return 0
    wrong, count = [], collections.Counter()
    for entry in tar:
        name = os.path.basename(entry.name)
        if not entry.isfile() or not name.endswith(".json"):
            continue
        ok = probe.ask(op="parse", text=tar.extractfile(entry).read().hex())["ok"]
        count[name[0], ok] += 1
        if (name[0] == "y" and not ok) or (name[0] == "n" and ok):
            wrong.append(name)
    print(f"JSONTestSuite: y_ accepted {count['y', True]}, n_ refused {count['n', False]}, "
          f"i_ accepted {count['i', True]} refused {count['i', False]}, wrong {len(wrong)}", *wrong)
    return len(wrong)


def random_schema(rng, depth=3):
    """A schema of the subset on which Python's `re` and ECMA-262 agree."""
    kind = rng.choice(["integer", "number", "string", "boolean", "null", "enum", "array", "object", "anyOf", "pattern",
                       "types", "allOf", "date"] if depth > 0 else ["integer", "number", "string", "enum", "boolean"])
    maybe = lambda p=0.4: rng.random() < p
    if kind in ("integer", "number"):
        s = {"type": kind}
        low = rng.choice([-10, 0, 1, 2.5, 100, -0.5])
        if maybe():
            s[rng.choice(["minimum", "exclusiveMinimum"])] = low
        if maybe():
            s[rng.choice(["maximum", "exclusiveMaximum"])] = low + rng.choice([1, 5, 20, 1000])
        if maybe(0.25):
            s["multipleOf"] = rng.choice([1, 2, 3, 5, 10, 0.5, 0.25])
        return s
    if kind == "string":
        s = {"type": "string"}
        low = rng.randint(0, 4)
        if maybe():
            s["minLength"] = low
        if maybe():
            s["maxLength"] = low + rng.randint(0, 12)
        return s
    if kind == "pattern":
        s = {"type": "string", "pattern": rng.choice(
            ["^[A-Z]{2,4}$", "^\\w+@\\w+$", "a", "^(yes|no|maybe)$", "^[^\"\\\\]{1,8}$", "^[0-9]{4}-[0-9]{2}\\Z"[:18] + "$",
             "^(a|b)*c", "^-?[0-9]+(\\.[0-9]+)?$"])}
        if maybe(0.2):
            s["maxLength"] = rng.randint(4, 10)
        return s
    if kind == "date":
        return {"type": "string", "format": "date"}
    if kind == "enum":
        pool = ["red", "green", "b\"l\\ue", "", 1, 1.5, True, None, -3, "é", [1, "x"], {"k": 1}, "1"]
        return {"enum": rng.sample(pool, rng.randint(1, 5))} if maybe(0.8) else {"const": rng.choice(pool)}
    if kind in ("boolean", "null"):
        return {"type": kind}
    if kind == "types":
        return {"type": rng.sample(["null", "boolean", "integer", "string", "number"], rng.randint(1, 3)), "maximum": 50,
                "minLength": 1}
    if kind == "array":
        s = {"type": "array"}
        if maybe(0.9):
            s["items"] = random_schema(rng, depth - 1) if maybe(0.9) else rng.choice([True, False])
        if maybe(0.3):
            s["prefixItems"] = [random_schema(rng, depth - 1) for _ in range(rng.randint(1, 3))]
        low = rng.randint(0, 3)
        if maybe():
            s["minItems"] = low
        if maybe():
            s["maxItems"] = low + rng.randint(0, 3)
        return s
    if kind == "object":
        names = rng.sample(["a", "b", "name", "a b", "\"q\"", "é", "value", "id", "items"], rng.randint(0, 5))
        s = {"type": "object", "properties": {n: random_schema(rng, depth - 1) for n in names}}
        if maybe(0.7):
            s["required"] = [n for n in names if maybe(0.6)] + (["more"] if maybe(0.1) else [])
        if maybe(0.5):
            s["additionalProperties"] = rng.choice([False, False, True, {"type": "integer"}])
        if maybe(0.15):
            s["minProperties"] = rng.randint(0, 3)
        if maybe(0.15):
            s["maxProperties"] = rng.randint(2, 5)
        return s
    if kind == "anyOf":
        return {"anyOf": [random_schema(rng, depth - 1) for _ in range(rng.randint(1, 3))]}
    return {"allOf": [random_schema(rng, depth - 1) for _ in range(2)]}


def mutated(rng, value):
    """A value near `value`."""
    if rng.random() < 0.3 or not isinstance(value, (list, dict, str, int, float)) or value in ([], {}, ""):
        return rng.choice([None, True, 0, -1, 1.5, 3, 7.25, "", "a", "red", "2024-02-30", "2024-02-29", [], {}, [1],
                           {"a": 1}, 1.0, "é", 100, 10 ** 30])
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + rng.choice([-1, 1, 0.5, 0.25, 10])
    if isinstance(value, str):
        at = rng.randrange(len(value))
        return rng.choice([value[:at] + value[at + 1:], value[:at] + "x" + value[at:], value + "\n", value * 2])
    if isinstance(value, list):
        copy = list(value)
        at = rng.randrange(len(copy))
        if rng.random() < 0.3:
            del copy[at]
        elif rng.random() < 0.3:
            copy.append(copy[at])
        else:
            copy[at] = mutated(rng, copy[at])
        return copy
    copy = dict(value)
    key = rng.choice(sorted(copy))
    if rng.random() < 0.3:
        del copy[key]
    elif rng.random() < 0.3:
        copy["zz"] = copy[key]
    else:
        copy[key] = mutated(rng, copy[key])
    return copy


def peer(probe, count=2000, seed=11):
    try:
        import jsonschema
    except ImportError:
        print("left out: peer validator (the Python package jsonschema is not installed)")
        return 0
    rng = random.Random(seed)
    checker = jsonschema.FormatChecker(formats=["date"])
    pairs = wrong = refused = valid = 0
    for i in range(count):
        schema = random_schema(rng)
        drawn = probe.ask(op="examples", schema=schema, seed=i * 100, n=6)
        if "refused" in drawn:
            refused += 1
            continue
        values = drawn["values"]
        values = values + [mutated(rng, v) for v in values] + [mutated(rng, None) for _ in range(3)]
        verdicts = probe.ask(op="validate", schema=schema, values=values)["verdicts"]
        oracle = jsonschema.Draft202012Validator(schema, format_checker=checker)
        for value, verdict in zip(values, verdicts):
            pairs += 1
            # Python's `$` also matches before a last line feed, ECMA-262's does not.
            if "\\n" in json.dumps(value) and "pattern" in json.dumps(schema):
                continue
            expected = oracle.is_valid(value)
            valid += expected
            if expected != verdict:
                wrong += 1
                print("  wrong:", json.dumps(schema), json.dumps(value), "peer", expected, "ours", verdict)
    print(f"peer jsonschema: {pairs} pairs on {count} schemas ({refused} refused), {valid} valid, wrong {wrong}")
    return wrong


def main():
    probe = Probe(sys.argv[1])
    chosen = sys.argv[2:] or ["json", "peer"]
    runs = {"json": json_suite, "peer": peer}
    return 1 if sum(runs[name](probe) for name in chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
