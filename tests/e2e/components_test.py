"""Kinds of component with the real small model: decide's three types of question, and numerals of a generate."""
import re
import unittest

from program import ProgramTest

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
