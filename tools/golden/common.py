"""What the golden scripts share: places, writing, versions."""

import gzip
import importlib.metadata
import io
import json
import platform
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SMOL = ROOT / "models" / "cache" / "smollm2-135m-q4_1" / "model.gguf"
MINILM = ROOT / "models" / "cache" / "minilm-l6-f32"
OUT = ROOT / "tests" / "golden"


def versions(*packages):
    return {"python": platform.python_version(),
            **{p: importlib.metadata.version(p) for p in packages}}


def save_bytes(name, data):
    """Writes tests/golden/<name>, gzip'd without a time stamp when it ends in .gz."""
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".gz"):
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9, mtime=0, filename="") as f:
            f.write(data)
        data = buffer.getvalue()
    path.write_bytes(data)
    print(f"{path.relative_to(ROOT)}: {len(data):,} bytes")


def save_jsonl(name, records):
    rows = [json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in records]
    save_bytes(name, ("\n".join(rows) + "\n").encode())


def save_json(name, value):
    save_bytes(name, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())
