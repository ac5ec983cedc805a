"""Runs in a home: recorded, resumed after a kill at every event, replayed, refused when they must be.

The agent of the fixtures calls exact arithmetic alone, so no model is needed.
"""
import json
import os
import signal
import subprocess
import unittest

from program import FIXTURES, PROGRAM, ROOT, ProgramTest

GOOD = FIXTURES / "good.yaml"
INPUT = ["--set", "expression=600 million USD + 11 million USD"]


class Runs(ProgramTest):
    def test_a_run_prints_its_output_and_is_recorded(self):
        answer = self.ok("run", GOOD, *INPUT, "--json").json()
        self.assertEqual(answer["state"], "completed")
        self.assertEqual(answer["output"]["value"], "1222000000")   # (600 + 11) * 2, in millions
        self.assertEqual([s["name"] for s in answer["steps"]], ["one", "two"])
        runs = self.ok("ls", "runs", "--json").lines()
        self.assertEqual([(r["run"], r["agent"], r["state"]) for r in runs], [(answer["run"], "sums@1.0.0", "completed")])
        self.assertEqual(self.ok("show", answer["run"], "--json").json()["output"], answer["output"])

    def test_listings_and_runs_have_the_shape_of_their_schemas(self):
        run = self.ok("run", GOOD, *INPUT, "--json").out
        line = self.ok("ls", "runs", "--json").out.splitlines()[0]
        for name, document in (("run", run), ("ls-runs", line)):
            schema = self.write(name + ".schema.json", self.ok("schema", name).out)
            answer = self.run_program("contract", "accepts", schema, self.write(name + ".json", document))
            self.assertEqual(answer.code, 0, answer.out + answer.err)

    def test_data_goes_to_stdout_and_talk_to_stderr(self):
        answer = self.ok("run", GOOD, *INPUT)
        self.assertEqual(json.loads(answer.out)["value"], "1222000000")
        self.assertIn("completed", answer.err)
        self.assertEqual(self.ok("run", GOOD, *INPUT, "--quiet", "--json").err, "")

    def test_out_writes_the_files_that_the_agent_names(self):
        out = self.tmp / "out"
        answer = self.ok("run", GOOD, *INPUT, "--out", out)
        self.assertEqual(sorted(answer.out.split()), sorted(str(out / n) for n in ("answer.json", "run.json")))
        self.assertEqual(json.loads((out / "answer.json").read_text())["value"], "1222000000")
        self.assertEqual(json.loads((out / "run.json").read_text())["state"], "completed")

    def test_input_comes_from_a_file_stdin_and_set(self):
        document = self.write("input.json", {"expression": "1 + 1"})
        for arguments, stdin in ((["--input", document], ""), (["--input", "-"], '{"expression": "1 + 1"}'),
                                 (["--input", document, "--set", 'expression="1 + 1"'], "")):
            self.assertEqual(self.ok("run", GOOD, *arguments, "--json", stdin=stdin).json()["output"]["value"], "4")

    def test_an_input_against_the_contract_costs_nothing(self):
        self.fails(3, 3001, "run", GOOD, "--set", "expression=")
        self.fails(3, 3001, "run", GOOD)
        self.fails(2, 8001, "run", GOOD, "--set", "expression")
        self.assertFalse(self.home.exists())

    def test_a_run_that_fails_is_recorded_with_its_error(self):
        answer = self.run_program("run", GOOD, "--set", "expression=1/0", "--json")
        self.assertNotEqual(answer.code, 0)
        self.assertEqual(answer.json()["state"], "failed")
        self.assertEqual(answer.json()["error"]["number"], 5324)
        self.assertEqual(self.ok("ls", "--json").lines()[0]["state"], "failed")

    def test_replay_is_bit_equal_and_trace_names_every_step(self):
        run = self.ok("run", GOOD, *INPUT, "--json").json()["run"]
        replay = self.ok("replay", run, "--json").json()["replay"]
        self.assertEqual((replay["bit_equal"], replay["compared"], replay["differences"]), (True, 2, []))
        self.assertIn("two", self.ok("trace", run).out)
        steps = self.ok("trace", "last", "--json").json()["steps"]
        self.assertEqual([s["name"] for s in steps], ["one", "two"])
        self.assertIn("expression", self.ok("trace", run, "--prompt", "one").out)
        self.fails(2, 7020, "trace", run, "--prompt", "three")
        self.fails(2, 1205, "show", "r_" + "0" * 26)

    def test_a_changed_agent_file_is_not_taken_for_the_recorded_one(self):
        for name in ("good.yaml", "contracts.yaml"):
            self.write(name, (FIXTURES / name).read_text())
        agent = self.tmp / "good.yaml"
        unfinished = self.killed(agent)
        run = self.ok("run", agent, *INPUT, "--json").json()["run"]
        agent.write_text(agent.read_text().replace("* 2", "* 3"))
        self.fails(1, 7010, "replay", run)
        self.fails(1, 7010, "resume", unfinished)
        self.fails(2, 7013, "replay", run, "--swap", "double=7")   # A tool has no versions to swap.
        self.fails(2, 8003, "replay", run, "--swap", "nobody=7")

    def test_a_cancelled_run_is_listed_as_such_and_never_goes_on(self):
        run = self.killed(GOOD)
        self.assertEqual(self.ok("cancel", run, "--json").json(), {"run": run, "state": "cancelled"})
        self.assertEqual(self.ok("ls", "--json").lines()[0]["state"], "cancelled")
        self.assertEqual(self.ok("show", run, "--json").json()["state"], "cancelled")
        resumed = self.run_program("resume", run, "--json")
        self.assertEqual((resumed.code, resumed.json()["state"], resumed.json()["output"]), (130, "cancelled", None))
        self.ok("cancel", run)   # Again changes nothing.
        done = self.ok("run", GOOD, *INPUT, "--json").json()["run"]
        self.fails(1, 7014, "cancel", done)
        self.fails(2, 1205, "cancel", "r_none")

    def test_what_a_person_says_of_a_step_names_one_of_the_run(self):
        run = self.killed(GOOD)
        self.fails(2, 7020, "resume", run, "--retry", "three")
        self.fails(2, 8001, "resume", run, "--value", "one")
        self.fails(2, 8001, "resume", run, "--retry", "one", "--value", "one={}")


    def killed(self, agent):
        """A run that was killed after its third event."""
        self.assertEqual(self.run_program("run", agent, *INPUT, "--fault-kill-after", 3).code, -signal.SIGKILL)
        return self.ok("ls", "--json").lines()[0]["run"]


