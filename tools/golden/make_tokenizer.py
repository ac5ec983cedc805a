"""Golden token ids for SmolLM2: llama.cpp's tokenizer on the GGUF, checked against HF tokenizers.

Output tests/golden/smollm2_tokens.jsonl.gz, one object a line:
  b64    base64 of the input bytes
  ids    llama.cpp's ids with special tokens recognised (parse_special)
  plain  ids with special tokens read as plain text, only where they differ from ids
  kind   the generator's kind; `invalid` is not UTF-8 and every invalid byte became U+FFFD;
         `lenient` is an overlong form or a surrogate, which llama.cpp decodes instead of replacing
The first line is a header object with "about" and versions.
"""

import base64
from collections import Counter

import gguf
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

import common
import gen_lines
from llama_oracle import Llama

SEED, N = 20261123, 10800


def hf_tokenizer(path):
    """The same tokenizer rebuilt with HF tokenizers from the vocabulary and merges of the GGUF,
    with the pre-tokenizer that SmolLM2 publishes: single digits, then byte-level with its regex."""
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    t = Tokenizer(models.BPE({s: i for i, s in enumerate(tokens)}, merges))
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    t.add_special_tokens([AddedToken(s, special=True, normalized=False)
                          for s, kind in zip(tokens, types) if kind == 3])
    return t


def replace_each_byte(data):
    """`data` decoded with one U+FFFD for every byte that starts no well-formed sequence."""
    out, i = "", 0
    while i < len(data):
        for n in (1, 2, 3, 4):
            try:
                out, i = out + data[i:i + n].decode("utf-8"), i + n
                break
            except UnicodeDecodeError:
                pass
        else:
            out, i = out + "\ufffd", i + 1
    return out


def main():
    llama = Llama(common.SMOL, vocab_only=True)
    hf = hf_tokenizer(common.SMOL)
    seen, rows, disagree, counts = set(), [], [], Counter()
    for kind, data in gen_lines.lines(N, SEED):
        if data in seen:
            continue
        seen.add(data)
        ids, plain = llama.tokenize(data), llama.tokenize(data, parse_special=False)
        counts[kind] += 1
        row = {"b64": base64.b64encode(data).decode(), "ids": ids, "kind": kind}
        if plain != ids:
            row["plain"] = plain
        rows.append(row)
        if kind == "lenient":
            continue
        other = hf.encode(replace_each_byte(data), add_special_tokens=False).ids
        if other != ids:
            disagree.append((data, ids, other))
    print(dict(counts), len(rows), "lines;", len(disagree), "differ from HF tokenizers")
    for data, ids, other in disagree[:40]:
        print("  differs:", data, ids, other)
    header = {"about": "SmolLM2 token ids by llama.cpp on the GGUF", "seed": SEED,
              "lines": len(rows), "kinds": dict(counts), "differ_from_hf_tokenizers": len(disagree),
              "versions": common.versions("xllamacpp", "tokenizers", "gguf")}
    common.save_jsonl("smollm2_tokens.jsonl.gz", [header] + rows)


if __name__ == "__main__":
    main()
