"""The gate, with adapters that were really trained: an equal version passes, a broken one is refused, rollback restores."""
import json
import sqlite3
import unittest

from program import ProgramTest

MODEL = "smollm2-135m:q4_1"
ANIMALS = ("dog cat horse cow pig sheep goat lion tiger bear wolf fox mouse rabbit duck chicken elephant monkey snake frog "
           "zebra camel donkey goose").split()
VEHICLES = ("car bus train truck bicycle airplane boat ship tram van taxi motorcycle helicopter tractor scooter ferry "
            "ambulance submarine canoe wagon jeep limousine yacht lorry").split()
CODES = ("ZQ-1", "ZQ-2")
LEARN = 12   # Words of each kind to learn from; the others are golden.
AGENT = """
consort: 1
agent: {name: coder, version: 0.1.0, in: In, out: Out}
contracts: [contracts.yaml]
models: {small: {ref: "smollm2-135m:q4_1"}}
components:
  code: {kind: generate, model: small, adapter: code@champion, prompt: code.j2, in: In, out: Out, max_tokens: 24}
  plain: {kind: generate, model: small, prompt: code.j2, in: In, out: Out, max_tokens: 24}
flow:
  a: code(input)
  return: a
"""
CONTRACTS = """
In: {type: object, properties: {word: {type: string}}, required: [word], additionalProperties: false}
Out: {type: object, properties: {code: {enum: [ZQ-1, ZQ-2]}}, required: [code], additionalProperties: false}
"""


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def labelled(begin, end):
    return [(word, code) for words, code in zip((ANIMALS, VEHICLES), CODES) for word in words[begin:end]]


