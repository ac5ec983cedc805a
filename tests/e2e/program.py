"""Runs the real program: CONSORT_PROGRAM, or build/release/consort."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("CONSORT_PROGRAM", str(ROOT / "build/release/consort"))
FIXTURES = ROOT / "tests/e2e/fixtures"


class Answer:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    def json(self):
        return json.loads(self.out)

    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def error(self):
        """The error that the program wrote as JSON: its last line on stderr."""
        return json.loads(self.err.strip().splitlines()[-1])["error"]


class ProgramTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tmp = pathlib.Path(folder.name)
        self.home = self.tmp / "home"

    def run_program(self, *arguments, stdin="", env=None, timeout=300, cwd=ROOT):
        environment = {**os.environ, "CONSORT_HOME": str(self.home), "NO_COLOR": "1", **(env or {})}
        done = subprocess.run([PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                              env=environment, timeout=timeout, cwd=cwd)
        return Answer(done)

    def ok(self, *arguments, **options):
        answer = self.run_program(*arguments, **options)
        self.assertEqual(answer.code, 0, answer.err)
        return answer

    def fails(self, code, number, *arguments, **options):
        """Exit code and E-number, with the error as JSON and nothing on stdout."""
        answer = self.run_program(*arguments, "--json", **options)
        self.assertEqual(answer.code, code, answer.err + answer.out)
        error = answer.error()
        self.assertEqual(error["number"], number, error)
        self.assertEqual(sorted(error), ["code", "fix", "message", "number", "place", "value"])
        self.assertTrue(error["message"])
        return error

    def write(self, name, text):
        path = self.tmp / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text if isinstance(text, str) else json.dumps(text))
        return path
