#!/usr/bin/env python3
"""Masks against the containment oracle: is a token allowed if and only if some completion exists?

    mask_oracle.py MASK_PROBE CONTRACT_PROBE N [SEED]

Random schemas, random states under their masks (objects open, keys in any order, any spelling), random tokens.
The text so far with the token is turned into a schema of all values that can begin so, and the solver is
asked whether the schema and that one have a value in common; its witness is checked by the validator. Pairs
whose text is outside of what such a schema can say (escapes, numbers under way)
or whose question the solver leaves open are counted and left out. Exit 1 on any disagreement.
"""
import collections
import json
import random
import re
import sys

import official_suite

class Unsaid(Exception):
    """A text that no schema here tells."""


class Bad(Exception):
    """A text that begins no JSON value."""


def end_of_value(text, at):
    try:
        value, end = json.JSONDecoder(parse_int=Number, parse_float=Number).raw_decode(text, at)
    except ValueError:
        return None
    return value, end


class Number(str):
    """A number's text."""


def schema_of_value(value):
    if isinstance(value, Number):
        return {"minimum": json_number(value), "maximum": json_number(value), "type": "number"}
    if isinstance(value, list):
        return {"type": "array", "prefixItems": [schema_of_value(v) for v in value], "minItems": len(value),
                "maxItems": len(value)} if value else {"type": "array", "maxItems": 0}
    if isinstance(value, dict):
        return {"type": "object", "properties": {k: schema_of_value(v) for k, v in value.items()},
                "required": list(value), "maxProperties": len(value)}
    return {"const": value}


def json_number(text):
    return float(text) if any(c in text for c in ".eE") else int(text)


def blanks(text, at):
    while at < len(text) and text[at] in " \n\t\r":
        at += 1
    return at


def prefix(text, at):
    """The schema of values whose text begins with text[at:]; None: the text goes on after the value, at the index."""
    at = blanks(text, at)
    if at == len(text):
        return True
    c = text[at]
    if c == '"':
        end = closing_quote(text, at)
        if end is None:
            return {"type": "string", "pattern": "^" + begun(text[at + 1:])}
    elif c == "[":
        return array(text, at)
    elif c == "{":
        return object_(text, at)
    elif c in "-0123456789":
        match = re.compile(r"-?[0-9.eE+-]*").match(text, at)
        if match.end() == len(text):
            return number(match.group())
    else:
        for word, value in (("true", True), ("false", False), ("null", None)):
            if word.startswith(text[at:]):
                return {"const": value}
    found = end_of_value(text, at)
    if found is None:
        return False
    return found


def closing_quote(text, at):
    i = at + 1
    while i < len(text):
        if text[i] == '"':
            return i
        i += 2 if text[i] == "\\" else 1
    return None


def begun(inner):
    """A pattern of strings that begin so; inner: the raw inside of a JSON string."""
    if any(ord(c) < 0x20 for c in inner):
        raise Bad()
    if "\\" in inner:
        if re.search(r"(?<!\\)(\\\\)*\\(u[0-9a-fA-F]{0,3})?$", inner) or "\\u" in inner:
            raise Unsaid("escape")
        try:
            inner = json.loads('"' + inner + '"')
        except ValueError:
            raise Bad() from None
    return "".join("\\u{%x}" % ord(c) if ord(c) > 0xFFFF else "\\u%04x" % ord(c) for c in inner)


def number(text):
    if not re.fullmatch(r"-?(0|[1-9][0-9]*)?(\.[0-9]*)?", text) or text.startswith(("-.", ".")):
        if re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?[eE].*", text):
            raise Unsaid("exponent")
        return False
    raise Unsaid("number under way")


