#!/usr/bin/env python3
"""Validator against the package `jsonschema-rs` on real schemas: same answers, and how long each takes.

    validate.py PROBE [FILES_MAX]

Reads $CONSORT_DATA/schemas/maskbench. Each instance is asked of both in one run: the least of some
repetitions, instance already read (ours into a Value, the peer's into Python objects, whose walk is
part of its time, as it is for whoever calls it from Python). `format` is a note for both; the dialect
is the schema's, else 2020-12. Exit 1 if an answer differs.
"""
import collections
import json
import os
import sys
import tarfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tests/contract"))
from official_suite import Probe  # noqa: E402

REPEAT = 15


def quantile(values, share):
    return sorted(values)[int(share * (len(values) - 1))]


def main():
    try:
        import jsonschema_rs
    except ImportError:
        print("left out: the peer (Python package jsonschema-rs is not installed)")
        return 0
    root = os.environ.get("CONSORT_DATA")
    path = Path(root or "", "schemas/maskbench/data_half.tar.gz")
    if not root or not path.exists():
        print("left out: MaskBench (CONSORT_DATA does not name a folder that has it)")
        return 0
    probe = Probe(sys.argv[1])
    most = int(sys.argv[2]) if len(sys.argv) > 2 else 10**9
    ours, theirs, ratios, differ = [], [], [], []
    refused, peer_refused, labels = collections.Counter(), 0, collections.Counter()
    with tarfile.open(path) as tar:
        for n, entry in enumerate(e for e in tar if e.name.endswith(".json")):
            if n >= most:
                break
            case = json.load(tar.extractfile(entry))
            if not case["tests"]:
                continue
            schema, values = case["schema"], [t["data"] for t in case["tests"]]
            answer = probe.ask(op="timed", schema=schema, dialect=4, formats=False, values=values, repeat=REPEAT)
            try:
                peer = jsonschema_rs.validator_for(schema, validate_formats=False)
            except Exception:
                peer_refused += 1
                continue
            if "refused" in answer:
                refused[f"{answer['refused']} {answer['message'][:60]}"] += 1
                continue
            for test, verdict, ns in zip(case["tests"], answer["verdicts"], answer["ns"]):
                best = 10**12
                for _ in range(REPEAT):
                    start = time.perf_counter_ns()
                    expected = peer.is_valid(test["data"])
                    best = min(best, time.perf_counter_ns() - start)
                labels[test["valid"], verdict] += 1
                if expected != verdict:
                    differ.append(f"{entry.name}: peer {expected} ours {verdict} label {test['valid']} ({test['description']})")
                ours.append(ns)
                theirs.append(best)
                ratios.append(ns / best)
    print(f"pairs {len(ours)}; refused by us {sum(refused.values())} {dict(refused)}; refused by the peer {peer_refused}")
    print(f"us: ours p50 {quantile(ours, .5) / 1e3:.2f} p99 {quantile(ours, .99) / 1e3:.2f} max {max(ours) / 1e3:.0f}; "
          f"jsonschema-rs {jsonschema_rs.__version__ if hasattr(jsonschema_rs, '__version__') else ''} "
          f"p50 {quantile(theirs, .5) / 1e3:.2f} p99 {quantile(theirs, .99) / 1e3:.2f} max {max(theirs) / 1e3:.0f}")
    print(f"ours / peer, a pair at a time: p50 {quantile(ratios, .5):.2f} p99 {quantile(ratios, .99):.2f}")
    print(f"labels: valid and found so {labels[True, True]}, valid but refused {labels[True, False]}, "
          f"invalid and found so {labels[False, False]}, invalid but accepted {labels[False, True]}")
    print(f"differences {len(differ)}")
    for line in differ[:40]:
        print("  " + line)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