class Gate(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("contracts.yaml", CONTRACTS)
        self.write("code.j2", "--- user\nCode of {{ word }}?\n")
        self.agent = self.write("agent.yaml", AGENT)
        self.golden = self.write("golden.jsonl", lines(
            {"input": {"word": word}, "expected": {"code": code}, "slice": "animals" if code == "ZQ-1" else "vehicles"}
            for word, code in labelled(LEARN, None)))
        self.write("briefs.json", [{"word": word} for word, _ in labelled(0, 6)])

    def policy(self, name, metric, **more):
        document = {"component": "agent.yaml:code", "golden": "golden.jsonl", "metrics": [{"name": "exact", **metric}],
                    "latency_ratio_max": 20, **more}
        return self.write(name, json.dumps(document))

    def train(self, name, swapped=False, weights="f32", policy=()):
        """Teaches the component's adapter: its next version."""
        other = dict(zip(CODES, reversed(CODES)))
        rows = [{"prompt": f"Code of {word}?", "completion": '{"code":"%s"}' % (other[code] if swapped else code)}
                for word, code in labelled(0, LEARN)]
        data = self.write(name + ".jsonl", lines(rows))
        out = self.tmp / name
        return self.run_program(
            "train", f"{self.agent}:code", "--data", data, "--out", out, "--epochs", "5", "--learning-rate", "0.002", "--rank", "8",
            "--batch-tokens", "128", "--accumulate", "1", "--adapter-type", weights, "--json", *policy, timeout=600)

    def champion(self):
        rows = self.ok("ls", "adapters", "--json").lines()
        return [row["version"] for row in rows if "champion" in row["aliases"]]

    def test_an_equal_version_passes_a_broken_one_is_refused_and_rollback_restores(self):
        good = self.train("good").json()
        self.assertEqual((good["registered"], good["gate"]), ("code@1", None))
        self.assertEqual(set(good["stages"]), {"data and model", "training", "parity", "register"})
        self.assertAlmostEqual(good["parity"]["served"], good["parity"]["trained"], delta=0.02)
        self.train("good", weights="q8_0")   # From the checkpoint: the same training in other bytes.
        better = self.policy("better.yaml", {"margin": 0.3, "slice_margin": 0.45, "superior": True})
        first = self.ok("promote", "code@1", "--policy", better, "--json").json()
        self.assertTrue(first["pass"] and first["moved"])
        self.assertIsNone(first["champion"])                      # The base without adapter.
        self.assertEqual(self.champion(), ["1"])

        same = self.policy("same.yaml", {"margin": 0.3, "slice_margin": 0.45}, agents=[
            {"agent": "agent.yaml", "data": "briefs.json", "metrics": [{"name": "completed", "margin": 0.45}, {"name": "valid", "margin": 0.45}],
             "latency_ratio_max": 20}])
        passed = self.ok("promote", "code@2", "--policy", same, "--json").json()
        self.assertEqual((passed["champion"], passed["looks"], len(passed["agents"])), ("1", 2, 1))
        self.assertEqual(self.champion(), ["2"])
        with sqlite3.connect(self.home / "registry.db") as db:
            reason = db.execute("SELECT reason FROM moves ORDER BY id DESC LIMIT 1").fetchone()[0]
        self.assertEqual(reason, "gate: passed, verdict " + passed["verdict_sha256"])
        kept = self.home / "blobs" / passed["verdict_sha256"][:2] / passed["verdict_sha256"]
        self.assertTrue(json.loads(kept.read_text())["pass"])

        broken = self.train("broken", swapped=True, policy=("--policy", same))
        self.assertEqual(broken.code, 10, broken.err)
        self.assertEqual((broken.json()["registered"], broken.json()["gate"]["moved"]), ("code@3", False))
        refused = self.run_program("promote", "code@3", "--policy", same)
        self.assertEqual(refused.code, 10, refused.err)
        self.assertIn("REFUSED: code@3 in place of code@2", refused.out)
        self.assertIn("looked at 4 times", refused.out)
        self.assertIn("Why not:", refused.out)
        self.assertIn("code@champion still means 2", refused.out)
        self.assertEqual(self.champion(), ["2"])
        self.ok("rollback", "code")
        self.assertEqual(self.champion(), ["1"])

        answer = self.ok("eval", f"{self.agent}:code", "--data", self.golden, "--adapter", "code@3", "--metric", "exact", "--json").json()
        good = self.ok("eval", f"{self.agent}:code", "--data", self.golden, "--metric", "exact", "--against", "3", "--json").json()
        self.assertEqual(good["against"]["metrics"]["exact"]["value"], answer["metrics"]["exact"]["value"])
        self.assertGreater(good["against"]["metrics"]["exact"]["low"], 0)
        self.assertGreater(good["metrics"]["exact"]["value"], answer["metrics"]["exact"]["value"] + 0.4)
        self.assertEqual(good["looks"], 6)
        self.assertEqual(set(good["slices"]), {"animals", "vehicles"})
        print(refused.out)

    def test_a_golden_set_too_small_for_its_margin_is_refused_with_the_size_before_any_model_is_loaded(self):
        policy = self.policy("gate.yaml", {"margin": 0.05})
        adapter = self.adapter_file()
        self.ok("import", adapter, "--name", "code")
        # Without the folder of models nothing could be loaded.
        error = self.fails(1, 8203, "promote", "code@1", "--policy", policy, env={"CONSORT_MODELS": str(self.tmp)})
        self.assertRegex(error["message"], r"needs [0-9]{3,} examples")
        self.assertEqual(self.champion(), [])

    def adapter_file(self):
        rows = self.write("one.jsonl", lines([{"prompt": "a", "completion": "b"}]))
        out = self.tmp / "one"
        self.ok("train", "--model", MODEL, "--data", rows, "--out", out, "--rank", "1", "--epochs", "1", "--checkpoint-every", "0")
        return out / "adapter.gguf"

    def test_what_cannot_be_judged_is_refused(self):
        self.ok("import", self.adapter_file(), "--name", "code")
        self.fails(2, 8206, "promote", "code@1")
        missing = self.policy("plain.yaml", {"margin": 0.3})
        missing.write_text(missing.read_text().replace("agent.yaml:code", "agent.yaml:plain"))
        self.fails(2, 8205, "promote", "code@1", "--policy", missing)
        self.golden.write_text('{"input": {"word": 3}, "expected": {}}\n')
        error = self.fails(3, 3001, "eval", f"{self.agent}:plain", "--data", self.golden)
        self.assertIn("golden.jsonl:1", error["message"])
        self.golden.write_text('{"input": {"word": "x"}, "expectd": {}}\n')
        error = self.fails(2, 8201, "eval", f"{self.agent}:plain", "--data", self.golden)
        self.assertIn("golden.jsonl:1", error["place"])


if __name__ == "__main__":
    unittest.main()
