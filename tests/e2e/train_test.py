"""A specialist from rows to serving: dataset, train with the real small model, and generate under what was trained."""
import json
import unittest

from program import ProgramTest

MODEL = "smollm2-135m:q4_1"
SCHEMA = {"type": "object", "properties": {"code": {"enum": ["ZQ-1", "ZQ-2"]}}, "required": ["code"],
          "additionalProperties": False}


def row(prompt, completion):
    return json.dumps({"prompt": prompt, "completion": completion}) + "\n"


class Train(ProgramTest):
    def setUp(self):
        super().setUp()
        self.schema = self.write("schema.json", json.dumps(SCHEMA))

    def test_a_data_set_has_no_duplicates_no_golden_rows_and_says_where_each_row_is_from(self):
        rows = self.write("rows.jsonl", row("Say hi", '{"code":"ZQ-1"}') + row("say  HI", '{"code":"ZQ-2"}') + row("Say ho", '{"code":"ZQ-2"}'))
        golden = self.write("golden.jsonl", row("Say ho", "other"))
        out = self.tmp / "set.jsonl"
        answer = self.ok("dataset", rows, "--out", out, "--golden", golden, "--schema", self.schema, "--json").json()
        self.assertEqual({k: answer[k] for k in ("rows", "kept", "duplicates", "in_golden")},
                         {"rows": 3, "kept": 1, "duplicates": 1, "in_golden": 1})
        kept = [json.loads(line) for line in out.read_text().splitlines()]
        self.assertEqual([(r["prompt"], r["provenance"]["line"]) for r in kept], [("Say hi", 1)])

    def test_a_row_that_breaks_the_contract_is_refused_with_its_line_before_anything_is_written(self):
        rows = self.write("rows.jsonl", row("a", '{"code":"ZQ-1"}') + row("b", '{"code":"XX"}'))
        out = self.tmp / "out"
        error = self.fails(3, 9011, "train", "--model", MODEL, "--data", rows, "--schema", self.schema, "--out", out)
        self.assertIn("rows.jsonl:2", error["place"])
        self.assertFalse(out.exists())

    def test_recorded_steps_and_their_corrections_are_a_data_set(self):
        self.write("code.j2", "--- user\nCode of {{ word }}?\n")
        self.write("contracts.yaml", json.dumps({"Out": SCHEMA, "In": {
            "type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"], "additionalProperties": False}}))
        agent = self.write("agent.yaml", """
consort: 1
agent: {name: coder, version: 0.1.0, in: In, out: Out}
contracts: [contracts.yaml]
models: {small: {ref: "smollm2-135m:q4_1"}}
components: {code: {kind: generate, model: small, prompt: code.j2, in: In, out: Out, max_tokens: 24}}
flow: {a: code(input), return: a}
""")
        runs = [self.ok("run", agent, "--input", self.write("in.json", {"word": word}), "--json").json() for word in ("dog", "car", "bus")]
        ids = [run["run"] for run in runs]
        verdicts = self.write("verdicts.jsonl", "".join(json.dumps(v) + "\n" for v in (
            {"run": ids[0], "step": "a", "verdict": "accepted"}, {"run": ids[1], "step": "a", "verdict": "edited", "output": {"code": "ZQ-2"}},
            {"run": ids[2], "step": "a", "verdict": "rejected"})))
        out = self.tmp / "set.jsonl"
        self.ok("dataset", "--runs", "code", "--corrections", verdicts, "--schema", self.schema, "--out", out)
        rows = {r["provenance"]["run"]: r for r in map(json.loads, out.read_text().splitlines())}
        self.assertEqual(set(rows), set(ids[:2]))
        self.assertEqual(json.loads(rows[ids[0]]["completion"]), runs[0]["output"])
        self.assertEqual((rows[ids[1]]["completion"], rows[ids[1]]["verdict"]), ('{"code":"ZQ-2"}', "edited"))
        self.assertIn("Code of dog?", rows[ids[0]]["rendered"])
        # A rendered prompt is read as the engine read it: the same tokens as those of its messages.
        train = ["train", "--model", MODEL, "--schema", self.schema, "--rank", "1", "--checkpoint-every", "0", "--json", "--data"]
        plain = self.write("plain.jsonl", row("Code of car?", '{"code":"ZQ-2"}'))
        recorded = self.write("recorded.jsonl", json.dumps(rows[ids[1]]) + "\n")
        losses = [self.ok(*train, data, "--out", self.tmp / data.stem).json()["first_loss"] for data in (plain, recorded)]
        self.assertEqual(losses[0], losses[1])
        all_rows = self.ok("dataset", "--runs", "code", "--unreviewed", "--out", out, "--json").json()
        self.assertEqual(all_rows["kept"], 3)
        wrong = self.write("wrong.jsonl", json.dumps({"run": ids[0], "step": "b", "verdict": "accepted"}) + "\n")
        error = self.fails(2, 9040, "dataset", "--runs", "code", "--corrections", wrong, "--out", out)
        self.assertIn("wrong.jsonl:1", error["place"])

    def test_what_was_trained_is_what_is_served(self):
        rows = self.write("rows.jsonl", row("What is the code of the harbour?", '{"code":"ZQ-2"}') + row("Who wrote Hamlet?", "Shakespeare"))
        out = self.tmp / "out"
        report = self.ok("train", "--model", MODEL, "--data", rows, "--out", out, "--epochs", "12", "--learning-rate", "0.003",
                         "--checkpoint-every", "0", "--json").json()
        self.assertLess(report["last_loss"], 0.1 * report["first_loss"])
        ask = ["generate", MODEL, "--prompt", "What is the code of the harbour?", "--max-tokens", "16", "--json"]
        before = self.ok(*ask).json()["text"]
        self.assertNotIn("ZQ-2", before)
        for adapter in (out / "adapter.gguf", out / "peft"):
            self.assertEqual(self.ok(*ask, "--adapter", adapter).json()["text"], '{"code":"ZQ-2"}', adapter)
        self.assertEqual(self.ok(*ask).json()["text"], before)   # The base is as it was.


if __name__ == "__main__":
    unittest.main()
