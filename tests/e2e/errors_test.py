"""Usage, help, exit codes, and what goes to which stream."""
import json
import re
import unittest

from program import FIXTURES, ProgramTest

COMMANDS = """run resume cancel replay ls show trace validate graph schema contract ingest search generate embed call eval
pull import promote rollback train dataset doctor bench explain""".split()


class Usage(ProgramTest):
    def test_without_arguments_the_help_is_printed(self):
        answer = self.ok()
        self.assertEqual(answer.out, self.ok("--help").out)
        for command in COMMANDS:
            self.assertRegex(answer.out, rf"(^|\W){command}\W", command)

    def test_every_command_has_help_of_its_own(self):
        for command in COMMANDS:
            answer = self.ok(command, "--help")
            self.assertIn("Usage", answer.out, command)
            self.assertEqual(answer.err, "")

    def test_version(self):
        self.assertRegex(self.ok("version").out, r"^consort \d+\.\d+\.\d+\n$")
        self.assertEqual(self.ok("version", "--json").json()["name"], "consort")

    def test_a_mistyped_command_is_answered_with_the_near_one(self):
        error = self.fails(2, 8002, "vaildate", "x")
        self.assertIn("validate", error["fix"])

    def test_wrong_options_are_usage_errors(self):
        self.fails(2, 8001, "validate")
        self.fails(2, 8001, "validate", FIXTURES / "good.yaml", "--no-such-option")
        self.fails(2, 8001, "search", "m", "q", "-k", "0")
        self.fails(2, 8001, "ls", "everything")

    def test_what_is_not_built_says_so_and_is_not_in_the_help(self):
        for command in ("serve",):
            error = self.fails(2, 8005, command, "x")
            self.assertEqual(error["code"], "unsupported")
            self.assertNotRegex(self.ok("--help").out, rf"^  {command}\b")

    def test_an_error_is_one_line_for_people(self):
        answer = self.run_program("validate", FIXTURES / "typo.yaml")
        self.assertEqual(answer.out, "")
        self.assertRegex(answer.err, r"^error: E6003 invalid_argument at \S+typo\.yaml:7:1: .* Fix: .*\n$")

    def test_a_reader_that_goes_away_is_no_error(self):
        import subprocess
        from program import PROGRAM
        done = subprocess.run(["bash", "-c", f"set -o pipefail; {PROGRAM} explain | head -1"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Explain(ProgramTest):
    def test_pages_are_found_with_and_without_the_letter(self):
        page = self.ok("explain", "E2101", "--json").json()
        self.assertEqual(page["number"], 2101)
        self.assertEqual(page, self.ok("explain", "2101", "--json").json())
        self.fails(2, 8006, "explain", "E9999")
        self.fails(2, 8006, "explain", "99999999999999999999")

    def test_all_pages_are_listed(self):
        pages = self.ok("explain", "--json").lines()
        self.assertGreater(len(pages), 100)
        self.assertTrue(all(p["meaning"] and p["action"] for p in pages))


class Doctor(ProgramTest):
    def test_every_check_has_a_state_and_a_fix_when_it_fails(self):
        answer = self.run_program("doctor", "--json")
        self.assertIn(answer.code, (0, 4))
        report = answer.json()
        self.assertEqual(report["ok"], answer.code == 0)
        names = {c["check"] for c in report["checks"]}
        self.assertLessEqual({"pdftotext", "sandbox", "cpu", "memory", "disk", "home"}, names)
        for check in report["checks"]:
            self.assertIn(check["state"], ("ok", "warning", "failed"))
            if check["state"] == "failed":
                self.assertTrue(check["fix"], check)

    def test_a_home_that_is_a_file_fails(self):
        home = self.write("file", "x")
        checks = {c["check"]: c for c in self.run_program("doctor", "--json", "--home", home).json()["checks"]}
        self.assertEqual(checks["home"]["state"], "failed")


if __name__ == "__main__":
    unittest.main()
