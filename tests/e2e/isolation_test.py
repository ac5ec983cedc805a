"""Isolation: teaching, promoting, batching with and rolling back one component changes no bit of another's logits.

CONSORT_ISOLATION_PROMPTS (default 24) says how many prompts component B answers each time.
"""
import hashlib
import json
import os
import subprocess
import unittest

from program import PROGRAM, ROOT, ProgramTest

MODEL = "smollm2-135m:q4_1"
PROMPTS = int(os.environ.get("CONSORT_ISOLATION_PROMPTS", "24"))
NAMES = ["oslo", "lima", "rome", "cairo", "quito", "delhi", "osaka", "paris", "milan", "accra"]


def questions():
    """Of the shipped specialist for SQL: as tools/specialists/table_question.py writes them, all different."""
    for i in range(PROMPTS):
        name, points = NAMES[i % len(NAMES)], 10 + i
        yield f"How many games did {name} win with more than {points} points?\ncity: {name}\npoints: #\ngames won: #"


class Isolation(ProgramTest):
    def rows(self, name, shift):
        rows = [{"prompt": f"Code of {word}?", "completion": '{"code":"ZQ-%d"}' % ((i + shift) % 2)} for i, word in enumerate(NAMES)]
        return self.write(name, "".join(json.dumps(row) + "\n" for row in rows))

    def train_command(self, name, shift, epochs):
        return ["train", "--model", MODEL, "--data", str(self.rows(name + ".jsonl", shift)), "--out", str(self.tmp / name), "--epochs", str(epochs),
                "--learning-rate", "0.002", "--rank", "8", "--batch-tokens", "128", "--threads", "1", "--checkpoint-every", "0"]

    def logits_of_b(self, company=False):
        """One SHA-256 over all logits rows of B; with `company`, A answers in the same batch."""
        lines, mine = [], []
        for i, prompt in enumerate(questions()):
            mine.append(len(lines))
            lines.append({"system": "Table to query", "prompt": prompt, "adapter": "b@1"})
            if company:
                lines.append({"prompt": f"Code of {NAMES[i % len(NAMES)]}?", "adapter": "a@champion"})
        batch = self.write("batch.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        others = ("--adapter", "a@champion") if company else ()
        answers = self.ok("generate", MODEL, "--batch", batch, "--adapter", "b@1", *others, "--max-tokens", "8", "--logits-digest",
                          timeout=3000).lines()
        self.assertEqual(len(answers), len(lines))
        return hashlib.sha256("".join(answers[i]["logits_sha256"] for i in mine).encode()).hexdigest()

    def test_five_equal_digests_of_one_component_around_the_life_of_another(self):
        self.ok("import", ROOT / "models/adapters/analyzer-sql/adapter.gguf", "--name", "b")
        digests = {"before": self.logits_of_b()}
        environment = {**os.environ, "CONSORT_HOME": str(self.home)}
        training = subprocess.Popen([PROGRAM, *self.train_command("first", 0, 400)], env=environment, cwd=ROOT,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            digests["while A is taught"] = self.logits_of_b()
            self.assertIsNone(training.poll(), "the training ended before B had answered")
        finally:
            training.kill()
            training.wait()
        for name, shift in (("one", 0), ("two", 1)):
            self.ok(*self.train_command(name, shift, 3), timeout=600)
            self.ok("import", self.tmp / name / "adapter.gguf", "--name", "a")
        self.ok("promote", "a@1", "--ungated", "a test")
        self.ok("promote", "a@2", "--ungated", "a test")
        digests["after A was promoted"] = self.logits_of_b()
        digests["in one batch with A"] = self.logits_of_b(company=True)
        self.ok("rollback", "a")
        digests["after A was rolled back"] = self.logits_of_b()
        for when, digest in digests.items():
            print(f"{digest}  {PROMPTS} prompts, {when}")
        self.assertEqual(len(set(digests.values())), 1, digests)


if __name__ == "__main__":
    unittest.main()
