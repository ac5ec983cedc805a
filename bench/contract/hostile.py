#!/usr/bin/env python3
"""What schemas made to be costly cost: to compile or refuse, to validate one value, to compare with themselves.

    hostile.py PROBE [REPEAT]

The least of REPEAT (5) runs each, in ms of processor time. Exit 1 if one step takes 50 ms or more.
"""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tests/contract"))
from official_suite import Probe  # noqa: E402

LIMIT_MS = 50


def chain(keyword, n):
    """2^n paths through n definitions."""
    defs = {f"d{i}": {keyword: [{"$ref": f"#/$defs/d{i + 1}"}, {"$ref": f"#/$defs/d{i + 1}"}]} for i in range(n)}
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{n}": {"type": "integer"}}}


def nested(keyword, n, leaf=True):
    for _ in range(n):
        leaf = {keyword: [leaf] if keyword.endswith("Of") else {"a": leaf} if keyword == "properties" else leaf}
    return leaf


def corpus():
    deep = 0
    for _ in range(300):
        deep = {"a": deep}
    yield "allOf of shared refs", chain("allOf", 40), 1
    yield "anyOf of shared refs", chain("anyOf", 40), "x"
    yield "oneOf of shared refs", chain("oneOf", 40), 1
    for keyword in ("not", "allOf", "properties", "items"):
        yield f"{keyword} 390 deep", nested(keyword, 390), deep
        yield f"{keyword} 500 deep", nested(keyword, 500), deep
    yield "anyOf of many oneOf", {"allOf": [{"oneOf": [{"multipleOf": 2 + i + j} for j in range(12)]} for i in range(24)]}, 7
    yield "oneOf of 2,000 refs", {"oneOf": [{"$ref": "#/$defs/a"}] * 2000, "$defs": {"a": {"minLength": 3}}}, "abcd"
    yield "5,000 properties", {"properties": {f"k{i}": {"type": "integer"} for i in range(5000)}}, {"k1": 1}
    yield "5,000 properties, all required", {"properties": {f"k{i}": {"type": "integer"} for i in range(5000)}, "required": [f"k{i}" for i in range(5000)]}, {}
    yield "19,000 properties", {"properties": {f"k{i}": True for i in range(19000)}}, {"k1": 1}
    yield "30,000 properties", {"properties": {f"k{i}": True for i in range(30000)}}, {"k1": 1}
    yield "10,000 required", {"required": [f"k{i}" for i in range(10000)]}, {}
    yield "30,000 definitions", {"$defs": {f"k{i}": True for i in range(30000)}}, {"k1": 1}
    yield "nine overlapping patternProperties", {"patternProperties": {f"{c}.*{d}": {"minimum": i} for i, (c, d) in enumerate(zip("abcdefghi", "bcdefghij"))}}, {"ab": 1}
    yield "sixty patternProperties", {"patternProperties": {f"x{i}.*y{i}": {"minimum": i} for i in range(60)}}, {"x1y1": 1}
    yield "enum of 10,000", {"enum": list(range(10000))}, 9999
    yield "enum of 10,000 long strings", {"enum": ["x" * 200 + str(i) for i in range(10000)]}, "y"
    yield "maxLength 10^9", {"type": "string", "maxLength": 10**9, "pattern": "^a*b*$"}, "ab"
    yield "minLength 10^9", {"type": "string", "minLength": 10**9}, "ab"
    yield "minLength 2^62", {"type": "string", "minLength": 2**62}, "ab"
    yield "minItems 10^9", {"type": "array", "minItems": 10**9, "uniqueItems": True}, []
    yield "multipleOf of 400 digits", {"multipleOf": 10**399 + 7, "minimum": 1}, 12
    yield "multipleOf primes", {"allOf": [{"multipleOf": p} for p in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53)], "minimum": 1}, 12
    for name, pattern in (("(a|b)*a(a|b){15}", "(a|b)*a(a|b){15}$"), (".{5000}", "^.{5000}$"), ("\\p{L}{3000}", "^\\p{L}{3000}$"), ("a?{500}a{500}", "^(a?){500}a{500}$"),
                          ("nested counts", "((((a{1,90}){1,90}){1,90}){1,90})"), ("(\\w+\\s*)+$", "^(\\w+\\s*)+$"),
                          ("x*x*x*", "^" + "x*" * 200 + "$"), ("200 alternatives", "^(" + "|".join(f"{i}.*{i + 1}" for i in range(200)) + ")$"),
                          ("80 groups", "(" * 80 + "a" + ")" * 80), ("2,000 groups", "(" * 2000 + "a" + ")" * 2000), ("a megabyte", "a" * 1_000_000)):
        yield f"pattern {name}", {"pattern": pattern}, "aab"
    yield "1,000 patterns of \\p{L}{1,60}", {"properties": {f"k{i}": {"pattern": f"^\\p{{L}}{{1,{60 + i % 40}}}x{i}$"} for i in range(1000)}}, {"k1": "a"}
    yield "40 patterns near the limit", {"properties": {f"k{i}": {"pattern": f"(a|b)*a(a|b){{11}}{'c' * i}$"} for i in range(40)}}, {"k1": "a"}
    yield "$ref to itself", {"$ref": "#"}, 1
    yield "refs in a ring", {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}}, 1
    yield "recursion on all sides", {"properties": {k: {"$ref": "#"} for k in "abcdefgh"}, "anyOf": [{"required": [k]} for k in "abcdefgh"] + [{"maxProperties": 0}]}, deep
    yield "dynamic anchors in 200 resources", {"$id": "http://h/r", "$dynamicAnchor": "x", "allOf": [{"$ref": f"http://h/s{i}"} for i in range(200)], "$defs": {f"s{i}": {"$id": f"http://h/s{i}", "$dynamicAnchor": "x", "properties": {"a": {"$ref": f"http://h/s{(i * 7 + 1) % 200}"}, "b": {"$dynamicRef": "#x"}}} for i in range(200)}}, {"a": {}}
    many = {f"n{i}": {"$id": f"http://h/n{i}", "$dynamicAnchor": f"x{i}", "items": {"anyOf": [{"$ref": f"http://h/n{j}"} for j in range(16)]}} for i in range(16)}
    yield "2^16 dynamic scopes", {"$ref": "http://h/n0", "$defs": many}, [[1]]
    yield "unevaluated over 30 anyOf", {"allOf": [{"anyOf": [{"properties": {f"a{i}": True}}, {"properties": {f"b{i}": True}}]} for i in range(30)], "unevaluatedProperties": False}, {"a1": 1}
    yield "dependentRequired ring", {"dependentRequired": {f"k{i}": [f"k{(i + 1) % 2000}"] for i in range(2000)}}, {"k1": 1}
    yield "contains of contains", nested("contains", 100), [[1]]
    yield "uniqueItems of objects", {"uniqueItems": True}, [{"a": [i, {"b": i}]} for i in range(3000)]


def main():
    sys.setrecursionlimit(10_000)
    probe = Probe(sys.argv[1])
    repeat = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    slow = 0
    for name, schema, value in corpus():
        best = {}
        for _ in range(repeat):
            answer = probe.ask(op="cost", schema=schema, value=value)
            for key, us in answer.items():
                best[key] = min(best.get(key, us), us) if key.endswith("_us") else us
        times = [f"{key[:-3]} {best[key] / 1e3:.2f}" for key in ("compile_us", "validate_us", "contains_us") if key in best]
        over = any(us >= LIMIT_MS * 1e3 for key, us in best.items() if key.endswith("_us"))
        slow += over
        print(f"{'SLOW ' if over else ''}{name}: {best.get('outcome', best)} {best.get('contains', '')} ({', '.join(times)} ms)")
    print(f"hostile schemas: {slow} over {LIMIT_MS} ms")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
