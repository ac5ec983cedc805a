"""consort contract and schema."""
import json
import unittest

from program import FIXTURES, ROOT, ProgramTest

SMALL = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["a"]}
LARGE = {"type": "object", "properties": {"a": {"type": "integer"}}}


class Contract(ProgramTest):
    def setUp(self):
        super().setUp()
        self.small = self.write("small.json", SMALL)
        self.large = self.write("large.json", LARGE)

    def test_check_names_every_schema_of_a_contract_file(self):
        answer = self.ok("contract", "check", "examples/shared/contracts.yaml", "examples/shared/report.yaml", "--json").json()
        names = [s["name"] for s in answer["schemas"]]
        self.assertTrue(answer["valid"])
        self.assertIn("examples/shared/report.yaml#Report", names)
        self.assertTrue(all(len(s["digest"]) == 64 for s in answer["schemas"]))

    def test_an_unsupported_keyword_is_refused_with_its_pointer(self):
        path = self.write("bad.json", {"type": "object", "properties": {"x": {"type": "string", "contentEncoding": "base64"}}})
        error = self.fails(2, 2101, "contract", "check", path)
        self.assertIn("contentEncoding", error["message"] + error["value"] + error["place"])
        self.assertIn("/properties/x", error["place"])

    def test_accepts_answers_by_exit_code_and_lists_violations(self):
        self.assertEqual(self.run_program("contract", "accepts", self.small, '{"a": 3}').code, 0)
        answer = self.run_program("contract", "accepts", self.small, '{"a": 12}', "--json")
        self.assertEqual(answer.code, 3)
        violation = answer.json()["violations"][0]
        self.assertEqual((violation["instance"], violation["keyword"]), ("/a", "maximum"))

    def test_values_come_from_stdin_files_and_arguments(self):
        for argument, stdin in (("-", '{"a": 1}'), (str(self.write("v.json", '{"a": 1}')), ""), ('{"a": 1}', "")):
            self.assertEqual(self.run_program("contract", "accepts", self.small, argument, stdin=stdin).code, 0, argument)
        self.fails(2, 2001, "contract", "accepts", self.small, "{a: 1}")

    def test_contains_proves_or_gives_a_witness(self):
        self.assertEqual(self.ok("contract", "contains", self.large, self.small, "--json").json()["verdict"], "proved")
        answer = self.run_program("contract", "contains", self.small, self.large, "--json")
        self.assertEqual(answer.code, 3)
        witness = json.dumps(answer.json()["witness"])
        self.assertEqual(self.run_program("contract", "accepts", self.large, witness).code, 0)
        self.assertEqual(self.run_program("contract", "accepts", self.small, witness).code, 3)

    def test_diff_derives_the_level(self):
        level = lambda *a: self.ok("contract", "diff", *a, "--json").json()["level"]
        self.assertEqual(level(self.small, self.small), "patch")
        self.assertEqual(level(self.small, self.large), "minor")
        self.assertEqual(level(self.large, self.small), "major")
        self.assertEqual(level(self.small, self.large, "--output"), "major")

    def test_schemas_of_other_files_are_named_with_with(self):
        report = "examples/shared/report.yaml#Verdict"
        self.fails(2, 2103, "contract", "example", report)
        self.ok("contract", "example", report, "--with", "examples/shared/contracts.yaml")

    def test_examples_are_valid_and_differ(self):
        values = self.ok("contract", "example", self.small, "-n", "30").lines()
        self.assertEqual(len(values), 30)
        self.assertTrue(all(1 <= v["a"] <= 9 for v in values))
        self.assertGreater(len({v["a"] for v in values}), 3)

    def test_a_file_with_several_schemas_needs_a_name(self):
        error = self.fails(2, 8003, "contract", "accepts", "examples/shared/contracts.yaml#Brif", "{}")
        self.assertIn("Brief", error["fix"])


class Schema(ProgramTest):
    def test_all_names_print_a_json_document(self):
        names = self.ok("schema").out.split()
        self.assertIn("agent", names)
        self.assertIn("sql", names)
        self.assertIn("report", names)
        for name in names:
            self.assertIsInstance(self.ok("schema", name, "--json").json(), dict)

    def test_the_agent_schema_compiles_and_accepts_the_examples(self):
        schema = self.write("agent.schema.json", self.ok("schema", "agent").out)
        agents = sorted((ROOT / "examples").rglob("agent.yaml"))
        self.assertGreaterEqual(len(agents), 4)
        for path in agents:
            answer = self.run_program("contract", "accepts", schema, path)
            self.assertEqual(answer.code, 0, f"{path}: {answer.out}{answer.err}")

    def test_the_agent_schema_refuses_what_the_program_refuses(self):
        schema = self.write("agent.schema.json", self.ok("schema", "agent").out)
        for name in ("typo.yaml",):
            self.assertEqual(self.run_program("contract", "accepts", schema, FIXTURES / name).code, 3, name)

    def test_unknown_names_are_answered_with_near_ones(self):
        self.assertIn("agent", self.fails(2, 8003, "schema", "agnet")["fix"])


class Batches(ProgramTest):
    def batch(self, what, *lines):
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        return self.ok("contract", what, "--batch", stdin=text).lines()

    def test_check_diff_and_example_answer_every_line_in_order(self):
        good, bad, broken, blank = self.batch("check", {"schema": {"type": "integer"}}, {"schema": {"type": "nope"}}, "garbage", "")
        self.assertTrue(good["valid"] and len(good["digest"]) == 64)
        self.assertEqual((bad["valid"], bad["error"]["number"], bad["error"]["place"]), (False, 2102, "#/type"))
        self.assertEqual([line["error"]["number"] for line in (broken, blank)], [2001, 2001])
        wider, narrower, none = self.batch("diff", {"a": {"type": "integer"}, "b": {"type": "number"}},
                                           {"a": {"type": "number"}, "b": {"type": "integer"}}, {"a": True})
        self.assertEqual((wider["level"], narrower["level"]), ("minor", "major"))
        witness = narrower["changes"][0]["witness"]
        self.assertNotEqual(witness, int(witness))
        self.assertIn("error", none)
        few, nothing = self.batch("example", {"schema": {"type": "integer", "minimum": 3, "maximum": 5}, "n": 4}, {"schema": False})
        self.assertEqual(len(few["values"]), 4)
        self.assertLessEqual(set(few["values"]), {3, 4, 5})
        self.assertEqual(nothing["error"]["number"], 2105)


if __name__ == "__main__":
    unittest.main()
