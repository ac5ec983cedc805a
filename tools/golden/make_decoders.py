"""Small random-weight decoders of every family, as public tools convert them, with transformers' answers.

Each case is a transformers configuration whose weights are drawn from a seed and rounded to f16. The model is saved
by transformers, converted by llama.cpp's convert_hf_to_gguf.py (F16, so nothing is rounded again), and run by
transformers in f32.

  VENV/bin/python tools/golden/make_decoders.py --llama-cpp DIR

DIR is a llama.cpp source tree (it is part of the llama-cpp-python source package). The one step of the converter that
is replaced is the recognition of a pre-tokenizer by the hash of its output, which knows published tokenizers only.

Outputs (tests/golden/decoders):
  NAME.gguf            the converted model, at most 200 kB
  NAME.lora/           a PEFT adapter of random weights on all seven projections, r 4, alpha 8, of one model a family
  decoders.json.gz     {"cases": [{"name", "prompts": [{"ids", "top" [per position], "nll" [of ids[i + 1] after i],
                       "last" [logits of the last position]}], "adapted": as prompts, two, with NAME.lora}]}
"""

import argparse
import json
import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers

import common

OUT = common.OUT / "decoders"
VOCAB, N_PROMPTS, N_TOKENS, SEED = 320, 7, 160, 20261124
SIZES = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=64, num_attention_heads=4, num_key_value_heads=2,
             head_dim=16, max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0,
             initializer_range=0.02, attention_dropout=0.0)
THETA = 10000.0


def rope(kind="default", **more):
    return {"rope_type": kind, "rope_theta": THETA, **more}


