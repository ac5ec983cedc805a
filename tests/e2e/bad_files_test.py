"""Files and disks that are not as they should be: the error says what, where and what to do; nothing is lost."""
import json
import os
import resource
import struct
import subprocess
import unittest

from program import FIXTURES, PROGRAM, ROOT, ProgramTest
from pull_test import gguf

GOOD = FIXTURES / "good.yaml"
MEMORY_MAX = 1 << 30


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def header(tensors, keys):
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, keys)


GIB4 = 4 << 30
CLAIMS = {   # Each says of itself, somewhere, that 4 GiB follow.
    "tensors": header(GIB4, 0),
    "keys": header(0, GIB4),
    "key": header(0, 1) + struct.pack("<Q", GIB4) + b"general.name",
    "string": header(0, 1) + text("general.name") + struct.pack("<IQ", 8, GIB4) + b"x",
    "array": header(0, 1) + text("tokens") + struct.pack("<IIQ", 9, 8, GIB4) + text("x"),
    "dimension": header(1, 0) + text("weight") + struct.pack("<IQIQ", 1, GIB4, 0, 0) + b"\0" * 64,
    "offset": header(1, 0) + text("weight") + struct.pack("<IQIQ", 1, 8, 0, GIB4) + b"\0" * 64,
}


class ModelFiles(ProgramTest):
    """`consort import` reads a file as the engine would. Each call may have 1 GiB of address space."""

    def refused(self, name, data, numbers, code=4):
        path = self.write(name, data)
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
        done = subprocess.run([PROGRAM, "import", str(path), "--json"], capture_output=True, text=True, cwd=ROOT,
                              env={**os.environ, "CONSORT_HOME": str(self.home)}, preexec_fn=limit, timeout=60)
        self.assertEqual(done.returncode, code, f"{name}: {done.stderr}{done.stdout}")
        error = json.loads(done.stderr.splitlines()[-1])["error"]
        self.assertIn(error["number"], numbers, f"{name}: {error}")
        self.assertIn(str(path), error["place"])
        self.assertTrue(error["fix"], name)
        self.assertEqual(path.read_bytes(), data)

    def imported(self):
        return [m["model"] for m in self.ok("ls", "models", "--json").lines() if m["summary"].startswith("imported")]

    def test_an_empty_a_cut_and_a_foreign_file_are_refused_and_what_was_imported_stays(self):
        whole = gguf(256)
        self.ok("import", self.write("whole.gguf", whole))
        before = self.imported()
        self.assertEqual(len(before), 1)
        self.refused("empty.gguf", b"", {3102})
        self.refused("page.gguf", b"<!DOCTYPE html><title>404</title>", {3102})
        for n in (1, 4, 20, 40, 80, len(whole) // 2, len(whole) - 1):
            self.refused(f"cut-{n}.gguf", whole[:n], {3101, 3102})
        self.assertEqual(self.imported(), before)

    def test_a_file_that_claims_gigabytes_is_refused_without_taking_them(self):
        for name, data in CLAIMS.items():
            count = name in ("tensors", "keys")   # More than any file may have: 3104, a limit.
            self.refused(f"{name}.gguf", data, {3104} if count else {3101}, code=1 if count else 4)

    def test_a_flipped_bit_of_the_header_is_refused_or_harmless_never_fatal(self):
        whole = gguf(64)
        refused = 0
        for at in range(0, 110):
            for bit in (0, 7):
                data = bytearray(whole)
                data[at] ^= 1 << bit
                answer = self.run_program("import", self.write("flipped.gguf", bytes(data)), "--name", f"n-{at}-{bit}", "--json")
                self.assertIn(answer.code, (0, 1, 2, 4), f"byte {at} bit {bit}: {answer.err}")
                if answer.code == 0:
                    continue
                refused += 1
                error = answer.error()
                self.assertIn(error["number"], (3101, 3102, 3103, 3104), error)
                self.assertTrue(error["place"] and error["fix"], error)
        self.assertGreater(refused, 40)

    def test_a_digest_that_differs_refuses_a_file_that_reads_well(self):
        path = self.write("whole.gguf", gguf(256))
        error = self.fails(4, 8103, "import", path, "--sha256", "0" * 64)
        self.assertTrue(error["fix"])
        self.assertEqual(self.imported(), [])


SCRIPT = r"""
set -u
mount -t tmpfs -o size=2m tmpfs "$CONSORT_HOME" || exit 99
run() { "$PROGRAM" run "$GOOD" --set "expression=$1" --json >"$OUT/$2.out" 2>"$OUT/$2.err"; echo $? >"$OUT/$2.code"; }
run 1+1 first
dd if=/dev/zero of="$CONSORT_HOME/filler" bs=1k 2>/dev/null
run 1+2 full
"$PROGRAM" ls runs --json >"$OUT/ls-full.out"
rm "$CONSORT_HOME/filler"
run 1+3 after
mount -o remount,ro "$CONSORT_HOME"
run 1+4 readonly
"$PROGRAM" ls runs --json >"$OUT/ls.out"
"$PROGRAM" replay last --json >"$OUT/replay.out" 2>/dev/null
echo $? >"$OUT/replay.code"
"""


class Disks(ProgramTest):
    def test_a_full_and_a_read_only_disk_refuse_new_runs_and_keep_the_old_ones(self):
        """A disk of its own: a tmpfs in a mount namespace."""
        self.home.mkdir()
        out = self.tmp / "out"
        out.mkdir()
        unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        done = subprocess.run([*unshare, "sh", "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True,
                              env={**os.environ, "CONSORT_HOME": str(self.home), "PROGRAM": PROGRAM, "GOOD": str(GOOD),
                                   "OUT": str(out)})
        if not (out / "first.code").exists():
            print(f"left out: a full tmpfs (no right to mount: {done.stderr.strip()})")
            return
        code = {p.stem: int(p.read_text()) for p in out.glob("*.code")}
        self.assertEqual(code, {"first": 0, "full": 4, "after": 0, "readonly": 4, "replay": 0})
        for name in ("full", "readonly"):
            error = json.loads((out / f"{name}.err").read_text().splitlines()[-1])["error"]
            self.assertEqual(error["number"], 1203)
            self.assertIn(str(self.home), error["place"])
            self.assertTrue(error["fix"])
        lines = lambda name: [json.loads(l) for l in (out / name).read_text().splitlines()]
        self.assertIn("completed", [r["state"] for r in lines("ls-full.out")])
        self.assertEqual([r["state"] for r in lines("ls.out")].count("completed"), 2)
        self.assertTrue(json.loads((out / "replay.out").read_text())["replay"]["bit_equal"])

    def test_an_output_folder_that_cannot_be_written_does_not_lose_the_run(self):
        blocked = self.write("blocked", "a file, not a folder")
        error = self.fails_with_output(blocked)
        self.assertTrue(error["fix"])
        self.assertIn(str(blocked), error["place"])
        self.assertEqual(self.ok("ls", "runs", "--json").lines()[0]["state"], "completed")
        self.assertTrue(self.ok("replay", "last", "--json").json()["replay"]["bit_equal"])
        self.assertEqual(blocked.read_text(), "a file, not a folder")

    def fails_with_output(self, folder):
        answer = self.run_program("run", GOOD, "--set", "expression=1+1", "--out", folder, "--json")
        self.assertNotEqual(answer.code, 0, answer.out)
        return answer.error()


if __name__ == "__main__":
    unittest.main()