def array(text, at):
    at = blanks(text, at + 1)
    items = []
    if at < len(text) and text[at] == "]":
        return [], at + 1
    while True:
        got = prefix(text, at)
        if got is False:
            return False
        if not isinstance(got, tuple):
            head = [schema_of_value(v) for v in items]
            more = len(items) > 0 or at < len(text)
            if not more:
                return {"type": "array"}
            return {"type": "array", "prefixItems": head + [got], "minItems": len(items) + 1}
        value, at = got
        items.append(value)
        at = blanks(text, at)
        if at == len(text):
            return {"type": "array", "prefixItems": [schema_of_value(v) for v in items], "minItems": len(items)}
        if text[at] == "]":
            return items, at + 1
        if text[at] != ",":
            return False
        at = blanks(text, at + 1)
        if at == len(text):
            return {"type": "array", "prefixItems": [schema_of_value(v) for v in items],
                    "minItems": len(items) + 1}


def object_(text, at):
    at = blanks(text, at + 1)
    members = {}

    def known(**more):
        schema = {"type": "object", "properties": {k: schema_of_value(v) for k, v in members.items()},
                  "required": list(members)}
        return {**schema, **more}

    if at == len(text):
        return {"type": "object"}
    if text[at] == "}":
        return {}, at + 1
    while True:
        if text[at] != '"':
            return False
        end = closing_quote(text, at)
        if end is None:
            if "\\" in text[at:]:
                raise Unsaid("escape in a key")  # Not taken where keys have a pattern.
            pattern = "^" + begun(text[at + 1:])
            others = {k: {} for k in members}
            # Some further key begins so: not all keys but the known ones fail to.
            return known(allOf=[{"not": {"properties": others, "patternProperties": {pattern: False}}}]) \
                if not others else known(allOf=[{"not": {"propertyNames": {
                    "anyOf": [{"enum": list(others)}, {"not": {"pattern": pattern}}]}}}])
        if "\\" in text[at:end]:
            raise Unsaid("escape in a key")
        try:
            key = json.loads(text[at:end + 1])
        except ValueError:
            return False
        if key in members:
            return False
        at = end + 1
        if at == len(text):
            return known(required=list(members) + [key])
        if text[at] != ":":
            return False
        got = prefix(text, at + 1)
        if got is False:
            return False
        if not isinstance(got, tuple):
            schema = known()
            schema["properties"][key] = got
            schema["required"] = list(members) + [key]
            return schema
        value, at = got
        members[key] = value
        at = blanks(text, at)
        if at == len(text):
            return known()
        if text[at] == "}":
            return members, at + 1
        if text[at] != ",":
            return False
        at = blanks(text, at + 1)
        if at == len(text):
            return known(minProperties=len(members) + 1)


def question(text):
    """The schema of values that can begin so; False if none can, whatever the schema."""
    got = prefix(text, 0)
    if isinstance(got, tuple):
        value, end = got
        return schema_of_value(value) if blanks(text, end) == len(text) else False
    return got


WORDS = ["a", "ab", "b", "x1", "name"]