def cases():
    from transformers import Gemma3TextConfig, LlamaConfig, Qwen2Config, Qwen3Config
    small = {k: v for k, v in SIZES.items() if k != "head_dim"} | dict(hidden_size=64, intermediate_size=64)
    yarn = rope("yarn", factor=4.0, original_max_position_embeddings=64)
    gemma = dict(SIZES, num_hidden_layers=6, sliding_window=24, query_pre_attn_scalar=16,
                 hidden_activation="gelu_pytorch_tanh", rms_norm_eps=1e-6)
    local = {"rope_type": "default", "rope_theta": 10000.0}
    return {
        "llama": LlamaConfig(**SIZES, num_hidden_layers=2, rope_parameters=rope(), tie_word_embeddings=False),
        "llama-linear": LlamaConfig(**SIZES, num_hidden_layers=2, rope_parameters=rope("linear", factor=4.0)),
        "llama-llama3": LlamaConfig(**SIZES, num_hidden_layers=2, rope_parameters=rope(
            "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)),
        "llama-yarn": LlamaConfig(**SIZES, num_hidden_layers=2, rope_parameters=yarn),
        "qwen2": Qwen2Config(**small, num_hidden_layers=2, rope_parameters=rope(), tie_word_embeddings=True),
        "qwen2-yarn": Qwen2Config(**small, num_hidden_layers=2, tie_word_embeddings=False, rope_parameters=rope(
            "yarn", factor=8.0, original_max_position_embeddings=32, beta_fast=16.0, beta_slow=2.0)),
        "qwen3": Qwen3Config(**dict(SIZES, head_dim=32), num_hidden_layers=2, rope_parameters=rope(),
                             tie_word_embeddings=True),
        "gemma3": Gemma3TextConfig(**gemma, rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": 1000000.0}, "sliding_attention": local}),
        "gemma3-linear": Gemma3TextConfig(**gemma, rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
            "sliding_attention": local}),
    }


def fill(model, seed):
    """Weights of size one a product, norms about their neutral value; all f16-representable."""
    rng = np.random.default_rng(seed)
    for name, p in model.named_parameters():
        if "norm" in name:
            neutral = 0.0 if "gemma" in model.config.model_type else 1.0
            values = neutral + 0.25 * rng.standard_normal(p.shape)
            if neutral == 0.0:  # The converter adds 1 and writes f32.
                values = (1 + values).astype(np.float16).astype(np.float32) - 1
        elif name.endswith("bias"):
            values = 0.5 * rng.standard_normal(p.shape)
        else:
            values = rng.standard_normal(p.shape) / np.sqrt(p.shape[-1])
            if "embed_tokens" in name and not model.config.tie_word_embeddings:
                values *= np.sqrt(p.shape[-1])
            elif "embed_tokens" in name or "lm_head" in name:
                values *= 2
        with torch.no_grad():
            p.copy_(torch.from_numpy(values.astype(np.float16).astype(np.float32)))


def save_tokenizer(folder, sentencepiece):
    """A tokenizer of VOCAB tokens; the converter wants one. Text: the names of bytes, which has no author."""
    text = [" ".join(f"{i:03d} {i:b} word{i % 7} {'abcdefgh'[i % 8] * (i % 5)}" for i in range(j, j + 16))
            for j in range(200)]
    if sentencepiece:
        import sentencepiece as spm
        corpus = folder / "corpus.txt"
        corpus.write_text("\n".join(text))
        spm.SentencePieceTrainer.train(input=str(corpus), model_prefix=str(folder / "tokenizer"), vocab_size=VOCAB,
                                       model_type="bpe", byte_fallback=True, pad_id=0, bos_id=1, eos_id=2, unk_id=3,
                                       hard_vocab_limit=False, minloglevel=2)
        corpus.unlink()
        size = spm.SentencePieceProcessor(model_file=str(folder / "tokenizer.model")).vocab_size()
        assert size == VOCAB, size
        return
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, trainers
    t = tokenizers.Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=VOCAB - 4, special_tokens=["<pad>", "<bos>", "<|endoftext|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    assert t.get_vocab_size() == VOCAB - 4, t.get_vocab_size()  # Tokenizer classes may add a few.
    transformers.PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<bos>", eos_token="<|endoftext|>",
                                         pad_token="<pad>").save_pretrained(folder)


def convert(llama_cpp, folder, target):
    sys.path[:0] = [str(llama_cpp), str(llama_cpp / "gguf-py")]
    import convert_hf_to_gguf as converter
    from conversion.base import TextModel
    TextModel.get_vocab_base_pre = lambda self, tokenizer: "qwen2"
    sys.argv = ["convert_hf_to_gguf.py", str(folder), "--outfile", str(target), "--outtype", "f16"]
    converter.main()
    logging.disable(logging.INFO)


ADAPTED = ("llama", "qwen2", "qwen3", "gemma3")


def adapt(model, folder, seed):
    """The model under a PEFT adapter of f16-representable weights, which is saved to `folder`."""
    import peft
    projections = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    adapted = peft.get_peft_model(model, peft.LoraConfig(
        r=4, lora_alpha=8, target_modules=projections, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM")).eval()
    rng = np.random.default_rng(seed)
    for name, p in sorted(adapted.named_parameters()):
        if "lora_" in name:
            values = rng.standard_normal(p.shape) / np.sqrt(p.shape[-1]) * (0.5 if "lora_B" in name else 1.0)
            with torch.no_grad():
                p.copy_(torch.from_numpy(values.astype(np.float16).astype(np.float32)))
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "random"
    config["target_modules"] = sorted(config["target_modules"])
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    return adapted


def answers(model, rng, n_prompts=N_PROMPTS):
    prompts = []
    for _ in range(n_prompts):
        ids = rng.integers(4, VOCAB, N_TOKENS).tolist()
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0].double()
        nll = -torch.log_softmax(logits, -1)[torch.arange(N_TOKENS - 1), torch.tensor(ids[1:])]
        prompts.append({"ids": ids, "top": logits.argmax(-1).tolist(), "nll": [round(x, 5) for x in nll.tolist()],
                        "last": [round(x, 5) for x in logits[-1].tolist()]})
    return prompts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--llama-cpp", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    OUT.mkdir(exist_ok=True)
    out = []
    for i, (name, config) in enumerate(cases().items()):
        config.architectures = None
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval().float()
        fill(model, SEED + i)
        model.tie_weights()
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / name
            model.save_pretrained(folder)
            save_tokenizer(folder, name.startswith("gemma"))
            convert(args.llama_cpp, folder, OUT / f"{name}.gguf")
        size = (OUT / f"{name}.gguf").stat().st_size
        assert size < 200_000, (name, size)
        rng = np.random.default_rng(SEED + 100 + i)
        out.append({"name": name, "prompts": answers(model, rng)})
        if name in ADAPTED:
            out[-1]["adapted"] = answers(adapt(model, OUT / f"{name}.lora", SEED + 200 + i), rng, 2)
        print(name, size, "bytes")
    common.save_bytes("decoders/decoders.json.gz", json.dumps({
        "about": "transformers f32 logits of random-weight models converted by llama.cpp's converter",
        "versions": common.versions("torch", "transformers", "peft", "gguf", "numpy", "sentencepiece"), "cases": out}).encode())


if __name__ == "__main__":
    main()