class Faults(ProgramTest):
    def test_killed_after_every_event_it_resumes_to_the_same_output(self):
        whole = self.ok("run", GOOD, *INPUT, "--json").json()
        events = self.ok("ls", "--json").lines()[0]["events"]
        self.assertEqual(events, 6)
        for n in range(1, events + 1):
            home = self.tmp / f"killed-{n}"
            env = {"CONSORT_HOME": str(home)}
            killed = self.run_program("run", GOOD, *INPUT, "--json", "--fault-kill-after", n, env=env)
            self.assertEqual(killed.code, -signal.SIGKILL)
            state = self.ok("ls", "--json", env=env).lines()[0]
            # The last two events are one append: whoever has the first of them has both.
            self.assertGreaterEqual(state["events"], n)
            self.assertEqual(state["state"], "completed" if state["events"] == events else "running", n)
            resumed = self.ok("resume", state["run"], "--json", env=env).json()
            self.assertEqual(resumed["output"], whole["output"], n)
            self.assertEqual([s["name"] for s in resumed["steps"]], ["one", "two"])
            self.assertTrue(self.ok("replay", "last", "--json", env=env).json()["replay"]["bit_equal"])

    def test_a_second_process_on_the_home_is_told_who_has_it(self):
        self.ok("run", GOOD, *INPUT)
        script = ("import fcntl,sys,time; f=open(sys.argv[1],'r+'); fcntl.flock(f, fcntl.LOCK_EX);"
                  " print('locked', flush=True); sys.stdin.read()")
        with subprocess.Popen(["python3", "-c", script, str(self.home / "lock")], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as holder:
            self.assertEqual(holder.stdout.readline(), "locked\n")
            error = self.fails(1, 1201, "run", GOOD, *INPUT)
            self.assertIn("another process", error["message"])
            self.assertEqual(len(self.ok("ls", "--json").lines()), 1)   # Reading goes on.
            holder.stdin.close()
        self.ok("run", GOOD, *INPUT)

    def test_a_home_that_is_a_file_or_damaged_gives_a_typed_error(self):
        self.fails(1, 1214, "run", GOOD, *INPUT, "--home", self.write("file", "x"))
        self.ok("run", GOOD, *INPUT)
        (self.home / "journal.db").write_bytes(b"not a database" * 100)
        self.fails(4, 1202, "ls")

    def test_interrupted_while_it_waits_for_input_it_ends_with_130(self):
        process = subprocess.Popen([PROGRAM, "run", str(GOOD), "--input", "-"], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT,
                                   env={**os.environ, "CONSORT_HOME": str(self.home)})
        try:
            while not self.handles_interrupts(process.pid):
                pass
            while True:   # One is enough once the program reads; a second one ends it anyhow.
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(timeout=0.5)
                    break
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
        self.assertEqual(process.returncode, 130)

    @staticmethod
    def handles_interrupts(pid):
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith("SigCgt:"):
                    return int(line.split()[1], 16) & (1 << (signal.SIGINT - 1)) != 0
        return False


class Calls(ProgramTest):
    def test_a_component_is_called_alone_and_in_batches(self):
        one = self.ok("call", f"{GOOD}:first", stdin='{"expression": "2 + 3"}').json()
        self.assertEqual(one["value"], "5")
        lines = '{"expression": "1+1"}\n\n{"expression": "1/0"}\nnot json\n{"nothing": 1}\n{"expression": "2+2"}\n'
        answer = self.run_program("call", f"{GOOD}:first", "--batch", stdin=lines)
        self.assertNotEqual(answer.code, 0)
        out = answer.lines()
        self.assertEqual([o.get("value") for o in out], ["2", None, None, None, "4"])
        self.assertEqual([o["error"]["number"] for o in out[1:4]], [5324, 2001, 3001])

    def test_traced_calls_show_what_was_called(self):
        answer = self.ok("call", f"{GOOD}:first", "--trace", stdin='{"expression": "2 + 3"}').json()
        self.assertEqual(answer["calls"][0]["name"], "calc")
        self.assertEqual(answer["usage"]["tool_calls"], 1)


if __name__ == "__main__":
    unittest.main()
