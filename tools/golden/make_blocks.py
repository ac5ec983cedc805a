"""Golden values of GGUF's block formats, by gguf-py.

Output tests/golden/blocks.json.gz: {"formats": {NAME: {"bytes" [base64 of a row of 512 weights], "values" [f32 as gguf-py
dequantises them]}}}. The bytes are random but for the f16 scales, which are small.
"""

import base64
import json

import gguf
import numpy as np

import common

SEED, N = 20261124, 512
# Where a block's f16 scales stand.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
          "Q6_K": [208]}


def main():
    rng = np.random.default_rng(SEED)
    formats = {}
    for name, scales in SCALES.items():
        kind = gguf.GGMLQuantizationType[name]
        weights, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = rng.integers(0, 256, (N // weights, size), dtype=np.uint8)
        for at in scales:
            d = rng.uniform(-0.01, 0.01, (N // weights, 1)).astype(np.float16)
            blocks[:, at:at + 2] = d.view(np.uint8)
        values = gguf.quants.dequantize(blocks.reshape(1, -1), kind).reshape(-1)
        assert values.size == N, (name, values.size)
        formats[name] = {"bytes": base64.b64encode(blocks.tobytes()).decode(), "values": [float(v) for v in values]}
    common.save_bytes("blocks.json.gz", json.dumps(
        {"about": "GGUF block formats dequantised by gguf-py", "versions": common.versions("gguf", "numpy"),
         "formats": formats}).encode())


if __name__ == "__main__":
    main()
