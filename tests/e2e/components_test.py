"""Kinds of component with the real small model: decide's three types of question, and numerals of a generate."""
import re
import unittest

from program import ROOT, ProgramTest

LORA = ROOT / "tests/golden/lora"

CONTRACTS = """
In:
  type: object
  properties: {text: {type: string}}
  required: [text]
  additionalProperties: false
Judged:
  type: object
Note:
  type: object
  properties: {note: {type: string, maxLength: 60}}
  required: [note]
  additionalProperties: false
"""
HEAD = """
consort: 1
agent: {name: kinds, version: 0.1.0, in: In, out: %s}
contracts: [contracts.yaml]
models: {small: {ref: "smollm2-135m:q4_1"}}
components:
  c:
"""
FLOW = """
flow:
  a: c(input)
  return: a
"""
JUDGE = """    kind: decide
    model: small
    prompt: judge.j2
    questions:
      mood: {type: choice, instructions: "What is the mood of the text?", criteria: {happy: "joy, praise", sad: "grief, complaint"}}
      grade: {type: score, instructions: "How good is what is described?", criteria: ["very bad", "fair", "very good"]}
      paid: {type: noul, instructions: "Does the text say that something was bought?"}
    in: In
    out: Judged
"""
WRITER = """    kind: generate
    model: small
    prompt: write.j2
    numerals: input
    temperature: 1
    max_tokens: 48
    in: In
    out: Note
"""

# A step that fails on its own, and what is tried then. A sum is checked by calculating it.
SUM = """
consort: 1
agent: {name: sum, version: 0.1.0, in: In, out: object}
contracts: [contracts.yaml]
models: {small: {ref: "smollm2-135m:q4_1"}}
tools: {calc: {builtin: calculate}}
components:
  write: {kind: generate, model: small, prompt: sum.j2, max_tokens: 24, in: In, out: Sum}
  work:  {kind: tool, tools: [calc], in: Sum, out: object}
flow:
  sum: write(input)
  value: work(sum)
  return: value
"""
RETRY = """
consort: 1
agent: {name: asks, version: 0.1.0, in: In, out: object}
contracts: [contracts.yaml]
tools: {calc: {builtin: calculate}}
components:
  sum:  {kind: agent, use: sum, in: In, out: object, on_violation: [{retry: 8}, {escalate: known}]}
  known: {kind: tool, tools: [calc], with: {expression: "40 + 2"}, arguments: "{}", in: In, out: object}
flow:
  value: sum(input)
  return: value
"""
ESCALATE = """
consort: 1
agent: {name: asks, version: 0.1.0, in: In, out: Note}
contracts: [contracts.yaml]
models: {small: {ref: "smollm2-135m:q4_1"}}
components:
  long:  {kind: generate, model: small, prompt: long.j2, max_tokens: 16, in: In, out: Note, on_violation: [repair, {escalate: short}]}
  short: {kind: generate, model: small, prompt: write.j2, max_tokens: 16, in: In, out: Note}
flow:
  note: long(input)
  return: note
"""
ADAPTED = """
consort: 1
agent: {name: adapted, version: 0.1.0, in: In, out: Note}
contracts: [contracts.yaml]
models: {small: {ref: "smollm2-135m:q4_1"}}
components:
  writer: {kind: generate, model: small, adapter: "writer@champion", prompt: write.j2, max_tokens: 24, in: In, out: Note}
flow:
  note: writer(input)
  return: note
"""


