#!/usr/bin/env python3
"""Runtime overhead beside LangGraph, measured in turn on the same disk.

  bench/runtime/run.py [--program build/release/runtime_bench] [--folder DIR] [--rounds N] [--json]

LangGraph and its SQLite saver are installed by version into a virtual environment outside the repository
(--venv, default ~/.cache/consort-bench/langgraph). LangGraph's saver runs SQLite as it opens it, which does not
sync every checkpoint; ours syncs every step.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import venv

PACKAGES = ["langgraph==1.2.22", "langgraph-checkpoint-sqlite==3.1.2"]
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def environment(folder):
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    have = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True, check=True).stdout
    if any(p not in have for p in PACKAGES):
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def measure(command):
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def middle(rows):
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build/release/runtime_bench", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path, help="where to write; default: a temporary folder")
    parser.add_argument("--venv", default=pathlib.Path.home() / ".cache/consort-bench/langgraph", type=pathlib.Path)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not args.program.exists():
        sys.exit(f"no program at {args.program}: ninja -C build/release runtime_bench")
    python = environment(args.venv)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for _ in range(args.rounds):
            ours.append(measure([args.program, folder, "3"]))
            theirs.append(measure([python, pathlib.Path(__file__).with_name("langgraph_bench.py"), folder, "1"]))
    result = {"consort": middle(ours), "langgraph": middle(theirs), "packages": PACKAGES}
    result["durable_over_fdatasync_us"] = round(
        result["consort"]["durable_us_per_step"] - result["consort"]["fdatasync_us"], 1)
    if args.json:
        print(json.dumps(result))
        return
    print(f"{'':26}{'consort':>12}{'langgraph':>12}")
    for key, title in [("memory_us_per_step", "in memory, us a step"), ("durable_us_per_step", "durable, us a step"),
                       ("bytes_per_step", "bytes a step")]:
        print(f"{title:26}{result['consort'][key]:12.1f}{result['langgraph'][key]:12.1f}")
    print(f"fdatasync beside it: {result['consort']['fdatasync_us']} us; durable is that + "
          f"{result['durable_over_fdatasync_us']} us")


main()
