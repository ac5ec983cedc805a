#!/usr/bin/env python3
"""The official JSON-Schema-Test-Suite as a generator: a mask accepts exactly the valid instances.

    mask_suite.py MASK_PROBE [LEAST [-v]]

Every required test of 2020-12: the instance's text is fed to the mask of its schema, with objects open and
keys in any order. A refused schema counts as a failure of its tests, but never as a wrong answer: exit 1 if
any test is wrong (accepted and invalid, or rejected and valid) or fewer than LEAST pass.
"""
import collections
import json
import sys

import official_suite



def main():
    suite = official_suite.files()
    if suite is None:
        print("left out: JSON-Schema-Test-Suite (neither CONSORT_DATA nor the fetched package has it)")
        return 0
    probe = official_suite.Probe(sys.argv[1])
    least = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    for name, text in suite.items():
        if name.startswith("remotes/") and not name.startswith(("remotes/draft3/", "remotes/v1/")):
            probe.ask(op="register", uri="http://localhost:1234/" + name[len("remotes/"):], schema=json.loads(text))
    count = collections.Counter()
    refused = collections.Counter()
    wrong = []
    for name, text in sorted(suite.items()):
        if not name.startswith("tests/draft2020-12/") or "/optional/" in name:
            continue
        for group in json.loads(text):
            texts = [json.dumps(test["data"], ensure_ascii=False) for test in group["tests"]]
            answer = probe.ask(op="accepts", schema=group["schema"], dialect=4, formats=False, texts=texts)
            if "refused" in answer:
                # A schema without values has no mask: that is the right answer if all are invalid.
                empty = answer["refused"] == 2203 and not any(test["valid"] for test in group["tests"])
                count["right" if empty else "refused"] += len(texts)
                if not empty:
                    message = answer["message"].split(": ", 1)[-1]
                    refused[f"{answer['refused']} {answer['keyword'] if answer['refused'] >= 2201 else ''} {message}"] += len(texts)
                continue
            for test, accepted in zip(group["tests"], answer["accepted"]):
                if accepted == test["valid"]:
                    count["right"] += 1
                else:
                    count["wrong"] += 1
                    wrong.append((name.split("/")[-1], group["description"], test["description"], accepted))
    print(f"2020-12 as a generator: {count['right']} of {sum(count.values())} right, {count['refused']} refused, "
          f"{count['wrong']} wrong")
    for message, n in refused.most_common():
        print(f"  refused {n:4d}: {message}")
    for one in wrong:
        print("  wrong:", *one, sep=" | ")
    return 1 if wrong or count["right"] < least else 0


if __name__ == "__main__":
    sys.exit(main())
