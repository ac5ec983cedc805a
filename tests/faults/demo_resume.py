#!/usr/bin/env python3
"""Kills the demo run at event boundaries (kill -9), resumes it, and compares the report.

demo_resume.py CONSORT AGENT BRIEF [--every N] [--from N]: every 1 is each boundary (long); the default
samples. The agent's own deadline is widened to an hour, so that a busy machine changes no answer: a deadline
ends a run, it never changes a value.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile


def run(args, env):
    return subprocess.run(args, env=env, capture_output=True, text=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("consort")
    parser.add_argument("agent")
    parser.add_argument("brief")
    parser.add_argument("--every", type=int, default=40)
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first boundary")
    args = parser.parse_args()
    start = [args.consort, "run", args.agent, "--input", args.brief, "--json", "--deadline-ms", "3600000"]
    failures = 0
    with tempfile.TemporaryDirectory() as home:
        env = dict(os.environ, CONSORT_HOME=home)
        whole = run(start, env)
        if whole.returncode != 0:
            sys.exit("the run without faults failed: " + whole.stderr[-500:])
        expected = json.loads(whole.stdout)["output"]
        listing = run([args.consort, "ls", "runs", "--json"], env).stdout.splitlines()
        events = json.loads(listing[0])["events"]
        tried = 0
        for n in range(args.first, events, args.every):
            killed = run(start + ["--fault-kill-after", str(n)], env)
            if killed.returncode != -9:
                print(f"event {n}: not killed, exit {killed.returncode}: {killed.stderr[-200:]}")
                failures += 1
                continue
            newest = json.loads(run([args.consort, "ls", "runs", "--json"], env).stdout.splitlines()[0])
            resumed = run([args.consort, "resume", newest["run"], "--json"], env)
            tried += 1
            if resumed.returncode != 0 or json.loads(resumed.stdout)["output"] != expected:
                print(f"event {n}: exit {resumed.returncode}, another report: {resumed.stderr[-300:]}")
                failures += 1
            print(f"event {n} of {events}: tried", file=sys.stderr, flush=True)
        print(f"killed at {tried} of {events} event boundaries, {failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
