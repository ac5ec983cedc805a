"""The commands that need models: generate, embed, call, and a whole run of the bundled example."""
import json
import math
import signal
import subprocess
import os
import unittest

from program import PROGRAM, ROOT, ProgramTest

DECODER, ENCODER = "smollm2-135m:q4_1", "minilm-l6:f32"
AGENT = "examples/competitive-intelligence"
BRIEF = f"{AGENT}/brief.json"
# The bundled corpus, whatever the caller's environment names.
ENV = {"CONSORT_CORPUS": ""}


class Engine(ProgramTest):
    def test_generation_streams_the_text_that_json_reports(self):
        prompt = ["generate", DECODER, "--prompt", "What is the capital of France?", "--system", "You are a helpful assistant.",
                  "--max-tokens", "24"]
        answer = self.ok(*prompt, "--json").json()
        self.assertIn("Paris", answer["text"])
        self.assertEqual(self.ok(*prompt).out, answer["text"] + "\n")
        self.assertEqual(answer["usage"]["output_tokens"] > 0, True)

    def test_with_a_schema_the_output_is_a_value_of_it_even_with_few_tokens(self):
        schema = self.write("s.json", {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20},
                                       "n": {"type": "integer", "minimum": 0, "maximum": 99}},
                                       "required": ["city", "n"], "additionalProperties": False})
        for seed in range(4):
            out = self.ok("generate", DECODER, "--schema", schema, "--prompt", "Name a city.", "--max-tokens", "30",
                          "--temperature", "1", "--seed", seed).out
            self.assertEqual(self.run_program("contract", "accepts", schema, "-", stdin=out).code, 0, out)

    def test_a_prompt_longer_than_the_context_is_an_error_not_a_cut(self):
        error = self.fails(1, 4107, "generate", DECODER, "--prompt", "-", stdin="word " * 20000)
        self.assertEqual(error["code"], "resource_exhausted")

    def test_embeddings_are_unit_vectors_and_near_for_near_texts(self):
        lines = ['"The cat sleeps."', '{"text": "A cat is asleep."}', '"Interest rates rose."']
        vectors = self.ok("embed", ENCODER, "--batch", stdin="\n".join(lines) + "\n").lines()
        dot = lambda a, b: sum(x * y for x, y in zip(a, b))
        self.assertEqual([len(v) for v in vectors], [384] * 3)
        for v in vectors:
            self.assertAlmostEqual(math.sqrt(dot(v, v)), 1, places=5)
        self.assertGreater(dot(vectors[0], vectors[1]), 0.6)
        self.assertLess(dot(vectors[0], vectors[2]), 0.3)
        single = self.ok("embed", ENCODER, "The cat sleeps.", "--json").json()["vector"]
        self.assertGreater(dot(single, vectors[0]), 0.99999)

    def test_names_that_are_no_models(self):
        self.fails(2, 3605, "generate", "no-such-model:q4", "--prompt", "x")


class WholeRun(ProgramTest):
    def test_the_example_writes_its_report_and_replays_bit_equal(self):
        out = self.tmp / "out"
        done = self.ok("run", AGENT, "--input", BRIEF, "--out", out, "--json", env=ENV, timeout=600).json()
        self.assertEqual(done["state"], "completed")
        self.assertEqual(sorted(p.name for p in out.iterdir()), ["report.html", "report.json", "report.md", "run.json"])
        report = json.loads((out / "report.json").read_text())
        self.assertEqual(report, done["output"])
        self.assertTrue(report["claims"])
        html = (out / "report.html").read_text()
        self.assertNotIn("<script src", html)
        self.assertIn(report["title"].split()[0], html)
        replay = self.ok("replay", done["run"], "--json", env=ENV, timeout=600).json()["replay"]
        self.assertEqual(replay["differences"], [])
        self.assertTrue(replay["bit_equal"])

    def test_interrupted_it_says_how_to_go_on_and_does(self):
        env = {**os.environ, "CONSORT_HOME": str(self.home), **ENV}
        with subprocess.Popen([PROGRAM, "run", AGENT, "--input", BRIEF], cwd=ROOT, env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            for line in process.stderr:
                if line.startswith("step plan"):   # In mid-run, while the planner writes.
                    process.send_signal(signal.SIGINT)
                    break
            _, talk = process.communicate(timeout=600)
        self.assertEqual(process.returncode, 130, talk)
        state = self.ok("ls", "runs", "--json").lines()[0]
        self.assertEqual(state["state"], "waiting")
        self.assertIn(f"consort resume {state['run']}", talk)
        resumed = self.ok("resume", state["run"], "--json", timeout=600).json()
        self.assertEqual(resumed["state"], "completed")


if __name__ == "__main__":
    unittest.main()