def random_schema(rng, depth):
    kind = rng.randrange(12 if depth else 5)
    if kind == 0:
        return {"type": "string", **rng.choice([{}, {"minLength": 2}, {"maxLength": 3}, {"pattern": "^[ab]*c$"},
                                                {"pattern": "^x", "maxLength": 4}])}
    if kind == 1:
        return {"enum": rng.sample(["a", "ab", "abc", True, None, False, "b\"", ["a"], {"a": "b"}], rng.randrange(1, 5))}
    if kind == 2:
        return {"type": rng.choice(["string", "boolean", "null", ["null", "string"], ["array", "boolean"]])}
    if kind == 3:
        return {"const": rng.choice(WORDS)}
    if kind == 4:
        return rng.choice([{}, {"type": "string"}, {"not": {"type": "object"}}, {"type": "boolean"}])
    if kind in (5, 6):
        schema = {"type": "array"}
        if rng.random() < 0.7:
            schema["items"] = random_schema(rng, depth - 1)
        if rng.random() < 0.3:
            schema["prefixItems"] = [random_schema(rng, depth - 1) for _ in range(rng.randrange(1, 3))]
        if rng.random() < 0.3:
            schema["contains"] = random_schema(rng, 0)
            schema.update(rng.choice([{}, {"minContains": 2}, {"maxContains": 1}, {"minContains": 0, "maxContains": 1}]))
        if rng.random() < 0.4:
            schema["minItems"] = rng.randrange(3)
        if rng.random() < 0.4:
            schema["maxItems"] = rng.randrange(1, 4)
        if rng.random() < 0.1 and "contains" not in schema:
            schema["unevaluatedItems"] = random_schema(rng, 0)
        return schema
    if kind in (7, 8, 9):
        schema = {"type": "object", "properties": {k: random_schema(rng, depth - 1) for k in rng.sample(WORDS, rng.randrange(4))}}
        if rng.random() < 0.5:
            schema["required"] = rng.sample(WORDS, rng.randrange(3))
        if rng.random() < 0.3:
            schema["additionalProperties"] = rng.choice([False, random_schema(rng, 0)])
        if rng.random() < 0.2:
            schema["patternProperties"] = {rng.choice(["^x", "b$", "^a"]): random_schema(rng, 0)}
        if rng.random() < 0.2:
            schema["propertyNames"] = rng.choice([{"maxLength": 2}, {"pattern": "^[ab]"}])
        if rng.random() < 0.2:
            schema.update(rng.choice([{"minProperties": 2}, {"maxProperties": 2}]))
        if rng.random() < 0.15:
            schema["dependentRequired"] = {"a": ["b"]}
        if rng.random() < 0.15:
            schema["anyOf"] = [{"properties": {"a": random_schema(rng, 0)}, "required": ["a"]},
                               {"properties": {"b": random_schema(rng, 0)}}]
            if rng.random() < 0.5:
                schema["unevaluatedProperties"] = rng.choice([False, {"type": "string"}])
        return schema
    parts = [random_schema(rng, depth - 1) for _ in range(2)]
    if kind == 10:
        return {rng.choice(["anyOf", "oneOf", "allOf"]): parts}
    return rng.choice([{"not": parts[0]}, {"if": parts[0], "then": parts[1]}, {"allOf": [parts[0], {"not": parts[1]}]}])


def main():
    masks, solver = official_suite.Probe(sys.argv[1]), official_suite.Probe(sys.argv[2])
    wanted = int(sys.argv[3])
    rng = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    count = collections.Counter()
    wrong = []
    while count["agree"] + len(wrong) < wanted:
        schema = random_schema(rng, 3)
        answer = masks.ask(op="pairs", schema=schema, seed=rng.randrange(1 << 30), n=60, texts=[])
        if "refused" in answer:
            count["schemas refused"] += 1
            continue
        count["schemas"] += 1
        for pair in answer["pairs"]:
            if re.search(r"[ \n\t\r]{30}", pair["text"]):
                count["left out: many blanks"] += 1  # Their number is limited.
                continue
            try:
                begins = question(pair["text"])
            except Unsaid as error:
                count["left out: " + str(error)] += 1
                continue
            except Bad:
                begins = False
            if begins is False:
                exists = False
            else:
                # Within "not what begins so"? Then nothing is in common.
                asked = solver.ask(op="standard_contains", a=schema, b={"not": begins}, dialect=4, formats=True)
                if asked.get("answer") not in ("contained", "refuted"):
                    count["left out: solver " + str(asked.get("reason", asked.get("message")))[:30]] += 1
                    continue
                exists = asked["answer"] == "refuted"
            if exists == pair["allowed"]:
                count["agree"] += 1
            else:
                wrong.append((schema, pair))
    print(f"pairs that agree: {count['agree']}, wrong: {len(wrong)}; " +
          ", ".join(f"{k} {n}" for k, n in sorted(count.items()) if k != "agree"))
    for schema, pair in wrong[:20]:
        print("wrong:", json.dumps(schema), json.dumps(pair))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
