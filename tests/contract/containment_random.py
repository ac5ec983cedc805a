#!/usr/bin/env python3
"""Random pairs of schemas with every keyword: no "contained" that a sampled value contradicts.

    containment_random.py PROBE [PAIRS] [SEED]

Refutations are checked inside (the witness, by the validator); a proof has no witness, so here values
near both schemas, judged by the validator, try to break it. Exit 1 if one does.
"""
import collections
import json
import random
import sys

from official_suite import Probe

KEYS = ["a", "b", "ab", "c", ""]


def scalar(rng):
    return rng.choice([None, True, False, 0, 1, 2, 3, -1, 1.5, 6, 12, "", "a", "ab", "b", "aaa", "ba"])


def value(rng, depth=2):
    roll = rng.random()
    if depth == 0 or roll < 0.4:
        return scalar(rng)
    if roll < 0.7:
        return [value(rng, depth - 1) for _ in range(rng.randint(0, 3))]
    return {rng.choice(KEYS): value(rng, depth - 1) for _ in range(rng.randint(0, 3))}


def schema(rng, depth=2):
    if rng.random() < 0.08:
        return rng.random() < 0.6
    result = {}
    below = (lambda: schema(rng, depth - 1)) if depth > 0 else (lambda: rng.choice([True, False, {"type": "integer"}]))
    for _ in range(rng.randint(1, 3)):
        kind = rng.randrange(25 if depth > 0 else 11)
        if kind < 2:
            result["type"] = rng.sample(["null", "boolean", "integer", "number", "string", "array", "object"], rng.randint(1, 3))
        elif kind == 2:
            result["enum"] = [value(rng, 1) for _ in range(rng.randint(1, 4))]
        elif kind == 3:
            result[rng.choice(["minimum", "exclusiveMinimum"])] = rng.choice([-1, 0, 1, 2.5])
        elif kind == 4:
            result[rng.choice(["maximum", "exclusiveMaximum"])] = rng.choice([0, 2, 3, 6.5])
        elif kind == 5:
            result["multipleOf"] = rng.choice([1, 2, 3, 0.5, 1.5])
        elif kind == 6:
            result[rng.choice(["minLength", "maxLength"])] = rng.randint(0, 3)
        elif kind == 7:
            result["pattern"] = rng.choice(["^a", "b$", "^a*$", "^(a|b){2}$", "a"])
        elif kind == 8:
            result[rng.choice(["minItems", "maxItems", "minProperties", "maxProperties"])] = rng.randint(0, 2)
        elif kind == 9:
            result["required"] = rng.sample(KEYS, rng.randint(0, 2))
        elif kind == 10:
            result["uniqueItems"] = True
        elif kind < 13:
            result["properties"] = {k: below() for k in rng.sample(KEYS, rng.randint(1, 2))}
        elif kind == 13:
            result["additionalProperties"] = below()
        elif kind == 14:
            result["patternProperties"] = {rng.choice(["^a", "b"]): below()}
        elif kind == 15:
            result["items"] = below()
        elif kind == 16:
            result["prefixItems"] = [below() for _ in range(rng.randint(1, 2))]
        elif kind == 17:
            result["contains"] = below()
            if rng.random() < 0.4:
                result[rng.choice(["minContains", "maxContains"])] = rng.randint(0, 2)
        elif kind < 20:
            result[rng.choice(["anyOf", "oneOf", "allOf"])] = [below() for _ in range(rng.randint(1, 3))]
        elif kind == 20:
            result["not"] = below()
        elif kind == 21:
            result.update({"if": below(), "then": below(), "else": below()})
        elif kind == 22:
            result["propertyNames"] = rng.choice([{"maxLength": 1}, {"pattern": "a"}, {"enum": ["a", "b"]}])
        elif kind == 23:
            result["dependentRequired"] = {rng.choice(KEYS): [rng.choice(KEYS)]}
        else:
            result[rng.choice(["unevaluatedProperties", "unevaluatedItems"])] = rng.choice([False, {"type": "integer"}])
    return result


def main():
    probe = Probe(sys.argv[1])
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 5)
    count, broken = collections.Counter(), 0
    for _ in range(pairs):
        a = schema(rng)
        b = schema(rng)
        if rng.random() < 0.4 and isinstance(a, dict):
            b = {"anyOf": [b, {"not": {"not": a}}]} if rng.random() < 0.5 else {"allOf": [{"anyOf": [a, b]}]}
        answer = probe.ask(op="standard_contains", a=a, b=b, dialect=4, formats=False)
        verdict = answer.get("answer", "refused")
        count[verdict] += 1
        if verdict != "contained":
            continue
        values = [value(rng, 3) for _ in range(60)]
        valid_a = probe.ask(op="standard", schema=a, dialect=4, formats=False, values=values)["verdicts"]
        valid_b = probe.ask(op="standard", schema=b, dialect=4, formats=False, values=values)["verdicts"]
        for one, in_a, in_b in zip(values, valid_a, valid_b):
            count["values in a"] += in_a
            if in_a and not in_b:
                broken += 1
                print("  wrong: contained, but", json.dumps(one), "|", json.dumps(a), "|", json.dumps(b))
                break
    print(f"random containment: {dict(count)}, wrong {broken}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
