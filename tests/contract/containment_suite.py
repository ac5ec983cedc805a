#!/usr/bin/env python3
"""Runs the public containment suite, by dialect, against the solver.

    containment_suite.py PROBE [draft7 draft2020-12 ...]

The suite is read from $CONSORT_DATA/schemas; without it it is left out, and a line says so. Prints the
answers, the share that was decided, and the time of one question. Exit 1 on any wrong answer.
SHOW_UNKNOWN=n prints n open questions of each dialect.
"""
import collections
import json
import os
import sys
import tarfile

from official_suite import Probe, files

try:
    import jsonschema
except ImportError:
    jsonschema = None

# Unicode's letters and digits for \\w and \\d, which ECMA-262 does not have; formats that are notes here.
LEFT_OUT = ("optional/unicode.json", "optional/format/iri.json", "optional/format/uri-template.json")
# Labels that are wrong: jsonschema 4.26 refutes each with our witness, or accepts the constant that we say is contained.
# Older releases cannot load some of these schemas.
DISPUTED = frozenset("""
tests/draft2020-12/nonvalid/ref.json 14
tests/draft2020-12/universal/anchor.json 4
tests/draft2020-12/universal/ref.json 12
tests/draft2020-12/universal/ref.json 14
tests/draft2020-12/universal/ref.json 15
tests/draft2020-12/universal/unevaluatedProperties.json 19
tests/draft2020-12/unsatisfiable/dynamicRef.json 1
tests/draft2020-12/unsatisfiable/dynamicRef.json 2
tests/draft2020-12/unsatisfiable/dynamicRef.json 9
tests/draft2020-12/unsatisfiable/id.json 2
tests/draft7/universal/id.json 1
tests/draft7/unsatisfiable/id.json 1
tests/draft7/unsatisfiable/ref.json 13
tests/draft7/unsatisfiable/ref.json 17
tests/draft7/valid/optional/content.json 2
tests/draft7/valid/optional/content.json 5
tests/draft7/valid/optional/content.json 8
tests/draft7/valid/optional/content.json 9
""".strip().splitlines())
DIALECTS = ["draft4", "draft6", "draft7", "draft2019-09", "draft2020-12"]


def confirmed(dialect, a, b, answer):
    """Does another validator (the `jsonschema` package) stand by our answer against the suite's label?

    A refutation needs its witness valid in `a` and not in `b`. A proof can be stood by only where `a` is
    one constant. Formats are left to the suite, and so are schemas the other validator cannot load.
    """
    try:
        kind = {"draft7": jsonschema.Draft7Validator, "draft2020-12": jsonschema.Draft202012Validator}[dialect]
        if answer["answer"] == "refuted":
            return kind(a).is_valid(answer["witness"]) and not kind(b).is_valid(answer["witness"])
        return isinstance(a, dict) and set(a) == {"const"} and "format" not in b and kind(b).is_valid(a["const"])
    except Exception:
        return False


def main():
    root = os.environ.get("CONSORT_DATA")
    path = os.path.join(root, "schemas/containment/tests_half.tar.gz") if root else ""
    if not path or not os.path.exists(path):
        print("left out: containment suite (CONSORT_DATA does not name a folder that has it)")
        return 0
    probe = Probe(sys.argv[1])
    for name, text in (files() or {}).items():
        if name.startswith("remotes/") and not name.startswith(("remotes/draft3/", "remotes/v1/")):
            probe.ask(op="register", uri="http://localhost:1234/" + name[len("remotes/"):], schema=json.loads(text))
    chosen = sys.argv[2:] or ["draft7", "draft2020-12"]
    count = {d: collections.Counter() for d in chosen}
    times = {d: [] for d in chosen}
    reasons = {d: collections.Counter() for d in chosen}
    wrong, disputed, stood_by = 0, 0, 0
    with tarfile.open(path) as tar:
        for entry in sorted(tar, key=lambda e: e.name):
            parts = entry.name.split("/")
            if not entry.name.endswith(".json") or len(parts) < 3 or parts[1] not in chosen:
                continue
            if entry.name.endswith(LEFT_OUT):
                continue
            dialect = parts[1]
            for pair in json.load(tar.extractfile(entry)):
                for key, expected in pair["tests"].items():
                    if key not in ("s1SubsetEqOfs2", "s2SubsetEqOfs1") or not isinstance(expected, bool):
                        continue
                    one, two = pair["schema1"], pair["schema2"]
                    a, b = (one, two) if key == "s1SubsetEqOfs2" else (two, one)
                    answer = probe.ask(op="standard_contains", a=a, b=b, dialect=DIALECTS.index(dialect),
                                       formats="optional/format/" in entry.name)
                    got = answer.get("answer", "refused")
                    count[dialect][got] += 1
                    times[dialect].append(answer.get("us", 0.0))
                    if got in ("unknown", "refused"):
                        why = answer["reason"] if got == "unknown" else f"{answer['refused']} {answer['message']}"
                        reasons[dialect][why] += 1
                        if reasons[dialect].total() <= int(os.environ.get("SHOW_UNKNOWN", "0")):
                            print(f"  {got}: {entry.name} {json.dumps(a)[:300]} in {json.dumps(b)[:300]} expected {expected}: {why}")
                    elif (got == "contained") != expected and f"{entry.name} {pair.get('id')}" in DISPUTED:
                        disputed += 1
                        stood_by += confirmed(dialect, a, b, answer)
                    elif (got == "contained") != expected:
                        wrong += 1
                        print(f"  wrong: {entry.name} {pair.get('id')} {json.dumps(a)[:300]} in {json.dumps(b)[:300]} expected "
                              f"{expected} got {got} {json.dumps(answer['witness'])[:100]}")
    for dialect in chosen:
        c, t = count[dialect], sorted(times[dialect]) or [0]
        decided = c["contained"] + c["refuted"]
        print(f"{dialect}: {c.total()} questions, contained {c['contained']}, refuted {c['refuted']}, unknown {c['unknown']}, "
              f"refused {c['refused']}: decided {100 * decided / max(c.total(), 1):.2f} %; us p50 {t[len(t) // 2]:.0f} "
              f"p99 {t[int(len(t) * 0.99)]:.0f} max {t[-1]:.0f}")
        for why, n in reasons[dialect].most_common(12):
            print(f"    {n:5d} {why}")
    print("left out:", *LEFT_OUT)
    print(f"containment: wrong {wrong}; of the disputed labels {disputed} differ, {stood_by} of them refuted by the installed jsonschema too")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
