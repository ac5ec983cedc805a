"""Small random-weight BERT encoders as sentence-transformers publishes them, with transformers' answers.

Outputs (tests/golden/encoders), weights F16 and f16-representable:
  cls/    as bge: BertModel, CLS pooling      pair/   as a cross-encoder: BertForSequenceClassification, 1 label
  label3/ the same with 3 labels
  encoders.json.gz  {"texts": [{"text", "ids", "vector" [of cls/, norm 1]}], "pairs": [{"a", "b", "tokens_max", "ids",
                    "types", "score" [of pair/], "labels" [of label3/]}]}
"""

import json
import random

import numpy as np
import torch
from tokenizers.implementations import BertWordPieceTokenizer
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

import common

OUT = common.OUT / "encoders"
SEED, N_TEXTS, N_PAIRS, TOKENS_MAX = 20261124, 100, 100, 64
WORDS = ("revenue cost sea ship sales grew fell by percent in the of this year quarter operating income margin net cash flow "
         "company reports higher lower than last").split()


def vocabulary():
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list(".,;:!?()%$-") + list(letters)
            + ["##" + c for c in letters] + WORDS + ["##ing", "##ed", "##ly"])


def text(rng, n):
    words = [rng.choice(WORDS) if rng.random() < 0.7 else "".join(rng.choices("abcde 123ü", k=rng.randrange(1, 6)))
             for _ in range(rng.randrange(1, n))]
    return " ".join(words) + rng.choice(["", ".", "?", " (12%)"])


def fill(model, seed):
    rng = np.random.default_rng(seed)
    for name, p in model.named_parameters():
        if "LayerNorm.weight" in name:
            values = 1 + 0.2 * rng.standard_normal(p.shape)
        elif name.endswith("bias"):
            values = 0.2 * rng.standard_normal(p.shape)
        elif "embeddings" in name:
            values = rng.standard_normal(p.shape)
        else:
            values = 1.5 * rng.standard_normal(p.shape) / np.sqrt(p.shape[-1])
        with torch.no_grad():
            p.copy_(torch.from_numpy(values.astype(np.float16).astype(np.float32)))


def save(name, model, tokenizer):
    folder = OUT / name
    model.half().save_pretrained(folder)
    model.float()
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    if name == "cls":
        (folder / "1_Pooling").mkdir(exist_ok=True)
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(
            {"word_embedding_dimension": model.config.hidden_size, "pooling_mode_cls_token": True,
             "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": False,
             "pooling_mode_mean_sqrt_len_tokens": False}) + "\n")


def main():
    torch.set_num_threads(1)
    OUT.mkdir(exist_ok=True)
    words = vocabulary()
    path = OUT / "vocab.tmp"
    path.write_text("\n".join(words) + "\n")
    backend = BertWordPieceTokenizer(str(path), lowercase=True)
    path.unlink()
    tokenizer = BertTokenizerFast(tokenizer_object=backend._tokenizer, unk_token="[UNK]", sep_token="[SEP]",
                                  pad_token="[PAD]", cls_token="[CLS]", mask_token="[MASK]")
    sizes = dict(vocab_size=len(words), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
                 max_position_embeddings=TOKENS_MAX, attn_implementation="eager")
    models = {"cls": BertModel(BertConfig(**sizes), add_pooling_layer=False),
              "pair": BertForSequenceClassification(BertConfig(**sizes, num_labels=1)),
              "label3": BertForSequenceClassification(BertConfig(**sizes, num_labels=3))}
    for i, (name, model) in enumerate(models.items()):
        fill(model.eval(), SEED + i)
        save(name, model, tokenizer)
    rng = random.Random(SEED)
    texts, pairs = [], []
    for _ in range(N_TEXTS):
        t = text(rng, 14)
        batch = tokenizer(t, return_tensors="pt", truncation=True, max_length=TOKENS_MAX)
        with torch.no_grad():
            v = models["cls"](**batch).last_hidden_state[0, 0]
        v = v / v.norm()
        texts.append({"text": t, "ids": batch["input_ids"][0].tolist(), "vector": [round(x, 6) for x in v.tolist()]})
    for _ in range(N_PAIRS):
        a, b = text(rng, 10), text(rng, 20)
        if rng.random() < 0.2:
            a, b = b, a
        most = rng.choice([TOKENS_MAX, TOKENS_MAX, 24, 15, 8])
        batch = tokenizer(a, b, return_tensors="pt", truncation="longest_first", max_length=most)
        with torch.no_grad():
            score, labels = (models[m](**batch).logits[0].tolist() for m in ("pair", "label3"))
        pairs.append({"a": a, "b": b, "tokens_max": most, "ids": batch["input_ids"][0].tolist(),
                      "types": batch["token_type_ids"][0].tolist(), "score": [round(x, 5) for x in score],
                      "labels": [round(x, 5) for x in labels]})
    common.save_bytes("encoders/encoders.json.gz", json.dumps(
        {"about": "transformers on random-weight BERT models", "texts": texts, "pairs": pairs,
         "versions": common.versions("torch", "transformers", "tokenizers")}, ensure_ascii=False).encode())


if __name__ == "__main__":
    main()
