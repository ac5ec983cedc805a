"""Golden WordPiece ids for MiniLM by HF tokenizers from the model's own tokenizer.json.

Output tests/golden/minilm_tokens.jsonl.gz: a header object, then {"b64", "ids"} a line: [CLS] and
[SEP] added, cut to 256 tokens (the model's max_seq_length) by the tokenizer, no padding. Lines are
valid UTF-8; HF tokenizers takes text, so it says nothing about invalid bytes.
"""

import base64
import json

from tokenizers import Tokenizer

import common
import gen_lines

SEED, N, LONG, MAX_TOKENS = 20261124, 6000, 60, 256


def main():
    t = Tokenizer.from_file(str(common.MINILM / "tokenizer.json"))
    t.no_padding()
    assert json.loads((common.MINILM / "sentence_bert_config.json").read_text())["max_seq_length"] == MAX_TOKENS
    t.enable_truncation(MAX_TOKENS)
    texts = [d for _, d in gen_lines.lines(N, SEED, with_invalid=False)]
    pool = [d for _, d in gen_lines.lines(LONG * 40, SEED + 1, with_invalid=False)]
    texts += [b" ".join(pool[i * 40:(i + 1) * 40]) for i in range(LONG)]
    texts += [b"a" * 99, b"a" * 100, b"a" * 101, b"a" * 400, "é".encode() * 101]
    rows, cut = [], 0
    for data in dict.fromkeys(texts):
        ids = t.encode(data.decode("utf-8")).ids
        cut += len(ids) == MAX_TOKENS
        rows.append({"b64": base64.b64encode(data).decode(), "ids": ids})
    print(len(rows), "lines,", cut, "of them cut to", MAX_TOKENS)
    header = {"about": "MiniLM WordPiece ids by HF tokenizers", "seed": SEED, "lines": len(rows),
              "max_tokens": MAX_TOKENS, "cut": cut, "versions": common.versions("tokenizers")}
    common.save_jsonl("minilm_tokens.jsonl.gz", [header] + rows)


if __name__ == "__main__":
    main()
