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
