"""consort validate, graph, ls agents, ls components, show."""
import unittest
import xml.etree.ElementTree

from program import FIXTURES, ProgramTest

AGENT = "examples/competitive-intelligence"


class Validate(ProgramTest):
    def test_the_examples_are_valid_and_every_edge_is_proved(self):
        for agent in ("competitive-intelligence", "data-analysis"):
            answer = self.ok("validate", f"examples/{agent}", "--json").json()
            self.assertTrue(answer["valid"])
            self.assertGreater(len(answer["steps"]), 3)
            self.assertEqual({e["verdict"] for e in answer["edges"]}, {"proved"}, agent)
            self.assertIn("deadline_ms", answer["budget"])

    def test_validating_makes_no_home_and_loads_nothing(self):
        self.ok("validate", AGENT)
        self.assertFalse(self.home.exists())

    def test_a_typo_is_found_with_its_place_and_the_right_word(self):
        error = self.fails(2, 6003, "validate", FIXTURES / "typo.yaml")
        self.assertRegex(error["place"], r"typo\.yaml:7:1$")
        self.assertIn("components", error["fix"])

    def test_a_cycle_is_refused(self):
        error = self.fails(2, 6202, "validate", FIXTURES / "cycle.yaml")
        self.assertRegex(error["place"], r"cycle\.yaml:\d+:\d+$")

    def test_a_missing_reference_is_refused_with_a_near_name(self):
        error = self.fails(2, 6201, "validate", FIXTURES / "missing.yaml")
        self.assertIn("double", error["fix"])
        self.assertIn("duoble", error["value"] + error["message"])

    def test_a_mismatched_edge_is_refused_with_a_witness(self):
        error = self.fails(3, 6203, "validate", FIXTURES / "mismatch.yaml")
        witness = error["value"]
        contracts = FIXTURES / "contracts.yaml"
        self.assertEqual(self.run_program("contract", "accepts", f"{contracts}#Answer", witness).code, 0)
        self.assertEqual(self.run_program("contract", "accepts", f"{contracts}#Number", witness).code, 3)

    def test_broken_yaml_has_line_and_column(self):
        self.assertRegex(self.fails(2, 6002, "validate", FIXTURES / "syntax.yaml")["place"], r"syntax\.yaml:3:\d+$")

    def test_a_file_that_is_not_there(self):
        self.fails(2, 6001, "validate", "no/such/agent.yaml")

    def test_an_unsupported_keyword_in_a_contract_is_found_before_anything_runs(self):
        self.write("contracts.yaml", (FIXTURES / "contracts.yaml").read_text().replace(
            "value: {type: number}", "value: {type: number, contentEncoding: base64}"))
        path = self.write("agent.yaml", (FIXTURES / "mismatch.yaml").read_text())
        error = self.fails(2, 2101, "validate", path)
        self.assertIn("contentEncoding", error["message"] + error["value"] + error["place"])


class Graph(ProgramTest):
    def test_the_svg_is_well_formed_and_names_every_step(self):
        root = xml.etree.ElementTree.fromstring(self.ok("graph", AGENT, "--svg").out)
        text = " ".join(root.itertext())
        for step in ("evidence", "plan", "findings", "report", "verdict", "final"):
            self.assertIn(step, text)

    def test_text_and_mermaid_name_edges_and_loops(self):
        self.assertIn("at most 2 times", self.ok("graph", AGENT).out)
        mermaid = self.ok("graph", AGENT, "--mermaid").out
        self.assertTrue(mermaid.startswith("flowchart"))
        self.assertIn("tasks -->|each| findings", mermaid)
        self.assertIn("verdict -.->", mermaid)


class Listings(ProgramTest):
    def test_agents_and_components_are_found_in_a_folder(self):
        agents = self.ok("ls", "agents", "--path", "examples", "--json").lines()
        names = {a["agent"] for a in agents}
        self.assertLessEqual({"competitive-intelligence", "data-analysis", "report-validator"}, names)
        components = self.ok("ls", "components", "--path", "examples", "--json").lines()
        self.assertIn("competitive-intelligence:planner", {c["component"] for c in components})

    def test_show_prints_a_component_with_its_contracts(self):
        answer = self.ok("show", f"{AGENT}:validator/judge", "--json").json()
        self.assertEqual(answer["kind"], "decide")
        self.assertIn("output", answer)
        self.assertIn("planner", self.fails(2, 8003, "show", f"{AGENT}:plannr")["fix"])


if __name__ == "__main__":
    unittest.main()
