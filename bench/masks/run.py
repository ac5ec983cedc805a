#!/usr/bin/env python3
"""Masks on MaskBench: schemas passing, and what a token and a compilation cost, beside peers.

    run.py MASK_BENCH MODEL.gguf [--every N] [--from I] [--peers] [--time-limit S] [--json OUT]

Reads schemas/maskbench under CONSORT_DATA. A schema passes if it is compiled, every valid instance is
accepted with the end token, and every invalid one is rejected. Peers are the Python packages llguidance
and xgrammar where they are installed; they get the same tokens, one thread, in the same run.
"""
import argparse
import collections
import json
import os
import subprocess
import sys
import tarfile


import peers


def cases(every, start):
    path = os.path.join(os.environ["CONSORT_DATA"], "schemas/maskbench/data_half.tar.gz")
    found = []
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile():
                found.append((os.path.basename(member.name), json.load(tar.extractfile(member))))
    found.sort(key=lambda f: f[0])
    return [(name, case) for name, case in found[start::every]]


def quantiles(samples):
    if not samples:
        return "-"
    samples = sorted(samples)
    at = lambda share: samples[min(len(samples) - 1, int(share * len(samples)))]
    return f"{at(0.5):.1f} / {at(0.99):.1f} / {samples[-1]:.0f}"


class Tally:
    def __init__(self, name):
        self.name = name
        self.n = self.passing = self.refused = self.crash = 0
        self.rejects_valid, self.accepts_invalid = [], []
        self.compile_us, self.mask_us, self.reasons = [], [], collections.Counter()
        self.tokens = self.forced = 0

    def add(self, name, case, answer):
        self.n += 1
        if answer.get("crash"):
            self.crash += 1
            return
        if not answer["compiled"]:
            self.refused += 1
            self.reasons[answer.get("reason", "?")] += 1
            return
        self.compile_us.append(answer["compile_us"])
        good = True
        for test, result in zip(case["tests"], answer["tests"]):
            self.mask_us += result["us"]
            self.tokens += len(result["us"])
            self.forced += result.get("n_forced", 0)
            if result["accepted"] != test["valid"]:
                good = False
                (self.rejects_valid if test["valid"] else self.accepts_invalid).append(name)
        self.passing += good

    def row(self):
        compile_ms = [us / 1000 for us in self.compile_us]
        over = sum(ms > 1000 for ms in compile_ms)
        return (f"| {self.name} | {self.passing} of {self.n} ({100 * self.passing / max(self.n, 1):.1f} %) "
                f"| {self.refused} | {len(set(self.rejects_valid))} | {len(set(self.accepts_invalid))} | {self.crash} "
                f"| {quantiles(self.mask_us)} | {quantiles(compile_ms)} | {over} "
                f"| {100 * self.forced / max(self.tokens, 1):.0f} % |")


def reason(refused):
    message = refused["message"].split(": ", 1)[-1] if refused["message"].startswith("mask of") else refused["message"]
    return f"{refused['code']} {message}"[:110]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--from", dest="start", type=int, default=0)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--list", type=int, default=12)
    options = parser.parse_args()
    chosen = cases(options.every, options.start)
    others = peers.load(options.program, options.model) if options.peers else []
    own = Tally("consort")
    tallies = [own] + [Tally(peer.name) for peer in others]
    start = lambda: subprocess.Popen([options.program, options.model], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True, encoding="utf-8")
    process = start()
    lines = []
    for name, case in chosen:
        texts = [json.dumps(t["data"], ensure_ascii=False) for t in case["tests"]]
        request = json.dumps({"name": name, "schema": case["schema"], "texts": texts})
        try:
            process.stdin.write(request + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
        except (ValueError, BrokenPipeError):
            answer = {"crash": True, "tests": []}
            process = start()
        if answer.get("refused"):
            answer["reason"] = reason(answer["refused"])
        own.add(name, case, answer)
        lines.append({"name": name, **{k: v for k, v in answer.items() if k != "tests"},
                      "tests": [{k: v for k, v in t.items() if k not in ("tokens", "us")} | {
                          "us_max": max(t["us"]) if t.get("us") else None} for t in answer["tests"]]})
        for peer, tally in zip(others, tallies[1:]):
            tally.add(name, case, peer.run(case["schema"], [t["tokens"] for t in answer["tests"]]))
    print("| engine | schemas passing | refused | reject a valid | accept an invalid | crash "
          "| mask + commit us p50 / p99 / max | compile ms p50 / p99 / max | compile over 1 s | forced |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for tally in tallies:
        print(tally.row())
    for tally in tallies:
        print(f"\n{tally.name}: refused by reason")
        for text, count in tally.reasons.most_common(options.list):
            print(f"  {count:5d} {text}")
    print("\nconsort rejects a valid instance of:", sorted(set(own.rejects_valid))[:options.list])
    print("consort accepts an invalid instance of:", sorted(set(own.accepts_invalid))[:options.list])
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            for line in lines:
                out.write(json.dumps(line) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