class Recoveries(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("contracts.yaml", CONTRACTS + """
Sum:
  type: object
  properties: {expression: {type: string, minLength: 1, maxLength: 12}}
  required: [expression]
  additionalProperties: false
""")
        self.write("write.j2", "--- user\nWrite a short note about: {{ text }}\n")
        self.write("sum.j2", "--- user\nWrite a sum of two numbers, such as 3 + 4, and nothing else. {{ text }}\n")
        self.write("long.j2", "--- user\n{% for i in range(3000) %}again and again {% endfor %}{{ text }}\n")

    def steps(self, run):
        return {s["name"]: s for s in self.ok("trace", run, "--json").json()["steps"]}

    def test_an_agent_whose_sum_cannot_be_calculated_is_asked_again_and_answers_otherwise(self):
        self.write("sum.yaml", SUM)
        agent = self.write("agent.yaml", RETRY)
        done = self.ok("run", agent, "--set", "text=Please.", "--json").json()
        self.assertRegex(done["output"]["value"], r"^-?[0-9]+")
        steps = self.steps(done["run"])
        attempts = len(steps["value"]["attempts"])
        self.assertGreater(attempts, 1, "the model's first sum could be calculated: choose another prompt")
        self.assertEqual(steps["value/value"]["state"], "failed")
        if attempts <= 9:   # Attempt 10 is the escalation.
            self.assertEqual(steps[f"value~{attempts}/value"]["state"], "completed")
        self.assertTrue(self.ok("replay", done["run"], "--json").json()["replay"]["bit_equal"])

    def test_a_prompt_beyond_the_context_escalates_to_a_component_with_a_shorter_one(self):
        agent = self.write("agent.yaml", ESCALATE)
        done = self.ok("run", agent, "--set", "text=ships", "--json").json()
        step = self.steps(done["run"])["note"]
        self.assertEqual([a["component"] for a in step["attempts"]], ["long", "long", "short"])
        self.assertEqual([a["error"]["number"] for a in step["attempts"][:2]], [4107, 4107])
        self.assertEqual(done["steps"][0]["component"], "short")

    def test_a_replay_with_another_version_of_an_adapter_says_where_the_course_changed(self):
        self.ok("import", LORA / "adapter.gguf", "--name", "writer")
        self.ok("promote", "writer@1", "--ungated", "a test")
        agent = self.write("agent.yaml", ADAPTED)
        run = self.ok("run", agent, "--set", "text=ships", "--json").json()["run"]
        self.assertTrue(self.ok("replay", run, "--json").json()["replay"]["bit_equal"])
        same = self.ok("replay", run, "--swap", "writer=1", "--json").json()["replay"]
        self.assertEqual((same["bit_equal"], same["pins"]), (True, []))
        other = self.ok("replay", run, "--swap", "writer=none", "--json").json()["replay"]
        self.assertEqual([d["step"] for d in other["differences"]], ["note", ""])
        self.assertEqual([(d["step"], d["input_equal"]) for d in other["differences"]][0], ("note", True))
        self.assertEqual({p["pin"] for p in other["pins"]}, {"/writer/adapter_sha256"})
        named = self.ok("replay", run, "--swap", f"writer=file:{LORA / 'adapter.gguf'}", "--json").json()["replay"]
        self.assertTrue(named["bit_equal"])
        self.fails(2, 6312, "replay", run, "--swap", "writer=9")


class Kinds(ProgramTest):
    def agent(self, component, out):
        self.write("contracts.yaml", CONTRACTS)
        self.write("judge.j2", "--- user\nText: {{ text }}\n{{ question.instructions }}\n"
                   "{% for o in question.options %}{{ o.name }}: {{ o.description }}\n{% endfor %}")
        self.write("write.j2", "--- user\nWrite a note with many figures about: {{ text }}\n")
        return self.write("agent.yaml", HEAD % out + component + FLOW)

    def test_decide_answers_each_type_of_question_with_probabilities_that_sum_to_one(self):
        agent = self.agent(JUDGE, "Judged")
        value = self.ok("run", agent, "--set", "text=I bought this lamp and I love it, it is wonderful.", "--json").json()["output"]
        self.assertEqual(set(value), {"mood", "grade", "paid"})
        again = self.ok("run", agent, "--set", "text=I bought this lamp and I love it, it is wonderful.", "--json").json()["output"]
        self.assertEqual(value, again)
        self.check(value)

    def check(self, value):
        for name, options in (("mood", {"happy", "sad"}), ("grade", {"0", "1", "2"})):
            shares = value[name]["probabilities"]
            self.assertEqual(set(shares), options)
            self.assertAlmostEqual(sum(shares.values()), 1, places=5)
            self.assertTrue(0 <= value[name]["confidence"] <= 1)
        mood, grade = value["mood"], value["grade"]
        self.assertEqual(mood["choice"], max(mood["probabilities"], key=mood["probabilities"].get))
        self.assertAlmostEqual(grade["score"], grade["probabilities"]["1"] + 2 * grade["probabilities"]["2"], places=5)
        self.assertEqual(grade["legend"], {"0": "very bad", "1": "fair", "2": "very good"})
        self.assertTrue(0 < value["paid"]["noul"] < 1)

    def test_a_note_has_no_numeral_that_its_input_has_not(self):
        agent = self.agent(WRITER, "Note")
        for seed in range(6):
            note = self.ok("run", agent, "--set", "text=sales of 17 ships and 4.5 tons in 1998", "--seed", seed, "--json").json()["output"]["note"]
            for numeral in re.findall(r"\d+(?:[.,]\d+)*", note):
                self.assertIn(numeral, ("17", "4.5", "1998"), note)


if __name__ == "__main__":
    unittest.main()
