#!/usr/bin/env python3
"""Runs the official JSON-Schema-Test-Suite, all five dialects, against the validator.

    official_suite.py PROBE

The suite is read from $CONSORT_DATA/schemas, else from the `jsonschema` source package that
tools/fetch_suites.py brought; without either it is left out, and a line says so. Every required test
counts, and of the optional ones those listed here. Exit 1 on any wrong answer or refused schema.
"""
import collections
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DIALECTS = ["draft4", "draft6", "draft7", "draft2019-09", "draft2020-12"]
FORMATS = ["date", "date-time", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid",
           "json-pointer", "regex"]
OPTIONAL = {"optional/bignum.json", "optional/zeroTerminatedFloats.json", "optional/float-overflow.json",
            "optional/non-bmp-regex.json"} | {f"optional/format/{name}.json" for name in FORMATS}


def files():
    """{path from the suite's root: JSON text}"""
    data = os.environ.get("CONSORT_DATA")
    path = Path(data, "schemas/json_schema_test_suite/tests_and_remotes.tar.gz") if data else None
    if path is None or not path.exists():
        lock = json.loads((ROOT / "tests/contract/suites.lock").read_text())["packages"][0]
        path = ROOT / "models/cache/suites" / lock["file"]
    if not path.exists():
        return None
    result = {}
    with tarfile.open(path) as tar:
        for entry in tar:
            name = entry.name.split("/json/", 1)[-1]
            if entry.isfile() and name.endswith(".json") and name.startswith(("tests/", "remotes/")):
                result[name] = tar.extractfile(entry).read()
    return result


class Probe:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        encoding="utf-8")

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the probe died on: " + json.dumps(request)[:2000])
        return json.loads(line)


def main():
    suite = files()
    if suite is None:
        print("left out: JSON-Schema-Test-Suite (neither CONSORT_DATA nor the fetched package has it)")
        return 0
    probe = Probe(sys.argv[1])
    for name, text in suite.items():
        if name.startswith("remotes/") and not name.startswith(("remotes/draft3/", "remotes/v1/")):
            probe.ask(op="register", uri="http://localhost:1234/" + name[len("remotes/"):], schema=json.loads(text))
    total_wrong = 0
    for dialect, folder in enumerate(DIALECTS):
        count = collections.Counter()
        for name, text in sorted(suite.items()):
            prefix = f"tests/{folder}/"
            below = name[len(prefix):] if name.startswith(prefix) else ""
            optional = below.startswith("optional/")
            if not below or (optional and below not in OPTIONAL):
                continue
            part = "optional" if optional else "required"
            for group in json.loads(text):
                tests = group["tests"]
                answer = probe.ask(op="standard", schema=group["schema"], dialect=dialect,
                                   formats="optional/format/" in name, values=[t["data"] for t in tests])
                if "refused" in answer:
                    count[part, "refused"] += len(tests)
                    print("  refused:", folder, below, "|", group["description"], "|", answer["refused"],
                          answer["message"], answer["place"])
                    continue
                for test, verdict, told in zip(tests, answer["verdicts"], answer["told"]):
                    right = verdict == told == test["valid"]
                    count[part, "right" if right else "wrong"] += 1
                    if not right:
                        print("  wrong:", folder, below, "|", group["description"], "|", test["description"],
                              "| got", verdict, told)
        bad = sum(n for (_, kind), n in count.items() if kind != "right")
        total_wrong += bad
        print(f"{folder}: required {count['required', 'right']} right, {count['required', 'wrong']} wrong, "
              f"{count['required', 'refused']} refused; optional {count['optional', 'right']} right, "
              f"{count['optional', 'wrong']} wrong, {count['optional', 'refused']} refused")
    return 1 if total_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
